//! `YoLead`'s words: a new ticket, a message in a ticket that was there, another status, another assignee.
//!
//! From its document: the names of the events, when they are sent, and the names of statuses; from its REST pages what
//! they say of tickets, messages and changes, which our own routes for it say alike. A message that opened a ticket is
//! no `message.incoming`, as that is for existing tickets; one that reopened a ticket is. A change of our reason alone
//! is no change of status.
//!
//! Our choice, as no page on webhooks is known: the envelope `{id, event, createdAt, data}`, `previousTicket` with an
//! id alone and only where there is one, a null `newAssigneeId` where nobody has the ticket any more.

use serde_json::{Value, json};
use uuid::Uuid;

use super::News;
use crate::clock::format_millis;
use crate::domain::{Attachment, Direction, Event, EventBody, Message, Millis, Status, Ticket, id};

#[expect(clippy::wildcard_enum_match_arm, reason = "there are no words for the others")]
pub(super) fn body(news: &News<'_>) -> Option<Value> {
    let event = news.event;
    let of_ticket = event.ticket.as_deref().filter(|_| event.body.is_of_ticket())?;
    let (name, data) = match &event.body {
        EventBody::TicketCreated { .. } => ("ticket.created", json!({ "ticket": ticket(event, of_ticket) })),
        EventBody::MessageReceived { message: said } if !news.made_ticket => {
            let data = json!({
                "ticketId": of_ticket.id,
                "chatId": event.aggregate_id,
                "message": message(event, said),
            });
            ("message.incoming", data)
        }
        EventBody::TicketStatusChanged { from, .. } | EventBody::TicketMerged { from, .. }
            if from.status() != of_ticket.status() =>
        {
            let data = json!({
                "ticketId": of_ticket.id,
                "chatId": event.aggregate_id,
                "oldStatus": status(from.status()),
                "newStatus": status(of_ticket.status()),
                "assigneeId": of_ticket.assignee_id,
            });
            ("ticket.status_changed", data)
        }
        EventBody::TicketAssigneeChanged { from, to } => {
            let data = json!({
                "ticketId": of_ticket.id,
                "chatId": event.aggregate_id,
                "previousAssigneeId": from,
                "newAssigneeId": to,
            });
            ("ticket.assignee_changed", data)
        }
        _ => return None,
    };
    Some(envelope(event.id(), name, event.at, &data))
}

pub(super) fn test(at: Millis) -> Value {
    // two tests differ by when they were made
    envelope(id::event(Uuid::nil(), at), "webhook.test", at, &json!({}))
}

fn envelope(id: Uuid, name: &str, at: Millis, data: &Value) -> Value {
    json!({ "id": id, "event": name, "createdAt": format_millis(at), "data": data })
}

fn status(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Active => "active",
        Status::Inactive => "inactive",
    }
}

fn ticket(event: &Event, ticket: &Ticket) -> Value {
    let mut value = json!({
        "id": ticket.id,
        "chatId": event.aggregate_id,
        "status": status(ticket.status()),
        "assigneeId": ticket.assignee_id,
        "startedAt": format_millis(ticket.created_at),
        "endedAt": ticket.ended_at.map(format_millis),
    });
    let previous = ticket.number.checked_sub(1).filter(|number| *number > 0);
    if let (Value::Object(fields), Some(number)) = (&mut value, previous) {
        let id = id::ticket(event.aggregate_id, number);
        fields.insert("previousTicket".into(), json!({ "id": id }));
    }
    value
}

fn attachment(attachment: &Attachment) -> Value {
    json!({
        "kind": attachment.kind,
        "url": attachment.url,
        "name": attachment.name,
        "mimeType": attachment.mime_type,
        "sizeBytes": attachment.size_bytes,
    })
}

fn message(event: &Event, message: &Message) -> Value {
    let attachments = message.content.attachments.iter();
    json!({
        "id": id::message(event.aggregate_id, event.seq),
        "externalId": message.external_id,
        "sentAt": format_millis(message.sent_at),
        "createdAt": format_millis(message.received_at),
        "fromId": message.author.id,
        "fromKind": message.author.kind,
        "direction": match message.direction {
            Direction::Incoming => "incoming",
            Direction::Outgoing => "outgoing",
        },
        "text": message.content.text,
        "attachments": attachments.map(attachment).collect::<Vec<Value>>(),
        "status": message.status.name(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::Content;
    use crate::domain::{
        Actor, ActorKind, Aggregate as _, Cause, Circumstance, MessageStatus, Reason, Visibility, Workspace,
    };

    const AT: Millis = 1_700_000_000_123;
    const NOW: &str = "2023-11-14T22:13:20.123Z";
    const EARLIER: Millis = 1_699_999_999_123;
    const THEN: &str = "2023-11-14T22:13:19.123Z";
    const CHAT: Uuid = Uuid::from_u128(1);
    const TICKET: Uuid = Uuid::from_u128(2);
    const AGENT: Uuid = Uuid::from_u128(3);
    const OTHER: Uuid = Uuid::from_u128(4);

    fn as_it_is(reason: Reason, number: u32) -> Ticket {
        serde_json::from_value(json!({
            "id": TICKET, "number": number, "reason": reason, "circumstance": "INBOUND", "assigneeId": AGENT,
            "pendingChatMessages": 0, "episode": 1, "version": 1,
            "createdAt": EARLIER, "openedAt": AT, "activeAt": AT, "updatedAt": AT,
        }))
        .unwrap()
    }

    fn event(body: EventBody, ticket: Option<Ticket>) -> Event {
        Event {
            workspace_id: Uuid::nil(),
            aggregate_id: CHAT,
            seq: 7,
            version: 3,
            at: AT,
            actor: Actor::system(),
            cause: Cause {
                command_id: Uuid::nil(),
                message_id: None,
            },
            synthetic: false,
            body,
            ticket: ticket.map(Box::new),
        }
    }

    fn told(event: &Event, made_ticket: bool) -> Option<Value> {
        body(&News {
            event,
            workspace: &Workspace::blank(Uuid::nil()),
            chat: None,
            contact: None,
            made_ticket,
            opening: None,
        })
    }

    fn expected(name: &str, data: &Value) -> Value {
        json!({ "id": id::event(CHAT, 7), "event": name, "createdAt": NOW, "data": data })
    }

    fn created(number: u32) -> Event {
        let body = EventBody::TicketCreated {
            number,
            reason: Reason::Inbound,
            circumstance: Circumstance::Inbound,
            subject: None,
            trace: None,
        };
        event(body, Some(as_it_is(Reason::Inbound, number)))
    }

    fn heard() -> EventBody {
        let attachment = Attachment {
            kind: "image".into(),
            url: Some("file-1".into()),
            name: None,
            mime_type: Some("image/png".into()),
            size_bytes: Some(12),
        };
        let message = Message {
            direction: Direction::Incoming,
            visibility: Visibility::Public,
            author: Actor::new(ActorKind::Owner, "ann"),
            external_id: Some("wamid.1".into()),
            content: Content {
                text: Some("Hello".into()),
                attachments: vec![attachment],
            },
            status: MessageStatus::Received,
            sent_at: EARLIER,
            received_at: AT,
            trace: None,
        };
        EventBody::MessageReceived {
            message: Box::new(message),
        }
    }

    fn become_so(from: Reason, to: Reason) -> Event {
        let body = EventBody::TicketStatusChanged {
            from,
            to,
            until: None,
            trace: None,
        };
        event(body, Some(as_it_is(to, 1)))
    }

    #[test]
    fn a_new_ticket_is_told_with_the_one_before_it() {
        let mut ticket = json!({
            "id": TICKET, "chatId": CHAT, "status": "new", "assigneeId": AGENT,
            "startedAt": THEN, "endedAt": null,
        });
        let first = expected("ticket.created", &json!({ "ticket": ticket }));
        assert_eq!(told(&created(1), true), Some(first));
        ticket["previousTicket"] = json!({ "id": id::ticket(CHAT, 1) });
        let second = expected("ticket.created", &json!({ "ticket": ticket }));
        assert_eq!(told(&created(2), true), Some(second));
    }

    #[test]
    fn a_message_is_told_where_the_ticket_was_there() {
        let data = json!({
            "ticketId": TICKET, "chatId": CHAT,
            "message": {
                "id": id::message(CHAT, 7), "externalId": "wamid.1", "sentAt": THEN,
                "createdAt": NOW, "fromId": "ann", "fromKind": "OWNER", "direction": "incoming", "text": "Hello",
                "attachments": [
                    { "kind": "image", "url": "file-1", "name": null, "mimeType": "image/png", "sizeBytes": 12 },
                ],
                "status": "RECEIVED",
            },
        });
        let heard_in = |ticket| event(heard(), ticket);
        let of_ticket = heard_in(Some(as_it_is(Reason::InProgress, 1)));
        assert_eq!(told(&of_ticket, false), Some(expected("message.incoming", &data)));
        assert_eq!(told(&of_ticket, true), None);
        assert_eq!(told(&heard_in(None), false), None);
    }

    #[test]
    fn a_status_is_told_where_it_is_another_one() {
        let changed = |old, new| {
            let data = json!({
                "ticketId": TICKET, "chatId": CHAT, "oldStatus": old, "newStatus": new, "assigneeId": AGENT,
            });
            Some(expected("ticket.status_changed", &data))
        };
        let took_in = become_so(Reason::Handover, Reason::InProgress);
        assert_eq!(told(&took_in, false), changed("new", "active"));
        let reopened = become_so(Reason::AutoClosed, Reason::InProgress);
        assert_eq!(told(&reopened, false), changed("inactive", "active"));
        assert_eq!(told(&become_so(Reason::InProgress, Reason::OnHold), false), None);
        assert_eq!(told(&become_so(Reason::Closed, Reason::Spam), false), None);
        let merged = EventBody::TicketMerged {
            from: Reason::OnHold,
            into: OTHER,
            target: Box::new(as_it_is(Reason::InProgress, 2)),
        };
        let merged = event(merged, Some(as_it_is(Reason::Merged, 1)));
        assert_eq!(told(&merged, false), changed("active", "inactive"));
    }

    #[test]
    fn an_assignee_is_told_with_the_one_before() {
        for (from, to) in [(None, Some(AGENT)), (Some(AGENT), Some(OTHER)), (Some(OTHER), None)] {
            let body = EventBody::TicketAssigneeChanged { from, to };
            let data = json!({ "ticketId": TICKET, "chatId": CHAT, "previousAssigneeId": from, "newAssigneeId": to });
            let told = told(&event(body, Some(as_it_is(Reason::InProgress, 1))), false);
            assert_eq!(told, Some(expected("ticket.assignee_changed", &data)));
        }
    }

    #[test]
    fn every_status_has_a_name() {
        let names = Reason::ALL.map(|reason| status(reason.status()));
        assert_eq!(names[..4], ["new"; 4]);
        assert_eq!(names[4..7], ["active"; 3]);
        assert_eq!(names[7..], ["inactive"; 6]);
    }

    #[test]
    fn the_rest_is_not_told() {
        for body in [EventBody::TicketViewed {}, EventBody::ChatRemoved {}] {
            let event = event(body, Some(as_it_is(Reason::InProgress, 1)));
            assert_eq!(told(&event, false), None);
        }
    }

    #[test]
    fn a_test_says_that_it_is_one() {
        let id = id::event(Uuid::nil(), AT);
        let expected = json!({ "id": id, "event": "webhook.test", "createdAt": NOW, "data": {} });
        assert_eq!(test(AT), expected);
    }
}
