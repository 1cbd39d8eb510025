//! The domain beside a second account of the rules: tables and a list of tickets, written from the design and not from
//! the code. Random commands go to both; after every step both must be in the same place.

mod table;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use switchboard::domain::aggregate::{Found, Lookup};
use switchboard::domain::command::Incoming;
use switchboard::domain::event::Profile;
use switchboard::domain::message::Content;
use switchboard::domain::people::{Agent, Availability, Responder, ResponderEntity};
use switchboard::domain::policy::OnReopen;
use switchboard::domain::{
    Actor, Aggregate, ChannelPolicy, Chat, ChatCommand, ChatCommandBody, Event, InboundMode, Receipt, Rejection,
    Rulebook, TicketAction, Workspace, id,
};
use uuid::Uuid;

use self::table::Model;
use self::words::{Rules, Step, Ticket, Wish};

/// How many steps; a long run sets more.
const STEPS: usize = 20_000;
/// How many steps one chat takes.
const CHAT_STEPS: usize = 150;

/// Enough of a generator for tests: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

const HERE: u128 = 1;
const AWAY: u128 = 2;
const BOT: u128 = 3;

fn agent(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn rulebook(rules: &Rules) -> Rulebook {
    let mut workspace = Workspace::blank(id::first_workspace());
    workspace.agents.push(Agent::named(agent(HERE), "Here"));
    let mut away = Agent::named(agent(AWAY), "Away");
    away.availability = Availability::Away;
    workspace.agents.push(away);
    workspace.responders.push(Responder {
        id: agent(BOT),
        name: "Bot".into(),
        picture: None,
        entity: ResponderEntity::Agent,
        version_id: None,
        version_number: Some(1),
    });
    Rulebook {
        policy: ChannelPolicy {
            restore_period_ms: rules.restore,
            inbound_mode: if rules.responder {
                InboundMode::Responder
            } else {
                InboundMode::Ticket
            },
            max_skew_ms: rules.skew,
            on_reopen: match rules.on_reopen {
                0 => OnReopen::Keep,
                1 => OnReopen::KeepIfAvailable,
                2 => OnReopen::Queue,
                _ => OnReopen::Bot,
            },
            auto_close_after_ms: rules.auto_close,
            default_responder_id: Some(agent(BOT)),
            ..ChannelPolicy::default()
        },
        workspace: Arc::new(workspace),
    }
}

fn rules(dice: &mut Dice) -> Rules {
    Rules {
        restore: dice.pick(&[None, Some(0), Some(1), Some(1_000), Some(5_000)]),
        responder: dice.roll(3) == 0,
        skew: dice.pick(&[0, 2_000, 1_000_000]),
        on_reopen: dice.roll(4),
        auto_close: dice.pick(&[None, None, Some(2_500)]),
    }
}

fn says() -> Content {
    Content {
        text: Some("hello".into()),
        attachments: Vec::new(),
    }
}

fn body(wish: Wish, chat: Uuid) -> ChatCommandBody {
    let ticket = |number: u32, action| ChatCommandBody::ticket(id::ticket(chat, number), action);
    let who = |who: Option<bool>| who.map(|here| agent(if here { HERE } else { AWAY }));
    match wish {
        Wish::Say { sent_at } => ChatCommandBody::Receive(Box::new(Incoming {
            external_id: None,
            content: says(),
            sent_at,
            profile: Profile::default(),
            author_name: None,
        })),
        Wish::Answer { by } => ChatCommandBody::Send {
            content: says(),
            agent_id: who(by),
            responder_epoch: None,
        },
        Wish::BotAnswer { epoch } => ChatCommandBody::Send {
            content: says(),
            agent_id: None,
            responder_epoch: Some(epoch),
        },
        Wish::Outbound => ChatCommandBody::SendOutbound {
            content: says(),
            profile: Profile::default(),
            subject: None,
        },
        Wish::Open { by } => ChatCommandBody::Open {
            subject: None,
            assignee_id: who(by),
            team_id: None,
            is_taken: true,
        },
        Wish::Handover => ChatCommandBody::Handover {
            team_id: None,
            summary: None,
        },
        Wish::TakeoverChat { here } => ChatCommandBody::TakeoverChat {
            agent_id: who(Some(here)).unwrap(),
        },
        Wish::Block => ChatCommandBody::BlockOwner,
        Wish::Unblock => ChatCommandBody::UnblockOwner,
        Wish::Remove => ChatCommandBody::Remove,
        Wish::Bring => ChatCommandBody::Restore,
        Wish::Time => ChatCommandBody::Elapse,
        Wish::Do { number, step } => ticket(number, action(step, chat, who)),
    }
}

fn action(step: Step, chat: Uuid, who: impl Fn(Option<bool>) -> Option<Uuid>) -> TicketAction {
    let agent_id = |here: bool| who(Some(here)).unwrap();
    match step {
        Step::Take { here } => TicketAction::Take {
            agent_id: agent_id(here),
        },
        Step::Assign { to } => TicketAction::Assign {
            agent_id: Some(who(to)),
            team_id: None,
        },
        Step::Offer => TicketAction::Offer {
            agent_id: agent_id(true),
        },
        Step::Takeover { here } => TicketAction::Takeover {
            agent_id: agent_id(here),
        },
        Step::Complete => TicketAction::Complete,
        Step::Close => TicketAction::Close,
        Step::Reopen => TicketAction::Reopen,
        Step::Hold { until } => TicketAction::Hold { until },
        Step::Pend => TicketAction::Pend,
        Step::Resume => TicketAction::Resume,
        Step::Spam => TicketAction::MarkSpam,
        Step::Unspam => TicketAction::UnmarkSpam,
        Step::Merge { into } => TicketAction::Merge {
            into: id::ticket(chat, into),
        },
        Step::Delete => TicketAction::Delete,
        Step::Restore => TicketAction::Restore,
        Step::View => TicketAction::MarkViewed,
    }
}

fn wish(dice: &mut Dice, model: &Model, now: u64) -> Wish {
    let to = |dice: &mut Dice| dice.pick(&[None, Some(true), Some(false)]);
    let newest = model.tickets.len() as u32;
    if newest == 0 || dice.roll(3) == 0 {
        return match dice.roll(16) {
            0..6 => Wish::Say {
                sent_at: dice.pick(&[
                    None,
                    Some(now.saturating_sub(1_500)),
                    Some(now + 700),
                    Some(now - 4_000),
                ]),
            },
            6 => Wish::Answer { by: to(dice) },
            7 | 8 => Wish::BotAnswer {
                epoch: (model.epoch + dice.roll(3) as u32).saturating_sub(1),
            },
            9 => Wish::Outbound,
            10 => Wish::Open { by: to(dice) },
            11 => Wish::Handover,
            12 => Wish::TakeoverChat {
                here: dice.roll(2) == 0,
            },
            13 => dice.pick(&[Wish::Block, Wish::Unblock, Wish::Unblock]),
            14 => dice.pick(&[Wish::Remove, Wish::Bring]),
            _ => Wish::Time,
        };
    }
    let number = if dice.roll(4) > 0 {
        newest
    } else {
        1 + dice.roll(newest as usize) as u32
    };
    let here = dice.roll(2) == 0;
    let step = match dice.roll(20) {
        0 => Step::Take { here },
        1 => Step::Assign { to: to(dice) },
        2 => Step::Offer,
        3 => Step::Takeover { here },
        4 | 5 => Step::Complete,
        6 => Step::Close,
        7 => Step::Reopen,
        8 => Step::Hold {
            until: dice.pick(&[None, Some(now + 900), Some(now)]),
        },
        9 => Step::Pend,
        10 | 11 => Step::Resume,
        12 => Step::Spam,
        13 | 14 => Step::Unspam,
        15 => Step::Merge {
            into: 1 + dice.roll(newest as usize) as u32,
        },
        16 => Step::Delete,
        17 => Step::Restore,
        18 => Step::View,
        _ => return Wish::Time,
    };
    Wish::Do { number, step }
}

/// The store, as far as a decision looks things up in it.
#[derive(Default)]
struct Log {
    events: Vec<Arc<Event>>,
    receipts: HashMap<String, Receipt>,
}

impl Log {
    fn look_up(&self, chat: &Chat, command: &mut ChatCommand) {
        for round in 0..4 {
            let Some(lookup) = chat.lookup(command, round) else {
                return;
            };
            let found: &mut Found = &mut command.found;
            match lookup {
                Lookup::Keys(keys) => {
                    for key in keys {
                        let receipt = self.receipts.get(key.as_str()).cloned();
                        found.receipts.insert(key.as_str().to_owned(), receipt);
                    }
                }
                Lookup::Events(seqs) => {
                    for seq in seqs {
                        found.events.insert(seq, self.events.get(seq as usize - 1).cloned());
                    }
                }
            }
        }
    }
}

/// A ticket of the domain in the words of the model.
fn shown(ticket: &switchboard::domain::Ticket) -> Ticket {
    Ticket {
        reason: ticket.reason.name(),
        episode: ticket.episode,
        pending: ticket.pending_chat_messages,
        waiting: ticket.waiting_since,
        assignee: ticket.assignee_id.map(|id| id == agent(HERE)),
        ended_at: ticket.ended_at,
        ongoing_at: ticket.ongoing_at,
        answered_at: ticket.first_response_at,
        hold_until: ticket.hold_until,
        active_at: ticket.active_at,
        former: ticket.former_reasons.iter().map(|reason| reason.name()).collect(),
    }
}

fn compare(chat: &Chat, model: &Model, tickets: &BTreeMap<u32, Ticket>, context: &str) {
    let of_chat = (
        chat.owner.blocked,
        chat.removed_at.is_some(),
        chat.responder_owns,
        chat.responder_epoch,
    );
    let of_model = (model.blocked, model.removed, model.bot_owns, model.epoch);
    assert_eq!(of_chat, of_model, "blocked, removed, owned by the bot, epoch {context}");
    let expected: BTreeMap<u32, Ticket> = (1..).zip(model.tickets.iter().cloned()).collect();
    assert_eq!(tickets, &expected, "{context}");
    let current = chat.current_ticket().map_or(0, |ticket| ticket.number);
    assert_eq!(current, model.current(), "the current ticket {context}");
    assert_eq!(chat.due(), model.due(), "the deadline {context}");
    let open = model
        .tickets
        .iter()
        .filter(|ticket| table::status(ticket.reason) != "INACTIVE");
    assert!(open.count() <= 1, "more than one open ticket {context}");
}

/// How often each step was accepted and refused from each reason.
type Coverage = BTreeMap<(&'static str, &'static str), (usize, usize)>;

fn print(coverage: &Coverage) {
    println!("{:<12} {:<18} {:>9} {:>9}", "step", "from", "accepted", "refused");
    for ((step, from), (accepted, refused)) in coverage {
        println!("{step:<12} {from:<18} {accepted:>9} {refused:>9}");
    }
}

fn run_chat(dice: &mut Dice, coverage: &mut Coverage, steps: usize) {
    let rules = rules(dice);
    let rulebook = rulebook(&rules);
    let chat_id = id::chat(id::first_workspace(), Uuid::nil(), "ada");
    let (mut chat, mut replayed) = (Chat::blank(chat_id), Chat::blank(chat_id));
    let mut model = Model::new(rules.clone());
    let mut log = Log::default();
    let mut tickets = BTreeMap::new();
    let mut now = 1_000_000;
    let mut told = Vec::new();
    for number in 0..steps {
        now += dice.pick(&[0, 1, 400, 999, 1_000, 1_001, 6_000]);
        let wish = wish(dice, &model, now);
        told.push(format!("{now} {wish:?}"));
        let context = format!("after {}\nunder {rules:?}", told.join("\n"));
        let mut command = ChatCommand {
            origin: Some((Uuid::nil(), "ada".into())),
            ..ChatCommand::new(
                Uuid::from_u128(number as u128),
                id::first_workspace(),
                Actor::system(),
                body(wish, chat_id),
            )
        };
        log.look_up(&chat, &mut command);
        let decided = chat.decide(&command, &rulebook, now);
        let expected = model.step(wish, now);
        if let Wish::Do { step, .. } = wish {
            let count = coverage.entry((step.name(), model.asked)).or_default();
            *(if expected.is_ok() { &mut count.0 } else { &mut count.1 }) += 1;
        }
        match (decided, expected) {
            (Ok(decided), Ok(decision)) => {
                let trace = decided.receipt.trace.as_ref();
                let trace = trace.map(|trace| (trace.rule.name(), trace.elapsed_ms));
                assert_eq!(trace, decision, "the decision {context}");
                if !decided.events.is_empty() {
                    chat = decided.state;
                    chat.version += 1;
                }
                for event in decided.events {
                    assert_eq!(event.seq, replayed.seq + 1, "{context}");
                    if let Some(ticket) = &event.ticket {
                        tickets.insert(ticket.number, shown(ticket));
                    }
                    let stored = serde_json::to_string(&event).unwrap();
                    replayed.apply(&serde_json::from_str(&stored).unwrap());
                    log.events.push(Arc::new(event));
                }
            }
            (Err(rejection), Err(code)) => assert_eq!(rejection.code(), code, "{context}"),
            (decided, expected) => panic!("{:?} but {expected:?} {context}", decided.map(|decided| decided.events)),
        }
        assert_eq!(replayed, chat, "replaying does not rebuild the chat {context}");
        compare(&chat, &model, &tickets, &context);
    }
    let stored = serde_json::to_string(&chat).unwrap();
    assert_eq!(serde_json::from_str::<Chat>(&stored).unwrap(), chat);
}

#[test]
fn the_domain_and_the_model_agree() {
    let steps = std::env::var("MODEL_STEPS").map_or(STEPS, |steps| steps.parse().unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut coverage = Coverage::new();
    for _ in 0..steps.div_ceil(CHAT_STEPS) {
        run_chat(&mut dice, &mut coverage, CHAT_STEPS);
    }
    print(&coverage);
    for (step, from, legal) in table::every_step() {
        let (accepted, refused) = coverage.get(&(step, from)).copied().unwrap_or_default();
        match legal {
            true => assert!(accepted > 0, "{step} from {from} never happened"),
            false => assert!(
                accepted == 0 && refused > 0,
                "{step} from {from}: {accepted} accepted, {refused} refused"
            ),
        }
    }
}

#[test]
fn reasons_lead_where_the_table_says() {
    use switchboard::domain::{Priority, Reason, Status};
    let leads = |from: Reason| -> Vec<&'static str> {
        let open = ["COMPLETED", "CLOSED", "AUTO_CLOSED", "SPAM", "MERGED", "DELETED"];
        match from.name() {
            "INBOUND" | "MANUAL" | "HANDOVER" | "OUTBOUND" | "DELETED" => vec!["IN_PROGRESS"],
            "IN_PROGRESS" => [&["PENDING_CUSTOMER", "ON_HOLD"][..], &open].concat(),
            "PENDING_CUSTOMER" => [&["IN_PROGRESS", "ON_HOLD"][..], &open].concat(),
            // a hold may be set anew
            "ON_HOLD" => [&["IN_PROGRESS", "PENDING_CUSTOMER", "ON_HOLD"][..], &open].concat(),
            "COMPLETED" | "CLOSED" | "AUTO_CLOSED" => vec!["IN_PROGRESS", "SPAM", "MERGED", "DELETED"],
            "SPAM" => vec!["IN_PROGRESS", "DELETED"],

            "MERGED" => vec![],
            other => panic!("{other}"),
        }
    };
    for from in Reason::ALL {
        assert_eq!(from.status().name(), table::status(from.name()));
        for to in Reason::ALL {
            assert_eq!(
                from.can_become(to),
                leads(from).contains(&to.name()),
                "{} {}",
                from.name(),
                to.name()
            );
        }
    }
    let names = [Status::New, Status::Active, Status::Inactive].map(Status::name);
    assert_eq!(names, ["NEW", "ACTIVE", "INACTIVE"]);
    let names = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent].map(Priority::name);
    assert_eq!(names, ["LOW", "MEDIUM", "HIGH", "URGENT"]);
}

#[test]
fn a_refusal_names_where_the_ticket_is_and_where_it_cannot_go() {
    let rulebook = rulebook(&rules(&mut Dice(1)));
    let chat_id = id::chat(id::first_workspace(), Uuid::nil(), "ada");
    let open = ChatCommandBody::Open {
        subject: None,
        assignee_id: None,
        team_id: None,
        is_taken: true,
    };
    let mut command = ChatCommand::new(Uuid::nil(), id::first_workspace(), Actor::system(), open);
    let refused = Chat::blank(chat_id).decide(&command, &rulebook, 1).unwrap_err();
    assert_eq!(refused, Rejection::NotFound { what: "chat" });
    command.body = body(Wish::Outbound, chat_id);
    command.origin = Some((Uuid::nil(), "ada".into()));
    let chat = Chat::blank(chat_id).decide(&command, &rulebook, 1).unwrap().state;
    let close = Wish::Do {
        number: 1,
        step: Step::Close,
    };
    command.body = body(close, chat_id);
    let refused = chat.decide(&command, &rulebook, 2).unwrap_err();
    let details: HashMap<&str, serde_json::Value> = refused.details().into_iter().collect();
    assert_eq!((&details["from"], &details["to"]), (&"NEW".into(), &"INACTIVE".into()));
    assert_eq!(details["allowed"], serde_json::json!(["ACTIVE"]));
}
