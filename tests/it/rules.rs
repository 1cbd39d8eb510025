//! What may be done to a chat and its tickets, on the pure core.

use serde_json::{Value, json};
use switchboard::domain::field::FieldKind;
use switchboard::domain::{
    ActorKind, ChannelPolicy, ChatCommandBody, Circumstance, Decision, EventBody, Priority, Reason, Rejection,
    TicketAction, Visibility, id,
};

use crate::support::{Play, code, says};

fn policy() -> ChannelPolicy {
    ChannelPolicy::default()
}

#[test]
fn tags_are_added_once_and_taken_away() {
    let mut play = Play::begun(policy());
    play.act(TicketAction::AddTag(Play::TAG)).unwrap();
    assert_eq!(
        (play.types(), &play.ticket().tags),
        (vec!["ticket.tag_added"], &vec![Play::TAG])
    );
    assert_eq!(play.patches(), [("tags".into(), Value::Null, json!(Play::TAG))]);
    play.act(TicketAction::AddTag(Play::TAG)).unwrap();
    assert!(play.events.is_empty());
    play.act(TicketAction::RemoveTag(Play::TAG)).unwrap();
    assert_eq!(
        (play.types(), play.ticket().tags.len()),
        (vec!["ticket.tag_removed"], 0)
    );
    play.act(TicketAction::RemoveTag(Play::TAG)).unwrap();
    assert!(play.events.is_empty());
    assert_eq!(code(play.act(TicketAction::AddTag(Play::UNKNOWN))), "NOT_FOUND");
    let mut workspace = Play::workspace();
    for number in 0..51 {
        let mut tag = workspace.tags[0].clone();
        tag.id = uuid::Uuid::from_u128(1_000 + number);
        workspace.tags.push(tag);
    }
    play.rules.workspace = workspace.into();
    for number in 0..50 {
        play.act(TicketAction::AddTag(uuid::Uuid::from_u128(1_000 + number)))
            .unwrap();
    }
    let one_more = TicketAction::AddTag(uuid::Uuid::from_u128(1_050));
    assert_eq!(code(play.act(one_more)), "LIMIT_REACHED");
}

#[test]
fn fields_take_values_of_their_kind_alone() {
    let mut play = Play::begun(policy());
    let good = [
        (FieldKind::Text, json!("x")),
        (FieldKind::Number, json!(4.5)),
        (FieldKind::Select, json!("red")),
        (FieldKind::Date, json!("2028-02-29")),
        (FieldKind::Checkbox, json!(false)),
    ];
    for (kind, value) in &good {
        let field_id = Play::field(*kind);
        let set = |value: &Value| TicketAction::SetField {
            field_id,
            value: value.clone(),
        };
        play.act(set(value)).unwrap();
        assert_eq!(play.ticket().fields[&field_id], *value);
        assert_eq!(
            play.patches(),
            [(format!("fields.{field_id}"), Value::Null, value.clone())]
        );
        play.act(set(value)).unwrap();
        assert!(play.events.is_empty(), "nothing changes");
        for (other, wrong) in &good {
            let text = [FieldKind::Text, FieldKind::Select, FieldKind::Date];
            if other != kind && !(*kind == FieldKind::Text && text.contains(other)) {
                assert_eq!(
                    code(play.act(set(wrong))),
                    "BAD_USER_INPUT",
                    "{kind:?} takes no {wrong}"
                );
            }
        }
        play.act(set(&Value::Null)).unwrap();
        assert!(!play.ticket().fields.contains_key(&field_id));
    }
    for (kind, wrong) in [
        (FieldKind::Date, json!("2027-02-29")),
        (FieldKind::Date, json!("20280229")),
        (FieldKind::Select, json!("blue")),
        (FieldKind::Text, json!("x".repeat(4_097))),
        (FieldKind::Checkbox, json!([true])),
    ] {
        let set = TicketAction::SetField {
            field_id: Play::field(kind),
            value: wrong,
        };
        assert_eq!(code(play.act(set)), "BAD_USER_INPUT");
    }
    let text = TicketAction::SetField {
        field_id: Play::field(FieldKind::Text),
        value: json!("x".repeat(4_096)),
    };
    play.act(text).unwrap();
    for field_id in [Play::UNKNOWN, Play::contact_field()] {
        let value = json!("2026-01-01");
        assert_eq!(code(play.act(TicketAction::SetField { field_id, value })), "NOT_FOUND");
    }
}

#[test]
fn subject_summary_and_priority_change_with_what_was_before() {
    let mut play = Play::begun(policy());
    play.act(TicketAction::SetSubject(Some("Order 4711".into()))).unwrap();
    assert_eq!(play.patches(), [("subject".into(), Value::Null, json!("Order 4711"))]);
    play.act(TicketAction::SetSubject(None)).unwrap();
    assert_eq!(play.ticket().subject, None);
    play.act(TicketAction::SetPriority(Priority::High)).unwrap();
    assert_eq!(play.patches(), [("priority".into(), json!("MEDIUM"), json!("HIGH"))]);
    assert_eq!(play.ticket().priority, Priority::High);
    play.act(TicketAction::SetPriority(Priority::High)).unwrap();
    assert!(play.events.is_empty());
    play.act(TicketAction::SetSummary("lost".into())).unwrap();
    assert_eq!(play.patches(), [("summary".into(), json!(""), json!("lost"))]);
    play.act(TicketAction::SetSummary("lost".into())).unwrap();
    assert!(play.events.is_empty());
    for bad in [
        TicketAction::SetSubject(Some(" ".into())),
        TicketAction::SetSubject(Some("x".repeat(1_025))),
        TicketAction::SetSummary("x".repeat(16_385)),
        TicketAction::SetSummary("a\0b".into()),
    ] {
        assert_eq!(code(play.act(bad)), "BAD_USER_INPUT");
    }
    play.act(TicketAction::SetSubject(Some("x".repeat(1_024)))).unwrap();
    play.act(TicketAction::SetSummary("x".repeat(16_384))).unwrap();
}

#[test]
fn the_last_rating_of_an_episode_counts_and_the_others_stay() {
    let mut play = Play::taken(policy());
    let rate = |score, comment: Option<&str>| TicketAction::Rate {
        score,
        comment: comment.map(str::to_owned),
    };
    assert_eq!(code(play.act(rate(0, None))), "BAD_USER_INPUT");
    assert_eq!(code(play.act(rate(4, None))), "BAD_USER_INPUT");
    play.act(rate(1, Some("slow"))).unwrap();
    let first_at = play.now;
    assert_eq!(play.patches(), [("rating".into(), Value::Null, json!(1))]);
    play.act(rate(3, None)).unwrap();
    assert_eq!(play.patches(), [("rating".into(), json!(1), json!(3))]);
    let rating = play.ticket().ratings[0].clone();
    assert_eq!(
        (
            play.ticket().ratings.len(),
            rating.score,
            rating.comment,
            rating.episode
        ),
        (1, 3, None, 1)
    );
    assert_eq!((rating.created_at, rating.updated_at), (first_at, play.now));
    play.act(TicketAction::Close).unwrap();
    play.act(TicketAction::Reopen).unwrap();
    play.act(rate(2, None)).unwrap();
    let scores: Vec<(u32, u8)> = play
        .ticket()
        .ratings
        .iter()
        .map(|known| (known.episode, known.score))
        .collect();
    assert_eq!(scores, [(1, 3), (2, 2)]);
    for _ in 0..40 {
        play.act(TicketAction::Close).unwrap();
        play.act(TicketAction::Reopen).unwrap();
        play.act(rate(3, None)).unwrap();
    }
    let ratings = &play.ticket().ratings;
    assert_eq!((ratings.len(), ratings[0].episode, ratings[31].episode), (32, 11, 42));
}

#[test]
fn a_command_for_another_version_is_refused_with_the_state() {
    let mut play = Play::begun(policy());
    let version = play.ticket().version;
    let body = |expected| ChatCommandBody::Ticket {
        ticket_id: id::ticket(id::chat(id::first_workspace(), Play::CHANNEL, "ada"), 1),
        expected_version: Some(expected),
        action: TicketAction::SetSummary("x".into()),
    };
    for stale in [version - 1, version + 1] {
        let refused = play.ask(body(stale)).unwrap_err();
        assert_eq!(refused.code(), "VERSION_CONFLICT");
        let details: std::collections::HashMap<_, _> = refused.details().into_iter().collect();
        assert_eq!(details["version"], version);
        assert_eq!(
            (&details["ticket"]["status"], &details["ticket"]["number"]),
            (&json!("NEW"), &json!(1))
        );
    }
    play.ask(body(version)).unwrap();
    assert_eq!(play.ticket().version, version + 1);
}

#[test]
fn notes_and_views_bother_nobody() {
    let mut play = Play::begun(policy());
    let note = |text: &str, agent_id| TicketAction::AddNote {
        text: text.into(),
        agent_id,
    };
    let receipt = play.act(note("call back", Some(Play::AGENT))).unwrap();
    assert_eq!(
        (play.types(), receipt.message_seq),
        (vec!["note.added"], Some(play.chat.seq))
    );
    let EventBody::NoteAdded { message } = &play.events[0].body else {
        panic!()
    };
    assert_eq!(
        (message.visibility, message.author.kind),
        (Visibility::Note, ActorKind::Agent)
    );
    let ticket = play.ticket();
    assert_eq!(
        (ticket.reason, ticket.pending_chat_messages, ticket.first_response_at),
        (Reason::Inbound, 1, None)
    );
    assert_eq!(code(play.act(note(" ", None))), "BAD_USER_INPUT");
    assert_eq!(code(play.act(note("x", Some(Play::UNKNOWN)))), "NOT_FOUND");
    play.act(TicketAction::MarkViewed).unwrap();
    assert_eq!(
        (play.types(), play.ticket().last_viewed_at),
        (vec!["ticket.viewed"], Some(play.now))
    );
}

#[test]
fn agents_and_teams_are_assigned_at_once_and_must_be_known() {
    let mut play = Play::begun(policy());
    let assign = |agent_id, team_id| TicketAction::Assign { agent_id, team_id };
    play.act(assign(Some(Some(Play::AGENT)), Some(Some(Play::TEAM))))
        .unwrap();
    let ticket = play.ticket();
    assert_eq!(
        (ticket.assignee_id, ticket.team_id),
        (Some(Play::AGENT), Some(Play::TEAM))
    );
    assert_eq!(
        play.types(),
        [
            "ticket.team_changed",
            "ticket.status_changed",
            "ticket.assignee_changed"
        ]
    );
    play.act(assign(None, Some(None))).unwrap();
    assert_eq!(
        (play.ticket().assignee_id, play.ticket().team_id),
        (Some(Play::AGENT), None)
    );
    play.act(assign(Some(Some(Play::OTHER)), None)).unwrap();
    assert_eq!(play.ticket().last_handler_id, Some(Play::AGENT));
    play.act(assign(Some(None), None)).unwrap();
    assert_eq!(
        (play.ticket().assignee_id, play.ticket().last_handler_id),
        (None, Some(Play::OTHER))
    );
    for unknown in [
        assign(Some(Some(Play::UNKNOWN)), None),
        assign(None, Some(Some(Play::UNKNOWN))),
        TicketAction::Takeover {
            agent_id: Play::UNKNOWN,
        },
    ] {
        assert_eq!(code(play.act(unknown)), "NOT_FOUND");
    }
    let open = |assignee_id, team_id| ChatCommandBody::Open {
        subject: Some("again".into()),
        assignee_id,
        team_id,
        is_taken: true,
    };
    let Rejection::AlreadyOpen { ticket_id } = play.ask(open(None, None)).unwrap_err() else {
        panic!()
    };
    assert_eq!(ticket_id, play.ticket().id);
    play.act(TicketAction::Close).unwrap();
    assert_eq!(code(play.ask(open(Some(Play::UNKNOWN), None))), "NOT_FOUND");
    assert_eq!(code(play.ask(open(None, Some(Play::UNKNOWN)))), "NOT_FOUND");
    play.ask(open(Some(Play::AGENT), Some(Play::TEAM))).unwrap();
    let ticket = play.ticket();
    assert_eq!(
        (ticket.number, ticket.reason, ticket.circumstance),
        (2, Reason::InProgress, Circumstance::Manual)
    );
    assert_eq!(
        (ticket.subject.as_deref(), ticket.team_id),
        (Some("again"), Some(Play::TEAM))
    );
    assert_eq!(ticket.last_handler_id, Some(Play::OTHER), "who had the chat before");
    play.act(TicketAction::Close).unwrap();
    play.ask(ChatCommandBody::Open {
        subject: None,
        assignee_id: Some(Play::AGENT),
        team_id: None,
        is_taken: false,
    })
    .unwrap();
    let waits = play.ticket();
    assert_eq!((waits.reason, waits.assignee_id), (Reason::Manual, Some(Play::AGENT)));
    assert_eq!(waits.ongoing_at, None);
    let offer = TicketAction::Offer { agent_id: Play::OTHER };
    assert_eq!(code(play.act(offer)), "ALREADY_ASSIGNED", "nobody else is given it");
    play.act(TicketAction::Take { agent_id: Play::AGENT }).unwrap();
    assert_eq!(play.ticket().reason, Reason::InProgress);
}

#[test]
fn spam_and_deletion_of_a_new_ticket_go_through_active() {
    for (action, reason) in [
        (TicketAction::MarkSpam, Reason::Spam),
        (TicketAction::Delete, Reason::Deleted),
    ] {
        let mut play = Play::begun(policy());
        play.act(action).unwrap();
        let synthetic: Vec<bool> = play.events.iter().map(|event| event.synthetic).collect();
        assert_eq!(synthetic, [true, false]);
        assert_eq!(play.ticket().reason, reason);
        let patch = play.patches();
        assert_eq!(patch[0], ("status".into(), json!("NEW"), json!("ACTIVE")));
    }
}

#[test]
fn blocked_and_removed_chats() {
    let mut play = Play::taken(policy());
    play.ask(ChatCommandBody::BlockOwner).unwrap();
    assert_eq!(play.patches(), [("owner.blocked".into(), json!(false), json!(true))]);
    play.ask(ChatCommandBody::BlockOwner).unwrap();
    assert!(play.events.is_empty());
    assert_eq!(play.say("m2").unwrap().trace.unwrap().decision, Decision::Silenced);
    assert_eq!(play.ticket().pending_chat_messages, 1);
    play.ask(ChatCommandBody::UnblockOwner).unwrap();
    assert_eq!(play.types(), ["chat.owner_unblocked"]);
    play.ask(ChatCommandBody::Remove).unwrap();
    assert_eq!(play.chat.removed_at, Some(play.now));
    play.ask(ChatCommandBody::Remove).unwrap();
    assert!(play.events.is_empty());
    play.ask(ChatCommandBody::Restore).unwrap();
    assert_eq!(play.chat.removed_at, None);
    play.ask(ChatCommandBody::Remove).unwrap();
    play.say("m3").unwrap();
    assert_eq!(play.types(), ["chat.restored", "message.received"]);
}

#[test]
fn writing_first_makes_an_outbound_ticket() {
    let mut play = Play::new(policy());
    let write = || ChatCommandBody::SendOutbound {
        content: says("Your parcel is here"),
        profile: switchboard::domain::event::Profile::default(),
        subject: Some("Parcel".into()),
    };
    let receipt = play.ask(write()).unwrap();
    assert_eq!(play.types(), ["chat.created", "ticket.created", "message.sent"]);
    let ticket = play.ticket();
    assert_eq!(
        (ticket.reason, ticket.circumstance),
        (Reason::Outbound, Circumstance::Outbound)
    );
    assert_eq!(
        (ticket.subject.as_deref(), receipt.message_seq),
        (Some("Parcel"), Some(3))
    );
    play.ask(write()).unwrap();
    assert_eq!(play.types(), ["message.sent"]);
    assert_eq!(play.say("m1").unwrap().trace.unwrap().decision, Decision::Appended);
}

#[test]
fn a_post_opens_a_ticket_with_its_text() {
    let mut play = Play::new(policy());
    let body = |reply: Option<&str>| ChatCommandBody::OpenFromPost {
        profile: switchboard::domain::event::Profile::default(),
        content: says("This broke on day one"),
        reply: reply.map(says),
    };
    play.ask(body(Some("Sorry!"))).unwrap();
    assert_eq!(
        play.types(),
        ["chat.created", "ticket.created", "note.added", "message.sent"]
    );
    assert_eq!(
        (play.ticket().reason, play.ticket().circumstance),
        (Reason::Manual, Circumstance::Manual)
    );
    play.ask(body(None)).unwrap();
    assert_eq!(play.types(), ["note.added"], "into the open ticket");
}
