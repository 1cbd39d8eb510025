//! The routes that scripts want: each is one operation of GraphQL. Variables that the path names come from it,
//! `idempotencyKey` and `expectedVersion` from headers, and the others from the query string of GET and DELETE or from the
//! body, which `input` is as a whole.

mod keys;
mod settings;
mod tickets;
mod webhooks;

use axum::routing::MethodFilter;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As OpenAPI writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) verb: Verb,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Its name is the route's.
    pub(super) operation: &'static str,
    /// It is answered with 201.
    pub(super) creates: bool,
}

/// Routes that belong together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    pub(super) rows: &'static [Row],
}

const fn row(verb: Verb, path: &'static str, summary: &'static str, operation: &'static str) -> Row {
    Row {
        verb,
        path,
        summary,
        operation,
        creates: false,
    }
}

const fn create(path: &'static str, summary: &'static str, operation: &'static str) -> Row {
    Row {
        creates: true,
        ..row(Verb::Post, path, summary, operation)
    }
}

/// Every route.
pub(super) const GROUPS: &[Group] = &[
    Group {
        tag: "chats",
        about: "What is said with one person on one channel.",
        rows: CHATS,
    },
    Group {
        tag: "tickets",
        about: "The pieces of work that chats consist of.",
        rows: tickets::TICKETS,
    },
    Group {
        tag: "contacts",
        about: "The people outside, over all channels.",
        rows: CONTACTS,
    },
    Group {
        tag: "settings",
        about: "Channels, agents, teams and what else a workspace consists of.",
        rows: settings::SETTINGS,
    },
    Group {
        tag: "keys",
        about: "What opens this API.",
        rows: keys::KEYS,
    },
    Group {
        tag: "webhooks",
        about: "Who is told what happens, and what of it was not taken.",
        rows: webhooks::WEBHOOKS,
    },
];

/// A command to a chat: its name, its own variables, and the arguments that they are.
macro_rules! to_chat {
    ($name:literal, $variables:literal, $arguments:literal) => {
        concat!(
            "mutation ",
            $name,
            "($chatId: UUID!, ",
            $variables,
            " $idempotencyKey: String) { ",
            $name,
            "(chatId: $chatId, ",
            $arguments,
            " idempotencyKey: $idempotencyKey) { ...Receipt } }"
        )
    };
}

const CHATS: &[Row] = &[
    row(
        Verb::Get,
        "/api/v1/chats",
        "List chats",
        "query listChats($channelIds: [UUID!], $search: String, $first: Int, $after: String) {
           chats(channelIds: $channelIds, search: $search, first: $first, after: $after) {
             nodes { ...Chat } pageInfo { ...Page } totalCount } }",
    ),
    row(
        Verb::Get,
        "/api/v1/chats/{chatId}",
        "Get a chat",
        "query getChat($chatId: UUID!) { chat(id: $chatId) { ...Chat } }",
    ),
    row(
        Verb::Get,
        "/api/v1/chats/{chatId}/messages",
        "List the messages of a chat",
        "query listChatMessages($chatId: UUID!, $first: Int, $after: String, $last: Int, $before: String) {
           chat(id: $chatId) { messages(first: $first, after: $after, last: $last, before: $before) {
             nodes { ...Message } pageInfo { ...Page } totalCount } } }",
    ),
    row(
        Verb::Post,
        "/api/v1/chats/{chatId}/messages",
        "Answer the owner of a chat",
        to_chat!(
            "sendMessage",
            "$text: String, $attachments: [AttachmentInput!], $agentId: UUID, $responderEpoch: Int,",
            "text: $text, attachments: $attachments, agentId: $agentId, responderEpoch: $responderEpoch,"
        ),
    ),
    row(
        Verb::Get,
        "/api/v1/chats/{chatId}/tickets",
        "List the tickets of a chat",
        "query listChatTickets($chatId: UUID!, $first: Int, $after: String) {
           chat(id: $chatId) { tickets(first: $first, after: $after) {
             nodes { ...Ticket } pageInfo { ...Page } totalCount } } }",
    ),
    create(
        "/api/v1/chats/{chatId}/tickets",
        "Open a ticket in a chat",
        to_chat!(
            "openTicket",
            "$subject: String, $assigneeId: UUID, $teamId: UUID,",
            "subject: $subject, assigneeId: $assigneeId, teamId: $teamId,"
        ),
    ),
    row(
        Verb::Post,
        "/api/v1/chats/{chatId}/handover",
        "Give a chat from its responder to people",
        to_chat!(
            "handover",
            "$teamId: UUID, $summary: String,",
            "teamId: $teamId, summary: $summary,"
        ),
    ),
    row(
        Verb::Post,
        "/api/v1/chats/{chatId}/takeover",
        "Take a chat from its responder",
        to_chat!("takeoverChat", "$agentId: UUID!,", "agentId: $agentId,"),
    ),
    row(
        Verb::Post,
        "/api/v1/chats/{chatId}/block",
        "Block the owner of a chat",
        to_chat!("blockOwner", "", ""),
    ),
    row(
        Verb::Post,
        "/api/v1/chats/{chatId}/unblock",
        "Unblock the owner of a chat",
        to_chat!("unblockOwner", "", ""),
    ),
    row(
        Verb::Post,
        "/api/v1/outbound",
        "Write to somebody first",
        "mutation sendOutbound($input: OutboundInput!, $idempotencyKey: String) {
           sendOutbound(input: $input, idempotencyKey: $idempotencyKey) { ...Receipt } }",
    ),
];

const CONTACTS: &[Row] = &[
    create(
        "/api/v1/contacts",
        "Make a contact",
        "mutation createContact($input: ContactInput!, $idempotencyKey: String) {
           createContact(input: $input, idempotencyKey: $idempotencyKey) { ...Contact } }",
    ),
    row(
        Verb::Get,
        "/api/v1/contacts/{contactId}",
        "Get a contact",
        "query getContact($contactId: UUID!) { contact(id: $contactId) { ...Contact } }",
    ),
    row(
        Verb::Patch,
        "/api/v1/contacts/{contactId}",
        "Change a contact",
        "mutation updateContact($contactId: UUID!, $input: ContactInput!, $idempotencyKey: String) {
           updateContact(id: $contactId, input: $input, idempotencyKey: $idempotencyKey) { ...Contact } }",
    ),
    row(
        Verb::Put,
        "/api/v1/contacts/{contactId}/fields/{fieldId}",
        "Set a field of a contact",
        "mutation setContactField($contactId: UUID!, $fieldId: UUID!, $value: JSON, $idempotencyKey: String) {
           setContactField(contactId: $contactId, fieldId: $fieldId, value: $value, idempotencyKey: $idempotencyKey) {
             ...Contact } }",
    ),
    row(
        Verb::Post,
        "/api/v1/contacts/{contactId}/block",
        "Block a contact on every channel",
        "mutation blockContact($contactId: UUID!, $idempotencyKey: String) {
           blockContact(contactId: $contactId, idempotencyKey: $idempotencyKey) { ...Contact } }",
    ),
    row(
        Verb::Post,
        "/api/v1/contacts/{contactId}/unblock",
        "Unblock a contact",
        "mutation unblockContact($contactId: UUID!, $idempotencyKey: String) {
           unblockContact(contactId: $contactId, idempotencyKey: $idempotencyKey) { ...Contact } }",
    ),
];
