//! A workspace in which random things happen, and what is remembered of them without the view.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use switchboard::domain::command::{Incoming, MessageName};
use switchboard::domain::event::Profile;
use switchboard::domain::message::{Amendment, Content};
use switchboard::domain::people::{Agent, Responder, ResponderEntity, Team};
use switchboard::domain::{
    Actor, ActorKind, Channel, ChannelType, ChatCommand, ChatCommandBody, DedupeKey, Event, EventBody, PolicyPatch,
    Priority, Setting, Ticket, TicketAction, WorkspaceCommand, WorkspaceCommandBody, field::Tag, id,
};
use switchboard::server::Node;
use uuid::Uuid;

/// Numbers by chance, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    pub fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.roll(list.len())].clone()
    }

    /// One in so many.
    pub fn once_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

pub const WORDS: [&str; 12] = [
    "order", "Ordnung", "café", "CAFE", "naïve", "refund", "parcel", "Straße", "4711", "to", "größe", "o'clock",
];

/// Names with accents, and with what full-text search might take for its own.
const NAMES: [&str; 6] = [
    "Zoë",
    "Ada \"Ace\" Fischer",
    "NOT Noor",
    "Mei* Tanaka",
    "josé",
    "AND (Luis)",
];

fn known_id(name: &str, number: usize) -> Uuid {
    id::chat(Uuid::nil(), Uuid::nil(), &format!("{name} {number}"))
}

pub fn ids(name: &str, count: usize) -> Vec<Uuid> {
    (0..count).map(|number| known_id(name, number)).collect()
}

/// What is known of a chat.
#[derive(Clone, Debug, Default)]
pub struct ChatModel {
    pub channel_id: Uuid,
    pub external_id: String,
    pub name: String,
    pub removed: bool,
    pub responder_id: Option<Uuid>,
    /// The responder answers, not people.
    pub owned: bool,
    pub updated_at: u64,
    /// The text and ticket of messages, by `seq`.
    pub messages: BTreeMap<u64, (Option<u32>, String)>,
    pub tickets: BTreeMap<u32, Ticket>,
}

impl ChatModel {
    /// From all of its events.
    pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut model = Self::default();
        let mut edits: BTreeMap<u64, u64> = BTreeMap::new();
        let mut deleted = HashSet::new();
        for event in events {
            model.updated_at = event.at;
            if let Some(ticket) = &event.ticket {
                model.tickets.insert(ticket.number, ticket.as_ref().clone());
            }
            match &event.body {
                EventBody::ChatCreated { channel_id, owner } => {
                    model.channel_id = *channel_id;
                    model.external_id.clone_from(&owner.external_id);
                    model.name = owner.profile.name.clone().unwrap_or_default();
                }
                EventBody::ChatUpdated { to, .. } => model.name = to.name.clone().unwrap_or_default(),
                EventBody::ChatRemoved {} => model.removed = true,
                EventBody::ChatRestored {} => model.removed = false,
                EventBody::ChatResponderChanged { to, owns, .. } => {
                    model.responder_id = to.as_ref().map(|to| to.id);
                    model.owned = *owns;
                }
                EventBody::MessageEdited {
                    message_seq,
                    content,
                    edited_at,
                } => {
                    let last = edits.entry(*message_seq).or_default();
                    if *last <= *edited_at && !deleted.contains(message_seq) {
                        *last = *edited_at;
                        let text = content.text.clone().unwrap_or_default();
                        model.messages.get_mut(message_seq).unwrap().1 = text;
                    }
                }
                EventBody::MessageDeleted { message_seq, .. } => {
                    deleted.insert(*message_seq);
                    model.messages.get_mut(message_seq).unwrap().1.clear();
                }
                EventBody::TicketMerged { target, .. } => {
                    let source = event.ticket.as_ref().unwrap().number;
                    for (number, _) in model.messages.values_mut() {
                        if *number == Some(source) {
                            *number = Some(target.number);
                        }
                    }
                }
                _ => {}
            }
            if let Some(message) = event.body.message() {
                let number = event.ticket.as_ref().map(|ticket| ticket.number);
                let text = message.content.text.clone().unwrap_or_default();
                model.messages.insert(event.seq, (number, text));
            }
        }
        model
    }
}

/// Does random things to one workspace.
pub struct World {
    pub workspace_id: Uuid,
    pub channels: Vec<Uuid>,
    pub agents: Vec<Uuid>,
    pub teams: Vec<Uuid>,
    pub tags: Vec<Uuid>,
    pub responders: Vec<Uuid>,
    owners: usize,
    steps: usize,
    pub dice: Dice,
}

impl World {
    /// Channels, people and tags; the third channel has a responder.
    pub async fn new(node: &Node, workspace_id: Uuid, (owners, seed): (usize, u64)) -> Self {
        let world = Self {
            workspace_id,
            channels: ids("channel", 3),
            agents: ids("agent", 4),
            teams: ids("team", 3),
            tags: ids("tag", 4),
            responders: ids("responder", 2),
            owners,
            steps: 0,
            dice: Dice(seed),
        };
        let mut bodies = Vec::new();
        let setting = WorkspaceCommandBody::CreateSetting;
        for agent_id in &world.agents {
            bodies.push(setting(Setting::Agent(Box::new(Agent::named(*agent_id, "Robin")))));
        }
        for team_id in &world.teams {
            bodies.push(setting(Setting::Team(Team {
                id: *team_id,
                name: team_id.to_string(),
                picture: None,
                members: Vec::new(),
            })));
        }
        for tag_id in &world.tags {
            bodies.push(setting(Setting::Tag(Tag {
                id: *tag_id,
                name: tag_id.to_string(),
            })));
        }
        for responder_id in &world.responders {
            bodies.push(setting(Setting::Responder(Responder {
                id: *responder_id,
                name: "Bot".into(),
                picture: None,
                entity: ResponderEntity::Agent,
                version_id: None,
                version_number: None,
            })));
        }
        for (number, channel_id) in world.channels.iter().enumerate() {
            let mut policy = PolicyPatch::default();
            if number == 0 {
                policy.restore_period_ms = Some(Some(0));
            }
            if number == 2 {
                policy.inbound_mode = Some(switchboard::domain::InboundMode::Responder);
                policy.default_responder_id = Some(Some(world.responders[0]));
            }
            bodies.push(WorkspaceCommandBody::CreateChannel(Box::new(Channel {
                id: *channel_id,
                kind: ChannelType::Api,
                name: "a channel".into(),
                policy,
                hook_secret_hash: None,
            })));
        }
        for body in bodies {
            let command = WorkspaceCommand {
                workspace_id,
                id: Uuid::from_u128(u128::from(getrandom::u64().unwrap())),
                actor: Actor::system(),
                keys: Vec::new(),
                body_hash: None,
                body,
            };
            node.services.router.workspace(command).await.unwrap();
        }
        node.services.live.catch_up(Duration::from_secs(10)).await.unwrap();
        world
    }

    pub fn chats(&self) -> Vec<Uuid> {
        let of_channel = |channel_id: &Uuid| {
            let channel_id = *channel_id;
            (0..self.owners).map(move |owner| id::chat(self.workspace_id, channel_id, &owner_name(owner)))
        };
        self.channels.iter().flat_map(of_channel).collect()
    }

    /// One random thing, whether it is refused or not.
    pub async fn step(&mut self, node: &Node) {
        self.steps += 1;
        let (channel_id, owner) = (self.dice.pick(&self.channels), self.dice.roll(self.owners));
        let owner = owner_name(owner);
        let chat_id = id::chat(self.workspace_id, channel_id, &owner);
        let command_id = known_id(&format!("{} step", self.workspace_id), self.steps);
        let router = &node.services.router;
        let pending = if self.dice.once_in(3) {
            let body = ChatCommandBody::Receive(Box::new(self.incoming()));
            let actor = Actor::new(ActorKind::Owner, owner.clone());
            let key = DedupeKey::message(&format!("m{}", self.steps));
            router.submit_to_origin(ChatCommand {
                origin: Some((channel_id, owner)),
                keys: vec![key],
                ..ChatCommand::new(command_id, self.workspace_id, actor, body)
            })
        } else {
            let body = self.body(chat_id);
            let actor = Actor::new(ActorKind::Api, "test".to_owned());
            let command = ChatCommand::new(command_id, self.workspace_id, actor, body);
            router.submit(chat_id, channel_id, command)
        };
        let _ = pending.unwrap().answer().await;
    }

    fn incoming(&mut self) -> Incoming {
        Incoming {
            external_id: Some(format!("m{}", self.steps)),
            content: self.text(),
            sent_at: None,
            profile: Profile {
                name: Some(self.dice.pick(&NAMES).to_owned()),
                avatar: None,
            },
            author_name: None,
        }
    }

    fn text(&mut self) -> Content {
        let words: Vec<&str> = (0..=self.dice.roll(3)).map(|_| self.dice.pick(&WORDS)).collect();
        Content {
            text: Some(words.join(" ")),
            attachments: Vec::new(),
        }
    }

    fn body(&mut self, chat_id: Uuid) -> ChatCommandBody {
        let number = 1 + self.dice.roll(3) as u32;
        let message = MessageName::Seq(1 + self.dice.roll(12) as u64);
        let amend = |message, amendment| ChatCommandBody::Amend {
            message,
            amendment,
            external_id: None,
            of_owner: false,
        };
        match self.dice.roll(24) {
            0 | 1 => ChatCommandBody::Send {
                content: self.text(),
                agent_id: Some(self.dice.pick(&self.agents.clone())),
                responder_epoch: None,
            },
            2 => amend(
                message,
                Amendment::Edit {
                    content: self.text(),
                    edited_at: 1_700_000_000_000 + self.steps as u64,
                },
            ),
            3 => amend(message, Amendment::Delete { deleted_at: 1 }),
            4 if self.dice.once_in(3) => ChatCommandBody::Remove,
            5 => ChatCommandBody::Restore,
            6 => ChatCommandBody::Handover {
                team_id: Some(self.dice.pick(&self.teams.clone())),
                summary: Some("wants a refund".into()),
            },
            // NEW, and somebody's
            7 => ChatCommandBody::Open {
                subject: None,
                assignee_id: Some(self.dice.pick(&self.agents.clone())),
                team_id: None,
                is_taken: false,
            },
            _ => {
                let action = self.action(chat_id);
                ChatCommandBody::ticket(id::ticket(chat_id, number), action)
            }
        }
    }

    fn action(&mut self, chat_id: Uuid) -> TicketAction {
        let (agents, teams, tags) = (self.agents.clone(), self.teams.clone(), self.tags.clone());
        let dice = &mut self.dice;
        match dice.roll(20) {
            0 | 1 => TicketAction::Take {
                agent_id: dice.pick(&agents),
            },
            2 => TicketAction::Assign {
                agent_id: Some(Some(dice.pick(&agents))),
                team_id: Some(Some(dice.pick(&teams))),
            },
            3 => TicketAction::Assign {
                agent_id: Some(None),
                team_id: None,
            },
            4 => TicketAction::Assign {
                agent_id: None,
                team_id: Some((!dice.once_in(3)).then(|| dice.pick(&teams))),
            },
            5 | 6 => TicketAction::AddTag(dice.pick(&tags)),
            7 => TicketAction::RemoveTag(dice.pick(&tags)),
            8 | 9 => TicketAction::SetPriority(dice.pick(&[
                Priority::Low,
                Priority::Medium,
                Priority::High,
                Priority::Urgent,
            ])),
            10 => TicketAction::SetSubject((!dice.once_in(4)).then(|| dice.pick(&WORDS).to_owned())),
            11 => TicketAction::SetSummary(dice.pick(&["", "lost parcel", "Crème brûlée"]).to_owned()),
            12 | 13 => TicketAction::Complete,
            14 if dice.once_in(4) => TicketAction::MarkSpam,
            14 => TicketAction::Close,
            15 => TicketAction::Reopen,
            16 => TicketAction::Pend,
            17 => TicketAction::Merge {
                into: id::ticket(chat_id, 1),
            },
            18 if dice.once_in(2) => TicketAction::Delete,
            18 => TicketAction::UnmarkSpam,
            _ => TicketAction::Restore,
        }
    }

    /// What the records say of every chat.
    pub async fn model(&self, node: &Node) -> BTreeMap<Uuid, ChatModel> {
        let mut model = BTreeMap::new();
        for chat_id in self.chats() {
            let records = node.store.history(chat_id, 0, 100_000).await.unwrap();
            if !records.is_empty() {
                let chat = ChatModel::replay(records.iter().map(|record| &*record.event));
                model.insert(chat_id, chat);
            }
        }
        model
    }
}

fn owner_name(number: usize) -> String {
    format!("+49-170-{number:04}")
}
