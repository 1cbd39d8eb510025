//! Tells a receiver of an event.

use serde_json::Value;

use super::Courier;
use crate::domain::{Event, EventBody, Webhook};
use crate::live::{Cursor, LiveError, Place};
use crate::sqlite::ReadError;
use crate::store::StoreError;
use crate::view::{ChatRow, ContactRow};
use crate::webhook::caller::Refused;
use crate::webhook::format::{self, News};
use crate::webhook::ledger::{Failure, Outcome, Told, Undelivered};
use std::time::Duration;

/// So many events after a ticket's the message that made it is looked for.
const OPENING_MAX: usize = 16;
/// How often it is told that events are missing, and how long after each failure it is told again.
const GAP_TRIES: usize = 3;
const GAP_PAUSE: Duration = Duration::from_secs(5);
/// The status by which a receiver says that it will never take anything again.
const GONE: u16 = 410;
/// The status by which a receiver says that it is only told too much.
const TOO_MANY_REQUESTS: u16 = 429;

impl std::convert::From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self {
            reason: refused.reason,
            retry_after_ms: refused.retry_after_ms,
            is_throttle: refused.status == Some(TOO_MANY_REQUESTS),
            is_for_ever: refused.status == Some(GONE),
        }
    }
}

/// Nothing to tell, or why that cannot be found out now.
enum Unread {
    Nothing,
    Later(String),
}

impl std::convert::From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => Self::unreadable(&error),
            StoreError::Unavailable(_) | StoreError::Refused(_) => Self::Later(error.to_string()),
        }
    }
}

impl std::convert::From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Json(_) => Self::unreadable(&error),
            ReadError::Sqlite(_) | ReadError::TooMuch | ReadError::CutOff => {
                Self::Later(LiveError::from(error).to_string())
            }
        }
    }
}

impl Unread {
    fn unreadable(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "an event cannot be read and is not told");
        Self::Nothing
    }
}

impl Courier {
    /// Tells of an event of the log.
    pub(super) async fn tell(&self, webhook: &Webhook, event: &Event) -> Told {
        let outcome = match self.body(webhook, event).await {
            Ok(body) => {
                let id = event.id().to_string();
                let answer = self.webhooks.post(webhook, &id, &body).await;
                answer.map_or_else(|refused| Outcome::Failed(refused.into()), |_| Outcome::Taken)
            }
            Err(Unread::Nothing) => Outcome::Dropped,
            Err(Unread::Later(reason)) => Outcome::Failed(Failure::own(&reason)),
        };
        Told {
            aggregate_id: event.aggregate_id,
            seq: event.seq,
            event_type: event.body.name().to_owned(),
            at: self.now(),
            outcome,
        }
    }

    /// Tells of an event that was not taken before, if it is there and wanted still.
    pub(super) async fn tell_again(&self, webhook: &Webhook, event: &Undelivered) -> Told {
        let store = &self.webhooks.parts.store;
        let found = store.history(event.aggregate_id, event.seq.saturating_sub(1), 1).await;
        let outcome = match found {
            Ok(records) => match records.first().filter(|record| record.event.seq == event.seq) {
                Some(record) if webhook.wants(&event.event_type) => return self.tell(webhook, &record.event).await,
                Some(_) | None => Outcome::Dropped,
            },
            Err(error) => match Unread::from(error) {
                Unread::Nothing => Outcome::Dropped,
                Unread::Later(reason) => Outcome::Failed(Failure::own(&reason)),
            },
        };
        Told {
            aggregate_id: event.aggregate_id,
            seq: event.seq,
            event_type: event.event_type.clone(),
            at: self.now(),
            outcome,
        }
    }

    async fn body(&self, webhook: &Webhook, event: &Event) -> Result<Value, Unread> {
        if format::is_silenced(event) {
            return Err(Unread::Nothing);
        }
        let parts = &self.webhooks.parts;
        let chat = self.chat(event).await?;
        let wanted = &webhook.terms.channel_ids;
        let is_elsewhere = |chat: &ChatRow| !wanted.is_empty() && !wanted.contains(&chat.channel_id);
        if chat.as_ref().is_some_and(is_elsewhere) {
            return Err(Unread::Nothing);
        }
        let (mut contact, mut opening) = (None, None);
        if let Some(chat) = chat.as_ref().filter(|_| format::needs_more(webhook)) {
            contact = self.contact(webhook, chat).await?;
            opening = self.opening(event).await?;
        }
        let settings = parts.live.settings();
        let workspace = settings.workspace(self.workspace_id).ok_or(Unread::Nothing)?;
        let news = News {
            event,
            workspace,
            chat: chat.as_ref(),
            contact: contact.as_ref(),
            made_ticket: format::made_ticket(event),
            opening: opening.as_deref(),
        };
        let secret = self.webhooks.body_secret(webhook);
        format::body(&news, webhook, &secret).ok_or(Unread::Nothing)
    }

    async fn chat(&self, event: &Event) -> Result<Option<ChatRow>, Unread> {
        let Some(chat_id) = event.chat_id() else {
            return Ok(None);
        };
        let view = self.webhooks.parts.live.view();
        let found = view.chats(self.workspace_id, vec![chat_id]).await?;
        Ok(found.into_iter().next())
    }

    /// What is known of the owner; of one who has chats on other channels than those that the webhook knows, nothing that
    /// was set.
    async fn contact(&self, webhook: &Webhook, chat: &ChatRow) -> Result<Option<ContactRow>, Unread> {
        let channel_ids = &webhook.terms.channel_ids;
        let channel_ids = (!channel_ids.is_empty()).then(|| channel_ids.clone());
        let view = self.webhooks.parts.live.view();
        let found = view.contact(self.workspace_id, chat.contact_id, channel_ids).await?;
        Ok(found.map(ContactRow::glimpse))
    }

    /// The text of the message for which a ticket was made; it comes with the same command, a little later.
    async fn opening(&self, event: &Event) -> Result<Option<String>, Unread> {
        if !matches!(event.body, EventBody::TicketCreated { .. }) {
            return Ok(None);
        }
        let store = &self.webhooks.parts.store;
        let records = store.history(event.aggregate_id, event.seq, OPENING_MAX).await?;
        let events = records.iter().map(|record| &record.event);
        let mut same = events.take_while(|next| next.cause.command_id == event.cause.command_id);
        let message = same.find_map(|next| next.body.message());
        Ok(message.and_then(|message| message.content.text.clone()))
    }

    /// Says that events are missing, where the format has words for it. A receiver that does not take that is told what
    /// follows all the same; the deliveries say so too.
    pub(super) async fn tell_gap(&self, webhook: &Webhook, place: &Place, reason: &str) {
        tracing::warn!(webhook.id = %self.webhook_id, reason, "events cannot be told any more");
        let Some(body) = format::gap(webhook, reason, self.now()) else {
            return;
        };
        let id = format!("gap_{}", Cursor::Heads(place.heads.clone()).encode());
        for _ in 0..GAP_TRIES {
            match self.webhooks.post(webhook, &id, &body).await {
                Ok(_) => return,
                Err(refused) => tracing::debug!(error = refused.reason, "a gap was not taken"),
            }
            tokio::time::sleep(GAP_PAUSE).await;
        }
    }
}
