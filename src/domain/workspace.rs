//! A workspace's settings, under the same rules as a chat.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::aggregate::{Aggregate, Decided};
use super::command::{Wish, check_name};
use super::event::EventBody;
use super::field::{Field, FieldTarget, Tag};
use super::key::{ApiKey, KeyCommand};
use super::people::{Agent, AgentPatch, Responder, Team};
use super::webhook::{Webhook, WebhookCommand};
use super::{ChannelPolicy, Event, Millis, PolicyPatch, Rejection};

/// The most channels of one workspace.
pub const CHANNELS_MAX: usize = 1_000;
/// The most agents of one workspace.
pub const AGENTS_MAX: usize = 5_000;
/// The most teams of one workspace.
pub const TEAMS_MAX: usize = 500;
/// The most responders of one workspace.
pub const RESPONDERS_MAX: usize = 500;
/// The most tags of one workspace.
pub const TAGS_MAX: usize = 2_000;
/// The most fields of one workspace.
pub const FIELDS_MAX: usize = 200;

/// What a channel is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum ChannelType {
    Whatsapp,
    Telegram,
    Instagram,
    Facebook,
    Vk,
    Line,
    Web,
    Email,
    Api,
    Shopee,
    Lazada,
    Tiktok,
}

/// A connected account of the company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Unique.
    pub id: Uuid,
    /// What it is connected to.
    #[serde(rename = "type")]
    pub kind: ChannelType,
    /// To show.
    pub name: String,
    /// What it sets itself; the rest is the workspace's.
    #[serde(default)]
    pub policy: PolicyPatch,
    /// SHA-256 of the secret that the provider's requests carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_secret_hash: Option<String>,
}

/// The settings of one workspace; its JSON is the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// The tenant.
    pub id: Uuid,
    /// To show.
    pub name: String,
    /// Commits so far.
    pub version: u64,
    /// Events so far.
    pub seq: u64,
    /// What a channel leaves open.
    pub policy: ChannelPolicy,
    /// At most [`CHANNELS_MAX`].
    pub channels: Vec<Channel>,
    /// At most [`AGENTS_MAX`].
    pub agents: Vec<Agent>,
    /// At most [`TEAMS_MAX`].
    #[serde(default)]
    pub teams: Vec<Team>,
    /// At most [`RESPONDERS_MAX`].
    #[serde(default)]
    pub responders: Vec<Responder>,
    /// At most [`TAGS_MAX`].
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// At most [`FIELDS_MAX`].
    #[serde(default)]
    pub fields: Vec<Field>,
    /// At most [`KEYS_MAX`](super::key::KEYS_MAX).
    pub keys: Vec<ApiKey>,
    /// At most [`WEBHOOKS_MAX`](super::webhook::WEBHOOKS_MAX).
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
}

/// Something that is made or replaced as a whole.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Setting {
    Agent(Box<Agent>),
    Team(Team),
    Responder(Responder),
    Tag(Tag),
    Field(Field),
}

/// What to do with a workspace's settings.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum WorkspaceCommandBody {
    Create {
        name: String,
    },
    UpdatePolicy(Box<PolicyPatch>),
    CreateChannel(Box<Channel>),
    UpdateChannel {
        id: Uuid,
        name: Option<String>,
        policy: Box<PolicyPatch>,
        hook_secret_hash: Option<String>,
    },
    CreateSetting(Setting),
    ReplaceSetting(Setting),
    UpdateAgent(Uuid, Box<AgentPatch>),
    Key(KeyCommand),
    Webhook(WebhookCommand),
}

/// A wish about a workspace's settings.
pub type WorkspaceCommand = Wish<WorkspaceCommandBody>;

fn by_id<T>(list: &[T], id: Uuid, id_of: impl Fn(&T) -> Uuid) -> Option<&T> {
    list.iter().find(|item| id_of(item) == id)
}

fn known<T: Clone>(found: Option<&T>, what: &'static str) -> Result<T, Rejection> {
    found.cloned().ok_or(Rejection::NotFound { what })
}

fn replace<T: Clone>(list: &mut [T], item: &T, id_of: impl Fn(&T) -> Uuid) {
    if let Some(known) = list.iter_mut().find(|known| id_of(known) == id_of(item)) {
        known.clone_from(item);
    }
}

impl Workspace {
    /// The channel with this id.
    #[must_use]
    pub fn channel(&self, id: Uuid) -> Option<&Channel> {
        by_id(&self.channels, id, |channel| channel.id)
    }

    /// The agent with this id.
    #[must_use]
    pub fn agent(&self, id: Uuid) -> Option<&Agent> {
        by_id(&self.agents, id, |agent| agent.id)
    }

    /// The team with this id.
    #[must_use]
    pub fn team(&self, id: Uuid) -> Option<&Team> {
        by_id(&self.teams, id, |team| team.id)
    }

    /// The responder with this id.
    #[must_use]
    pub fn responder(&self, id: Uuid) -> Option<&Responder> {
        by_id(&self.responders, id, |responder| responder.id)
    }

    /// The tag with this id.
    #[must_use]
    pub fn tag(&self, id: Uuid) -> Option<&Tag> {
        by_id(&self.tags, id, |tag| tag.id)
    }

    /// The field with this id, if it is one of `target`.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub fn field(&self, id: Uuid, target: FieldTarget) -> Result<&Field, Rejection> {
        let found = by_id(&self.fields, id, |field| field.id);
        found
            .filter(|field| field.target == target)
            .ok_or(Rejection::NotFound { what: "field" })
    }

    fn check_policy(&self, policy: &PolicyPatch) -> Result<(), Rejection> {
        policy.check()?;
        if let Some(id) = policy.default_team_id.flatten()
            && self.team(id).is_none()
        {
            return Err(Rejection::NotFound { what: "team" });
        }
        if let Some(id) = policy.default_responder_id.flatten()
            && self.responder(id).is_none()
        {
            return Err(Rejection::NotFound { what: "responder" });
        }
        Ok(())
    }

    /// The event that grants a wish, and the id of what it is about; none where there is nothing to change.
    fn choose(&self, command: &WorkspaceCommand, now: Millis) -> Result<(Option<EventBody>, Uuid), Rejection> {
        match &command.body {
            WorkspaceCommandBody::Create { name } => {
                check_name("name", name)?;
                if self.seq > 0 {
                    return Err(Rejection::AlreadyExists { what: "a workspace" });
                }
                Ok((Some(EventBody::WorkspaceCreated { name: name.clone() }), self.id))
            }
            _ if self.seq == 0 => Err(Rejection::NotFound { what: "workspace" }),
            WorkspaceCommandBody::UpdatePolicy(policy) => {
                self.check_policy(policy)?;
                let policy = policy.clone();
                Ok((Some(EventBody::WorkspaceUpdated { policy }), self.id))
            }
            WorkspaceCommandBody::CreateChannel(channel) => {
                check_name("input.name", &channel.name)?;
                self.check_policy(&channel.policy)?;
                check_new("a channel", self.channel(channel.id).is_none())?;
                check_room("channels", self.channels.len(), CHANNELS_MAX)?;
                let channel = channel.clone();
                let id = channel.id;
                Ok((Some(EventBody::ChannelCreated { channel }), id))
            }
            WorkspaceCommandBody::UpdateChannel {
                id,
                name,
                policy,
                hook_secret_hash,
            } => {
                if let Some(name) = name {
                    check_name("input.name", name)?;
                }
                self.check_policy(policy)?;
                if self.channel(*id).is_none() {
                    return Err(Rejection::NotFound { what: "channel" });
                }
                let body = EventBody::ChannelUpdated {
                    id: *id,
                    name: name.clone(),
                    policy: policy.clone(),
                    hook_secret_hash: hook_secret_hash.clone(),
                };
                Ok((Some(body), *id))
            }
            WorkspaceCommandBody::CreateSetting(setting) => self.create(setting),
            WorkspaceCommandBody::ReplaceSetting(setting) => self.replace(setting),
            WorkspaceCommandBody::UpdateAgent(id, patch) => {
                let from = self.agent(*id).ok_or(Rejection::NotFound { what: "agent" })?;
                self.replace(&Setting::Agent(Box::new(from.patched(patch))))
            }
            WorkspaceCommandBody::Key(command) => self.choose_key(command, now),
            WorkspaceCommandBody::Webhook(command) => self.choose_webhook(command, now),
        }
    }

    fn check_setting(&self, setting: &Setting) -> Result<(), Rejection> {
        match setting {
            Setting::Agent(agent) => agent.check(),
            Setting::Team(team) => team.check(|id| self.agent(id).is_some()),
            Setting::Responder(responder) => responder.check(),
            Setting::Tag(tag) => check_name("input.name", &tag.name),
            Setting::Field(field) => field.check_definition(),
        }
    }

    fn create(&self, setting: &Setting) -> Result<(Option<EventBody>, Uuid), Rejection> {
        self.check_setting(setting)?;
        let (known, count, what, max) = match setting {
            Setting::Agent(agent) => (self.agent(agent.id).is_some(), self.agents.len(), "agents", AGENTS_MAX),
            Setting::Team(team) => (self.team(team.id).is_some(), self.teams.len(), "teams", TEAMS_MAX),
            Setting::Responder(responder) => {
                let known = self.responder(responder.id).is_some();
                (known, self.responders.len(), "responders", RESPONDERS_MAX)
            }
            Setting::Tag(tag) => (self.tag(tag.id).is_some(), self.tags.len(), "tags", TAGS_MAX),
            Setting::Field(field) => {
                let known = self.fields.iter().any(|known| known.id == field.id);
                (known, self.fields.len(), "fields", FIELDS_MAX)
            }
        };
        check_new(what, !known)?;
        check_room(what, count, max)?;
        Ok(match setting.clone() {
            Setting::Agent(agent) => {
                let id = agent.id;
                (Some(EventBody::AgentCreated { agent }), id)
            }
            Setting::Team(team) => {
                let id = team.id;
                (Some(EventBody::TeamCreated { team }), id)
            }
            Setting::Responder(responder) => {
                let id = responder.id;
                (Some(EventBody::ResponderCreated { responder }), id)
            }
            Setting::Tag(tag) => {
                let id = tag.id;
                (Some(EventBody::TagCreated { tag }), id)
            }
            Setting::Field(field) => {
                let id = field.id;
                (Some(EventBody::FieldCreated { field }), id)
            }
        })
    }

    fn replace(&self, setting: &Setting) -> Result<(Option<EventBody>, Uuid), Rejection> {
        self.check_setting(setting)?;
        Ok(match setting.clone() {
            Setting::Agent(to) => {
                let from = Box::new(known(self.agent(to.id), "agent")?);
                let id = to.id;
                ((from != to).then_some(EventBody::AgentUpdated { from, to }), id)
            }
            Setting::Team(to) => {
                let from = known(self.team(to.id), "team")?;
                let id = to.id;
                ((from != to).then_some(EventBody::TeamUpdated { from, to }), id)
            }
            Setting::Responder(to) => {
                let from = known(self.responder(to.id), "responder")?;
                let id = to.id;
                ((from != to).then_some(EventBody::ResponderUpdated { from, to }), id)
            }
            Setting::Tag(to) => {
                let from = known(self.tag(to.id), "tag")?;
                let id = to.id;
                ((from != to).then_some(EventBody::TagUpdated { from, to }), id)
            }
            Setting::Field(to) => {
                let from = known(by_id(&self.fields, to.id, |field| field.id), "field")?;
                if (from.kind, from.target) != (to.kind, to.target) {
                    return Err(Rejection::invalid(
                        "input.kind",
                        "the kind and target that the field has",
                    ));
                }
                let id = to.id;
                ((from != to).then_some(EventBody::FieldUpdated { from, to }), id)
            }
        })
    }
}

fn check_new(what: &'static str, is_new: bool) -> Result<(), Rejection> {
    if is_new {
        return Ok(());
    }
    Err(Rejection::AlreadyExists { what })
}

fn check_room(what: &'static str, len: usize, max: usize) -> Result<(), Rejection> {
    if len >= max {
        return Err(Rejection::LimitReached { what, max });
    }
    Ok(())
}

impl Aggregate for Workspace {
    type Command = WorkspaceCommand;
    type Policy = ();

    fn blank(id: Uuid) -> Self {
        Self {
            id,
            name: String::new(),
            version: 0,
            seq: 0,
            policy: ChannelPolicy::default(),
            channels: Vec::new(),
            agents: Vec::new(),
            teams: Vec::new(),
            responders: Vec::new(),
            tags: Vec::new(),
            fields: Vec::new(),
            keys: Vec::new(),
            webhooks: Vec::new(),
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    fn decide(&self, command: &WorkspaceCommand, (): &(), now: Millis) -> Result<Decided<Self>, Rejection> {
        let (body, setting_id) = self.choose(command, now)?;
        let mut decided = match body {
            Some(body) => command.grant(self, body, now),
            None => command.nothing(self.clone()),
        };
        decided.receipt.setting_id = Some(setting_id);
        Ok(decided)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others belong to other aggregates")]
    fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.version = event.version;
        match &event.body {
            EventBody::WorkspaceCreated { name } => self.name.clone_from(name),
            EventBody::WorkspaceUpdated { policy } => self.policy = policy.over(&self.policy),
            EventBody::ChannelCreated { channel } => self.channels.push(Channel::clone(channel)),
            EventBody::ChannelUpdated { id, .. } => {
                if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == *id) {
                    channel.change(&event.body);
                }
            }
            EventBody::AgentCreated { agent } => self.agents.push((**agent).clone()),
            EventBody::AgentUpdated { to, .. } => replace(&mut self.agents, &**to, |agent| agent.id),
            EventBody::TeamCreated { team } => self.teams.push(team.clone()),
            EventBody::TeamUpdated { to, .. } => replace(&mut self.teams, to, |team| team.id),
            EventBody::ResponderCreated { responder } => self.responders.push(responder.clone()),
            EventBody::ResponderUpdated { to, .. } => replace(&mut self.responders, to, |responder| responder.id),
            EventBody::TagCreated { tag } => self.tags.push(tag.clone()),
            EventBody::TagUpdated { to, .. } => replace(&mut self.tags, to, |tag| tag.id),
            EventBody::FieldCreated { field } => self.fields.push(field.clone()),
            EventBody::FieldUpdated { to, .. } => replace(&mut self.fields, to, |field| field.id),
            _ => {
                self.apply_key(event);
                self.apply_webhook(event);
            }
        }
    }
}

impl Channel {
    fn change(&mut self, body: &EventBody) {
        let EventBody::ChannelUpdated {
            name,
            policy,
            hook_secret_hash,
            ..
        } = body
        else {
            return;
        };
        if let Some(name) = name {
            self.name.clone_from(name);
        }
        self.policy.merge(policy);
        if hook_secret_hash.is_some() {
            self.hook_secret_hash.clone_from(hook_secret_hash);
        }
    }
}
