//! Contacts, comments and reviews, and desks, on the pure core.

use serde_json::json;
use switchboard::domain::contact::{ContactDetails, ContactPatch};
use switchboard::domain::event::Profile;
use switchboard::domain::people::Availability;
use switchboard::domain::post::{PostBody, PostKind};
use switchboard::domain::{
    Aggregate, Contact, ContactCommandBody, Desk, DeskCommandBody, Post, PostCommandBody, Rulebook,
};
use uuid::Uuid;

use crate::support::{Play, ask, code, says, types, wish};

fn number(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[test]
fn contacts_keep_what_is_known_and_join_it() {
    let rules = Rulebook {
        workspace: Play::workspace().into(),
        ..Rulebook::default()
    };
    let mut ada = Contact::blank(number(1));
    let update = |patch| ContactCommandBody::Update(Box::new(patch));
    let known = ContactPatch {
        name: Some(Some("Ada".into())),
        emails: Some(vec!["ada@example.org".into()]),
        ..ContactPatch::default()
    };
    let events = ask(&mut ada, &rules, update(known), 1).unwrap();
    let targets: Vec<String> = events[0].patch().into_iter().map(|change| change.target).collect();
    assert_eq!(targets, ["emails", "name"]);
    assert!(
        ask(&mut ada, &rules, update(ContactPatch::default()), 2)
            .unwrap()
            .is_empty()
    );
    let field_id = Play::contact_field();
    let set = |value| ContactCommandBody::SetField { field_id, value };
    ask(&mut ada, &rules, set(json!("2020-01-31")), 3).unwrap();
    assert_eq!(ada.details.fields[&field_id], "2020-01-31");
    assert_eq!(code(ask(&mut ada, &rules, set(json!("soon")), 4)), "BAD_USER_INPUT");
    let other = ContactDetails {
        name: Some("A. Fischer".into()),
        phones: vec!["+49 170 1".into()],
        emails: vec!["ada@example.org".into(), "af@example.org".into()],
        note: Some("VIP".into()),
        additional_ids: vec!["crm-1".into()],
        ..ContactDetails::default()
    };
    ask(&mut ada, &rules, ContactCommandBody::Absorb(Box::new(other)), 5).unwrap();
    let details = &ada.details;
    assert_eq!(
        (details.name.as_deref(), details.note.as_deref()),
        (Some("Ada"), Some("VIP"))
    );
    assert_eq!(
        (details.emails.len(), details.phones.len(), details.additional_ids.len()),
        (2, 1, 1)
    );
    ask(&mut ada, &rules, set(serde_json::Value::Null), 6).unwrap();
    assert!(ada.details.fields.is_empty());
    assert_eq!(
        code(ask(&mut ada, &rules, ContactCommandBody::MergeInto(number(1)), 7)),
        "BAD_USER_INPUT"
    );
    let merged = ask(&mut ada, &rules, ContactCommandBody::MergeInto(number(2)), 8).unwrap();
    assert_eq!(
        (types(&merged), ada.merged_into),
        (vec!["contact.merged"], Some(number(2)))
    );
    assert!(
        ask(&mut ada, &rules, ContactCommandBody::MergeInto(number(2)), 9)
            .unwrap()
            .is_empty()
    );
    for bad in [
        ContactPatch {
            name: Some(Some(" ".into())),
            ..ContactPatch::default()
        },
        ContactPatch {
            emails: Some(vec!["x".into(); 21]),
            ..ContactPatch::default()
        },
        ContactPatch {
            phones: Some(vec![" ".into()]),
            ..ContactPatch::default()
        },
        ContactPatch {
            note: Some(Some("x".repeat(16_385))),
            ..ContactPatch::default()
        },
    ] {
        assert_eq!(code(ask(&mut ada, &rules, update(bad), 10)), "BAD_USER_INPUT");
    }
    let full: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let absorb = ContactDetails {
        phones: full,
        ..ContactDetails::default()
    };
    ask(&mut ada, &rules, ContactCommandBody::Absorb(Box::new(absorb)), 11).unwrap();
    assert_eq!(ada.details.phones.len(), 20);
    let mut theirs = wish(update(ContactPatch::default()));
    theirs.workspace_id = number(77);
    assert_eq!(code(ada.decide(&theirs, &rules, 12)), "NOT_FOUND");
}

fn post(kind: PostKind, text: &str, stars: Option<u8>) -> PostBody {
    PostBody {
        kind,
        channel_id: number(8),
        external_id: "c1".into(),
        owner_external_id: "ada".into(),
        profile: Profile::default(),
        content: switchboard::domain::message::Content {
            text: (!text.is_empty()).then(|| text.to_owned()),
            attachments: Vec::new(),
        },
        stars,
        subject: None,
        url: None,
        sent_at: None,
    }
}

#[test]
fn comments_and_reviews_come_in_change_and_become_tickets_once() {
    let receive = |body| PostCommandBody::Receive(Box::new(body));
    let mut comment = Post::blank(number(1));
    assert_eq!(code(ask(&mut comment, &(), PostCommandBody::Delete, 1)), "NOT_FOUND");
    let bad = [
        post(PostKind::Comment, "", None),
        post(PostKind::Comment, "", Some(3)),
        post(PostKind::Review, "", None),
        post(PostKind::Review, &"x".repeat(16_385), Some(3)),
        post(PostKind::Review, "x", Some(0)),
        post(PostKind::Review, "x", Some(6)),
        PostBody {
            external_id: String::new(),
            ..post(PostKind::Comment, "x", None)
        },
        PostBody {
            url: Some("x".repeat(2_049)),
            ..post(PostKind::Comment, "x", None)
        },
    ];
    for body in bad {
        assert_eq!(code(ask(&mut comment, &(), receive(body), 1)), "BAD_USER_INPUT");
    }
    let events = ask(&mut comment, &(), receive(post(PostKind::Comment, "first", None)), 5).unwrap();
    assert_eq!((types(&events), comment.created_at), (vec!["post.received"], 5));
    assert!(
        ask(&mut comment, &(), receive(post(PostKind::Comment, "first", None)), 6)
            .unwrap()
            .is_empty()
    );
    let events = ask(&mut comment, &(), receive(post(PostKind::Comment, "second", None)), 7).unwrap();
    assert_eq!((types(&events), comment.updated_at), (vec!["post.edited"], 7));
    assert_eq!(comment.body.as_ref().unwrap().content.text.as_deref(), Some("second"));
    let changed: Vec<String> = events[0].patch().into_iter().map(|change| change.target).collect();
    assert_eq!(changed, ["content"]);
    assert_eq!(
        (PostKind::Comment.name(), PostKind::Review.name()),
        ("COMMENT", "REVIEW")
    );
    let converted = |ticket| PostCommandBody::Converted {
        chat_id: number(20),
        ticket_id: number(ticket),
    };
    ask(&mut comment, &(), converted(21), 8).unwrap();
    assert!(ask(&mut comment, &(), converted(22), 9).unwrap().is_empty());
    assert_eq!(
        (comment.chat_id, comment.ticket_id),
        (Some(number(20)), Some(number(21)))
    );
    ask(&mut comment, &(), PostCommandBody::Delete, 10).unwrap();
    assert_eq!(comment.deleted_at, Some(10));
    assert!(ask(&mut comment, &(), PostCommandBody::Delete, 11).unwrap().is_empty());
    assert!(
        ask(&mut comment, &(), receive(post(PostKind::Comment, "third", None)), 12)
            .unwrap()
            .is_empty()
    );
    let mut review = Post::blank(number(2));
    ask(&mut review, &(), receive(post(PostKind::Review, "", Some(5))), 1).unwrap();
    let mut theirs = wish(PostCommandBody::Delete);
    theirs.workspace_id = number(77);
    assert_eq!(code(review.decide(&theirs, &(), 2)), "NOT_FOUND");
    assert!(says("x").check().is_ok());
}

#[test]
fn a_desk_never_takes_more_than_its_agent_has_room_for() {
    let mut workspace = Play::workspace();
    workspace.agents[0].capacity = Some(2);
    let rules = Rulebook {
        workspace: workspace.clone().into(),
        ..Rulebook::default()
    };
    let mut desk = Desk::blank(number(1));
    let reserve = |ticket, floor| DeskCommandBody::Reserve {
        agent_id: Play::AGENT,
        ticket_id: number(ticket),
        floor,
        stride: 10,
    };
    ask(&mut desk, &rules, reserve(1, 0), 1).unwrap();
    assert_eq!(desk.pass, 10);
    assert_eq!(code(ask(&mut desk, &rules, reserve(1, 0), 1)), "ALREADY_ASSIGNED");
    ask(&mut desk, &rules, reserve(2, 35), 2).unwrap();
    assert_eq!((desk.pass, desk.tickets.len()), (45, 2));
    assert_eq!(code(ask(&mut desk, &rules, reserve(3, 0), 3)), "AT_CAPACITY");
    // by hand there is always room, and nothing of the turn is used up
    let occupy = |ticket| DeskCommandBody::Occupy {
        agent_id: Play::AGENT,
        ticket_id: number(ticket),
    };
    let release = |ticket| DeskCommandBody::Release {
        agent_id: Play::AGENT,
        ticket_id: number(ticket),
    };
    ask(&mut desk, &rules, occupy(3), 4).unwrap();
    assert!(ask(&mut desk, &rules, occupy(3), 5).unwrap().is_empty());
    assert_eq!((desk.pass, desk.tickets.len()), (45, 3));
    ask(&mut desk, &rules, release(1), 6).unwrap();
    assert_eq!(code(ask(&mut desk, &rules, reserve(4, 0), 7)), "AT_CAPACITY");
    ask(&mut desk, &rules, release(2), 8).unwrap();
    assert!(ask(&mut desk, &rules, release(2), 9).unwrap().is_empty());
    ask(&mut desk, &rules, reserve(4, 0), 10).unwrap();
    ask(&mut desk, &rules, release(3), 11).unwrap();
    workspace.agents[0].availability = Availability::Offline;
    let rules = Rulebook {
        workspace: workspace.into(),
        ..Rulebook::default()
    };
    assert_eq!(code(ask(&mut desk, &rules, reserve(5, 0), 12)), "AT_CAPACITY");
    let unknown = DeskCommandBody::Reserve {
        agent_id: Play::UNKNOWN,
        ticket_id: number(5),
        floor: 0,
        stride: 1,
    };
    assert_eq!(code(ask(&mut desk, &rules, unknown, 13)), "NOT_FOUND");
}
