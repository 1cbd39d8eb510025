//! Settings. Those that are changed field by field take PATCH, those that are replaced as a whole PUT.

use super::{Row, Verb, create, row};

/// A list without pages: the route's name, the field, and what is shown of each.
macro_rules! list {
    ($name:literal, $field:literal, $fragment:literal) => {
        concat!("query ", $name, " { ", $field, " { ...", $fragment, " } }")
    };
}

/// Making one: the mutation, its input, and what is shown of it.
macro_rules! make {
    ($name:literal, $input:literal, $fragment:literal) => {
        concat!(
            "mutation ",
            $name,
            "($input: ",
            $input,
            "!, $idempotencyKey: String) { ",
            $name,
            "(input: $input, idempotencyKey: $idempotencyKey) { ...",
            $fragment,
            " } }"
        )
    };
}

/// Changing one: the mutation, its id in the path, its input, and what is shown of it.
macro_rules! change {
    ($name:literal, $id:literal, $input:literal, $fragment:literal) => {
        concat!(
            "mutation ",
            $name,
            "($",
            $id,
            ": UUID!, $input: ",
            $input,
            "!, $idempotencyKey: String) { ",
            $name,
            "(id: $",
            $id,
            ", input: $input, idempotencyKey: $idempotencyKey) { ...",
            $fragment,
            " } }"
        )
    };
}

pub(super) const SETTINGS: &[Row] = &[
    row(
        Verb::Get,
        "/api/v1/channels",
        "List channels",
        list!("listChannels", "channels", "Channel"),
    ),
    create(
        "/api/v1/channels",
        "Connect a channel",
        make!("createChannel", "ChannelInput", "Channel"),
    ),
    row(
        Verb::Patch,
        "/api/v1/channels/{channelId}",
        "Change a channel",
        change!("updateChannel", "channelId", "ChannelPatch", "Channel"),
    ),
    row(
        Verb::Get,
        "/api/v1/agents",
        "List agents",
        list!("listAgents", "agents", "Agent"),
    ),
    create(
        "/api/v1/agents",
        "Add an agent",
        make!("createAgent", "AgentInput", "Agent"),
    ),
    row(
        Verb::Patch,
        "/api/v1/agents/{agentId}",
        "Change an agent",
        change!("updateAgent", "agentId", "AgentPatch", "Agent"),
    ),
    row(
        Verb::Put,
        "/api/v1/agents/{agentId}/availability",
        "Say whether an agent takes work",
        "mutation setAgentAvailability($agentId: UUID!, $availability: Availability!, $idempotencyKey: String) {
           setAgentAvailability(agentId: $agentId, availability: $availability, idempotencyKey: $idempotencyKey) {
             ...Agent } }",
    ),
    row(
        Verb::Get,
        "/api/v1/teams",
        "List teams",
        list!("listTeams", "teams", "Team"),
    ),
    create("/api/v1/teams", "Make a team", make!("createTeam", "TeamInput", "Team")),
    row(
        Verb::Put,
        "/api/v1/teams/{teamId}",
        "Replace a team",
        change!("updateTeam", "teamId", "TeamInput", "Team"),
    ),
    row(
        Verb::Get,
        "/api/v1/responders",
        "List responders",
        list!("listResponders", "responders", "Responder"),
    ),
    create(
        "/api/v1/responders",
        "Make a responder",
        make!("createResponder", "ResponderInput", "Responder"),
    ),
    row(
        Verb::Put,
        "/api/v1/responders/{responderId}",
        "Replace a responder",
        change!("updateResponder", "responderId", "ResponderInput", "Responder"),
    ),
    row(Verb::Get, "/api/v1/tags", "List tags", list!("listTags", "tags", "Tag")),
    create("/api/v1/tags", "Make a tag", make!("createTag", "TagInput", "Tag")),
    row(
        Verb::Put,
        "/api/v1/tags/{tagId}",
        "Replace a tag",
        change!("updateTag", "tagId", "TagInput", "Tag"),
    ),
    row(
        Verb::Get,
        "/api/v1/fields",
        "List fields",
        list!("listFields", "fields", "Field"),
    ),
    create(
        "/api/v1/fields",
        "Make a field",
        make!("createField", "FieldInput", "Field"),
    ),
    row(
        Verb::Put,
        "/api/v1/fields/{fieldId}",
        "Replace a field",
        change!("updateField", "fieldId", "FieldInput", "Field"),
    ),
    row(
        Verb::Get,
        "/api/v1/policy",
        "Get what channels leave open",
        list!("getPolicy", "workspacePolicy", "ChannelPolicy"),
    ),
    row(
        Verb::Patch,
        "/api/v1/policy",
        "Change what channels leave open",
        "mutation updatePolicy($input: ChannelPolicyInput!, $idempotencyKey: String) {
           updateWorkspacePolicy(policy: $input, idempotencyKey: $idempotencyKey) { ...ChannelPolicy } }",
    ),
];
