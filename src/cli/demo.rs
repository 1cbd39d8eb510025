//! Something to look at: channels, agents and a few chats in an empty workspace.

use uuid::Uuid;

use super::bootstrap::ask;
use crate::domain::command::Incoming;
use crate::domain::event::Profile;
use crate::domain::field::{Field, FieldKind, FieldTarget, Tag};
use crate::domain::message::Content;
use crate::domain::people::Member;
use crate::domain::{
    Actor, ActorKind, Agent, Channel, ChannelType, ChatCommand, ChatCommandBody, DedupeKey, PolicyPatch, Priority,
    Setting, Team, TicketAction, WorkspaceCommandBody, id,
};
use crate::server::Node;

/// What the tour in the README needs.
pub(super) struct Tour {
    pub(super) channel_id: Uuid,
    pub(super) secret_token: &'static str,
}

/// The demo's Telegram secret; a workspace of one's own gets one of its own.
const SECRET_TOKEN: &str = "demo-secret";

const CHATS: [(&str, &str, &[&str], &str); 5] = [
    (
        "telegram",
        "Ada Fischer",
        &["Hello! Is my order 4711 on its way?", "It should have come on Tuesday."],
        "new",
    ),
    (
        "telegram",
        "Noor Haddad",
        &["Can I change the delivery address?"],
        "active",
    ),
    ("web", "Jonas Weber", &["The coupon SPRING does not work."], "answered"),
    (
        "web",
        "Mei Tanaka",
        &["How long is the warranty?", "Thank you, that helps."],
        "completed",
    ),
    ("web", "Luis Ortega", &["The app logs me out every hour."], "new"),
];

/// Ids that are the same on every machine, so that a tour can name them.
fn demo_id(name: &str) -> Uuid {
    id::chat(id::first_workspace(), Uuid::nil(), name)
}

fn channel(name: &str, kind: ChannelType, secret: Option<&str>) -> WorkspaceCommandBody {
    WorkspaceCommandBody::CreateChannel(Box::new(Channel {
        id: demo_id(name),
        kind,
        name: format!("Demo {name}"),
        policy: PolicyPatch::default(),
        hook_secret_hash: secret.map(|secret| id::sha256_hex(secret.as_bytes())),
    }))
}

fn agent(name: &str) -> WorkspaceCommandBody {
    WorkspaceCommandBody::CreateSetting(Setting::Agent(Box::new(Agent::named(demo_id(name), name))))
}

fn settings_of_the_demo() -> [Setting; 4] {
    let members = [("Robin", 2), ("Sam", 1)].map(|(name, weight)| Member {
        agent_id: demo_id(name),
        weight,
    });
    let tag = |name: &str| {
        Setting::Tag(Tag {
            id: demo_id(name),
            name: name.to_owned(),
        })
    };
    [
        Setting::Team(Team {
            id: demo_id("Support"),
            name: "Support".to_owned(),
            picture: None,
            members: members.to_vec(),
        }),
        tag("parcel"),
        tag("refund"),
        Setting::Field(Field {
            id: demo_id("carrier"),
            name: "carrier".to_owned(),
            kind: FieldKind::Select,
            target: FieldTarget::Ticket,
            options: ["DHL", "UPS"].map(str::to_owned).to_vec(),
        }),
    ]
}

/// Fills the workspace if it has no channel yet.
pub(super) async fn fill(node: &Node) -> anyhow::Result<Option<Tour>> {
    let tour = Tour {
        channel_id: demo_id("telegram"),
        secret_token: SECRET_TOKEN,
    };
    let settings = node.services.live.settings();
    if settings.channel(tour.channel_id).is_some() {
        return Ok(Some(tour));
    }
    let workspace = settings.workspace(id::first_workspace());
    if workspace.is_some_and(|workspace| !workspace.channels.is_empty()) {
        return Ok(None);
    }
    ask(node, channel("telegram", ChannelType::Telegram, Some(SECRET_TOKEN))).await?;
    ask(node, channel("web", ChannelType::Web, None)).await?;
    ask(node, agent("Robin")).await?;
    ask(node, agent("Sam")).await?;
    for setting in settings_of_the_demo() {
        ask(node, WorkspaceCommandBody::CreateSetting(setting)).await?;
    }
    for chat in CHATS {
        talk(node, chat).await?;
    }
    Ok(Some(tour))
}

async fn talk(node: &Node, (channel, name, texts, end): (&str, &str, &[&str], &str)) -> anyhow::Result<()> {
    let channel_id = demo_id(channel);
    let mut chat_id = Uuid::nil();
    for (number, text) in texts.iter().enumerate() {
        let external_id = format!("demo-{name}-{number}");
        let incoming = Incoming {
            external_id: Some(external_id.clone()),
            content: says(text),
            sent_at: None,
            profile: Profile {
                name: Some(name.to_owned()),
                avatar: None,
            },
            author_name: None,
        };
        let owner = format!("demo-{name}");
        let body = ChatCommandBody::Receive(Box::new(incoming));
        let actor = Actor::new(ActorKind::Owner, owner.clone());
        let command = ChatCommand {
            origin: Some((channel_id, owner)),
            keys: vec![DedupeKey::message(&external_id)],
            ..ChatCommand::new(demo_id(&external_id), id::first_workspace(), actor, body)
        };
        let pending = node.services.router.submit_to_origin(command)?;
        chat_id = pending.answer().await?.state.id;
    }
    let ticket_id = id::ticket(chat_id, 1);
    let agent_id = demo_id("Robin");
    let take = ChatCommandBody::ticket(ticket_id, TicketAction::Take { agent_id });
    let answer = ChatCommandBody::Send {
        content: says("Let me look into that for you."),
        agent_id: Some(agent_id),
        responder_epoch: None,
    };
    let step = |action| ChatCommandBody::ticket(ticket_id, action);
    let steps = match end {
        "active" => vec![
            take,
            step(TicketAction::Assign {
                agent_id: None,
                team_id: Some(Some(demo_id("Support"))),
            }),
            step(TicketAction::SetSubject(Some("Delivery address".to_owned()))),
            step(TicketAction::AddTag(demo_id("parcel"))),
            step(TicketAction::SetPriority(Priority::High)),
        ],
        "answered" => vec![take, answer],
        "completed" => vec![take, answer, ChatCommandBody::ticket(ticket_id, TicketAction::Complete)],
        _ => Vec::new(),
    };
    for (number, body) in steps.into_iter().enumerate() {
        let id = demo_id(&format!("{name}-step-{number}"));
        let command = ChatCommand::new(id, id::first_workspace(), Actor::system(), body);
        let pending = node.services.router.submit(chat_id, channel_id, command)?;
        pending.answer().await?;
    }
    Ok(())
}

fn says(text: &str) -> Content {
    Content {
        text: Some(text.to_owned()),
        attachments: Vec::new(),
    }
}
