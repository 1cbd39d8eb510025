//! `UseDesk`'s words: a new ticket, a change of one, a comment, a rating. The key beside `secret` says which.
//!
//! From its document: the ids of statuses, the fields of each kind, that `custom_fields` is there only where a field
//! has a value, that what a bot or rule sends is a change and no comment, that `delivered` and `readed` mean nothing.
//! What the document has lost is as receivers read it: the keys `trigger`, `comment` and `csi`, with `client` and
//! `custom_fields` beside them.
//!
//! Our choice: ids are our UUIDs, where the document has numbers; instants are in UTC; what is not there is null, but
//! the text of a message of files alone is empty; values of fields are texts. `trigger_id` is the name or id of the
//! rule, bot or key that made a change; with the owner, whose message may reopen a ticket, it is null like `user_id`. A
//! `target` is one of `status`, `assignee_id`, `group`, `subject`, `priority`, `tags`, `custom_fields.<id>`,
//! `hold_until`, `merged_into`, `message`. A rating that is given again for the same episode keeps its id. There are no
//! `custom_blocks`.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::News;
use crate::clock::timestamp;
use crate::domain::contact::ContactDetails;
use crate::domain::field::FieldTarget;
use crate::domain::ticket::Rating;
use crate::domain::{Actor, ActorKind, Change, Event, EventBody, Message, Millis, Reason, Ticket, Visibility, id};

#[expect(clippy::wildcard_enum_match_arm, reason = "there are no words for the others")]
pub(super) fn body(news: &News<'_>, secret: &str) -> Option<Value> {
    let event = news.event;
    let ticket = event.ticket.as_deref().filter(|_| event.body.is_of_ticket())?;
    let (kind, told) = match &event.body {
        EventBody::TicketCreated { .. } => ("ticket", created(news, ticket)),
        EventBody::TicketStatusChanged { .. }
        | EventBody::TicketMerged { .. }
        | EventBody::TicketAssigneeChanged { .. }
        | EventBody::TicketTeamChanged { .. }
        | EventBody::TicketTagAdded { .. }
        | EventBody::TicketTagRemoved { .. }
        | EventBody::TicketFieldChanged { .. } => ("trigger", changed(news, ticket)),
        EventBody::MessageSent { message } if is_program(message.author.kind) => ("trigger", changed(news, ticket)),
        EventBody::MessageReceived { message }
        | EventBody::MessageSent { message }
        | EventBody::NoteAdded { message } => ("comment", comment(news, ticket, message)),
        EventBody::TicketRated { rating, .. } => {
            return Some(json!({ "secret": secret, "csi": rated(news, ticket, rating) }));
        }
        _ => return None,
    };
    let mut body = json!({ "secret": secret, kind: told, "client": client(news) });
    if let Some(body) = body.as_object_mut().filter(|_| !ticket.fields.is_empty()) {
        body.insert("custom_fields".into(), custom_fields(news, ticket));
    }
    Some(body)
}

pub(super) fn test(secret: &str) -> Value {
    json!({ "secret": secret, "ping": true })
}

fn status_id(reason: Reason) -> u8 {
    match reason {
        Reason::InProgress => 1,
        Reason::Completed => 2,
        Reason::Closed | Reason::AutoClosed => 3,
        Reason::Deleted => 4,
        Reason::OnHold => 5,
        Reason::PendingCustomer => 6,
        Reason::Spam => 7,
        Reason::Inbound | Reason::Manual | Reason::Handover => 8,
        Reason::Outbound => 9,
        Reason::Merged => 10,
    }
}

fn date(at: Millis) -> String {
    timestamp(at).map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A text or null, as the document has it.
fn text(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string().into(),
    }
}

fn is_program(kind: ActorKind) -> bool {
    matches!(kind, ActorKind::Bot | ActorKind::Rule | ActorKind::System)
}

fn agent_id(actor: &Actor) -> Option<&str> {
    actor.id.as_deref().filter(|_| actor.kind == ActorKind::Agent)
}

/// What did it, where no person did.
fn trigger_id(actor: &Actor) -> Option<&str> {
    match actor.kind {
        ActorKind::Owner | ActorKind::Agent => None,
        ActorKind::Bot | ActorKind::Rule | ActorKind::System | ActorKind::Api => {
            Some(actor.id.as_deref().unwrap_or("system"))
        }
    }
}

fn client_id(news: &News<'_>) -> Option<Uuid> {
    let of_contact = news.contact.map(|contact| contact.id);
    of_contact.or(news.chat.map(|chat| chat.contact_id))
}

fn client(news: &News<'_>) -> Option<Value> {
    let id = client_id(news)?;
    let unknown = ContactDetails::default();
    let known = news.contact.map_or(&unknown, |contact| &contact.details);
    let of_channel = news.chat.map(|chat| &chat.external_id);
    let others = known.additional_ids.iter().filter(|value| Some(*value) != of_channel);
    let additional_ids = of_channel.into_iter().chain(others);
    Some(json!({
        "id": id,
        "name": known.name.as_ref().or(news.chat.and_then(|chat| chat.name.as_ref())),
        "avatar": news.chat.and_then(|chat| chat.avatar.as_ref()),
        "note": known.note,
        "emails": each(&known.emails, |email| json!({ "email": email, "client_id": id })),
        "phones": each(&known.phones, |phone| json!({ "phone": phone, "type": "other", "client_id": id })),
        "additional_ids": each(additional_ids, |value| json!({ "value": value, "client_id": id })),
    }))
}

fn each<'a>(values: impl IntoIterator<Item = &'a String>, told: impl Fn(&String) -> Value) -> Vec<Value> {
    values.into_iter().map(told).collect()
}

fn custom_fields(news: &News<'_>, ticket: &Ticket) -> Value {
    let fields = ticket.fields.iter().map(|(id, value)| {
        let field = news.workspace.field(*id, FieldTarget::Ticket).ok();
        json!({ "id": id, "name": field.map(|field| &field.name), "value": text(value) })
    });
    Value::Array(fields.collect())
}

fn created(news: &News<'_>, ticket: &Ticket) -> Value {
    json!({
        "id": ticket.id,
        "status_id": status_id(ticket.reason),
        "subject": ticket.subject,
        "client_id": client_id(news),
        "assignee_id": ticket.assignee_id,
        "group": ticket.team_id,
        "last_updated_at": date(ticket.updated_at),
        "channel_id": news.chat.map(|chat| chat.channel_id),
        "email": news.contact.and_then(|contact| contact.details.emails.first()),
        "published_at": date(ticket.created_at),
        "company_id": news.event.workspace_id,
        "additional_id": null,
        "message": news.opening,
    })
}

/// Before and after; mostly the same.
fn status_ids(event: &Event, ticket: &Ticket) -> (u8, u8) {
    let new = status_id(ticket.reason);
    if let EventBody::TicketStatusChanged { from, .. } | EventBody::TicketMerged { from, .. } = &event.body {
        return (status_id(*from), new);
    }
    (new, new)
}

fn datum(target: &str, old_value: impl Serialize, value: impl Serialize) -> Value {
    json!({ "target": target, "value": value, "old_value": old_value })
}

fn renamed(change: &Change, (old_status, new_status): (u8, u8)) -> Option<Value> {
    let (old_value, value) = (text(&change.old_value), text(&change.value));
    match change.target.as_str() {
        // a status of theirs is a reason of ours
        "status" => None,
        "reason" => (old_status != new_status).then(|| datum("status", old_status, new_status)),
        "holdUntil" => Some(datum("hold_until", Value::Null, change.value.as_u64().map(date))),
        "assigneeId" => Some(datum("assignee_id", old_value, value)),
        "teamId" => Some(datum("group", old_value, value)),
        "mergedInto" => Some(datum("merged_into", old_value, value)),
        field if field.starts_with("fields.") => Some(datum(&format!("custom_{field}"), old_value, value)),
        same => Some(datum(same, old_value, value)),
    }
}

fn changed(news: &News<'_>, ticket: &Ticket) -> Value {
    let event = news.event;
    let (old_status, new_status) = status_ids(event, ticket);
    let patch = event.patch();
    let mut data: Vec<Value> = patch
        .iter()
        .filter_map(|change| renamed(change, (old_status, new_status)))
        .collect();
    let mut doer = &event.actor;
    if let Some(message) = event.body.message() {
        doer = &message.author;
        data.push(datum("message", Value::Null, said(message)));
    }
    json!({
        "id": event.id(),
        "trigger_id": trigger_id(doer),
        "user_id": agent_id(doer),
        "ticket_id": ticket.id,
        "data": data,
        "changed_at": date(event.at),
        "old_status": old_status,
        "new_status": new_status,
        "company_id": event.workspace_id,
    })
}

fn said(message: &Message) -> &str {
    message.content.text.as_deref().unwrap_or_default()
}

fn comment(news: &News<'_>, ticket: &Ticket, message: &Message) -> Value {
    let event = news.event;
    let is_of_owner = message.author.kind == ActorKind::Owner;
    json!({
        "id": id::message(event.aggregate_id, event.seq),
        "message": said(message),
        "type": match message.visibility {
            Visibility::Public => "public",
            Visibility::Note => "private",
        },
        "from": if is_of_owner { "client" } else { "user" },
        "user_id": agent_id(&message.author),
        "client_id": client_id(news).filter(|_| is_of_owner),
        "ticket_id": ticket.id,
        "is_first": u8::from(news.made_ticket),
        "delivered": 0,
        "readed": 0,
        "published_at": date(event.at),
    })
}

fn rated(news: &News<'_>, ticket: &Ticket, rating: &Rating) -> Value {
    json!({
        "id": id::follow_up(ticket.id, &format!("rating {}", rating.episode)),
        "user_id": ticket.assignee_id,
        "client_id": client_id(news),
        "ticket_id": ticket.id,
        "rating": rating.score,
        "company_id": news.event.workspace_id,
        "ticket_comment_id": null,
        "comment": rating.comment,
        "created_at": date(rating.created_at),
        "updated_at": date(rating.updated_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Aggregate as _, Workspace};
    use crate::view::{ChatRow, ContactRow};

    const AT: Millis = 1_700_000_000_123;
    const NOW: &str = "2023-11-14 22:13:20";
    const CHAT: Uuid = Uuid::from_u128(1);
    const TICKET: Uuid = Uuid::from_u128(2);
    const ANN: Uuid = Uuid::from_u128(3);
    const AGENT: Uuid = Uuid::from_u128(4);
    const OTHER: Uuid = Uuid::from_u128(5);

    fn ticket(reason: Reason) -> Value {
        json!({
            "id": TICKET, "number": 1, "reason": reason, "circumstance": "INBOUND", "subject": "Parcel",
            "assigneeId": AGENT, "pendingChatMessages": 0, "episode": 2, "version": 1,
            "createdAt": 0, "openedAt": AT, "activeAt": AT, "updatedAt": AT,
        })
    }

    fn actor(kind: &str) -> Value {
        json!({ "kind": kind, "id": if kind == "AGENT" { AGENT } else { OTHER } })
    }

    fn event(name: &str, data: &Value, kind: &str, reason: Reason) -> Event {
        let event = json!({
            "workspaceId": OTHER, "aggregateId": CHAT, "seq": 7, "version": 3, "at": AT, "actor": actor(kind),
            "cause": { "commandId": OTHER }, "body": { "type": name, "data": data }, "ticket": ticket(reason),
        });
        serde_json::from_value(event).unwrap()
    }

    /// What is told of it, as if the same command had made the ticket where that is INBOUND.
    fn told_of(event: &Event) -> Option<Value> {
        let mut workspace = Workspace::blank(OTHER);
        let field = json!({ "id": OTHER, "name": "Order", "kind": "NUMBER", "target": "TICKET" });
        workspace.fields.push(serde_json::from_value(field).unwrap());
        let chat = ChatRow {
            id: CHAT,
            workspace_id: OTHER,
            channel_id: OTHER,
            external_id: "tg-1".into(),
            name: Some("Ann".into()),
            avatar: None,
            blocked: false,
            tickets: 1,
            responder: None,
            responder_owns: false,
            responder_epoch: 0,
            contact_id: OTHER,
            removed_at: None,
            version: 3,
            seq: 7,
            created_at: AT,
            updated_at: AT,
        };
        let details = json!({ "emails": ["a@b.c"], "phones": ["790"], "additionalIds": ["crm-5", "tg-1"] });
        let contact = ContactRow {
            id: ANN,
            details: serde_json::from_value(details).unwrap(),
            chats: Vec::new(),
            has_more_chats: false,
            has_chats_elsewhere: false,
        };
        let news = News {
            event,
            workspace: &workspace,
            chat: Some(&chat),
            contact: Some(&contact),
            made_ticket: event.ticket.as_ref().unwrap().reason == Reason::Inbound,
            opening: Some("Hello"),
        };
        body(&news, "secret")
    }

    fn told(name: &str, data: &Value, kind: &str, reason: Reason) -> Option<Value> {
        told_of(&event(name, data, kind, reason))
    }

    fn message(author: &str, visibility: &str) -> Value {
        json!({ "message": {
            "direction": "OUTGOING", "visibility": visibility, "author": actor(author), "content": { "text": "Hello" },
            "status": "QUEUED", "sentAt": AT, "receivedAt": AT,
        } })
    }

    fn expected(kind: &str, value: &Value) -> Value {
        let client = json!({
            "id": ANN, "name": "Ann", "avatar": null, "note": null,
            "emails": [{ "email": "a@b.c", "client_id": ANN }],
            "phones": [{ "phone": "790", "type": "other", "client_id": ANN }],
            "additional_ids": [{ "value": "tg-1", "client_id": ANN }, { "value": "crm-5", "client_id": ANN }],
        });
        json!({ "secret": "secret", kind: value, "client": client })
    }

    fn trigger(data: &Value, (trigger_id, user_id): (Option<Uuid>, Option<Uuid>), statuses: [u8; 2]) -> Value {
        let trigger = json!({
            "id": id::event(CHAT, 7), "trigger_id": trigger_id, "user_id": user_id, "ticket_id": TICKET, "data": data,
            "changed_at": NOW, "old_status": statuses[0], "new_status": statuses[1], "company_id": OTHER,
        });
        expected("trigger", &trigger)
    }

    #[test]
    fn every_reason_has_a_status() {
        assert_eq!(Reason::ALL.map(status_id), [8, 8, 8, 9, 1, 6, 5, 2, 3, 3, 7, 10, 4]);
    }

    #[test]
    fn a_new_ticket_is_told_with_its_fields() {
        let data = json!({ "number": 1, "reason": "OUTBOUND", "circumstance": "OUTBOUND" });
        let mut created = event("ticket.created", &data, "AGENT", Reason::Outbound);
        let ticket = json!({
            "id": TICKET, "status_id": 9, "subject": "Parcel", "client_id": ANN, "assignee_id": AGENT, "group": null,
            "last_updated_at": NOW, "channel_id": OTHER, "email": "a@b.c", "published_at": "1970-01-01 00:00:00",
            "company_id": OTHER, "additional_id": null, "message": "Hello",
        });
        let mut expected = expected("ticket", &ticket);
        assert_eq!(told_of(&created), Some(expected.clone()));
        created.ticket.as_mut().unwrap().fields.insert(OTHER, json!(12));
        expected["custom_fields"] = json!([{ "id": OTHER, "name": "Order", "value": "12" }]);
        assert_eq!(told_of(&created), Some(expected));
    }

    #[test]
    fn a_change_is_told_with_who_made_it() {
        let status = json!({ "from": "PENDING_CUSTOMER", "to": "AUTO_CLOSED" });
        let closed = json!([{ "target": "status", "value": 3, "old_value": 6 }]);
        let by_other = (Some(OTHER), None);
        for (kind, doer) in [
            ("AGENT", (None, Some(AGENT))),
            ("RULE", by_other),
            ("API", by_other),
            ("OWNER", (None, None)),
        ] {
            let told = told("ticket.status_changed", &status, kind, Reason::AutoClosed);
            assert_eq!(told, Some(trigger(&closed, doer, [6, 3])));
        }
        assert_eq!(trigger_id(&Actor::system()), Some("system"));
        let said = json!([{ "target": "message", "value": "Hello", "old_value": null }]);
        for kind in ["BOT", "RULE"] {
            let told = told("message.sent", &message(kind, "PUBLIC"), "API", Reason::OnHold);
            assert_eq!(told, Some(trigger(&said, by_other, [5, 5])));
        }
    }

    #[test]
    fn every_change_has_a_target() {
        let by_agent = (None, Some(AGENT));
        let custom = format!("custom_fields.{OTHER}");
        // the event, its data, the target, the value after and before
        let changes = json!([
            ["ticket.assignee_changed", { "to": OTHER }, "assignee_id", OTHER, null],
            ["ticket.team_changed", { "from": OTHER }, "group", null, OTHER],
            ["ticket.tag_added", { "tagId": OTHER }, "tags", OTHER, null],
            ["ticket.tag_removed", { "tagId": OTHER }, "tags", null, OTHER],
            ["ticket.field_changed", { "field": "subject", "from": "A", "to": "B" }, "subject", "B", "A"],
            ["ticket.field_changed", { "field": "priority", "from": "LOW", "to": "HIGH" }, "priority", "HIGH", "LOW"],
            ["ticket.field_changed", { "field": { "custom": OTHER }, "from": 1, "to": true }, custom, "true", "1"],
            ["ticket.status_changed", { "from": "ON_HOLD", "to": "ON_HOLD", "until": AT }, "hold_until", NOW, null],
        ]);
        for change in changes.as_array().unwrap() {
            let data = json!([{ "target": change[2], "value": change[3], "old_value": change[4] }]);
            let told = told(change[0].as_str().unwrap(), &change[1], "AGENT", Reason::OnHold);
            assert_eq!(told, Some(trigger(&data, by_agent, [5, 5])));
        }
        let merged = json!({ "from": "IN_PROGRESS", "into": OTHER, "target": ticket(Reason::InProgress) });
        let data = json!([
            { "target": "status", "value": 10, "old_value": 1 },
            { "target": "merged_into", "value": OTHER, "old_value": null },
        ]);
        let told = told("ticket.merged", &merged, "AGENT", Reason::Merged);
        assert_eq!(told, Some(trigger(&data, by_agent, [1, 10])));
    }

    #[test]
    fn what_people_say_is_a_comment() {
        let (public, private) = (["PUBLIC", "public"], ["NOTE", "private"]);
        for (name, author, [visibility, kind], from, user_id) in [
            ("message.received", "OWNER", public, "client", None),
            ("message.sent", "AGENT", public, "user", Some(AGENT)),
            ("message.sent", "API", public, "user", None),
            ("note.added", "AGENT", private, "user", Some(AGENT)),
        ] {
            let client_id = (author == "OWNER").then_some(ANN);
            for (reason, is_first) in [(Reason::Inbound, 1), (Reason::OnHold, 0)] {
                let comment = json!({
                    "id": id::message(CHAT, 7), "message": "Hello", "type": kind, "from": from, "user_id": user_id,
                    "client_id": client_id, "ticket_id": TICKET, "is_first": is_first, "delivered": 0, "readed": 0,
                    "published_at": NOW,
                });
                let told = told(name, &message(author, visibility), "API", reason);
                assert_eq!(told, Some(expected("comment", &comment)));
            }
        }
    }

    #[test]
    fn a_rating_keeps_its_id_while_the_episode_lasts() {
        let rated = |score: u8, episode: u32| {
            let rating = json!({ "score": score, "episode": episode, "createdAt": 0, "updatedAt": AT });
            told("ticket.rated", &json!({ "rating": rating }), "OWNER", Reason::Closed).unwrap()
        };
        let id = rated(1, 2)["csi"]["id"].clone();
        assert_ne!(id, rated(1, 3)["csi"]["id"]);
        let csi = json!({
            "id": id, "user_id": AGENT, "client_id": ANN, "ticket_id": TICKET, "rating": 3, "company_id": OTHER,
            "ticket_comment_id": null, "comment": null, "created_at": "1970-01-01 00:00:00", "updated_at": NOW,
        });
        assert_eq!(rated(3, 2), json!({ "secret": "secret", "csi": csi }));
    }

    #[test]
    fn the_rest_is_not_told() {
        let mut silenced = message("OWNER", "PUBLIC");
        silenced["message"]["trace"] = json!({ "decision": "SILENCED", "rule": "owner_blocked", "at": AT });
        let edited = json!({ "messageSeq": 1, "content": {}, "editedAt": AT });
        let deleted = json!({ "messageSeq": 1, "deletedAt": AT });
        for (name, data) in [
            ("message.received", silenced),
            ("message.edited", edited),
            ("message.deleted", deleted),
            ("ticket.viewed", json!({})),
            ("chat.removed", json!({})),
        ] {
            assert_eq!(told(name, &data, "OWNER", Reason::OnHold), None);
        }
        assert_eq!(test("secret"), json!({ "secret": "secret", "ping": true }));
    }
}
