//! Tickets.

use super::{Row, Verb, row};

/// A command to a ticket: its name, its own variables, and the arguments that they are.
macro_rules! to_ticket {
    ($name:literal, $variables:literal, $arguments:literal) => {
        concat!(
            "mutation ",
            $name,
            "($ticketId: UUID!, ",
            $variables,
            " $expectedVersion: Int, $idempotencyKey: String) { ",
            $name,
            "(ticketId: $ticketId, ",
            $arguments,
            " expectedVersion: $expectedVersion, idempotencyKey: $idempotencyKey) { ...Receipt } }"
        )
    };
}

pub(super) const TICKETS: &[Row] = &[
    row(
        Verb::Get,
        "/api/v1/tickets",
        "List tickets",
        "query listTickets($filter: TicketFilter, $orderBy: TicketOrder, $first: Int, $after: String) {
           tickets(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
             nodes { ...Ticket } pageInfo { ...Page } totalCount } }",
    ),
    row(
        Verb::Get,
        "/api/v1/tickets/{ticketId}",
        "Get a ticket",
        "query getTicket($ticketId: UUID!) { ticket(id: $ticketId) { ...Ticket } }",
    ),
    row(
        Verb::Get,
        "/api/v1/tickets/{ticketId}/messages",
        "List the messages of a ticket",
        "query listTicketMessages($ticketId: UUID!, $first: Int, $after: String, $last: Int, $before: String) {
           ticket(id: $ticketId) { messages(first: $first, after: $after, last: $last, before: $before) {
             nodes { ...Message } pageInfo { ...Page } totalCount } } }",
    ),
    row(
        Verb::Get,
        "/api/v1/queue-stats",
        "Count tickets",
        "query getQueueStats($channelIds: [UUID!], $teamIds: [UUID!], $assigneeIds: [UUID!]) {
           queueStats(channelIds: $channelIds, teamIds: $teamIds, assigneeIds: $assigneeIds) { ...QueueStats } }",
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/notes",
        "Add a note",
        to_ticket!(
            "addNote",
            "$text: String!, $agentId: UUID,",
            "text: $text, agentId: $agentId,"
        ),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/take",
        "Take a ticket into work",
        to_ticket!("takeTicket", "$agentId: UUID!,", "agentId: $agentId,"),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/assign",
        "Give a ticket to an agent, a team, or both",
        "mutation giveTicket(
           $ticketId: UUID!, $agentId: UUID, $teamId: UUID, $expectedVersion: Int, $idempotencyKey: String) {
           assignTicket(ticketId: $ticketId, agentId: $agentId, teamId: $teamId, expectedVersion: $expectedVersion,
             idempotencyKey: $idempotencyKey) { ...Receipt } }",
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/close",
        "Close a ticket",
        to_ticket!("closeTicket", "", ""),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/reopen",
        "Reopen a ticket",
        to_ticket!("reopenTicket", "", ""),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/hold",
        "Put a ticket on hold",
        to_ticket!("holdTicket", "$until: DateTime,", "until: $until,"),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/pend",
        "Wait for the owner",
        to_ticket!("pendTicket", "", ""),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/resume",
        "Resume a ticket",
        to_ticket!("resumeTicket", "", ""),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/spam",
        "Mark a ticket as spam",
        to_ticket!("markSpam", "", ""),
    ),
    row(
        Verb::Delete,
        "/api/v1/tickets/{ticketId}/spam",
        "Take a ticket back from spam",
        to_ticket!("unmarkSpam", "", ""),
    ),
    row(
        Verb::Put,
        "/api/v1/tickets/{ticketId}/priority",
        "Set how urgent a ticket is",
        to_ticket!("setPriority", "$priority: Priority!,", "priority: $priority,"),
    ),
    row(
        Verb::Put,
        "/api/v1/tickets/{ticketId}/subject",
        "Set what a ticket is about",
        to_ticket!("setSubject", "$subject: String,", "subject: $subject,"),
    ),
    row(
        Verb::Put,
        "/api/v1/tickets/{ticketId}/summary",
        "Set what happened so far",
        to_ticket!("setSummary", "$summary: String!,", "summary: $summary,"),
    ),
    row(
        Verb::Put,
        "/api/v1/tickets/{ticketId}/fields/{fieldId}",
        "Set a field of a ticket",
        to_ticket!(
            "setField",
            "$fieldId: UUID!, $value: JSON,",
            "fieldId: $fieldId, value: $value,"
        ),
    ),
    row(
        Verb::Post,
        "/api/v1/tickets/{ticketId}/rating",
        "Rate a ticket",
        to_ticket!(
            "rateTicket",
            "$score: Int!, $comment: String,",
            "score: $score, comment: $comment,"
        ),
    ),
];
