//! The bodies of requests, in each format's own words.

mod standard;
mod usedesk;
mod yolead;

use serde_json::Value;

use crate::domain::{Decision, Event, Millis, Webhook, WebhookFormat, Workspace};
use crate::view::{ChatRow, ContactRow};

/// What a request tells of: an event, and what is known now of where it happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct News<'a> {
    pub(super) event: &'a Event,
    pub(super) workspace: &'a Workspace,
    /// None for an event of no chat.
    pub(super) chat: Option<&'a ChatRow>,
    /// The contact that stands for the chat's owner.
    pub(super) contact: Option<&'a ContactRow>,
    /// It is a message for which a ticket was made.
    pub(super) made_ticket: bool,
    /// Of a ticket that was made for a message: its text.
    pub(super) opening: Option<&'a str>,
}

/// The body of the request; none where the format has no words for this.
pub(super) fn body(news: &News<'_>, webhook: &Webhook, secret: &str) -> Option<Value> {
    match webhook.terms.format {
        WebhookFormat::Standard => Some(standard::body(news)),
        WebhookFormat::Usedesk => usedesk::body(news, secret),
        WebhookFormat::Yolead => yolead::body(news),
    }
}

/// The body that says that events before this time cannot be told any more; none where the format has no words for it.
pub(super) fn gap(webhook: &Webhook, reason: &str, at: Millis) -> Option<Value> {
    (webhook.terms.format == WebhookFormat::Standard).then(|| standard::gap(reason, at))
}

/// The body of a test.
pub(super) fn test(webhook: &Webhook, secret: &str, at: Millis) -> Value {
    match webhook.terms.format {
        WebhookFormat::Standard => standard::test(webhook, at),
        WebhookFormat::Usedesk => usedesk::test(secret),
        WebhookFormat::Yolead => yolead::test(at),
    }
}

/// Whether the format says more than the event and its chat do: of the chat's owner, and what a ticket was made for.
pub(super) fn needs_more(webhook: &Webhook) -> bool {
    webhook.terms.format == WebhookFormat::Usedesk
}

/// Whether it is a message that does nothing: of somebody who is blocked, or after spam.
pub(super) fn is_silenced(event: &Event) -> bool {
    decision(event) == Some(Decision::Silenced)
}

fn decision(event: &Event) -> Option<Decision> {
    let trace = event.body.message().and_then(|message| message.trace.as_ref());
    trace.map(|trace| trace.decision)
}

/// Whether it is a message for which a ticket was made.
pub(super) fn made_ticket(event: &Event) -> bool {
    decision(event) == Some(Decision::Created)
}
