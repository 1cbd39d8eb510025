//! Where a workspace wants to be told what happens.

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::command::{URL_MAX_BYTES, check_name, check_text, is_repetitive};
use super::event::{EventBody, NAMES, Scope, scope_of};
use super::{Event, Millis, Rejection, Workspace};

/// The most webhooks of one workspace.
pub const WEBHOOKS_MAX: usize = 100;
/// The most secrets with which requests are signed at the same time.
pub const WEBHOOK_SECRETS_MAX: usize = 2;
/// The most channels that a webhook is limited to.
pub const WEBHOOK_CHANNELS_MAX: usize = 100;

/// The events of no chat that say on which channel they happened.
const OF_CHANNEL: [&str; 2] = ["post.received", "post.edited"];

/// Whether webhooks are told of events of this type: what happens to chats, contacts, posts and settings, but not to keys
/// and webhooks themselves, nor whose capacity a ticket counts towards.
#[must_use]
pub fn is_told(event_type: &str) -> bool {
    let is_hidden = event_type.starts_with("key.") || event_type.starts_with("webhook.");
    !is_hidden && scope_of(event_type).is_some_and(|scope| scope != Scope::Desk)
}

/// In whose words requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WebhookFormat {
    /// Our own, signed as Standard Webhooks says.
    #[default]
    Standard,
    /// `UseDesk`'s: new tickets, changes of tickets, comments and ratings.
    Usedesk,
    /// `YoLead`'s: new tickets, messages in tickets that were there, changes of status and assignee.
    Yolead,
}

impl WebhookFormat {
    /// The types of event that it has words for; none: all that webhooks are told of.
    #[must_use]
    pub fn event_types(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Standard => None,
            Self::Usedesk => Some(&[
                "ticket.created",
                "ticket.status_changed",
                "ticket.assignee_changed",
                "ticket.team_changed",
                "ticket.tag_added",
                "ticket.tag_removed",
                "ticket.field_changed",
                "ticket.merged",
                "message.received",
                "message.sent",
                "note.added",
                "ticket.rated",
            ]),
            Self::Yolead => Some(&[
                "ticket.created",
                "message.received",
                "ticket.status_changed",
                "ticket.merged",
                "ticket.assignee_changed",
            ]),
        }
    }

    /// Whether it has words for an event of this type, and webhooks are told of it.
    #[must_use]
    pub fn has(self, event_type: &str) -> bool {
        let types = self.event_types();
        types.map_or_else(|| is_told(event_type), |types| types.contains(&event_type))
    }
}

/// What requests are signed with is made from this and the secret of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecret {
    /// By chance.
    pub salt: Uuid,
    /// When it was made.
    pub created_at: Millis,
    /// None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

impl WebhookSecret {
    /// Whether requests are signed with it.
    #[must_use]
    pub fn is_live(&self, now: Millis) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// Why a webhook is told nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disabled {
    /// Since when.
    pub at: Millis,
    /// One sentence.
    pub reason: String,
}

/// Where to tell what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTerms {
    /// To show.
    pub name: String,
    /// `https://` or `http://`, at most [`URL_MAX_BYTES`].
    pub url: String,
    /// In whose words.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Only events of these types; empty: of all that the format has words for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// Only what happens on these channels, at most [`WEBHOOK_CHANNELS_MAX`]; empty: on all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_ids: Vec<Uuid>,
    /// None: it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
}

impl WebhookTerms {
    fn patched(&self, patch: &WebhookPatch, now: Millis) -> Self {
        let disabled = match &patch.disable {
            None => self.disabled.clone(),
            Some(None) => None,
            Some(Some(_)) if self.disabled.is_some() => self.disabled.clone(),
            Some(Some(reason)) => Some(Disabled {
                at: now,
                reason: reason.clone(),
            }),
        };
        Self {
            name: patch.name.clone().unwrap_or(self.name.clone()),
            url: patch.url.clone().unwrap_or(self.url.clone()),
            format: patch.format.unwrap_or(self.format),
            event_types: patch.event_types.clone().unwrap_or(self.event_types.clone()),
            channel_ids: patch.channel_ids.clone().unwrap_or(self.channel_ids.clone()),
            disabled,
        }
    }

    fn check(&self) -> Result<(), Rejection> {
        check_name("input.name", &self.name)?;
        check_url(&self.url)?;
        let is_unknown = |name: &String| !self.format.has(name);
        if self.event_types.iter().any(is_unknown) || is_repetitive(&self.event_types) {
            let all = NAMES.iter().filter(|name| self.format.has(name));
            let expected = all.copied().collect::<Vec<_>>().join(", ");
            return Err(Rejection::invalid(
                "input.eventTypes",
                format!("each once, of: {expected}"),
            ));
        }
        let has_no_channel =
            |name: &String| scope_of(name) != Some(Scope::Chat) && !OF_CHANNEL.contains(&name.as_str());
        if !self.channel_ids.is_empty() && self.event_types.iter().any(has_no_channel) {
            let expected = "types of events that happen on a channel, beside channelIds";
            return Err(Rejection::invalid("input.eventTypes", expected));
        }
        if self.channel_ids.len() > WEBHOOK_CHANNELS_MAX {
            let expected = format!("at most {WEBHOOK_CHANNELS_MAX}");
            return Err(Rejection::invalid("input.channelIds", expected));
        }
        Ok(())
    }
}

fn check_url(text: &str) -> Result<(), Rejection> {
    check_text("input.url", text, URL_MAX_BYTES)?;
    let is_right = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if is_right {
        return Ok(());
    }
    let expected = "an http:// or https:// URL without user, password and fragment";
    Err(Rejection::invalid("input.url", expected))
}

/// What to change of a webhook; what is absent stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in WebhookTerms")]
pub struct WebhookPatch {
    pub name: Option<String>,
    pub url: Option<String>,
    pub format: Option<WebhookFormat>,
    pub event_types: Option<Vec<String>>,
    pub channel_ids: Option<Vec<Uuid>>,
    /// Why it is told nothing from now on; `Some(None)`: it is told again.
    pub disable: Option<Option<String>>,
}

/// Somebody who wants to be told what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Unique.
    pub id: Uuid,
    /// Where to tell what.
    #[serde(flatten)]
    pub terms: WebhookTerms,
    /// The oldest first; at most [`WEBHOOK_SECRETS_MAX`] are live.
    pub secrets: Vec<WebhookSecret>,
    /// When it was made.
    pub created_at: Millis,
    /// The event of the workspace that made it: what comes after it is told.
    #[serde(default)]
    pub created_seq: u64,
}

impl Webhook {
    /// One with one secret.
    #[must_use]
    pub fn new(id: Uuid, terms: WebhookTerms, salt: Uuid, now: Millis) -> Self {
        let secret = WebhookSecret {
            salt,
            created_at: now,
            expires_at: None,
        };
        Self {
            id,
            terms,
            secrets: vec![secret],
            created_at: now,
            created_seq: 0,
        }
    }

    /// Whether it is told.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.terms.disabled.is_none()
    }

    /// Whether it wants an event of this type.
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        let types = &self.terms.event_types;
        self.terms.format.has(event_type) && (types.is_empty() || types.iter().any(|name| name == event_type))
    }

    /// The secrets that are left when all of them end at a time.
    fn outgoing(&self, until: Millis, now: Millis) -> Vec<WebhookSecret> {
        let secrets = self.secrets.iter().map(|secret| WebhookSecret {
            expires_at: Some(secret.expires_at.map_or(until, |at| at.min(until))),
            ..secret.clone()
        });
        secrets.filter(|secret| secret.is_live(now)).collect()
    }
}

/// What to do with a workspace's webhooks.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum WebhookCommand {
    Create(Box<Webhook>),
    Update {
        id: Uuid,
        patch: Box<WebhookPatch>,
    },
    /// Another secret; those before end at `old_expires_at`, or when they would have.
    Rotate {
        id: Uuid,
        salt: Uuid,
        old_expires_at: Millis,
    },
    Delete(Uuid),
}

impl Workspace {
    /// The webhook with this id.
    #[must_use]
    pub fn webhook(&self, id: Uuid) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }

    /// The event that grants a wish about webhooks, and the id of the webhook; none where there is nothing to change.
    pub(super) fn choose_webhook(
        &self,
        command: &WebhookCommand,
        now: Millis,
    ) -> Result<(Option<EventBody>, Uuid), Rejection> {
        let known = |id: Uuid| self.webhook(id).ok_or(Rejection::NotFound { what: "webhook" });
        Ok(match command {
            WebhookCommand::Create(webhook) => (Some(self.create_webhook(webhook)?), webhook.id),
            WebhookCommand::Update { id, patch } => {
                let from = known(*id)?.terms.clone();
                let to = from.patched(patch, now);
                self.check_terms(&to)?;
                let is_news = from != to;
                let (from, to) = (Box::new(from), Box::new(to));
                (is_news.then_some(EventBody::WebhookUpdated { id: *id, from, to }), *id)
            }
            WebhookCommand::Rotate {
                id,
                salt,
                old_expires_at,
            } => {
                if known(*id)?.outgoing(*old_expires_at, now).len() >= WEBHOOK_SECRETS_MAX {
                    let what = "secrets of a webhook that sign: let the older end first, or both at once";
                    let max = WEBHOOK_SECRETS_MAX;
                    return Err(Rejection::LimitReached { what, max });
                }
                let secret = WebhookSecret {
                    salt: *salt,
                    created_at: now,
                    expires_at: None,
                };
                let body = EventBody::WebhookRotated {
                    id: *id,
                    secret,
                    old_expires_at: *old_expires_at,
                };
                (Some(body), *id)
            }
            WebhookCommand::Delete(id) => {
                known(*id)?;
                (Some(EventBody::WebhookDeleted { id: *id }), *id)
            }
        })
    }

    fn create_webhook(&self, webhook: &Webhook) -> Result<EventBody, Rejection> {
        self.check_terms(&webhook.terms)?;
        if self.webhook(webhook.id).is_some() {
            return Err(Rejection::AlreadyExists { what: "a webhook" });
        }
        if self.webhooks.len() >= WEBHOOKS_MAX {
            return Err(Rejection::LimitReached {
                what: "webhooks",
                max: WEBHOOKS_MAX,
            });
        }
        let webhook = Box::new(webhook.clone());
        Ok(EventBody::WebhookCreated { webhook })
    }

    fn check_terms(&self, terms: &WebhookTerms) -> Result<(), Rejection> {
        terms.check()?;
        if terms.channel_ids.iter().any(|id| self.channel(*id).is_none()) {
            return Err(Rejection::NotFound { what: "channel" });
        }
        Ok(())
    }

    /// Takes an event about a webhook into the state.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are about no webhook")]
    pub(super) fn apply_webhook(&mut self, event: &Event) {
        match &event.body {
            EventBody::WebhookCreated { webhook } => self.webhooks.push(Webhook {
                created_seq: event.seq,
                ..Webhook::clone(webhook)
            }),
            EventBody::WebhookUpdated { id, to, .. } => {
                self.change_webhook(*id, |webhook| webhook.terms = WebhookTerms::clone(to));
            }
            EventBody::WebhookRotated {
                id,
                secret,
                old_expires_at,
            } => self.change_webhook(*id, |webhook| {
                webhook.secrets = webhook.outgoing(*old_expires_at, event.at);
                webhook.secrets.push(secret.clone());
            }),
            EventBody::WebhookDeleted { id } => self.webhooks.retain(|webhook| webhook.id != *id),
            _ => {}
        }
    }

    fn change_webhook(&mut self, id: Uuid, change: impl FnOnce(&mut Webhook)) {
        if let Some(webhook) = self.webhooks.iter_mut().find(|webhook| webhook.id == id) {
            change(webhook);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(url: &str) -> WebhookTerms {
        WebhookTerms {
            name: "desk".into(),
            url: url.into(),
            format: WebhookFormat::Standard,
            event_types: Vec::new(),
            channel_ids: Vec::new(),
            disabled: None,
        }
    }

    #[test]
    fn urls_are_of_the_web_and_carry_no_secrets() {
        for url in ["https://desk.example.com/hook?a=b", "http://192.0.2.1:8080"] {
            assert_eq!(terms(url).check(), Ok(()), "{url}");
        }
        for url in [
            "",
            "desk.example.com",
            "ftp://desk.example.com",
            "https://",
            "https://user@desk.example.com",
            "https://user:pass@desk.example.com",
            "https://desk.example.com/#part",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            assert!(terms(url).check().is_err(), "{url}");
        }
        let long = format!("https://desk.example.com/{}", "a".repeat(URL_MAX_BYTES));
        assert!(terms(&long).check().is_err());
    }

    #[test]
    fn formats_have_words_for_types_that_exist_and_are_told() {
        for format in [WebhookFormat::Usedesk, WebhookFormat::Yolead] {
            for name in format.event_types().unwrap() {
                assert!(NAMES.contains(name) && is_told(name), "{name}");
            }
        }
        for name in ["key.created", "webhook.updated", "agent.reserved", "ticket.unknown"] {
            assert!(!is_told(name), "{name}");
        }
        assert!(is_told("agent.updated") && is_told("post.received") && is_told("note.added"));
    }

    #[test]
    fn types_are_known_to_the_format_and_named_once() {
        let with = |format, types: &[&str]| {
            let event_types = types.iter().map(|name| (*name).to_owned()).collect();
            let url = "https://desk.example.com";
            WebhookTerms {
                format,
                event_types,
                ..terms(url)
            }
            .check()
        };
        assert!(with(WebhookFormat::Standard, &["ticket.created", "note.added"]).is_ok());
        assert!(with(WebhookFormat::Standard, &["ticket.created", "ticket.created"]).is_err());
        assert!(with(WebhookFormat::Standard, &["key.created"]).is_err());
        assert!(with(WebhookFormat::Yolead, &["note.added"]).is_err());
    }
}
