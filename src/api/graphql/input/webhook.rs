//! What clients send about webhooks.

use async_graphql::InputObject;
use serde::Serialize;
use uuid::Uuid;

use crate::api::graphql::webhook::WebhookFormat;
use crate::domain::webhook::{self, WebhookPatch, WebhookTerms};

impl Serialize for WebhookFormat {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        webhook::WebhookFormat::from(*self).serialize(serializer)
    }
}

/// Somebody who wants to be told what happens.
#[derive(Clone, Debug, InputObject, Serialize)]
pub struct WebhookInput {
    /// To show.
    pub name: String,
    /// Where requests go: `https://` or `http://`, without user, password and fragment, at most 2,048 bytes. It may not lead
    /// to this machine or a private network, unless the server is set to allow that.
    pub url: String,
    /// In whose words; STANDARD when absent.
    pub format: Option<WebhookFormat>,
    /// Only events of these types, each once; absent or empty: of all that the format has words for. Events of keys and
    /// webhooks are never told.
    pub event_types: Option<Vec<String>>,
    /// Only what happens on these channels: at most 100. Absent or empty: on all.
    pub channel_ids: Option<Vec<Uuid>>,
}

impl WebhookInput {
    pub(in crate::api::graphql) fn into_terms(self) -> WebhookTerms {
        WebhookTerms {
            name: self.name,
            url: self.url,
            format: self.format.map(Into::into).unwrap_or_default(),
            event_types: self.event_types.unwrap_or_default(),
            channel_ids: self.channel_ids.unwrap_or_default(),
            disabled: None,
        }
    }
}

/// What to change of a webhook; what is absent stays.
#[derive(Clone, Debug, InputObject, Serialize)]
#[graphql(name = "WebhookPatch")]
pub struct WebhookPatchInput {
    /// To show.
    pub name: Option<String>,
    /// As in `WebhookInput`.
    pub url: Option<String>,
    /// In whose words.
    pub format: Option<WebhookFormat>,
    /// They replace those that it has.
    pub event_types: Option<Vec<String>>,
    /// They replace those that it has; empty: all.
    pub channel_ids: Option<Vec<Uuid>>,
    /// false: it is told nothing until it is true again; then what happened meanwhile is told, as far as the log has it.
    pub enabled: Option<bool>,
}

impl WebhookPatchInput {
    pub(in crate::api::graphql) fn into_patch(self) -> WebhookPatch {
        WebhookPatch {
            name: self.name,
            url: self.url,
            format: self.format.map(Into::into),
            event_types: self.event_types,
            channel_ids: self.channel_ids,
            disable: self
                .enabled
                .map(|enabled| (!enabled).then(|| "turned off by hand".to_owned())),
        }
    }
}
