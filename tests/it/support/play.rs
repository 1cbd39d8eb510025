//! One chat of the pure core, with what a store would look up for it.

use std::collections::HashMap;
use std::sync::Arc;

use switchboard::domain::aggregate::Lookup;
use switchboard::domain::command::Incoming;
use switchboard::domain::event::Profile;
use switchboard::domain::field::{Field, FieldKind, FieldTarget, Tag};
use switchboard::domain::message::Content;
use switchboard::domain::people::{Agent, Responder, ResponderEntity, Team};
use switchboard::domain::{
    Actor, Aggregate, ChannelPolicy, Chat, ChatCommand, ChatCommandBody, DedupeKey, Event, Receipt, Rejection,
    Rulebook, Ticket, TicketAction, Workspace, id,
};
use uuid::Uuid;

pub struct Play {
    pub chat: Chat,
    pub rules: Rulebook,
    pub now: u64,
    /// The events of the last command.
    pub events: Vec<Arc<Event>>,
    /// Whether the whole chat is replayed after every command.
    pub replays: bool,
    log: Vec<Arc<Event>>,
    receipts: HashMap<String, Receipt>,
    commits: u64,
}

pub fn says(text: &str) -> Content {
    Content {
        text: Some(text.into()),
        attachments: Vec::new(),
    }
}

fn number(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

impl Play {
    pub const CHANNEL: Uuid = Uuid::from_u128(42);
    pub const AGENT: Uuid = Uuid::from_u128(1);
    pub const OTHER: Uuid = Uuid::from_u128(2);
    pub const TEAM: Uuid = Uuid::from_u128(3);
    pub const TAG: Uuid = Uuid::from_u128(4);
    pub const BOT: Uuid = Uuid::from_u128(5);
    pub const UNKNOWN: Uuid = Uuid::from_u128(99);

    /// The field of tickets with this kind.
    pub fn field(kind: FieldKind) -> Uuid {
        number(10 + kind as u128)
    }

    /// The field of contacts.
    pub fn contact_field() -> Uuid {
        number(20)
    }

    pub fn workspace() -> Workspace {
        let mut workspace = Workspace::blank(id::first_workspace());
        for (id, name) in [(Self::AGENT, "Robin"), (Self::OTHER, "Sam")] {
            workspace.agents.push(Agent::named(id, name));
        }
        workspace.teams.push(Team {
            id: Self::TEAM,
            name: "Support".into(),
            picture: None,
            members: Vec::new(),
        });
        workspace.tags.push(Tag {
            id: Self::TAG,
            name: "vip".into(),
        });
        workspace.responders.push(Responder {
            id: Self::BOT,
            name: "Bot".into(),
            picture: None,
            entity: ResponderEntity::Agent,
            version_id: Some(number(6)),
            version_number: Some(2),
        });
        for kind in [
            FieldKind::Text,
            FieldKind::Number,
            FieldKind::Select,
            FieldKind::Date,
            FieldKind::Checkbox,
        ] {
            workspace.fields.push(Field {
                id: Self::field(kind),
                name: "field".into(),
                kind,
                target: FieldTarget::Ticket,
                options: if kind == FieldKind::Select {
                    vec!["red".into(), "green".into()]
                } else {
                    Vec::new()
                },
            });
        }
        workspace.fields.push(Field {
            id: Self::contact_field(),
            name: "since".into(),
            kind: FieldKind::Date,
            target: FieldTarget::Contact,
            options: Vec::new(),
        });
        workspace
    }

    pub fn new(policy: ChannelPolicy) -> Self {
        Self {
            chat: Chat::blank(id::chat(id::first_workspace(), Self::CHANNEL, "ada")),
            rules: Rulebook {
                policy,
                workspace: Arc::new(Self::workspace()),
            },
            now: 1_000_000,
            events: Vec::new(),
            replays: true,
            log: Vec::new(),
            receipts: HashMap::new(),
            commits: 0,
        }
    }

    /// A chat whose first ticket is NEW.
    pub fn begun(policy: ChannelPolicy) -> Self {
        let mut play = Self::new(policy);
        play.say("m1").unwrap();
        play
    }

    /// A chat whose first ticket is ACTIVE.
    pub fn taken(policy: ChannelPolicy) -> Self {
        let mut play = Self::begun(policy);
        play.act(TicketAction::Take { agent_id: Self::AGENT }).unwrap();
        play
    }

    pub fn send(&mut self, body: ChatCommandBody, keys: Vec<DedupeKey>) -> Result<Receipt, Rejection> {
        self.now += 1;
        let command_id = number(1_000_000 + u128::from(self.now));
        let mut command = ChatCommand {
            origin: Some((Self::CHANNEL, "ada".into())),
            keys,
            ..ChatCommand::new(command_id, id::first_workspace(), Actor::system(), body)
        };
        for round in 0..4 {
            let Some(lookup) = self.chat.lookup(&command, round) else {
                break;
            };
            match lookup {
                Lookup::Keys(keys) => {
                    for key in keys {
                        let receipt = self.receipts.get(key.as_str()).cloned();
                        command.found.receipts.insert(key.as_str().to_owned(), receipt);
                    }
                }
                Lookup::Events(seqs) => {
                    for seq in seqs {
                        let event = self.log.get(seq as usize - 1).cloned();
                        command.found.events.insert(seq, event);
                    }
                }
            }
        }
        let decided = self.chat.decide(&command, &self.rules, self.now)?;
        for key in &decided.keys {
            assert!(
                !self.receipts.contains_key(key.as_str()),
                "{key:?} was looked up and is not known"
            );
        }
        let keys = command.keys.iter().chain(&decided.keys);
        for key in keys {
            self.receipts.insert(key.as_str().to_owned(), decided.receipt.clone());
        }
        self.events = decided.events.into_iter().map(Arc::new).collect();
        self.log.extend(self.events.iter().cloned());
        if !self.events.is_empty() {
            self.chat = decided.state;
            self.chat.set_version(self.commits + 1);
            self.commits += 1;
        }
        let counted = (Aggregate::id(&self.chat), self.chat.version(), self.chat.seq());
        assert_eq!(counted, (self.chat.id, self.commits, self.log.len() as u64));
        let snapshot = serde_json::to_string(&self.chat).unwrap();
        assert_eq!(serde_json::from_str::<Chat>(&snapshot).unwrap(), self.chat);
        self.says_no_more_than_it_must(&snapshot);
        if self.replays {
            self.replay();
        }
        Ok(decided.receipt)
    }

    fn says_no_more_than_it_must(&self, snapshot: &str) {
        let says = |field: &str| snapshot.contains(&format!("\"{field}\""));
        assert_eq!(says("unanswered"), self.chat.unanswered > 0);
        let held = [&self.chat.last_ticket, &self.chat.merge_target];
        let urgent = held
            .into_iter()
            .flatten()
            .any(|ticket| ticket.priority.name() != "MEDIUM");
        assert_eq!(says("priority"), urgent);
    }

    fn replay(&self) {
        let mut replayed = Chat::blank(self.chat.id);
        for event in &self.log {
            let stored = serde_json::to_string(event).unwrap();
            replayed.apply(&serde_json::from_str(&stored).unwrap());
        }
        assert_eq!(replayed, self.chat, "replaying rebuilds the chat");
    }

    pub fn ask(&mut self, body: ChatCommandBody) -> Result<Receipt, Rejection> {
        self.send(body, Vec::new())
    }

    pub fn say(&mut self, external_id: &str) -> Result<Receipt, Rejection> {
        let body = ChatCommandBody::Receive(Box::new(Incoming {
            external_id: Some(external_id.into()),
            content: says("hello"),
            sent_at: None,
            profile: Profile::default(),
            author_name: None,
        }));
        self.send(body, vec![DedupeKey::message(external_id)])
    }

    pub fn answer(&mut self) -> Result<Receipt, Rejection> {
        self.ask(ChatCommandBody::Send {
            content: says("hi"),
            agent_id: Some(Self::AGENT),
            responder_epoch: None,
        })
    }

    /// Something with the ticket of this number.
    pub fn act_on(&mut self, ticket: u32, action: TicketAction) -> Result<Receipt, Rejection> {
        self.ask(ChatCommandBody::ticket(id::ticket(self.chat.id, ticket), action))
    }

    /// Something with the last ticket.
    pub fn act(&mut self, action: TicketAction) -> Result<Receipt, Rejection> {
        let last = self.chat.last_ticket.as_ref().map_or(1, |ticket| ticket.number);
        self.act_on(last, action)
    }

    pub fn ticket(&self) -> &Ticket {
        self.chat.current_ticket().unwrap()
    }

    /// A ticket as its last event shows it.
    pub fn shown(&self, number: u32) -> &Ticket {
        let tickets = self.log.iter().rev().filter_map(|event| event.ticket.as_deref());
        tickets.into_iter().find(|ticket| ticket.number == number).unwrap()
    }

    /// The types of the last command's events.
    pub fn types(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.body.name()).collect()
    }

    /// What the last command changed: target, before, after.
    pub fn patches(&self) -> Vec<(String, serde_json::Value, serde_json::Value)> {
        let changes = self.events.iter().flat_map(|event| event.patch());
        changes
            .map(|change| (change.target, change.old_value, change.value))
            .collect()
    }
}
