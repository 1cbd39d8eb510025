//! What an event says that it changed; on the pure core.

use serde_json::{Value, json};
use switchboard::domain::event::{Cause, Profile, TicketField};
use switchboard::domain::field::{Field, FieldKind, FieldTarget, Tag};
use switchboard::domain::key::Scope;
use switchboard::domain::message::Content;
use switchboard::domain::people::{Agent, Responder, ResponderEntity, Team};
use switchboard::domain::{
    Actor, ActorKind, ApiKey, ChannelPolicy, ChatCommandBody, ChatResponder, Circumstance, Event, EventBody, KeyGrant,
    MessageStatus, PolicyPatch, Reason,
};
use uuid::Uuid;

use crate::support::{Play, says};

fn patch(body: EventBody) -> Vec<(String, Value, Value)> {
    let event = Event {
        workspace_id: Uuid::nil(),
        aggregate_id: Uuid::nil(),
        seq: 1,
        version: 1,
        at: 1,
        actor: Actor::new(ActorKind::System, "x"),
        cause: Cause {
            command_id: Uuid::nil(),
            message_id: None,
        },
        synthetic: false,
        body,
        ticket: None,
    };
    let changes = event.patch().into_iter();
    changes
        .map(|change| (change.target, change.old_value, change.value))
        .collect()
}

fn one(target: &str, old_value: Value, value: Value) -> Vec<(String, Value, Value)> {
    vec![(target.to_owned(), old_value, value)]
}

const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);

#[test]
fn of_chats_and_messages() {
    let profile = |name: &str, avatar: Option<&str>| Profile {
        name: Some(name.into()),
        avatar: avatar.map(str::to_owned),
    };
    let updated = patch(EventBody::ChatUpdated {
        from: profile("Ada", None),
        to: profile("Ada F.", Some("a.png")),
    });
    assert_eq!(
        updated,
        [
            one("owner.avatar", Value::Null, json!("a.png")),
            one("owner.name", json!("Ada"), json!("Ada F."))
        ]
        .concat()
    );
    let responder = |id| Some(ChatResponder::bot(id));
    let changed = patch(EventBody::ChatResponderChanged {
        from: responder(ONE),
        to: responder(TWO),
        owns: true,
        epoch: 1,
    });
    assert_eq!(changed, one("responder", json!(responder(ONE)), json!(responder(TWO))));
    let policy = EventBody::ChatPolicyChanged {
        from: Some(1),
        to: None,
    };
    assert_eq!(patch(policy), one("autoCloseAfterMs", json!(1), Value::Null));
    assert_eq!(
        patch(EventBody::ChatOwnerBlocked {}),
        one("owner.blocked", json!(false), json!(true))
    );
    assert_eq!(
        patch(EventBody::ChatOwnerUnblocked {}),
        one("owner.blocked", json!(true), json!(false))
    );
    assert_eq!(
        patch(EventBody::ChatRemoved {}),
        one("removed", json!(false), json!(true))
    );
    assert_eq!(
        patch(EventBody::ChatRestored {}),
        one("removed", json!(true), json!(false))
    );
    let edited = EventBody::MessageEdited {
        message_seq: 1,
        content: says("x"),
        edited_at: 1,
    };
    assert_eq!(patch(edited), one("text", Value::Null, json!("x")));
    let deleted = EventBody::MessageDeleted {
        message_seq: 1,
        deleted_at: 7,
    };
    assert_eq!(patch(deleted), one("deletedAt", Value::Null, json!(7)));
    let reaction = EventBody::MessageReaction {
        message_seq: 1,
        author: Actor::system(),
        emoji: Some("x".into()),
        at: 1,
    };
    assert_eq!(patch(reaction), one("reaction", Value::Null, json!("x")));
    let status = EventBody::MessageStatusChanged {
        message_seq: 1,
        status: MessageStatus::Read,
        external_id: None,
        error: None,
        at: 1,
    };
    assert_eq!(patch(status), one("status", Value::Null, json!("READ")));
    assert_eq!(patch(EventBody::TicketViewed {}), []);
}

#[test]
fn of_tickets() {
    let created = patch(EventBody::TicketCreated {
        number: 1,
        reason: Reason::Manual,
        circumstance: Circumstance::Manual,
        subject: Some("x".into()),
        trace: None,
    });
    assert_eq!(
        created,
        [
            one("status", Value::Null, json!("NEW")),
            one("reason", Value::Null, json!("MANUAL")),
            one("subject", Value::Null, json!("x"))
        ]
        .concat()
    );
    let held = patch(EventBody::TicketStatusChanged {
        from: Reason::InProgress,
        to: Reason::OnHold,
        until: Some(9),
        trace: None,
    });
    assert_eq!(
        held,
        [
            one("reason", json!("IN_PROGRESS"), json!("ON_HOLD")),
            one("holdUntil", Value::Null, json!(9))
        ]
        .concat()
    );
    let (from, to) = (Some(ONE), None);
    assert_eq!(
        patch(EventBody::TicketAssigneeChanged { from, to }),
        one("assigneeId", json!(ONE), Value::Null)
    );
    assert_eq!(
        patch(EventBody::TicketTeamChanged { from, to }),
        one("teamId", json!(ONE), Value::Null)
    );
    assert_eq!(
        patch(EventBody::TicketTagAdded { tag_id: ONE }),
        one("tags", Value::Null, json!(ONE))
    );
    assert_eq!(
        patch(EventBody::TicketTagRemoved { tag_id: ONE }),
        one("tags", json!(ONE), Value::Null)
    );
    let field = EventBody::TicketFieldChanged {
        field: TicketField::Custom(ONE),
        from: json!(1),
        to: json!(2),
    };
    assert_eq!(patch(field), one(&format!("fields.{ONE}"), json!(1), json!(2)));
    let summary = EventBody::TicketSummaryChanged {
        from: "a".into(),
        to: "b".into(),
    };
    assert_eq!(patch(summary), one("summary", json!("a"), json!("b")));
}

#[test]
fn of_settings() {
    let greeting = PolicyPatch {
        greeting: Some(Some("hi".into())),
        ..PolicyPatch::default()
    };
    let updated = EventBody::WorkspaceUpdated {
        policy: Box::new(greeting.clone()),
    };
    assert_eq!(patch(updated), one("policy", Value::Null, json!({ "greeting": "hi" })));
    let channel = |name: Option<&str>, policy: PolicyPatch| EventBody::ChannelUpdated {
        id: ONE,
        name: name.map(str::to_owned),
        policy: Box::new(policy),
        hook_secret_hash: None,
    };
    assert_eq!(
        patch(channel(Some("shop"), PolicyPatch::default())),
        one("name", Value::Null, json!("shop"))
    );
    assert_eq!(
        patch(channel(None, greeting)),
        one("policy", Value::Null, json!({ "greeting": "hi" }))
    );
    assert_eq!(patch(channel(None, PolicyPatch::default())), []);
    let agent = |name: &str| Box::new(Agent::named(ONE, name));
    let (from, to) = (agent("a"), agent("b"));
    assert_eq!(
        patch(EventBody::AgentUpdated { from, to }),
        one("name", json!("a"), json!("b"))
    );
    let team = |name: &str| Team {
        id: ONE,
        name: name.into(),
        picture: None,
        members: Vec::new(),
    };
    let (from, to) = (team("a"), team("b"));
    assert_eq!(
        patch(EventBody::TeamUpdated { from, to }),
        one("name", json!("a"), json!("b"))
    );
    let responder = |version| Responder {
        id: ONE,
        name: "bot".into(),
        picture: None,
        entity: ResponderEntity::Agent,
        version_id: None,
        version_number: Some(version),
    };
    let (from, to) = (responder(1), responder(2));
    assert_eq!(
        patch(EventBody::ResponderUpdated { from, to }),
        one("versionNumber", json!(1), json!(2))
    );
    let key = |scopes: &[Scope]| {
        let grant = ApiKey::admin("key", "hash", 1).grant;
        let scopes = scopes.to_vec();
        Box::new(KeyGrant { scopes, ..grant })
    };
    let (from, to) = (key(&[Scope::Admin]), key(&[Scope::Read]));
    assert_eq!(
        patch(EventBody::KeyUpdated { id: ONE, from, to }),
        one("scopes", json!(["ADMIN"]), json!(["READ"]))
    );
    assert_eq!(
        patch(EventBody::KeyUsed { id: ONE, at: 7 }),
        one("lastUsedAt", Value::Null, json!(7))
    );
    assert_eq!(patch(EventBody::KeyRevoked { id: ONE }), []);
    let tag = |name: &str| Tag {
        id: ONE,
        name: name.into(),
    };
    let (from, to) = (tag("a"), tag("b"));
    assert_eq!(
        patch(EventBody::TagUpdated { from, to }),
        one("name", json!("a"), json!("b"))
    );
    let field = |name: &str| Field {
        id: ONE,
        name: name.into(),
        kind: FieldKind::Text,
        target: FieldTarget::Ticket,
        options: Vec::new(),
    };
    let (from, to) = (field("a"), field("b"));
    assert_eq!(
        patch(EventBody::FieldUpdated { from, to }),
        one("name", json!("a"), json!("b"))
    );
}

#[test]
fn of_the_other_aggregates() {
    assert_eq!(
        patch(EventBody::ContactMerged { into: TWO }),
        one("mergedInto", Value::Null, json!(TWO))
    );
    assert_eq!(
        patch(EventBody::PostDeleted { deleted_at: 7 }),
        one("deletedAt", Value::Null, json!(7))
    );
    let converted = EventBody::PostConverted {
        ticket_id: ONE,
        chat_id: TWO,
    };
    assert_eq!(patch(converted), one("ticketId", Value::Null, json!(ONE)));
    let reserved = EventBody::AgentReserved {
        agent_id: ONE,
        ticket_id: TWO,
        pass: 1,
        by_hand: false,
    };
    assert_eq!(patch(reserved), one("load", Value::Null, json!(TWO)));
    let released = EventBody::AgentReleased {
        agent_id: ONE,
        ticket_id: TWO,
    };
    assert_eq!(patch(released), one("load", json!(TWO), Value::Null));
}

#[test]
fn the_owner_is_known_from_the_first_message_on() {
    let mut play = Play::begun(ChannelPolicy::default());
    assert_eq!(
        (play.chat.owner.external_id.as_str(), play.chat.channel_id),
        ("ada", Play::CHANNEL)
    );
    let version = play.ticket().version;
    let write = |name: &str| ChatCommandBody::SendOutbound {
        content: Content {
            text: Some("x".into()),
            attachments: Vec::new(),
        },
        profile: Profile {
            name: Some(name.into()),
            avatar: None,
        },
        subject: None,
    };
    play.ask(write("Ada")).unwrap();
    assert_eq!(play.types(), ["chat.updated", "message.sent"]);
    assert_eq!(play.chat.owner.profile.name.as_deref(), Some("Ada"));
    assert_eq!(
        play.ticket().version,
        version + 1,
        "what happens to the chat is nothing to the ticket"
    );
    play.ask(ChatCommandBody::BlockOwner).unwrap();
    assert_eq!(play.ticket().version, version + 1);
    let silenced = play.say("m9").unwrap();
    assert_eq!(silenced.ticket_number, None);
    let named = ChatCommandBody::OpenFromPost {
        profile: Profile {
            name: Some("Ada".into()),
            avatar: None,
        },
        content: says("x"),
        reply: None,
    };
    play.ask(named).unwrap();
    let note = play.events[0].body.message().unwrap();
    assert_eq!(
        (note.author.name.as_deref(), note.author.id.as_deref()),
        (Some("Ada"), Some("ada"))
    );
}
