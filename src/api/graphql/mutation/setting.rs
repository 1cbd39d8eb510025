//! A workspace's settings.

use async_graphql::{Context, Object, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::auth::Scope;
use crate::api::error::ApiError;
use crate::api::graphql::input::setting::{
    AgentInput, AgentPatchInput, ChannelInput, ChannelPatch, ChannelPolicyInput, FieldInput, ResponderInput, TagInput,
    TeamInput, hook_secret_hash, policy,
};
use crate::api::graphql::kind::Availability;
use crate::api::graphql::loader::{principal, services};
use crate::api::graphql::needs::Needs;
use crate::api::graphql::setting::{self, Agent, Channel, ChannelPolicy, Field, Responder, Tag, Team};
use crate::api::services::{Services, new_id};
use crate::domain::people::AgentPatch;
use crate::domain::{self, Rejection, Setting, WorkspaceCommand, WorkspaceCommandBody};

/// A workspace's settings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SettingMutation;

/// Sends a command to the key's workspace and waits until this node's settings have it.
pub(super) async fn change(
    ctx: &Context<'_>,
    idempotency_key: Option<String>,
    (described, body): (Value, WorkspaceCommandBody),
) -> Result<(Services, std::sync::Arc<domain::Workspace>, Uuid)> {
    let (services, principal) = (services(ctx)?, principal(ctx)?);
    let envelope = Services::envelope(principal, idempotency_key, &described)?;
    let command = WorkspaceCommand {
        id: envelope.id,
        workspace_id: principal.workspace_id,
        actor: envelope.actor,
        keys: envelope.keys,
        body_hash: envelope.body_hash,
        body,
    };
    let answer = services.router.workspace(command).await.map_err(ApiError::from)?;
    services.settled(answer.partition, answer.position).await;
    let setting_id = answer.receipt.setting_id.unwrap_or_default();
    Ok((services.clone(), answer.state, setting_id))
}

pub(super) fn found<T>(found: Option<T>, what: &'static str) -> Result<T> {
    Ok(found.ok_or_else(|| ApiError::from(Rejection::NotFound { what }))?)
}

fn channel_of(services: &Services, workspace: &domain::Workspace, id: Uuid) -> Result<Channel> {
    let channel = found(workspace.channel(id), "channel")?;
    Ok(setting::channel(&services.live.settings(), channel))
}

fn agent_of(services: &Services, workspace: &domain::Workspace, id: Uuid) -> Result<Agent> {
    let agent = found(workspace.agent(id).cloned(), "agent")?;
    Ok(setting::agent(agent, services.clock.now()))
}

#[Object(guard = "Needs(Scope::Admin)")]
impl SettingMutation {
    /// Connects a channel. At most 1,000 a workspace.
    async fn create_channel(
        &self,
        ctx: &Context<'_>,
        input: ChannelInput,
        idempotency_key: Option<String>,
    ) -> Result<Channel> {
        let described = json!(["createChannel", input]);
        let kind = input.kind.into();
        let body = WorkspaceCommandBody::CreateChannel(Box::new(domain::Channel {
            id: new_id()?,
            kind,
            name: input.name,
            policy: *policy(input.policy).map_err(ApiError::from)?,
            hook_secret_hash: hook_secret_hash(kind, input.config.as_ref())?,
        }));
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        channel_of(&services, &workspace, id)
    }

    /// Changes a channel; what is absent stays. A policy counts from the next decision on.
    async fn update_channel(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: ChannelPatch,
        idempotency_key: Option<String>,
    ) -> Result<Channel> {
        let described = json!(["updateChannel", id, input]);
        let owner = principal(ctx)?.workspace_id;
        let settings = services(ctx)?.live.settings();
        let known = settings.channel(id).filter(|(workspace, _)| *workspace == owner);
        let kind = known.map(|(_, channel)| channel.kind);
        let kind = kind.unwrap_or(domain::ChannelType::Telegram);
        let body = WorkspaceCommandBody::UpdateChannel {
            id,
            name: input.name,
            policy: policy(input.policy).map_err(ApiError::from)?,
            hook_secret_hash: hook_secret_hash(kind, input.config.as_ref())?,
        };
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        channel_of(&services, &workspace, id)
    }

    /// Changes what channels leave open; the policy in force then.
    async fn update_workspace_policy(
        &self,
        ctx: &Context<'_>,
        policy: ChannelPolicyInput,
        idempotency_key: Option<String>,
    ) -> Result<ChannelPolicy> {
        let described = json!(["updateWorkspacePolicy", policy]);
        let patch = self::policy(Some(policy)).map_err(ApiError::from)?;
        let body = WorkspaceCommandBody::UpdatePolicy(patch);
        let (_, workspace, _) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(workspace.policy.clone().into())
    }

    /// Adds a person inside. At most 5,000 a workspace.
    async fn create_agent(
        &self,
        ctx: &Context<'_>,
        input: AgentInput,
        idempotency_key: Option<String>,
    ) -> Result<Agent> {
        let described = json!(["createAgent", input]);
        let agent = input.into_agent(new_id()?).map_err(ApiError::from)?;
        let body = WorkspaceCommandBody::CreateSetting(Setting::Agent(Box::new(agent)));
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        agent_of(&services, &workspace, id)
    }

    /// Changes an agent; what is absent stays.
    async fn update_agent(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: AgentPatchInput,
        idempotency_key: Option<String>,
    ) -> Result<Agent> {
        let described = json!(["updateAgent", id, input]);
        let patch = input.into_patch().map_err(ApiError::from)?;
        let body = WorkspaceCommandBody::UpdateAgent(id, Box::new(patch));
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        agent_of(&services, &workspace, id)
    }

    /// Whether an agent takes work. Who comes back is given what waits, the longest waiting first. Needs WRITE and a key of
    /// that agent or of a supervisor, or ADMIN.
    #[graphql(guard = "Needs(Scope::Write)")]
    async fn set_agent_availability(
        &self,
        ctx: &Context<'_>,
        agent_id: Uuid,
        availability: Availability,
        idempotency_key: Option<String>,
    ) -> Result<Agent> {
        principal(ctx)?.check_presence(agent_id)?;
        let described = json!(["setAgentAvailability", agent_id, availability]);
        let patch = AgentPatch {
            availability: Some(availability.into()),
            ..AgentPatch::default()
        };
        let body = WorkspaceCommandBody::UpdateAgent(agent_id, Box::new(patch));
        let (services, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        agent_of(&services, &workspace, id)
    }

    /// Makes a team. At most 500 a workspace.
    async fn create_team(&self, ctx: &Context<'_>, input: TeamInput, idempotency_key: Option<String>) -> Result<Team> {
        let described = json!(["createTeam", input]);
        let body = WorkspaceCommandBody::CreateSetting(Setting::Team(input.into_team(new_id()?)));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.team(id).cloned(), "team")?.into())
    }

    /// Replaces a team as a whole.
    async fn update_team(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: TeamInput,
        idempotency_key: Option<String>,
    ) -> Result<Team> {
        let described = json!(["updateTeam", id, input]);
        let body = WorkspaceCommandBody::ReplaceSetting(Setting::Team(input.into_team(id)));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.team(id).cloned(), "team")?.into())
    }

    /// Makes a responder. At most 500 a workspace.
    async fn create_responder(
        &self,
        ctx: &Context<'_>,
        input: ResponderInput,
        idempotency_key: Option<String>,
    ) -> Result<Responder> {
        let described = json!(["createResponder", input]);
        let body = WorkspaceCommandBody::CreateSetting(Setting::Responder(input.into_responder(new_id()?)));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.responder(id).cloned(), "responder")?.into())
    }

    /// Replaces a responder as a whole.
    async fn update_responder(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: ResponderInput,
        idempotency_key: Option<String>,
    ) -> Result<Responder> {
        let described = json!(["updateResponder", id, input]);
        let body = WorkspaceCommandBody::ReplaceSetting(Setting::Responder(input.into_responder(id)));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.responder(id).cloned(), "responder")?.into())
    }

    /// Makes a tag. At most 2,000 a workspace.
    async fn create_tag(&self, ctx: &Context<'_>, input: TagInput, idempotency_key: Option<String>) -> Result<Tag> {
        let described = json!(["createTag", input]);
        let body = WorkspaceCommandBody::CreateSetting(Setting::Tag(domain::field::Tag {
            id: new_id()?,
            name: input.name,
        }));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.tag(id).cloned(), "tag")?.into())
    }

    /// Replaces a tag as a whole.
    async fn update_tag(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: TagInput,
        idempotency_key: Option<String>,
    ) -> Result<Tag> {
        let described = json!(["updateTag", id, input]);
        let body = WorkspaceCommandBody::ReplaceSetting(Setting::Tag(domain::field::Tag { id, name: input.name }));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.tag(id).cloned(), "tag")?.into())
    }

    /// Makes a field of tickets or contacts. At most 200 a workspace.
    async fn create_field(
        &self,
        ctx: &Context<'_>,
        input: FieldInput,
        idempotency_key: Option<String>,
    ) -> Result<Field> {
        let described = json!(["createField", input]);
        let body = WorkspaceCommandBody::CreateSetting(Setting::Field(input.into_field(new_id()?)));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.fields.iter().find(|field| field.id == id).cloned(), "field")?.into())
    }

    /// Replaces a field of tickets or contacts as a whole.
    async fn update_field(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
        input: FieldInput,
        idempotency_key: Option<String>,
    ) -> Result<Field> {
        let described = json!(["updateField", id, input]);
        let body = WorkspaceCommandBody::ReplaceSetting(Setting::Field(input.into_field(id)));
        let (_, workspace, id) = change(ctx, idempotency_key, (described, body)).await?;
        Ok(found(workspace.fields.iter().find(|field| field.id == id).cloned(), "field")?.into())
    }
}
