//! What holds for every aggregate and command of the pure core.

use std::sync::Arc;

use switchboard::domain::aggregate::{Command, Found, Lookup};
use switchboard::domain::command::{MessageName, Wish};
use switchboard::domain::message::Amendment;
use switchboard::domain::{
    Actor, Aggregate, ChannelPolicy, Chat, ChatCommand, ChatCommandBody, Contact, DedupeKey, Desk, Post, Reason,
    Receipt, Status, TicketAction, Workspace, id,
};
use uuid::Uuid;

use crate::support::{Play, says};

fn command(workspace_id: Uuid, body: ChatCommandBody) -> ChatCommand {
    ChatCommand::new(Uuid::from_u128(1), workspace_id, Actor::system(), body)
}

#[test]
fn a_chat_of_another_workspace_is_not_found() {
    let play = Play::taken(ChannelPolicy::default());
    for body in [
        ChatCommandBody::BlockOwner,
        ChatCommandBody::ticket(play.ticket().id, TicketAction::Complete),
        ChatCommandBody::Send {
            content: says("hi"),
            agent_id: None,
            responder_epoch: None,
        },
    ] {
        let theirs = command(Uuid::from_u128(77), body.clone());
        assert_eq!(
            play.chat.decide(&theirs, &play.rules, 9).unwrap_err().code(),
            "NOT_FOUND"
        );
        let ours = command(id::first_workspace(), body);
        play.chat.decide(&ours, &play.rules, 9).unwrap();
    }
}

#[test]
fn time_belongs_to_no_workspace() {
    let mut play = Play::taken(ChannelPolicy::default());
    let until = play.now + 5;
    play.act(TicketAction::Hold { until: Some(until) }).unwrap();
    let elapse = command(Uuid::nil(), ChatCommandBody::Elapse);
    let decided = play.chat.decide(&elapse, &play.rules, until).unwrap();
    assert_eq!(decided.events[0].workspace_id, id::first_workspace());
    assert_eq!(decided.state.status(), Some(Status::Active));
    assert_eq!(decided.state.current_ticket().unwrap().reason, Reason::InProgress);
}

#[test]
fn only_what_may_begin_a_chat_begins_one() {
    let blank = Chat::blank(Uuid::from_u128(5));
    assert_eq!((blank.status(), blank.due()), (None, None));
    let rules = Play::new(ChannelPolicy::default()).rules;
    let origin = Some((Uuid::nil(), "ada".to_owned()));
    let amend = ChatCommandBody::Amend {
        message: MessageName::External("m1".into()),
        amendment: Amendment::Delete { deleted_at: 1 },
        external_id: None,
        of_owner: false,
    };
    let bodies = [
        (amend, true),
        (ChatCommandBody::BlockOwner, false),
        (ChatCommandBody::Elapse, false),
        (ChatCommandBody::ticket(Uuid::nil(), TicketAction::Close), false),
    ];
    for (body, begins) in bodies {
        let mut command = command(id::first_workspace(), body);
        assert_eq!(
            blank.decide(&command, &rules, 1).unwrap_err().code(),
            "NOT_FOUND",
            "without an origin"
        );
        command.origin.clone_from(&origin);
        assert_eq!(blank.decide(&command, &rules, 1).is_ok(), begins);
    }
}

#[test]
fn look_ups_end_and_are_told_from_what_is_not_there() {
    let mut play = Play::taken(ChannelPolicy {
        restore_period_ms: Some(0),
        ..ChannelPolicy::default()
    });
    play.act(TicketAction::Close).unwrap();
    play.say("m2").unwrap();
    let earlier = command(
        id::first_workspace(),
        ChatCommandBody::ticket(id::ticket(play.chat.id, 1), TicketAction::MarkViewed),
    );
    let lookup = play.chat.lookup(&earlier, 0).unwrap();
    let Lookup::Events(seqs) = &lookup else { panic!() };
    assert_eq!((seqs.len(), play.chat.lookup(&earlier, 1)), (1, None));
    let last = ChatCommandBody::ticket(id::ticket(play.chat.id, 2), TicketAction::MarkViewed);
    assert_eq!(play.chat.lookup(&command(id::first_workspace(), last), 0), None);
    // not looked up is another thing than not there
    let mut found = Found::default();
    assert!(!found.has(&lookup));
    found.events.insert(seqs[0], None);
    assert!(found.has(&lookup) && found.event(seqs[0]).is_none());
    let keys = Lookup::Keys(vec![DedupeKey::message("a"), DedupeKey::message("b")]);
    found.receipts.insert("m:a".into(), Some(Receipt::default()));
    assert!(!found.has(&keys));
    found.receipts.insert("m:b".into(), None);
    assert!(found.has(&keys));
    assert!(found.receipt(&DedupeKey::message("a")).is_some() && found.receipt(&DedupeKey::message("b")).is_none());
    assert!(
        play.chat.decide(&earlier, &play.rules, 1).is_err(),
        "nothing is decided on what was not looked up"
    );
}

/// Looks nothing up, and time has nothing to do with it.
fn is_plain<A, B>(wish: &mut Wish<B>)
where
    A: Aggregate<Command = Wish<B>>,
    B: std::fmt::Debug + Send + Sync + 'static,
{
    let mut aggregate = A::blank(Uuid::from_u128(4));
    assert_eq!(
        (aggregate.id(), aggregate.version(), aggregate.seq()),
        (Uuid::from_u128(4), 0, 0)
    );
    aggregate.set_version(7);
    assert_eq!(
        (aggregate.version(), aggregate.due(), aggregate.lookup(wish, 0)),
        (7, None, None)
    );
    assert!(wish.found().is_none() && wish.found_mut().is_none());
    assert_eq!(
        (Command::id(wish), wish.keys().len(), Command::body_hash(wish)),
        (wish.id, 1, Some("hash"))
    );
}

#[test]
fn the_other_aggregates_are_plain() {
    fn wish<B>(body: B) -> Wish<B> {
        Wish {
            id: Uuid::from_u128(9),
            workspace_id: id::first_workspace(),
            actor: Actor::system(),
            keys: vec![DedupeKey::idempotency("k")],
            body_hash: Some("hash".into()),
            body,
        }
    }
    use switchboard::domain::{ContactCommandBody, DeskCommandBody, PostCommandBody, WorkspaceCommandBody};
    is_plain::<Workspace, _>(&mut wish(WorkspaceCommandBody::Create { name: "x".into() }));
    is_plain::<Contact, _>(&mut wish(ContactCommandBody::MergeInto(Uuid::nil())));
    is_plain::<Post, _>(&mut wish(PostCommandBody::Delete));
    let release = DeskCommandBody::Release {
        agent_id: Uuid::nil(),
        ticket_id: Uuid::nil(),
    };
    is_plain::<Desk, _>(&mut wish(release));
    let mut chat = command(id::first_workspace(), ChatCommandBody::BlockOwner);
    chat.keys.push(DedupeKey::update("7"));
    chat.body_hash = Some("hash".into());
    chat.found_mut().unwrap().receipts.insert("x".into(), None);
    assert!(chat.found().unwrap().receipts.contains_key("x"));
    assert_eq!(
        (Command::id(&chat), Command::keys(&chat)[0].as_str()),
        (Uuid::from_u128(1), "u:7")
    );
    assert_eq!(Command::body_hash(&chat), Some("hash"));
}

#[test]
fn an_event_names_its_cause() {
    let mut play = Play::begun(ChannelPolicy::default());
    let events: Vec<Arc<switchboard::domain::Event>> = play.events.clone();
    let commands: Vec<Uuid> = events.iter().map(|event| event.cause.command_id).collect();
    assert!(commands.iter().all(|command| *command == commands[0]));
    let received = events
        .iter()
        .find(|event| event.body.name() == "message.received")
        .unwrap();
    assert_eq!(received.cause.message_id, Some(id::message(play.chat.id, received.seq)));
    assert_eq!(
        (received.chat_id(), received.ticket_id()),
        (Some(play.chat.id), Some(play.ticket().id))
    );
    assert_eq!(received.id(), id::event(play.chat.id, received.seq));
    play.ask(ChatCommandBody::BlockOwner).unwrap();
    assert_eq!(
        (play.events[0].ticket_id(), play.events[0].cause.message_id),
        (None, None)
    );
    play.say("m2").unwrap();
    assert_eq!(play.events[0].ticket_id(), None, "a silenced message is of no ticket");
}

#[test]
fn content_is_refused_past_its_bounds_and_not_before() {
    use switchboard::domain::Attachment;
    use switchboard::domain::command::{Incoming, check_name, check_text};
    use switchboard::domain::event::Profile;
    use switchboard::domain::message::Content;
    let attachment = Attachment {
        kind: "image".into(),
        url: None,
        name: None,
        mime_type: None,
        size_bytes: None,
    };
    let with = |text: Option<String>, attachments: Vec<Attachment>| Content { text, attachments };
    let long = |length: usize| Some("x".repeat(length));
    let good = [
        with(long(16_384), Vec::new()),
        with(None, vec![attachment.clone(); 20]),
        with(
            None,
            vec![Attachment {
                kind: "k".repeat(256),
                ..attachment.clone()
            }],
        ),
        with(
            None,
            vec![Attachment {
                url: long(2_048),
                name: long(256),
                mime_type: long(256),
                ..attachment.clone()
            }],
        ),
    ];
    for content in good {
        content.check().unwrap();
    }
    let bad = [
        with(long(16_385), Vec::new()),
        with(None, Vec::new()),
        with(Some(String::new()), Vec::new()),
        with(Some("a\0b".into()), Vec::new()),
        with(None, vec![attachment.clone(); 21]),
        with(
            None,
            vec![Attachment {
                kind: String::new(),
                ..attachment.clone()
            }],
        ),
        with(
            None,
            vec![Attachment {
                url: long(2_049),
                ..attachment.clone()
            }],
        ),
        with(
            None,
            vec![Attachment {
                name: long(257),
                ..attachment.clone()
            }],
        ),
        with(
            None,
            vec![Attachment {
                mime_type: long(257),
                ..attachment
            }],
        ),
    ];
    for content in bad {
        assert_eq!(content.check().unwrap_err().code(), "BAD_USER_INPUT");
    }
    let incoming = |external_id: Option<String>, name: Option<String>, avatar: Option<String>| Incoming {
        external_id,
        content: says("x"),
        sent_at: None,
        profile: Profile { name, avatar },
        author_name: None,
    };
    incoming(long(256), long(256), long(2_048)).check().unwrap();
    assert!(
        incoming(long(257), None, None).check().is_err() && incoming(Some(" ".into()), None, None).check().is_err()
    );
    assert!(incoming(None, long(257), None).check().is_err() && incoming(None, None, long(2_049)).check().is_err());
    let named = check_name("x", "").unwrap_err();
    assert_eq!(named.details()[0], ("field", "x".into()));
    assert!(check_text("x", "", 0).is_ok() && check_text("x", "y", 0).is_err());
}
