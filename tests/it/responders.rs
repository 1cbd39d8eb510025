//! Who answers a chat, and who gets it back; on the pure core.

use switchboard::domain::people::ResponderEntity;
use switchboard::domain::policy::OnReopen;
use switchboard::domain::{
    ActorKind, ChannelPolicy, ChatCommandBody, Circumstance, Decision, EventBody, InboundMode, Reason, TicketAction,
};

use crate::support::{Play, code, says};

fn policy() -> ChannelPolicy {
    ChannelPolicy::default()
}

fn responder_mode() -> ChannelPolicy {
    ChannelPolicy {
        inbound_mode: InboundMode::Responder,
        default_responder_id: Some(Play::BOT),
        ..policy()
    }
}

fn bot(epoch: u32) -> ChatCommandBody {
    ChatCommandBody::Send {
        content: says("I am a bot"),
        agent_id: None,
        responder_epoch: Some(epoch),
    }
}

#[test]
fn the_responder_answers_until_it_hands_over() {
    let mut play = Play::begun(responder_mode());
    assert_eq!(
        play.types(),
        ["chat.created", "chat.responder_changed", "message.received"]
    );
    let responder = play.chat.responder.clone().unwrap();
    assert_eq!((responder.id, responder.entity), (Play::BOT, ResponderEntity::Agent));
    assert_eq!(responder.version_number, Some(2));
    assert!(play.chat.responder_owns && play.chat.last_ticket.is_none());
    play.ask(bot(0)).unwrap();
    let EventBody::MessageSent { message } = &play.events[0].body else {
        panic!()
    };
    assert_eq!(
        (message.author.kind, message.author.id.clone()),
        (ActorKind::Bot, Some(Play::BOT.to_string()))
    );
    play.say("m2").unwrap();
    play.say("m3").unwrap();
    assert_eq!(play.chat.unanswered, 2);
    let handover = |team_id| ChatCommandBody::Handover {
        team_id,
        summary: Some("wants a refund".into()),
    };
    assert_eq!(code(play.ask(handover(Some(Play::UNKNOWN)))), "NOT_FOUND");
    play.ask(handover(Some(Play::TEAM))).unwrap();
    let ticket = play.ticket();
    assert_eq!(
        (ticket.reason, ticket.circumstance),
        (Reason::Handover, Circumstance::Handover)
    );
    assert_eq!(
        (ticket.team_id, ticket.summary.as_str()),
        (Some(Play::TEAM), "wants a refund")
    );
    assert_eq!((ticket.pending_chat_messages, play.chat.unanswered), (2, 0));
    assert!(!play.chat.responder_owns);
    assert_eq!(play.chat.responder_epoch, 0, "the responder may still say good-bye");
    play.ask(bot(0)).unwrap();
    // a person takes over, and the bot is out
    play.act(TicketAction::Take { agent_id: Play::AGENT }).unwrap();
    assert_eq!(play.chat.responder_epoch, 1);
    assert_eq!(code(play.ask(bot(0))), "STALE_RESPONDER");
    play.act(TicketAction::Complete).unwrap();
    assert!(play.chat.responder_owns, "a closed chat is the responder's again");
    assert_eq!(play.say("m4").unwrap().trace.unwrap().decision, Decision::ToResponder);
    play.ask(bot(1)).unwrap();
    // a person who just answers takes over too
    play.answer().unwrap();
    let ticket = play.ticket();
    assert_eq!(
        (ticket.number, ticket.circumstance, ticket.reason),
        (2, Circumstance::Takeover, Reason::InProgress)
    );
    assert_eq!((ticket.assignee_id, play.chat.responder_epoch), (Some(Play::AGENT), 2));
    assert_eq!(code(play.ask(bot(1))), "STALE_RESPONDER");
}

#[test]
fn a_handover_into_an_open_ticket_keeps_its_team_unless_another_is_named() {
    let mut play = Play::begun(ChannelPolicy {
        default_team_id: Some(Play::TEAM),
        ..policy()
    });
    assert_eq!(play.ticket().team_id, Some(Play::TEAM));
    play.ask(ChatCommandBody::Handover {
        team_id: None,
        summary: None,
    })
    .unwrap();
    assert_eq!((play.ticket().number, play.ticket().team_id), (1, Some(Play::TEAM)));
    assert_eq!(play.ticket().circumstance, Circumstance::Handover);
    assert_eq!(play.types(), ["ticket.handed_over"]);
}

#[test]
fn a_takeover_fences_the_bot_in_every_mode() {
    let mut play = Play::begun(policy());
    play.ask(bot(0)).unwrap();
    assert_eq!(play.chat.responder.as_ref().unwrap().entity, ResponderEntity::Agent);
    let takeover = TicketAction::Takeover { agent_id: Play::AGENT };
    play.act(takeover.clone()).unwrap();
    let ticket = play.ticket();
    assert_eq!(
        (ticket.circumstance, ticket.assignee_id),
        (Circumstance::Takeover, Some(Play::AGENT))
    );
    assert_eq!(code(play.ask(bot(0))), "STALE_RESPONDER");
    assert_eq!(play.chat.responder.as_ref().unwrap().entity, ResponderEntity::User);
    play.act(TicketAction::Close).unwrap();
    assert_eq!(code(play.act(takeover)), "INVALID_TRANSITION");
    let mut play = Play::begun(responder_mode());
    let takeover = |agent_id| ChatCommandBody::TakeoverChat { agent_id };
    assert_eq!(code(play.ask(takeover(Play::UNKNOWN))), "NOT_FOUND");
    play.ask(takeover(Play::AGENT)).unwrap();
    assert_eq!(
        (play.ticket().circumstance, play.chat.responder_epoch),
        (Circumstance::Takeover, 1)
    );
    assert_eq!(code(play.ask(bot(0))), "STALE_RESPONDER");
}

#[test]
fn who_gets_a_reopened_ticket() {
    let away = |play: &mut Play| {
        let mut workspace = Play::workspace();
        workspace.agents.remove(0);
        play.rules.workspace = workspace.into();
    };
    for (on_reopen, available, keeps, owned) in [
        (OnReopen::Keep, false, true, false),
        (OnReopen::KeepIfAvailable, true, true, false),
        (OnReopen::KeepIfAvailable, false, false, false),
        (OnReopen::Queue, true, false, false),
        (OnReopen::Bot, true, false, true),
    ] {
        let mut play = Play::taken(ChannelPolicy {
            on_reopen,
            default_responder_id: Some(Play::BOT),
            ..policy()
        });
        play.act(TicketAction::Close).unwrap();
        if !available {
            away(&mut play);
        }
        play.say("m2").unwrap();
        assert_eq!(play.ticket().assignee_id.is_some(), keeps, "{on_reopen:?} {available}");
        assert_eq!(play.chat.responder_owns, owned);
        assert_eq!(
            play.ticket().last_handler_id.or(play.ticket().assignee_id),
            Some(Play::AGENT)
        );
    }
}
