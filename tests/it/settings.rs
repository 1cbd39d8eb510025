//! Settings, contacts, comments and reviews, and desks, on the pure core.

use switchboard::domain::field::{Field, FieldKind, FieldTarget, Tag};
use switchboard::domain::people::{Agent, AgentPatch, Availability, Member, Responder, ResponderEntity, Team};
use switchboard::domain::policy::AssignmentMode;
use switchboard::domain::schedule::Schedule;
use switchboard::domain::{
    Aggregate, ApiKey, Channel, ChannelType, KeyCommand, PolicyPatch, Rejection, Setting, Workspace,
    WorkspaceCommandBody, id,
};
use uuid::Uuid;

use crate::support::{ask, code, types};

fn number(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn workspace() -> Workspace {
    let mut workspace = Workspace::blank(id::first_workspace());
    let create = WorkspaceCommandBody::Create { name: "test".into() };
    ask(&mut workspace, &(), create, 1).unwrap();
    workspace
}

fn change(workspace: &mut Workspace, body: WorkspaceCommandBody) -> Result<Vec<&'static str>, Rejection> {
    ask(workspace, &(), body, 2).map(|events| types(&events))
}

fn agent(id: u128) -> Setting {
    Setting::Agent(Box::new(Agent::named(number(id), "Robin")))
}

fn team(id: u128, members: &[(u128, u32)]) -> Setting {
    Setting::Team(Team {
        id: number(id),
        name: "Support".into(),
        picture: None,
        members: members
            .iter()
            .map(|(agent, weight)| Member {
                agent_id: number(*agent),
                weight: *weight,
            })
            .collect(),
    })
}

fn responder(id: u128, version: u32) -> Setting {
    Setting::Responder(Responder {
        id: number(id),
        name: "Bot".into(),
        picture: None,
        entity: ResponderEntity::Agent,
        version_id: None,
        version_number: Some(version),
    })
}

fn tag(id: u128, name: &str) -> Setting {
    Setting::Tag(Tag {
        id: number(id),
        name: name.into(),
    })
}

fn field(kind: FieldKind, target: FieldTarget, options: &[&str]) -> Setting {
    Setting::Field(Field {
        id: number(50),
        name: "colour".into(),
        kind,
        target,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    })
}

#[test]
fn settings_are_made_replaced_and_must_be_whole() {
    use WorkspaceCommandBody::{CreateSetting, ReplaceSetting};
    let mut nothing = Workspace::blank(number(5));
    assert_eq!(code(change(&mut nothing, CreateSetting(agent(1)))), "NOT_FOUND");
    let mut workspace = workspace();
    assert_eq!(workspace.name, "test");
    let again = WorkspaceCommandBody::Create { name: "again".into() };
    assert_eq!(code(change(&mut workspace, again)), "ALREADY_EXISTS");
    let steps = [
        (CreateSetting(agent(1)), vec!["agent.created"]),
        (CreateSetting(team(2, &[(1, 3)])), vec!["team.created"]),
        (ReplaceSetting(team(2, &[(1, 4)])), vec!["team.updated"]),
        (ReplaceSetting(team(2, &[(1, 4)])), vec![]),
        (CreateSetting(responder(3, 1)), vec!["responder.created"]),
        (ReplaceSetting(responder(3, 2)), vec!["responder.updated"]),
        (CreateSetting(tag(4, "vip")), vec!["tag.created"]),
        (ReplaceSetting(tag(4, "gold")), vec!["tag.updated"]),
        (
            CreateSetting(field(FieldKind::Select, FieldTarget::Ticket, &["red"])),
            vec!["field.created"],
        ),
        (
            ReplaceSetting(field(FieldKind::Select, FieldTarget::Ticket, &["red", "green"])),
            vec!["field.updated"],
        ),
    ];
    for (body, expected) in steps {
        let text = format!("{body:?}");
        assert_eq!(change(&mut workspace, body).unwrap(), expected, "{text}");
    }
    assert_eq!(workspace.team(number(2)).unwrap().members[0].weight, 4);
    assert_eq!(workspace.responder(number(3)).unwrap().version_number, Some(2));
    assert_eq!(workspace.tag(number(4)).unwrap().name, "gold");
    assert_eq!(
        workspace.field(number(50), FieldTarget::Ticket).unwrap().options.len(),
        2
    );
    assert_eq!(code(workspace.field(number(50), FieldTarget::Contact)), "NOT_FOUND");
    let many: Vec<(u128, u32)> = (0..501).map(|_| (1, 1)).collect();
    let refused = [
        (CreateSetting(agent(1)), "ALREADY_EXISTS"),
        (CreateSetting(team(2, &[])), "ALREADY_EXISTS"),
        (CreateSetting(responder(3, 1)), "ALREADY_EXISTS"),
        (CreateSetting(tag(4, "x")), "ALREADY_EXISTS"),
        (
            CreateSetting(field(FieldKind::Text, FieldTarget::Ticket, &[])),
            "ALREADY_EXISTS",
        ),
        (ReplaceSetting(tag(99, "x")), "NOT_FOUND"),
        (ReplaceSetting(team(99, &[])), "NOT_FOUND"),
        (ReplaceSetting(responder(99, 1)), "NOT_FOUND"),
        (CreateSetting(tag(5, " ")), "BAD_USER_INPUT"),
        (CreateSetting(team(6, &[(99, 1)])), "NOT_FOUND"),
        (CreateSetting(team(6, &[(1, 0)])), "BAD_USER_INPUT"),
        (CreateSetting(team(6, &[(1, 101)])), "BAD_USER_INPUT"),
        (CreateSetting(team(6, &[(1, 1), (1, 1)])), "BAD_USER_INPUT"),
        (CreateSetting(team(6, &many)), "BAD_USER_INPUT"),
        (
            ReplaceSetting(field(FieldKind::Text, FieldTarget::Ticket, &[])),
            "BAD_USER_INPUT",
        ),
        (
            ReplaceSetting(field(FieldKind::Select, FieldTarget::Contact, &["x"])),
            "BAD_USER_INPUT",
        ),
        (
            ReplaceSetting(field(FieldKind::Select, FieldTarget::Ticket, &[])),
            "BAD_USER_INPUT",
        ),
        (
            ReplaceSetting(field(FieldKind::Select, FieldTarget::Ticket, &[""])),
            "BAD_USER_INPUT",
        ),
    ];
    for (body, expected) in refused {
        let text = format!("{body:?}");
        assert_eq!(code(change(&mut workspace, body)), expected, "{text}");
    }
}

#[test]
fn names_pictures_and_members_have_bounds() {
    use WorkspaceCommandBody::CreateSetting;
    let mut workspace = workspace();
    workspace.agents = (0..501).map(|id| Agent::named(number(id), "Robin")).collect();
    let members = |count: u128| (0..count).map(|id| (id, 100)).collect::<Vec<(u128, u32)>>();
    assert_eq!(
        code(change(&mut workspace, CreateSetting(team(900, &members(501))))),
        "BAD_USER_INPUT"
    );
    change(&mut workspace, CreateSetting(team(900, &members(500)))).unwrap();
    let agent = |email: usize, picture: usize| {
        let mut agent = Agent::named(number(901), "Robin");
        agent.email = Some("x".repeat(email));
        agent.picture = Some("x".repeat(picture));
        CreateSetting(Setting::Agent(Box::new(agent)))
    };
    assert_eq!(code(change(&mut workspace, agent(257, 1))), "BAD_USER_INPUT");
    assert_eq!(code(change(&mut workspace, agent(1, 2_049))), "BAD_USER_INPUT");
    change(&mut workspace, agent(256, 2_048)).unwrap();
    let named = |name: &str, picture: usize| {
        CreateSetting(Setting::Responder(Responder {
            id: number(902),
            name: name.into(),
            picture: Some("x".repeat(picture)),
            entity: ResponderEntity::User,
            version_id: None,
            version_number: None,
        }))
    };
    assert_eq!(code(change(&mut workspace, named(" ", 1))), "BAD_USER_INPUT");
    assert_eq!(code(change(&mut workspace, named("x", 2_049))), "BAD_USER_INPUT");
    change(&mut workspace, named("x", 2_048)).unwrap();
}

#[test]
fn agents_change_field_by_field() {
    let mut workspace = workspace();
    change(&mut workspace, WorkspaceCommandBody::CreateSetting(agent(1))).unwrap();
    let update = |patch| WorkspaceCommandBody::UpdateAgent(number(1), Box::new(patch));
    let patch = AgentPatch {
        availability: Some(Availability::Away),
        capacity: Some(Some(3)),
        email: Some(Some("robin@example.org".into())),
        ..AgentPatch::default()
    };
    let events = ask(&mut workspace, &(), update(patch), 2).unwrap();
    let changed: Vec<String> = events[0].patch().into_iter().map(|change| change.target).collect();
    assert_eq!(changed, ["availability", "capacity", "email"]);
    let known = workspace.agent(number(1)).unwrap();
    assert_eq!(
        (known.room(), known.is_available(0), known.name.as_str()),
        (3, false, "Robin")
    );
    let back = AgentPatch {
        availability: Some(Availability::Available),
        capacity: Some(None),
        name: Some("Sam".into()),
        picture: Some(Some("https://example.org/sam.png".into())),
        email: Some(None),
        ..AgentPatch::default()
    };
    change(&mut workspace, update(back)).unwrap();
    let known = workspace.agent(number(1)).unwrap();
    assert_eq!(
        (known.room(), known.is_available(0), known.name.as_str()),
        (1_000, true, "Sam")
    );
    assert_eq!((known.email.is_none(), known.picture.is_some()), (true, true));
    let never = AgentPatch {
        working_hours: Some(Some(Schedule {
            time_zone: "UTC".into(),
            intervals: Vec::new(),
        })),
        ..AgentPatch::default()
    };
    change(&mut workspace, update(never)).unwrap();
    assert!(!workspace.agent(number(1)).unwrap().is_available(0));
    for capacity in [0, 1_001] {
        let patch = AgentPatch {
            capacity: Some(Some(capacity)),
            ..AgentPatch::default()
        };
        assert_eq!(code(change(&mut workspace, update(patch))), "BAD_USER_INPUT");
    }
    let nobody = WorkspaceCommandBody::UpdateAgent(number(9), Box::default());
    assert_eq!(code(change(&mut workspace, nobody)), "NOT_FOUND");
}

#[test]
fn a_channel_s_policy_goes_over_the_workspace_s() {
    let mut workspace = workspace();
    change(&mut workspace, WorkspaceCommandBody::CreateSetting(agent(1))).unwrap();
    change(&mut workspace, WorkspaceCommandBody::CreateSetting(team(2, &[]))).unwrap();
    change(&mut workspace, WorkspaceCommandBody::CreateSetting(responder(3, 1))).unwrap();
    let channel = |policy| {
        WorkspaceCommandBody::CreateChannel(Box::new(Channel {
            id: number(8),
            kind: ChannelType::Api,
            name: "api".into(),
            policy,
            hook_secret_hash: None,
        }))
    };
    let named = PolicyPatch {
        default_team_id: Some(Some(number(2))),
        default_responder_id: Some(Some(number(3))),
        greeting: Some(Some("hi".into())),
        ..PolicyPatch::default()
    };
    change(&mut workspace, channel(named.clone())).unwrap();
    assert_eq!(code(change(&mut workspace, channel(named))), "ALREADY_EXISTS");
    let everywhere = PolicyPatch {
        restore_period_ms: Some(None),
        assignment: Some(AssignmentMode::LeastBusy),
        greeting: Some(Some("welcome".into())),
        auto_close_after_ms: Some(Some(5)),
        ..PolicyPatch::default()
    };
    let update = WorkspaceCommandBody::UpdatePolicy(Box::new(everywhere));
    assert_eq!(change(&mut workspace, update).unwrap(), ["workspace.updated"]);
    let update = WorkspaceCommandBody::UpdateChannel {
        id: number(8),
        name: Some("shop".into()),
        policy: Box::new(PolicyPatch {
            restore_period_ms: Some(Some(7)),
            default_team_id: Some(None),
            ..PolicyPatch::default()
        }),
        hook_secret_hash: None,
    };
    change(&mut workspace, update).unwrap();
    let channel = workspace.channel(number(8)).unwrap();
    let policy = channel.policy.over(&workspace.policy);
    assert_eq!(
        (policy.restore_period_ms, policy.assignment),
        (Some(7), AssignmentMode::LeastBusy)
    );
    assert_eq!((policy.greeting.as_deref(), policy.default_team_id), (Some("hi"), None));
    assert_eq!(
        (policy.auto_close_after_ms, policy.default_responder_id),
        (Some(5), Some(number(3)))
    );
    assert_eq!(channel.name, "shop");
    let bad = [
        (
            PolicyPatch {
                default_team_id: Some(Some(number(9))),
                ..PolicyPatch::default()
            },
            "NOT_FOUND",
        ),
        (
            PolicyPatch {
                default_responder_id: Some(Some(number(9))),
                ..PolicyPatch::default()
            },
            "NOT_FOUND",
        ),
        (
            PolicyPatch {
                auto_close_after_ms: Some(Some(0)),
                ..PolicyPatch::default()
            },
            "BAD_USER_INPUT",
        ),
        (
            PolicyPatch {
                max_skew_ms: Some(3_155_760_000_001),
                ..PolicyPatch::default()
            },
            "BAD_USER_INPUT",
        ),
        (
            PolicyPatch {
                greeting: Some(Some("x".repeat(16_385))),
                ..PolicyPatch::default()
            },
            "BAD_USER_INPUT",
        ),
        (
            PolicyPatch {
                office_hours: Some(Some(Schedule {
                    time_zone: "Nowhere".into(),
                    intervals: Vec::new(),
                })),
                ..PolicyPatch::default()
            },
            "BAD_USER_INPUT",
        ),
    ];
    for (policy, expected) in bad {
        let update = WorkspaceCommandBody::UpdatePolicy(Box::new(policy));
        assert_eq!(code(change(&mut workspace, update)), expected);
    }
    let longest = PolicyPatch {
        max_skew_ms: Some(3_155_760_000_000),
        ..PolicyPatch::default()
    };
    change(&mut workspace, WorkspaceCommandBody::UpdatePolicy(Box::new(longest))).unwrap();
    let key = |hash: &str| WorkspaceCommandBody::Key(KeyCommand::Create(Box::new(ApiKey::admin("key", hash, 0))));
    assert_eq!(change(&mut workspace, key("a")).unwrap(), ["key.created"]);
    assert_eq!(code(change(&mut workspace, key("a"))), "ALREADY_EXISTS");
}

#[test]
fn a_workspace_has_room_for_so_much() {
    let mut workspace = workspace();
    let first = number(1_000);
    workspace.tags = (0..1_999)
        .map(|_| Tag {
            id: first,
            name: "x".into(),
        })
        .collect();
    change(&mut workspace, WorkspaceCommandBody::CreateSetting(tag(4, "last"))).unwrap();
    assert_eq!(
        code(change(
            &mut workspace,
            WorkspaceCommandBody::CreateSetting(tag(5, "more"))
        )),
        "LIMIT_REACHED"
    );
}
