//! Who answers a chat, which the document never leaves open.

use uuid::Uuid;

use crate::domain::{ChatResponder, Rulebook, Workspace, id};

/// The name of the responder of a workspace that has none.
const BUILT_IN_NAME: &str = "switchboard";

/// Who answers, with the name and picture that the settings give.
#[derive(Debug)]
pub(super) struct ShownResponder {
    pub(super) chosen: ChatResponder,
    pub(super) name: String,
    pub(super) picture: Option<String>,
}

/// What stands in where a workspace has no responder.
fn built_in(workspace: &Workspace) -> Uuid {
    id::follow_up(workspace.id, "responder")
}

/// The workspace's default, or else its first.
fn of_workspace(workspace: &Workspace) -> Option<ChatResponder> {
    let default = workspace.policy.default_responder_id;
    let default = default.and_then(|id| workspace.responder(id));
    default.or(workspace.responders.first()).map(ChatResponder::from)
}

impl ShownResponder {
    /// The chat's, else the channel's default, else the workspace's, else its first, else a built-in one.
    pub(super) fn of(rules: &Rulebook, of_chat: Option<ChatResponder>) -> Self {
        let workspace = &*rules.workspace;
        let chosen = of_chat
            .or_else(|| rules.responder())
            .or_else(|| of_workspace(workspace))
            .unwrap_or_else(|| ChatResponder::bot(built_in(workspace)));
        let (name, picture) = match (workspace.responder(chosen.id), workspace.agent(chosen.id)) {
            (Some(known), _) => (known.name.clone(), known.picture.clone()),
            (None, Some(agent)) => (agent.name.clone(), agent.picture.clone()),
            (None, None) if chosen.id == built_in(workspace) => (BUILT_IN_NAME.to_owned(), None),
            (None, None) => ("bot".to_owned(), None),
        };
        Self { chosen, name, picture }
    }
}
