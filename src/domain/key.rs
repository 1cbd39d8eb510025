//! API keys: what each opens, for whom, and until when.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{check_name, is_repetitive};
use super::event::EventBody;
use super::{Event, Millis, Rejection, Workspace, id};

/// The most API keys of one workspace.
pub const KEYS_MAX: usize = 1_000;
/// The most secrets with which a key opens at the same time.
pub const SECRETS_MAX: usize = 2;
/// The most channels that a key is limited to.
pub const KEY_CHANNELS_MAX: usize = 100;
/// How long a secret may go on once another took its place, in milliseconds: 30 days.
pub const OVERLAP_MAX_MS: Millis = 2_592_000_000;
/// How exact it is when a key was used last, in milliseconds: an hour.
pub const USE_ACCURACY_MS: Millis = 3_600_000;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scope {
    /// Ask and watch.
    Read,
    /// Ask, watch, take in and command: chats, tickets, messages, contacts.
    Write,
    /// Take in what owners write, and nothing else.
    Ingest,
    /// Everything, settings and keys among it.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Ingest, Self::Admin];

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Ingest => "INGEST",
            Self::Admin => "ADMIN",
        }
    }

    /// Whether who may do this may do the other too.
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Write => other != Self::Admin,
            Self::Read | Self::Ingest => other == self,
        }
    }
}

/// What an agent's key may do in the name of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Act as the agent, and as nobody else.
    Agent,
    /// Act as any agent, and give tickets to any.
    Supervisor,
}

/// What a key is made of where only its holder knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySecret {
    /// SHA-256 of the whole text of the key, in hexadecimal.
    pub hash: String,
    /// Another one for each secret of a key.
    pub created_at: Millis,
    /// None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

impl KeySecret {
    /// Whether it opens anything now.
    #[must_use]
    pub fn is_live(&self, now: Millis) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// What a key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyGrant {
    /// To show.
    pub name: String,
    /// At least one, each once.
    pub scopes: Vec<Scope>,
    /// Nothing of other channels, at most [`KEY_CHANNELS_MAX`]; empty: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_ids: Vec<Uuid>,
    /// Whose key it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<Uuid>,
    /// Of an agent's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

impl KeyGrant {
    fn patched(&self, patch: &KeyPatch) -> Self {
        Self {
            name: patch.name.clone().unwrap_or(self.name.clone()),
            scopes: patch.scopes.clone().unwrap_or(self.scopes.clone()),
            channel_ids: patch.channel_ids.clone().unwrap_or(self.channel_ids.clone()),
            agent_id: self.agent_id,
            role: patch.role.or(self.role),
            expires_at: patch.expires_at.unwrap_or(self.expires_at),
        }
    }

    /// Whether it can always make other keys.
    fn is_lasting_admin(&self) -> bool {
        self.scopes.contains(&Scope::Admin) && self.expires_at.is_none()
    }

    fn check(&self) -> Result<(), Rejection> {
        check_name("input.name", &self.name)?;
        if self.scopes.is_empty() || is_repetitive(&self.scopes) {
            return Err(Rejection::invalid("input.scopes", "one or more, each once"));
        }
        if self.channel_ids.len() > KEY_CHANNELS_MAX {
            let expected = format!("at most {KEY_CHANNELS_MAX}");
            return Err(Rejection::invalid("input.channelIds", expected));
        }
        if self.agent_id.is_some() != self.role.is_some() {
            return Err(Rejection::invalid(
                "input.role",
                "a role with an agentId, and none without",
            ));
        }
        let is_confined = !self.channel_ids.is_empty() || self.role == Some(Role::Agent);
        if is_confined && self.scopes.contains(&Scope::Admin) {
            let expected = "no ADMIN for a key of some channels or of role AGENT";
            return Err(Rejection::invalid("input.scopes", expected));
        }
        Ok(())
    }
}

/// What to change of a key; what is absent stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in KeyGrant; `Some(None)` takes away")]
pub struct KeyPatch {
    pub name: Option<String>,
    pub scopes: Option<Vec<Scope>>,
    pub channel_ids: Option<Vec<Uuid>>,
    pub role: Option<Role>,
    pub expires_at: Option<Option<Millis>>,
}

/// An API key. Its secrets are not kept, only their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Stored")]
pub struct ApiKey {
    /// Unique.
    pub id: Uuid,
    /// What it opens.
    #[serde(flatten)]
    pub grant: KeyGrant,
    /// The oldest first; at most [`SECRETS_MAX`] are live.
    pub secrets: Vec<KeySecret>,
    /// 0 where it is not known.
    pub created_at: Millis,
    /// Within [`USE_ACCURACY_MS`]; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Millis>,
}

impl ApiKey {
    /// A key that opens everything, by one secret. Its id is derived from the secret's hash.
    #[must_use]
    pub fn admin(name: &str, hash: &str, now: Millis) -> Self {
        let grant = KeyGrant {
            name: name.to_owned(),
            scopes: vec![Scope::Admin],
            channel_ids: Vec::new(),
            agent_id: None,
            role: None,
            expires_at: None,
        };
        Self::new(id::key(hash), grant, hash, now)
    }

    /// A key with one secret.
    #[must_use]
    pub fn new(id: Uuid, grant: KeyGrant, hash: &str, now: Millis) -> Self {
        let secret = KeySecret {
            hash: hash.to_owned(),
            created_at: now,
            expires_at: None,
        };
        Self {
            id,
            grant,
            secrets: vec![secret],
            created_at: now,
            last_used_at: None,
        }
    }

    /// Whether it has not expired; its secrets may have.
    #[must_use]
    pub fn is_live(&self, now: Millis) -> bool {
        self.grant.expires_at.is_none_or(|at| now < at)
    }

    /// Whether a use is worth remembering.
    #[must_use]
    pub fn is_news(&self, used_at: Millis) -> bool {
        let long_ago = |last| used_at.saturating_sub(last) >= USE_ACCURACY_MS;
        self.last_used_at.is_none_or(long_ago)
    }

    fn is_same(&self, other: &Self) -> bool {
        let has = |secret: &KeySecret| other.secrets.iter().any(|known| known.hash == secret.hash);
        self.id == other.id || self.secrets.iter().any(has)
    }

    /// The secrets that are left when all of them end at a time.
    fn outgoing(&self, until: Millis, now: Millis) -> Vec<KeySecret> {
        let secrets = self.secrets.iter().map(|secret| KeySecret {
            expires_at: Some(secret.expires_at.map_or(until, |at| at.min(until))),
            ..secret.clone()
        });
        secrets.filter(|secret| secret.is_live(now)).collect()
    }

    /// The secret that takes the place of those before.
    fn rotated(&self, hash: &str, old_expires_at: Millis, now: Millis) -> Result<KeySecret, Rejection> {
        if self.outgoing(old_expires_at, now).len() >= SECRETS_MAX {
            let what = "secrets of a key that open it: let the older end first, or both at once";
            return Err(Rejection::LimitReached { what, max: SECRETS_MAX });
        }
        let newest = self.secrets.iter().map(|secret| secret.created_at).max();
        Ok(KeySecret {
            hash: hash.to_owned(),
            created_at: newest.map_or(now, |at| now.max(at.saturating_add(1))),
            expires_at: None,
        })
    }
}

/// A key as the log has it. Before keys had scopes they had one hash, and opened everything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    id: Uuid,
    name: String,
    hash: Option<String>,
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(default)]
    channel_ids: Vec<Uuid>,
    agent_id: Option<Uuid>,
    role: Option<Role>,
    expires_at: Option<Millis>,
    #[serde(default)]
    secrets: Vec<KeySecret>,
    #[serde(default)]
    created_at: Millis,
    last_used_at: Option<Millis>,
}

impl From<Stored> for ApiKey {
    fn from(stored: Stored) -> Self {
        if let Some(hash) = stored.hash {
            let grant = Self::admin(&stored.name, &hash, 0).grant;
            return Self::new(stored.id, grant, &hash, 0);
        }
        Self {
            id: stored.id,
            grant: KeyGrant {
                name: stored.name,
                scopes: stored.scopes,
                channel_ids: stored.channel_ids,
                agent_id: stored.agent_id,
                role: stored.role,
                expires_at: stored.expires_at,
            },
            secrets: stored.secrets,
            created_at: stored.created_at,
            last_used_at: stored.last_used_at,
        }
    }
}

/// What to do with a workspace's keys.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum KeyCommand {
    Create(Box<ApiKey>),
    Update {
        id: Uuid,
        patch: Box<KeyPatch>,
    },
    /// Another secret; those before end at `old_expires_at`, or when they would have.
    Rotate {
        id: Uuid,
        hash: String,
        old_expires_at: Millis,
    },
    Revoke(Uuid),
    /// It was used.
    Use {
        id: Uuid,
        at: Millis,
    },
}

impl Workspace {
    /// The key with this id.
    #[must_use]
    pub fn key(&self, id: Uuid) -> Option<&ApiKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The event that grants a wish about keys, and the id of the key; none where there is nothing to change.
    pub(super) fn choose_key(&self, command: &KeyCommand, now: Millis) -> Result<(Option<EventBody>, Uuid), Rejection> {
        let known = |id: Uuid| self.key(id).ok_or(Rejection::NotFound { what: "key" });
        Ok(match command {
            KeyCommand::Create(key) => (Some(self.create_key(key)?), key.id),
            KeyCommand::Update { id, patch } => {
                let from = known(*id)?.grant.clone();
                let to = from.patched(patch);
                self.check_grant(&to)?;
                self.check_admin_stays(*id, Some(&to))?;
                let is_news = from != to;
                let (from, to) = (Box::new(from), Box::new(to));
                (is_news.then_some(EventBody::KeyUpdated { id: *id, from, to }), *id)
            }
            KeyCommand::Rotate {
                id,
                hash,
                old_expires_at,
            } => {
                let body = EventBody::KeyRotated {
                    id: *id,
                    secret: known(*id)?.rotated(hash, *old_expires_at, now)?,
                    old_expires_at: *old_expires_at,
                };
                (Some(body), *id)
            }
            KeyCommand::Revoke(id) => {
                known(*id)?;
                self.check_admin_stays(*id, None)?;
                (Some(EventBody::KeyRevoked { id: *id }), *id)
            }
            KeyCommand::Use { id, at } => {
                let is_news = known(*id)?.is_news(*at);
                (is_news.then_some(EventBody::KeyUsed { id: *id, at: *at }), *id)
            }
        })
    }

    fn create_key(&self, key: &ApiKey) -> Result<EventBody, Rejection> {
        self.check_grant(&key.grant)?;
        if self.keys.iter().any(|known| known.is_same(key)) {
            return Err(Rejection::AlreadyExists { what: "a key" });
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(Rejection::LimitReached {
                what: "keys",
                max: KEYS_MAX,
            });
        }
        let key = Box::new(key.clone());
        Ok(EventBody::KeyCreated { key })
    }

    fn check_grant(&self, grant: &KeyGrant) -> Result<(), Rejection> {
        grant.check()?;
        if grant.channel_ids.iter().any(|id| self.channel(*id).is_none()) {
            return Err(Rejection::NotFound { what: "channel" });
        }
        if grant.agent_id.is_some_and(|id| self.agent(id).is_none()) {
            return Err(Rejection::NotFound { what: "agent" });
        }
        Ok(())
    }

    /// Nobody locks everybody out.
    fn check_admin_stays(&self, id: Uuid, to: Option<&KeyGrant>) -> Result<(), Rejection> {
        let is_lasting = |key: &ApiKey| key.grant.is_lasting_admin();
        let was = self.key(id).is_some_and(is_lasting);
        let stays = to.is_some_and(KeyGrant::is_lasting_admin);
        let mut others = self.keys.iter().filter(|key| key.id != id);
        if was && !stays && !others.any(is_lasting) {
            return Err(Rejection::LastAdminKey);
        }
        Ok(())
    }

    /// Takes an event about a key into the state.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are about no key")]
    pub(super) fn apply_key(&mut self, event: &Event) {
        match &event.body {
            EventBody::KeyCreated { key } => self.keys.push(ApiKey::clone(key)),
            EventBody::KeyUpdated { id, to, .. } => self.change_key(*id, |key| key.grant.clone_from(to)),
            EventBody::KeyRotated {
                id,
                secret,
                old_expires_at,
            } => self.change_key(*id, |key| {
                key.secrets = key.outgoing(*old_expires_at, event.at);
                key.secrets.push(secret.clone());
            }),
            EventBody::KeyRevoked { id } => self.keys.retain(|key| key.id != *id),
            EventBody::KeyUsed { id, at } => self.change_key(*id, |key| key.last_used_at = Some(*at)),
            _ => {}
        }
    }

    fn change_key(&mut self, id: Uuid, change: impl FnOnce(&mut ApiKey)) {
        if let Some(key) = self.keys.iter_mut().find(|key| key.id == id) {
            change(key);
        }
    }
}
