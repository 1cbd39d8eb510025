//! Contacts, and what is said in public.

#![expect(clippy::too_many_arguments, reason = "the arguments of the fields")]

use async_graphql::{Context, Json, Object, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::auth::{Principal, Scope};
use crate::api::commands::command;
use crate::api::error::ApiError;
use crate::api::graphql::contact::{Contact, Post, PostConversion};
use crate::api::graphql::input::{ContactInput, PostInput, content};
use crate::api::graphql::loader::{principal, services};
use crate::api::graphql::needs::Needs;
use crate::api::graphql::receipt::Receipt;
use crate::api::services::{Services, new_id};
use crate::domain::contact::ContactPatch;
use crate::domain::{
    ChatCommand, ChatCommandBody, ContactCommand, ContactCommandBody, PostCommand, PostCommandBody, Rejection, id,
};
use crate::view::{ContactRow, PostRow};

/// Contacts and posts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OutsideMutation;

/// Asks a contact; the answer is read where the client reads.
async fn ask_contact(
    ctx: &Context<'_>,
    contact_id: Uuid,
    idempotency_key: Option<String>,
    (described, body): (Value, ContactCommandBody),
) -> Result<(), ApiError> {
    let (services, principal) = in_context(ctx)?;
    let envelope = Services::envelope(principal, idempotency_key, &described)?;
    let command = ContactCommand {
        id: envelope.id,
        workspace_id: principal.workspace_id,
        actor: envelope.actor,
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        body,
    };
    services.router.contact(contact_id, command).await?;
    Ok(())
}

fn in_context<'a>(ctx: &Context<'a>) -> Result<(&'a Services, &'a Principal), ApiError> {
    let missing = |_| ApiError::new("INTERNAL", "the context is incomplete");
    Ok((services(ctx).map_err(missing)?, principal(ctx).map_err(missing)?))
}

/// The contact that stands for this one, as the key knows it.
async fn find(ctx: &Context<'_>, contact_id: Uuid) -> Result<ContactRow, ApiError> {
    let (services, principal) = in_context(ctx)?;
    let mut found = services.contact(principal, contact_id).await?;
    if found.is_none() && !services.live.view().is_embedded() {
        services.catch_up().await?;
        found = services.contact(principal, contact_id).await?;
    }
    found.ok_or_else(|| Rejection::NotFound { what: "contact" }.into())
}

/// The id of a contact that the key may know all of.
async fn find_whole(ctx: &Context<'_>, contact_id: Uuid) -> Result<Uuid, ApiError> {
    let found = find(ctx, contact_id).await?;
    if found.has_chats_elsewhere {
        in_context(ctx)?.1.check_all_channels()?;
    }
    Ok(found.id)
}

/// A comment or review that the key may know of.
async fn find_post(ctx: &Context<'_>, post_id: Uuid) -> Result<PostRow, ApiError> {
    let (services, principal) = in_context(ctx)?;
    let mut found = services.post(principal, post_id).await?;
    if found.is_none() && !services.live.view().is_embedded() {
        services.catch_up().await?;
        found = services.post(principal, post_id).await?;
    }
    found.ok_or_else(|| Rejection::NotFound { what: "post" }.into())
}

/// The same for every chat of a contact.
async fn ask_chats(
    ctx: &Context<'_>,
    contact_id: Uuid,
    idempotency_key: Option<String>,
    body: &ChatCommandBody,
) -> Result<Contact> {
    let (services, principal) = in_context(ctx)?;
    let found = find(ctx, contact_id).await?;
    if found.has_more_chats {
        let what = "identities of a contact that are blocked together";
        let max = found.chats.len();
        return Err(ApiError::from(Rejection::LimitReached { what, max }).into());
    }
    for chat in found.chats {
        command(services, principal, chat.id, idempotency_key.clone(), body.clone()).await?;
    }
    Ok(Contact(find(ctx, contact_id).await?))
}

async fn ask_post(
    services: &Services,
    principal: &Principal,
    post_id: Uuid,
    (envelope, body): (crate::api::services::Envelope, PostCommandBody),
) -> Result<crate::domain::Post, ApiError> {
    let command = PostCommand {
        id: envelope.id,
        workspace_id: principal.workspace_id,
        actor: envelope.actor,
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        body,
    };
    let answer = services.router.post(post_id, command).await?;
    Ok((*answer.state).clone())
}

#[Object(guard = "Needs(Scope::Write)")]
impl OutsideMutation {
    /// A contact without chats so far. Not for keys that are limited to channels, which know no such contact.
    async fn create_contact(
        &self,
        ctx: &Context<'_>,
        input: ContactInput,
        idempotency_key: Option<String>,
    ) -> Result<Contact> {
        principal(ctx)?.check_all_channels()?;
        let described = json!(["createContact", input]);
        let contact_id = match &idempotency_key {
            // the same key makes the same contact
            Some(key) => id::follow_up(principal(ctx)?.workspace_id, &format!("contact:{key}")),
            None => new_id()?,
        };
        let patch = ContactPatch::from(input);
        let body = ContactCommandBody::Update(Box::new(patch));
        ask_contact(ctx, contact_id, idempotency_key, (described, body)).await?;
        let found = find(ctx, contact_id).await;
        Ok(Contact(found.map_err(|error| match error.code {
            "NOT_FOUND" => Rejection::invalid("input", "something that is known of the contact").into(),
            _ => error,
        })?))
    }

    /// Changes what is known of a contact; what is absent stays, null takes away.
    async fn update_contact(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: ContactInput,
        idempotency_key: Option<String>,
    ) -> Result<Contact> {
        let described = json!(["updateContact", id, input]);
        let root = find_whole(ctx, id).await?;
        let body = ContactCommandBody::Update(Box::new(input.into()));
        ask_contact(ctx, root, idempotency_key, (described, body)).await?;
        Ok(Contact(find(ctx, root).await?))
    }

    /// Sets a field that the workspace defined for contacts; null takes the value away.
    async fn set_contact_field(
        &self,
        ctx: &Context<'_>,
        contact_id: Uuid,
        field_id: Uuid,
        value: Option<Json<Value>>,
        idempotency_key: Option<String>,
    ) -> Result<Contact> {
        let value = value.map_or(Value::Null, |value| value.0);
        let described = json!(["setContactField", contact_id, field_id, value]);
        let root = find_whole(ctx, contact_id).await?;
        let body = ContactCommandBody::SetField { field_id, value };
        ask_contact(ctx, root, idempotency_key, (described, body)).await?;
        Ok(Contact(find(ctx, root).await?))
    }

    /// Two contacts are the same person: `into` stands for both and keeps what it knows, joined by what only the other
    /// knew. Chats stay apart, each with its own tickets. Not for keys that are limited to channels.
    async fn merge_contacts(
        &self,
        ctx: &Context<'_>,
        contact_id: Uuid,
        into: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Contact> {
        principal(ctx)?.check_all_channels()?;
        let described = json!(["mergeContacts", contact_id, into]);
        let (from, to) = (find(ctx, contact_id).await?, find(ctx, into).await?);
        if from.id != to.id {
            let absorb = ContactCommandBody::Absorb(Box::new(from.details));
            ask_contact(ctx, to.id, None, (Value::Null, absorb)).await?;
            let merge = ContactCommandBody::MergeInto(to.id);
            ask_contact(ctx, from.id, idempotency_key, (described, merge)).await?;
        } else if contact_id == into {
            return Err(ApiError::from(Rejection::invalid("into", "another contact")).into());
        }
        Ok(Contact(find(ctx, to.id).await?))
    }

    /// What the person writes on any channel that the key knows of is stored and bothers nobody from now on: blocks each of
    /// these identities.
    async fn block_contact(
        &self,
        ctx: &Context<'_>,
        contact_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Contact> {
        ask_chats(ctx, contact_id, idempotency_key, &ChatCommandBody::BlockOwner).await
    }

    /// The person is heard again, on every channel that the key knows of.
    async fn unblock_contact(
        &self,
        ctx: &Context<'_>,
        contact_id: Uuid,
        idempotency_key: Option<String>,
    ) -> Result<Contact> {
        ask_chats(ctx, contact_id, idempotency_key, &ChatCommandBody::UnblockOwner).await
    }

    /// Takes in a public comment or a product review. The same `externalId` again is a repeat, or its author's edit.
    #[graphql(guard = "Needs(Scope::Ingest)")]
    async fn ingest_post(&self, ctx: &Context<'_>, input: PostInput, idempotency_key: Option<String>) -> Result<Post> {
        let (services, principal) = in_context(ctx)?;
        let envelope = Services::envelope(principal, idempotency_key, &json!(["ingestPost", input]))?;
        services.check_channel(principal, input.channel_id).await?;
        let body = input.into_body().map_err(ApiError::from)?;
        let post_id = id::post(principal.workspace_id, body.channel_id, &body.external_id);
        let receive = PostCommandBody::Receive(Box::new(body));
        Ok(Post(ask_post(services, principal, post_id, (envelope, receive)).await?))
    }

    /// Its author took a comment or review back.
    #[graphql(guard = "Needs(Scope::Ingest)")]
    async fn delete_post(&self, ctx: &Context<'_>, id: Uuid, idempotency_key: Option<String>) -> Result<Post> {
        let (services, principal) = in_context(ctx)?;
        if principal.channels().is_some() {
            find_post(ctx, id).await?;
        }
        let envelope = Services::envelope(principal, idempotency_key, &json!(["deletePost", id]))?;
        let delete = PostCommandBody::Delete;
        Ok(Post(ask_post(services, principal, id, (envelope, delete)).await?))
    }

    /// Makes a comment or review a ticket in its author's chat on the channel: a note with its text and, with `reply`, a
    /// private answer. A second time it gives the same ticket.
    async fn convert_post(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        reply: Option<String>,
        idempotency_key: Option<String>,
    ) -> Result<PostConversion> {
        let (services, principal) = in_context(ctx)?;
        let not_found = || ApiError::from(Rejection::NotFound { what: "post" });
        let post = find_post(ctx, id).await?.body.ok_or_else(not_found)?;
        let reply = reply
            .map(|text| content(Some(text), None))
            .transpose()
            .map_err(ApiError::from)?;
        let envelope = Services::envelope(principal, idempotency_key, &json!(["convertPost", id]))?;
        let body = ChatCommandBody::OpenFromPost {
            profile: post.profile.clone(),
            content: post.content.clone(),
            reply,
        };
        // whoever converts it again gets the first receipt
        let once = crate::domain::DedupeKey::update(&format!("post:{id}"));
        let command = ChatCommand {
            origin: Some((post.channel_id, post.owner_external_id.clone())),
            keys: vec![once],
            ..ChatCommand::new(
                envelope.id,
                principal.workspace_id,
                principal.author(envelope.actor.clone())?,
                body,
            )
        };
        let pending = services.router.submit_to_origin(command).map_err(ApiError::from)?;
        let answer = pending.answer().await.map_err(ApiError::from)?;
        let number = answer.receipt.ticket_number.unwrap_or_default();
        let converted = PostCommandBody::Converted {
            chat_id: answer.state.id,
            ticket_id: crate::domain::id::ticket(answer.state.id, number),
        };
        let post = ask_post(services, principal, id, (envelope, converted)).await?;
        Ok(PostConversion {
            post: Post(post),
            receipt: Receipt(answer),
        })
    }
}
