//! Contacts, and what is said in public.

use async_graphql::{Context, Object, Result, SimpleObject};
use uuid::Uuid;

use super::chat::{Chat, Owner, owner};
use super::kind::PostKind;
use super::loader::{self, missing, principal, services};
use super::message::{Attachment, attachments};
use super::needs::Needs;
use super::receipt::Receipt;
use super::scalar::DateTime;
use super::setting::{self, Channel, FieldValue};
use super::ticket::Ticket;
use crate::api::auth::Scope;
use crate::domain;
use crate::view::ContactRow;

/// The person outside, over all channels that the key knows of.
#[derive(Clone, Debug)]
pub struct Contact(pub(super) ContactRow);

#[Object]
impl Contact {
    /// Of the contact that stands for all that were merged into it.
    async fn id(&self) -> Uuid {
        self.0.id
    }

    /// What was set, or else what a provider says.
    async fn name(&self) -> Option<&str> {
        let said = || self.0.chats.iter().find_map(|chat| chat.name.as_deref());
        self.0.details.name.as_deref().or_else(said)
    }

    /// All of their identities are blocked.
    async fn blocked(&self) -> bool {
        !self.0.chats.is_empty() && self.0.chats.iter().all(|chat| chat.blocked)
    }

    /// Addresses.
    async fn emails(&self) -> &[String] {
        &self.0.details.emails
    }

    /// Numbers.
    async fn phones(&self) -> &[String] {
        &self.0.details.phones
    }

    /// Only people inside see it.
    async fn note(&self) -> Option<&str> {
        self.0.details.note.as_deref()
    }

    /// Of other systems.
    async fn additional_ids(&self) -> &[String] {
        &self.0.details.additional_ids
    }

    /// The values of fields that the workspace defined.
    async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<FieldValue>> {
        let settings = services(ctx)?.live.settings();
        let workspace = settings.workspace(principal(ctx)?.workspace_id).ok_or_else(missing)?;
        Ok(setting::field_values(workspace, &self.0.details.fields))
    }

    /// Who they are on each channel, the first hundred.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn identities(&self, ctx: &Context<'_>) -> Result<Vec<Owner>> {
        self.0.chats.iter().map(|chat| owner(ctx, chat)).collect()
    }

    /// Their chats, the oldest first, the first hundred.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn chats(&self) -> Vec<Chat> {
        self.0.chats.iter().cloned().map(Chat).collect()
    }
}

/// A public comment or a product review.
#[derive(Clone, Debug)]
pub struct Post(pub(super) domain::Post);

impl Post {
    fn body(&self) -> Result<&domain::post::PostBody> {
        self.0.body.as_deref().ok_or_else(missing)
    }
}

#[Object]
impl Post {
    /// Derived from the channel and `externalId`.
    async fn id(&self) -> Uuid {
        self.0.id
    }

    /// Comment or review.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn kind(&self) -> Result<PostKind> {
        Ok(self.body()?.kind.into())
    }

    /// The channel.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn channel(&self, ctx: &Context<'_>) -> Result<Channel> {
        let settings = services(ctx)?.live.settings();
        let (_, channel) = settings.channel(self.body()?.channel_id).ok_or_else(missing)?;
        Ok(setting::channel(&settings, channel))
    }

    /// The provider's id of it.
    async fn external_id(&self) -> Result<&str> {
        Ok(&self.body()?.external_id)
    }

    /// The provider's id of its author.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn owner_external_id(&self) -> Result<&str> {
        Ok(&self.body()?.owner_external_id)
    }

    /// What the provider calls its author.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn owner_name(&self) -> Result<Option<&str>> {
        Ok(self.body()?.profile.name.as_deref())
    }

    /// What it says; null once its author took it back.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn text(&self) -> Result<Option<&str>> {
        let text = self.body()?.content.text.as_deref();
        Ok(text.filter(|_| self.0.deleted_at.is_none()))
    }

    /// What came with it.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn attachments(&self) -> Result<Vec<Attachment>> {
        Ok(attachments(&self.body()?.content))
    }

    /// A review's: 1 to 5.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn stars(&self) -> Result<Option<i32>> {
        Ok(self.body()?.stars.map(i32::from))
    }

    /// The post or product that it is about.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn subject(&self) -> Result<Option<&str>> {
        Ok(self.body()?.subject.as_deref())
    }

    /// Where it can be seen.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn url(&self) -> Result<Option<&str>> {
        Ok(self.body()?.url.as_deref())
    }

    /// When the provider says it was written.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn sent_at(&self) -> Result<DateTime> {
        Ok(DateTime(self.body()?.sent_at.unwrap_or(self.0.created_at)))
    }

    /// When it came in.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When its author took it back.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }

    /// The ticket that it was made.
    #[graphql(guard = "Needs(Scope::Read)")]
    async fn ticket(&self, ctx: &Context<'_>) -> Result<Option<Ticket>> {
        match self.0.ticket_id {
            None => Ok(None),
            Some(id) => Ok(loader::ticket(ctx, id).await?.map(Ticket)),
        }
    }
}

/// A comment or review that stands in a ticket now.
#[derive(Clone, Debug, SimpleObject)]
pub struct PostConversion {
    /// The comment or review.
    pub post: Post,
    /// Of its ticket.
    pub receipt: Receipt,
}
