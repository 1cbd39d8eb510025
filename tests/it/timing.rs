//! What time does to a chat, and what is said out of hours; on the pure core.

use switchboard::domain::schedule::{Day, Interval, Schedule};
use switchboard::domain::{Actor, ActorKind, ChannelPolicy, ChatCommandBody, EventBody, Reason, TicketAction};

use crate::support::{Play, code};

fn policy() -> ChannelPolicy {
    ChannelPolicy::default()
}

fn night(play: &mut Play) {
    // 1970-01-01, a Thursday: the office opens on Mondays alone
    play.rules.policy.office_hours = Some(Schedule {
        time_zone: "UTC".into(),
        intervals: vec![Interval {
            day: Day::Monday,
            from_minute: 0,
            to_minute: 1_440,
        }],
    });
}

#[test]
fn greetings_and_out_of_hours_replies_are_rules_and_no_answers() {
    let greeted = ChannelPolicy {
        greeting: Some("Welcome".into()),
        out_of_hours_reply: Some("We are closed".into()),
        ..policy()
    };
    let said = |play: &Play| {
        play.events.iter().find_map(|event| match &event.body {
            EventBody::MessageSent { message } => {
                assert_eq!(
                    (message.author.kind, event.actor.kind),
                    (ActorKind::Rule, ActorKind::Rule)
                );
                message.content.text.clone()
            }
            _ => None,
        })
    };
    let mut play = Play::begun(greeted.clone());
    assert_eq!(said(&play).as_deref(), Some("Welcome"));
    let ticket = play.ticket();
    assert_eq!(
        (ticket.reason, ticket.pending_chat_messages, ticket.first_response_at),
        (Reason::Inbound, 1, None)
    );
    play.say("m2").unwrap();
    assert_eq!(said(&play), None, "once a ticket");
    play.act(TicketAction::Take { agent_id: Play::AGENT }).unwrap();
    play.act(TicketAction::Close).unwrap();
    play.say("m3").unwrap();
    assert_eq!(said(&play), None, "no greeting on a reopen");
    play.act(TicketAction::Close).unwrap();
    night(&mut play);
    play.say("m4").unwrap();
    assert_eq!(said(&play).as_deref(), Some("We are closed"));
    let mut play = Play::new(greeted);
    night(&mut play);
    play.say("m1").unwrap();
    assert_eq!(said(&play).as_deref(), Some("We are closed"));
    play.rules.policy.out_of_hours_reply = None;
    play.act(TicketAction::Delete).unwrap();
    play.say("m2").unwrap();
    assert_eq!(
        said(&play).as_deref(),
        Some("Welcome"),
        "nothing is said about the hours: the greeting"
    );
}

fn elapse(play: &mut Play, now: u64) -> Vec<&'static str> {
    play.now = now - 1;
    play.ask(ChatCommandBody::Elapse).unwrap();
    play.types()
}

#[test]
fn a_hold_ends_at_its_time_and_not_before() {
    use switchboard::domain::Aggregate as _;
    let mut play = Play::taken(policy());
    let until = play.now + 10_000;
    let hold = |until| TicketAction::Hold { until };
    play.act(hold(Some(until))).unwrap();
    assert_eq!((play.ticket().hold_until, play.chat.due()), (Some(until), Some(until)));
    assert!(elapse(&mut play, until - 1).is_empty());
    assert_eq!(elapse(&mut play, until), ["ticket.status_changed"]);
    assert_eq!(
        (play.ticket().reason, play.ticket().hold_until),
        (Reason::InProgress, None)
    );
    assert_eq!(play.events[0].actor, Actor::new(ActorKind::Rule, "hold_until"));
    assert!(elapse(&mut play, until + 1).is_empty(), "once");
    play.act(hold(None)).unwrap();
    assert_eq!(play.chat.due(), None);
    let far = play.now + 315_576_000_000;
    for bad in [play.now + 1, far + 3] {
        assert_eq!(code(play.act(hold(Some(bad)))), "BAD_USER_INPUT");
    }
    let furthest = play.now + 1 + 315_576_000_000;
    play.act(hold(Some(furthest))).unwrap();
    play.say("m2").unwrap();
    assert_eq!((play.ticket().reason, play.chat.due()), (Reason::InProgress, None));
}

#[test]
fn a_quiet_ticket_closes_by_itself() {
    use switchboard::domain::Aggregate as _;
    let period = 5_000;
    let mut play = Play::begun(ChannelPolicy {
        auto_close_after_ms: Some(period),
        ..policy()
    });
    assert!(play.types().contains(&"chat.policy_changed"));
    assert_eq!(play.chat.due(), None, "a NEW ticket waits for somebody to take it");
    play.act(TicketAction::Take { agent_id: Play::AGENT }).unwrap();
    assert_eq!(play.chat.due(), Some(play.now + period));
    play.answer().unwrap();
    let due = play.now + period;
    assert_eq!(play.chat.due(), Some(due));
    play.act(TicketAction::SetSummary("a tag or a summary is no conversation".into()))
        .unwrap();
    assert_eq!(play.chat.due(), Some(due));
    assert!(elapse(&mut play, due - 1).is_empty());
    assert_eq!(elapse(&mut play, due), ["ticket.status_changed"]);
    assert_eq!(play.ticket().reason, Reason::AutoClosed);
    assert_eq!(play.events[0].actor, Actor::new(ActorKind::Rule, "auto_close"));
    // a longer period, noticed when the old one is over
    play.act(TicketAction::Reopen).unwrap();
    let due = play.chat.due().unwrap();
    play.rules.policy.auto_close_after_ms = Some(2 * period);
    assert_eq!(elapse(&mut play, due), ["chat.policy_changed"]);
    assert_eq!(play.chat.due(), Some(due + period));
    play.rules.policy.auto_close_after_ms = None;
    assert_eq!(elapse(&mut play, due + 1), ["chat.policy_changed"]);
    assert_eq!((play.chat.due(), play.ticket().reason), (None, Reason::InProgress));
}
