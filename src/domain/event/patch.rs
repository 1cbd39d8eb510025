//! What an event changed, field by field.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Event, EventBody, TicketField};
use crate::domain::{PolicyPatch, Reason};

/// One field that an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field's name in the API.
    pub target: String,
    /// Before; null where there was nothing, or nobody knows.
    pub old_value: Value,
    /// After.
    pub value: Value,
}

fn change(target: impl Into<String>, old_value: impl Serialize, value: impl Serialize) -> Change {
    Change {
        target: target.into(),
        old_value: json!(old_value),
        value: json!(value),
    }
}

fn fields(value: &impl Serialize) -> Map<String, Value> {
    if let Value::Object(fields) = json!(value) {
        fields
    } else {
        Map::new()
    }
}

/// Every field in which two values of one type differ.
fn difference(prefix: &str, from: &impl Serialize, to: &impl Serialize) -> Vec<Change> {
    let (from, to) = (fields(from), fields(to));
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name))
        .map(|name| change(format!("{prefix}{name}"), from.get(name), to.get(name)))
        .collect()
}

fn reasons(from: Option<Reason>, to: Reason) -> Vec<Change> {
    let status = from.map(Reason::status);
    let mut changes = Vec::new();
    if status != Some(to.status()) {
        changes.push(change("status", status, to.status()));
    }
    changes.push(change("reason", from, to));
    changes
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others belong to no ticket, or change nothing that it shows"
)]
fn of_ticket(body: &EventBody) -> Option<Vec<Change>> {
    Some(match body {
        EventBody::TicketCreated { reason, subject, .. } => {
            let mut changes = reasons(None, *reason);
            if subject.is_some() {
                changes.push(change("subject", Value::Null, subject));
            }
            changes
        }
        EventBody::TicketStatusChanged { from, to, until, .. } => {
            let mut changes = reasons(Some(*from), *to);
            if until.is_some() {
                changes.push(change("holdUntil", Value::Null, until));
            }
            changes
        }
        EventBody::TicketAssigneeChanged { from, to } => vec![change("assigneeId", from, to)],
        EventBody::TicketTeamChanged { from, to } => vec![change("teamId", from, to)],
        EventBody::TicketTagAdded { tag_id } => vec![change("tags", Value::Null, tag_id)],
        EventBody::TicketTagRemoved { tag_id } => vec![change("tags", tag_id, Value::Null)],
        EventBody::TicketFieldChanged { field, from, to } => {
            let target = match field {
                TicketField::Subject => "subject".to_owned(),
                TicketField::Priority => "priority".to_owned(),
                TicketField::Custom(id) => format!("fields.{id}"),
            };
            vec![change(target, from, to)]
        }
        EventBody::TicketSummaryChanged { from, to } => vec![change("summary", from, to)],
        EventBody::TicketMerged { from, into, .. } => {
            let mut changes = reasons(Some(*from), Reason::Merged);
            changes.push(change("mergedInto", Value::Null, into));
            changes
        }
        EventBody::TicketRated { rating, from } => vec![change("rating", from, rating.score)],
        _ => return None,
    })
}

impl Event {
    /// The fields that this event changed, with their values before and after.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others bring something new")]
    #[expect(clippy::match_same_arms, reason = "the types differ")]
    pub fn patch(&self) -> Vec<Change> {
        if let Some(changes) = of_ticket(&self.body) {
            return changes;
        }
        match &self.body {
            EventBody::ChatUpdated { from, to } => difference("owner.", from, to),
            EventBody::ChatResponderChanged { from, to, .. } => vec![change("responder", from, to)],
            EventBody::ChatPolicyChanged { from, to } => vec![change("autoCloseAfterMs", from, to)],
            EventBody::ChatOwnerBlocked {} => vec![change("owner.blocked", false, true)],
            EventBody::ChatOwnerUnblocked {} => vec![change("owner.blocked", true, false)],
            EventBody::ChatRemoved {} => vec![change("removed", false, true)],
            EventBody::ChatRestored {} => vec![change("removed", true, false)],
            EventBody::MessageEdited { content, .. } => vec![change("text", Value::Null, &content.text)],
            EventBody::MessageDeleted { deleted_at, .. } => vec![change("deletedAt", Value::Null, deleted_at)],
            EventBody::MessageReaction { emoji, .. } => vec![change("reaction", Value::Null, emoji)],
            EventBody::MessageStatusChanged { status, .. } => vec![change("status", Value::Null, status)],
            EventBody::WorkspaceUpdated { policy } => vec![change("policy", Value::Null, policy)],
            EventBody::ChannelUpdated { name, policy, .. } => {
                let mut changes = Vec::new();
                if name.is_some() {
                    changes.push(change("name", Value::Null, name));
                }
                if **policy != PolicyPatch::default() {
                    changes.push(change("policy", Value::Null, policy));
                }
                changes
            }
            EventBody::AgentUpdated { from, to } => difference("", from, to),
            EventBody::TeamUpdated { from, to } => difference("", from, to),
            EventBody::ResponderUpdated { from, to } => difference("", from, to),
            EventBody::TagUpdated { from, to } => difference("", from, to),
            EventBody::FieldUpdated { from, to } => difference("", from, to),
            EventBody::KeyUpdated { from, to, .. } => difference("", from, to),
            EventBody::WebhookUpdated { from, to, .. } => difference("", from, to),
            EventBody::KeyUsed { at, .. } => vec![change("lastUsedAt", Value::Null, at)],
            EventBody::ContactUpdated { from, to } => difference("", from, to),
            EventBody::ContactMerged { into } => vec![change("mergedInto", Value::Null, into)],
            EventBody::PostEdited { from, to } => difference("", from, to),
            EventBody::PostDeleted { deleted_at } => vec![change("deletedAt", Value::Null, deleted_at)],
            EventBody::PostConverted { ticket_id, .. } => vec![change("ticketId", Value::Null, ticket_id)],
            EventBody::AgentReserved { ticket_id, .. } => vec![change("load", Value::Null, ticket_id)],
            EventBody::AgentReleased { ticket_id, .. } => vec![change("load", ticket_id, Value::Null)],
            _ => Vec::new(),
        }
    }
}
