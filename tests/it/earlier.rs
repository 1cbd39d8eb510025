//! Tickets that are not the last of their chat, and what comes back; on the pure core.

use serde_json::{Value, json};
use switchboard::domain::{ChannelPolicy, ChatCommandBody, Decision, Reason, TicketAction, id};

use crate::support::{Play, code};

fn policy() -> ChannelPolicy {
    ChannelPolicy::default()
}

#[test]
fn what_had_ended_comes_back_as_it_had_ended() {
    let mut play = Play::taken(policy());
    play.act(TicketAction::Complete).unwrap();
    let ended_at = play.ticket().ended_at;
    play.act(TicketAction::Delete).unwrap();
    assert_eq!(
        (play.ticket().former_reasons.clone(), play.ticket().ended_at),
        (vec![Reason::Completed], ended_at)
    );
    play.act(TicketAction::Restore).unwrap();
    let ticket = play.ticket();
    assert_eq!(
        (ticket.reason, ticket.former_reasons.len(), ticket.ended_at),
        (Reason::Completed, 0, ended_at)
    );
    for step in [
        TicketAction::MarkSpam,
        TicketAction::Delete,
        TicketAction::Restore,
        TicketAction::UnmarkSpam,
    ] {
        play.act(step).unwrap();
    }
    assert_eq!(
        (play.ticket().reason, play.ticket().ended_at),
        (Reason::Completed, ended_at)
    );
    play.act(TicketAction::Delete).unwrap();
    assert_eq!(play.say("m2").unwrap().trace.unwrap().decision, Decision::Created);
    // an earlier ticket can be changed, but not opened beside the last one
    play.act_on(1, TicketAction::Restore).unwrap();
    assert_eq!((play.shown(1).reason, play.ticket().number), (Reason::Completed, 2));
    play.act_on(1, TicketAction::AddTag(Play::TAG)).unwrap();
    assert_eq!((play.shown(1).tags.len(), play.ticket().tags.len()), (1, 0));
    assert_eq!(code(play.act_on(1, TicketAction::Reopen)), "TICKET_SUPERSEDED");
    assert_eq!(code(play.act_on(3, TicketAction::Reopen)), "NOT_FOUND");
}

#[test]
fn a_merged_ticket_is_another_name_for_its_target() {
    let mut play = Play::taken(ChannelPolicy {
        restore_period_ms: Some(0),
        ..policy()
    });
    play.act(TicketAction::Close).unwrap();
    play.say("m2").unwrap();
    play.act(TicketAction::Take { agent_id: Play::OTHER }).unwrap();
    let target = id::ticket(play.chat.id, 1);
    assert_eq!(
        code(play.act(TicketAction::Merge { into: Play::UNKNOWN })),
        "BAD_USER_INPUT"
    );
    assert_eq!(
        code(play.act_on(1, TicketAction::Merge { into: target })),
        "BAD_USER_INPUT"
    );
    play.act(TicketAction::Merge { into: target }).unwrap();
    assert_eq!(
        play.types(),
        ["ticket.merged", "ticket.status_changed", "ticket.assignee_changed"]
    );
    assert_eq!(play.patches()[2], ("mergedInto".into(), Value::Null, json!(target)));
    assert_eq!(
        (play.shown(2).reason, play.shown(2).merged_into),
        (Reason::Merged, Some(target))
    );
    // what was open goes on in the target
    let ticket = play.ticket();
    assert_eq!(
        (ticket.number, ticket.reason, ticket.assignee_id),
        (1, Reason::InProgress, Some(Play::OTHER))
    );
    assert_eq!(play.say("m3").unwrap().ticket_number, Some(1));
    play.act_on(2, TicketAction::Complete).unwrap();
    assert_eq!(play.ticket().reason, Reason::Completed);
    play.say("m4").unwrap();
    assert_eq!(play.ticket().number, 3);
    // the old name goes on, through a second merge too
    play.act_on(
        2,
        TicketAction::Merge {
            into: id::ticket(play.chat.id, 3),
        },
    )
    .unwrap();
    assert_eq!(play.ticket().number, 3);
    play.act_on(2, TicketAction::SetSummary("one".into())).unwrap();
    assert_eq!(play.ticket().summary, "one");
    play.act(TicketAction::MarkSpam).unwrap();
    play.ask(ChatCommandBody::Open {
        subject: None,
        assignee_id: None,
        team_id: None,
        is_taken: true,
    })
    .unwrap();
    let into = id::ticket(play.chat.id, 3);
    assert_eq!(code(play.act(TicketAction::Merge { into })), "INVALID_TRANSITION");
}

#[test]
fn only_the_newest_256_tickets_can_be_changed() {
    let mut play = Play::taken(ChannelPolicy {
        restore_period_ms: Some(0),
        ..policy()
    });
    play.replays = false;
    for number in 2..=258 {
        play.act(TicketAction::Close).unwrap();
        play.say(&format!("m{number}")).unwrap();
        play.act(TicketAction::Take { agent_id: Play::AGENT }).unwrap();
    }
    assert_eq!(code(play.act_on(2, TicketAction::MarkViewed)), "TICKET_SUPERSEDED");
    play.act_on(3, TicketAction::MarkViewed).unwrap();
    assert_eq!(play.shown(3).last_viewed_at, Some(play.now));
}
