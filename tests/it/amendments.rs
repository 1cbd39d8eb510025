//! What happens to messages after they were said, also before they came; on the pure core.

use switchboard::domain::command::MessageName;
use switchboard::domain::message::Amendment;
use switchboard::domain::{Actor, ActorKind, ChannelPolicy, ChatCommandBody, EventBody, MessageStatus, Receipt};

use crate::support::{Play, code, says};

fn policy() -> ChannelPolicy {
    ChannelPolicy::default()
}

fn amend(name: &str, amendment: Amendment) -> ChatCommandBody {
    ChatCommandBody::Amend {
        message: MessageName::External(name.into()),
        amendment,
        external_id: None,
        of_owner: false,
    }
}

fn receipt_of(status: MessageStatus) -> Amendment {
    Amendment::Receipt {
        status,
        error: None,
        at: 1,
    }
}

/// A receipt with the name that the provider gave an outgoing message.
fn sent(seq: u64, status: MessageStatus, external_id: &str) -> ChatCommandBody {
    ChatCommandBody::Amend {
        message: MessageName::Seq(seq),
        amendment: receipt_of(status),
        external_id: Some(external_id.into()),
        of_owner: false,
    }
}

#[test]
fn delivery_only_rises_and_failure_ends_it() {
    use MessageStatus::{Delivered, Failed, Queued, Read, Received, Sent};
    let rising = [Queued, Sent, Delivered, Read];
    for (place, from) in rising.into_iter().enumerate() {
        for (to_place, to) in rising.into_iter().enumerate() {
            assert_eq!(from.can_rise(to), place < to_place, "{from:?} {to:?}");
        }
        assert!(!Failed.can_rise(from) && !Received.can_rise(from) && !from.can_rise(Received));
        assert_eq!(from.can_rise(Failed), place < 2, "what has arrived cannot fail");
    }
    let mut play = Play::taken(policy());
    let seq = play.answer().unwrap().message_seq.unwrap();
    play.ask(sent(seq, Sent, "w1")).unwrap();
    assert_eq!(play.types(), ["message.status_changed"]);
    for (status, rises) in [
        (Sent, false),
        (Read, true),
        (Delivered, false),
        (Failed, false),
        (Read, false),
    ] {
        let receipt = play.ask(amend("w1", receipt_of(status))).unwrap();
        assert_eq!(!play.events.is_empty(), rises, "{status:?}");
        assert_eq!(receipt.message_seq, Some(seq));
    }
    assert_eq!(
        code(play.ask(amend("m1", receipt_of(Read)))),
        "NOT_FOUND",
        "an incoming message has no receipts"
    );
    assert_eq!(code(play.ask(sent(99, Sent, "w9"))), "NOT_FOUND");
}

#[test]
fn what_comes_before_its_message_waits_for_it() {
    let mut play = Play::new(policy());
    let edit = |text: &str, edited_at| {
        amend(
            "m1",
            Amendment::Edit {
                content: says(text),
                edited_at,
            },
        )
    };
    let delete = || amend("m1", Amendment::Delete { deleted_at: 9 });
    let react = |emoji: Option<&str>| {
        let author = Actor::new(ActorKind::Owner, "ada");
        let emoji = emoji.map(str::to_owned);
        amend("m1", Amendment::React { author, emoji, at: 7 })
    };
    assert_eq!(play.ask(edit("second", 5)).unwrap(), Receipt::default());
    assert_eq!(play.types(), ["chat.created", "message.parked"]);
    play.ask(react(Some("👍"))).unwrap();
    play.ask(delete()).unwrap();
    play.ask(delete()).unwrap();
    assert_eq!(play.chat.parked.len(), 4);
    play.say("other").unwrap();
    assert_eq!(play.chat.parked.len(), 4);
    play.say("m1").unwrap();
    assert_eq!(
        play.types(),
        [
            "message.received",
            "message.edited",
            "message.reaction",
            "message.deleted"
        ]
    );
    assert!(play.chat.parked.is_empty());
    play.ask(delete()).unwrap();
    assert!(play.events.is_empty(), "it was taken back before");
    play.ask(react(None)).unwrap();
    assert_eq!(play.types(), ["message.reaction"]);
    let bad = amend(
        "m1",
        Amendment::Edit {
            content: says(&"x".repeat(16_385)),
            edited_at: 1,
        },
    );
    assert_eq!(code(play.ask(bad)), "BAD_USER_INPUT");
}

#[test]
fn receipts_that_come_before_their_message_rise_once_it_is_named() {
    use MessageStatus::{Delivered, Failed, Read, Sent};
    let mut play = Play::taken(policy());
    for status in [Delivered, Read, Delivered] {
        play.ask(amend("w1", receipt_of(status))).unwrap();
        assert_eq!(play.types(), ["message.parked"]);
    }
    let seq = play.answer().unwrap().message_seq.unwrap();
    play.ask(sent(seq, Sent, "w1")).unwrap();
    let reached: Vec<MessageStatus> = play
        .events
        .iter()
        .filter_map(|event| match event.body {
            EventBody::MessageStatusChanged { status, .. } => Some(status),
            _ => None,
        })
        .collect();
    assert_eq!(reached, [Sent, Delivered, Read]);
    assert!(play.chat.parked.is_empty());
    play.ask(amend("w1", receipt_of(Delivered))).unwrap();
    assert!(play.events.is_empty());
    // a second name for a message that has come further
    play.ask(sent(seq, Sent, "w1-again")).unwrap();
    assert_eq!(play.types(), ["message.status_changed"]);
    play.ask(sent(seq, Failed, "w1-again")).unwrap();
    assert!(play.events.is_empty());
}

#[test]
fn the_oldest_of_what_waits_goes() {
    let mut play = Play::begun(policy());
    for number in 0..70 {
        let name = format!("late{number}");
        play.ask(amend(&name, Amendment::Delete { deleted_at: 1 })).unwrap();
    }
    let waiting: Vec<&str> = play
        .chat
        .parked
        .iter()
        .map(|parked| parked.external_id.as_str())
        .collect();
    assert_eq!((waiting.len(), waiting[0], waiting[63]), (64, "late6", "late69"));
}

#[test]
fn who_may_change_what_the_owner_writes_changes_nothing_else() {
    let of_owner = |message: MessageName, amendment: Amendment| ChatCommandBody::Amend {
        message,
        amendment,
        external_id: None,
        of_owner: true,
    };
    let edit = || Amendment::Edit {
        content: says("other"),
        edited_at: 5,
    };
    let delete = || Amendment::Delete { deleted_at: 5 };
    let mut play = Play::taken(policy());
    let answer = play.answer().unwrap().message_seq.unwrap();
    for amendment in [edit(), delete()] {
        let refused = play.ask(of_owner(MessageName::Seq(answer), amendment));
        assert_eq!(code(refused), "NOT_FOUND");
    }
    // by a name that the provider gives the answer later
    for amendment in [edit(), delete()] {
        play.ask(of_owner(MessageName::External("w1".into()), amendment))
            .unwrap();
    }
    play.ask(amend("w1", edit())).unwrap();
    play.ask(sent(answer, MessageStatus::Sent, "w1")).unwrap();
    assert_eq!(play.types(), ["message.status_changed", "message.edited"]);
    assert!(play.chat.parked.is_empty());
    play.ask(of_owner(MessageName::External("m1".into()), edit())).unwrap();
    assert_eq!(play.types(), ["message.edited"]);
}
