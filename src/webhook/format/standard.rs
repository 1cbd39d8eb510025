//! Our own words, in the envelope that Standard Webhooks recommends: `type`, `timestamp`, `data`.

use serde_json::{Map, Value, json};

use super::News;
use crate::clock::format_millis;
use crate::domain::{Event, Message, Millis, Ticket, Webhook, id};
use crate::view::ChatRow;

/// The names of instants in a ticket's JSON.
const INSTANTS: [&str; 10] = [
    "waitingSince",
    "createdAt",
    "openedAt",
    "activeAt",
    "ongoingAt",
    "firstResponseAt",
    "endedAt",
    "holdUntil",
    "lastViewedAt",
    "updatedAt",
];

fn ticket(ticket: &Ticket) -> Value {
    let mut value = json!(ticket);
    if let Value::Object(fields) = &mut value {
        fields.insert("status".into(), json!(ticket.status()));
        // how it came to be so is in the API
        fields.remove("lastDecision");
        fields.remove("formerReasons");
        write_instants(fields);
    }
    value
}

fn write_instants(fields: &mut Map<String, Value>) {
    for name in INSTANTS {
        if let Some(at) = fields.get(name).and_then(Value::as_u64) {
            fields.insert(name.into(), format_millis(at).into());
        }
    }
    let ratings = fields.get_mut("ratings").and_then(Value::as_array_mut);
    for rating in ratings.into_iter().flatten().filter_map(Value::as_object_mut) {
        write_instants(rating);
    }
}

fn chat(chat: &ChatRow) -> Value {
    json!({
        "id": chat.id,
        "channelId": chat.channel_id,
        "contactId": chat.contact_id,
        "owner": {
            "externalId": chat.external_id,
            "name": chat.name,
            "avatar": chat.avatar,
        },
    })
}

fn message(event: &Event, message: &Message) -> Value {
    json!({
        "id": id::message(event.aggregate_id, event.seq),
        "seq": event.seq,
        "direction": message.direction,
        "visibility": message.visibility,
        "author": message.author,
        "externalId": message.external_id,
        "text": message.content.text,
        "attachments": message.content.attachments,
        "status": message.status,
        "sentAt": format_millis(message.sent_at),
        "receivedAt": format_millis(message.received_at),
    })
}

pub(super) fn body(news: &News<'_>) -> Value {
    let event = news.event;
    let patch = event.patch().into_iter();
    let patch: Vec<Value> = patch
        .map(|change| json!({ "target": change.target, "oldValue": change.old_value, "value": change.value }))
        .collect();
    json!({
        "type": event.body.name(),
        "timestamp": format_millis(event.at),
        "data": {
            "id": event.id(),
            "workspaceId": event.workspace_id,
            "chatId": event.chat_id(),
            "chatSeq": event.chat_id().map(|_| event.seq),
            "ticketId": event.ticket_id(),
            "actor": event.actor,
            "cause": event.cause,
            "synthetic": event.synthetic,
            "patch": patch,
            "data": event.body.public_data(),
            "message": event.body.message().map(|said| message(event, said)),
            "ticket": event.ticket.as_deref().map(ticket),
            "chat": news.chat.map(chat),
        },
    })
}

pub(super) fn gap(reason: &str, at: Millis) -> Value {
    json!({
        "type": "webhook.gap",
        "timestamp": format_millis(at),
        "data": { "reason": reason },
    })
}

pub(super) fn test(webhook: &Webhook, at: Millis) -> Value {
    json!({
        "type": "webhook.test",
        "timestamp": format_millis(at),
        "data": { "webhookId": webhook.id, "name": webhook.terms.name },
    })
}
