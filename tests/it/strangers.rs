//! What another workspace's key, and bad input, get from everything that may be done to tickets, people and contacts.

use serde_json::{Value, json};
use switchboard::domain::{Actor, ContactCommand, ContactCommandBody, id};
use uuid::Uuid;

use crate::support::story::{run, settings, text};
use crate::support::{Client, TestApp, make_workspace};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn fields_of(call: &str) -> &'static str {
    let name = call.split('(').next().unwrap();
    match name {
        "createTeam"
        | "updateTeam"
        | "createTag"
        | "updateTag"
        | "updateField"
        | "createField"
        | "updateResponder"
        | "createAgent"
        | "updateAgent"
        | "setAgentAvailability"
        | "updateChannel"
        | "createChannel"
        | "createContact"
        | "updateContact"
        | "mergeContacts"
        | "setContactField"
        | "blockContact"
        | "ingestPost"
        | "deletePost" => "id",
        "convertPost" => "post { id }",
        "bulk" => "ticketId",
        "updateWorkspacePolicy" => "assignment",
        _ => "cursor",
    }
}

async fn refused(client: &Client, call: &str) -> Value {
    let document = format!("mutation {{ {call} {{ {} }} }}", fields_of(call));
    client.error(&document, json!({})).await["extensions"].clone()
}

struct Things {
    ticket: String,
    chat: String,
    channel: String,
    contact: String,
    post: String,
    agent: String,
    team: String,
    tag: String,
    field: String,
    contact_field: String,
    responder: String,
}

/// One of everything.
async fn things(client: &Client) -> Things {
    let (agent, team, tag, field) = settings(client).await;
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "secret words").await;
    let chat = text(&said, "/chat/id").to_owned();
    let query = "query($id: UUID!) { chat(id: $id) { contact { id } } }";
    let contact = client.data(query, json!({ "id": chat })).await;
    let post = format!(
        "ingestPost(input: {{ kind: COMMENT, channelId: \"{channel}\", externalId: \"c1\", owner: {{ externalId: \"ada\" }}, text: \"secret\" }})"
    );
    let contact_field = run(
        client,
        "createField(input: { name: \"f\", kind: TEXT, target: CONTACT })",
        "id",
    )
    .await;
    Things {
        ticket: text(&said, "/ticket/id").to_owned(),
        contact: text(&contact, "/chat/contact/id").to_owned(),
        post: text(&run(client, &post, "id").await, "/id").to_owned(),
        contact_field: text(&contact_field, "/id").to_owned(),
        responder: text(
            &run(client, "createResponder(input: { name: \"Bot\" })", "id").await,
            "/id",
        )
        .to_owned(),
        agent,
        team,
        tag,
        field,
        chat,
        channel,
    }
}

/// Every call to a thing of `theirs`, with settings of `ours`: nothing is there.
fn calls(theirs: &Things, ours: &Things) -> Vec<String> {
    let t = format!("ticketId: \"{}\"", theirs.ticket);
    let c = format!("chatId: \"{}\"", theirs.chat);
    let p = format!("contactId: \"{}\"", theirs.contact);
    let mut calls: Vec<String> = [
        "completeTicket",
        "closeTicket",
        "reopenTicket",
        "holdTicket",
        "pendTicket",
        "resumeTicket",
        "markSpam",
        "unmarkSpam",
        "deleteTicket",
        "restoreTicket",
        "markViewed",
    ]
    .iter()
    .map(|name| format!("{name}({t})"))
    .collect();
    calls.extend(
        [
            "handover",
            "openTicket",
            "blockOwner",
            "unblockOwner",
            "removeChat",
            "restoreChat",
        ]
        .map(|name| format!("{name}({c})")),
    );
    calls.extend([
        format!("takeTicket({t}, agentId: \"{}\")", ours.agent),
        format!("takeover({t}, agentId: \"{}\")", ours.agent),
        format!("takeoverChat({c}, agentId: \"{}\")", ours.agent),
        format!("assignTicket({t}, agentId: \"{}\")", ours.agent),
        format!("mergeTicket({t}, into: \"{}\")", ours.ticket),
        format!("addTag({t}, tagId: \"{}\")", ours.tag),
        format!("removeTag({t}, tagId: \"{}\")", ours.tag),
        format!("setField({t}, fieldId: \"{}\", value: \"red\")", ours.field),
        format!("setSummary({t}, summary: \"x\")"),
        format!("setSubject({t}, subject: \"x\")"),
        format!("setPriority({t}, priority: LOW)"),
        format!("rateTicket({t}, score: 1)"),
        format!("addNote({t}, text: \"x\")"),
        format!("sendMessage({c}, text: \"x\")"),
        format!("editMessage({c}, messageExternalId: \"m1\", text: \"x\")"),
        format!("deleteMessage({c}, messageExternalId: \"m1\")"),
        format!("reactToMessage({c}, messageExternalId: \"m1\", emoji: \"x\")"),
        format!("reportDelivery({c}, messageExternalId: \"m1\", status: READ)"),
        format!("sendOutbound(input: {{ channelId: \"{}\", owner: {{ externalId: \"ada\" }}, text: \"x\" }})", theirs.channel),
        format!("updateContact(id: \"{}\", input: {{ name: \"x\" }})", theirs.contact),
        format!("setContactField({p}, fieldId: \"{}\", value: \"x\")", ours.contact_field),
        format!("mergeContacts({p}, into: \"{}\")", ours.contact),
        format!("mergeContacts(contactId: \"{}\", into: \"{}\")", ours.contact, theirs.contact),
        format!("blockContact({p})"),
        format!("deletePost(id: \"{}\")", theirs.post),
        format!("convertPost(id: \"{}\")", theirs.post),
        format!("ingestPost(input: {{ kind: COMMENT, channelId: \"{}\", externalId: \"c1\", owner: {{ externalId: \"ada\" }}, text: \"x\" }})", theirs.channel),
        format!("updateTeam(id: \"{}\", input: {{ name: \"x\" }})", theirs.team),
        format!("updateTag(id: \"{}\", input: {{ name: \"x\" }})", theirs.tag),
        format!("updateField(id: \"{}\", input: {{ name: \"x\", kind: SELECT, options: [\"a\"] }})", theirs.field),
        format!("updateResponder(id: \"{}\", input: {{ name: \"x\" }})", theirs.responder),
        format!("updateAgent(id: \"{}\", input: {{ name: \"x\" }})", theirs.agent),
        format!("setAgentAvailability(agentId: \"{}\", availability: AWAY)", theirs.agent),
        format!("updateChannel(id: \"{}\", input: {{ name: \"x\" }})", theirs.channel),
        // ours, but with something of theirs
        format!("addTag(ticketId: \"{}\", tagId: \"{}\")", ours.ticket, theirs.tag),
        format!("setField(ticketId: \"{}\", fieldId: \"{}\", value: \"red\")", ours.ticket, theirs.field),
        format!("assignTicket(ticketId: \"{}\", agentId: \"{}\")", ours.ticket, theirs.agent),
        format!("assignTicket(ticketId: \"{}\", teamId: \"{}\")", ours.ticket, theirs.team),
        format!("addNote(ticketId: \"{}\", text: \"x\", agentId: \"{}\")", ours.ticket, theirs.agent),
        format!("handover(chatId: \"{}\", teamId: \"{}\")", ours.chat, theirs.team),
        format!("createTeam(input: {{ name: \"x\", members: [{{ agentId: \"{}\" }}] }})", theirs.agent),
        format!("updateWorkspacePolicy(policy: {{ defaultTeamId: \"{}\" }})", theirs.team),
        format!("createChannel(input: {{ type: API, name: \"x\", policy: {{ defaultResponderId: \"{}\" }} }})", theirs.responder),
        format!("setContactField(contactId: \"{}\", fieldId: \"{}\", value: \"x\")", ours.contact, theirs.contact_field),
    ]);
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_finds_nothing_to_change_or_read() {
    let app = TestApp::start().await;
    let client = app.client();
    let other_key = "other-key-0123456789abcdef0123456789abcdef";
    make_workspace(&app.node, id::ticket(Uuid::nil(), 77), other_key).await;
    let stranger = Client::new(&app.url, other_key);
    let (theirs, ours) = (things(&client).await, things(&stranger).await);
    let before = app.node.store.heads().await.unwrap();
    for call in calls(&theirs, &ours) {
        assert_eq!(refused(&stranger, &call).await["code"], "NOT_FOUND", "{call}");
    }
    let read = format!(
        "{{ contact(id: \"{}\") {{ id }} post(id: \"{}\") {{ id }} posts {{ edges {{ node {{ id }} }} }} teams {{ id }} tags {{ id }}
           responders {{ id }} fields {{ id }} }}",
        theirs.contact, theirs.post
    );
    let seen = stranger.data(&read, json!({})).await;
    assert_eq!((&seen["contact"], &seen["post"]), (&Value::Null, &Value::Null));
    let text_of = seen.to_string();
    for id in [
        &theirs.post,
        &theirs.team,
        &theirs.tag,
        &theirs.responder,
        &theirs.field,
        &theirs.contact_field,
    ] {
        assert!(!text_of.contains(id.as_str()), "{seen:#}");
    }
    let bulk = "mutation($ids: [UUID!]!) { bulk(ticketIds: $ids, operation: { action: CLOSE }) { error { code } } }";
    let answers = stranger.data(bulk, json!({ "ids": [theirs.ticket] })).await;
    assert_eq!(answers["bulk"][0]["error"]["code"], "NOT_FOUND");
    assert_eq!(app.node.store.heads().await.unwrap(), before, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named() {
    let app = TestApp::start().await;
    let client = app.client();
    let ours = things(&client).await;
    let before = app.node.store.heads().await.unwrap();
    let t = format!("ticketId: \"{}\"", ours.ticket);
    let c = format!("chatId: \"{}\"", ours.chat);
    let cases = [
        (format!("rateTicket({t}, score: 4)"), "BAD_USER_INPUT", "score"),
        (format!("rateTicket({t}, score: -1)"), "BAD_USER_INPUT", "score"),
        (format!("setField({t}, fieldId: \"{}\", value: 7)", ours.field), "BAD_USER_INPUT", "value"),
        (format!("setField({t}, fieldId: \"{}\", value: {{ a: [1] }})", ours.field), "BAD_USER_INPUT", "value"),
        (format!("addTag({t}, tagId: \"{UNKNOWN}\")"), "NOT_FOUND", ""),
        (format!("setSubject({t}, subject: \" \")"), "BAD_USER_INPUT", "subject"),
        (format!("addNote({t}, text: \"\")"), "BAD_USER_INPUT", "text"),
        (format!("mergeTicket({t}, into: \"{UNKNOWN}\")"), "BAD_USER_INPUT", "into"),
        (format!("setSummary({t}, summary: \"x\", expectedVersion: -1)"), "BAD_USER_INPUT", "expectedVersion"),
        (format!("takeTicket({t}, agentId: \"{UNKNOWN}\")"), "NOT_FOUND", ""),
        (format!("holdTicket({t})"), "INVALID_TRANSITION", ""),
        (format!("unmarkSpam({t})"), "INVALID_TRANSITION", ""),
        (format!("sendMessage({c}, text: \"x\", responderEpoch: -1)"), "BAD_USER_INPUT", "responderEpoch"),
        (format!("editMessage({c}, text: \"x\")"), "BAD_USER_INPUT", "messageExternalId"),
        (format!("editMessage({c}, messageSeq: -1, text: \"x\")"), "BAD_USER_INPUT", "messageExternalId"),
        (format!("editMessage({c}, messageSeq: 999, text: \"x\")"), "NOT_FOUND", ""),
        (format!("editMessage({c}, messageExternalId: \"\", text: \"\")"), "BAD_USER_INPUT", "text"),
        (format!("deleteMessage({c}, messageExternalId: \"{}\")", "x".repeat(257)), "BAD_USER_INPUT", "messageExternalId"),
        ("createAgent(input: { name: \"x\", capacity: 0 })".into(), "BAD_USER_INPUT", "input.capacity"),
        ("createAgent(input: { name: \"x\", capacity: 1001 })".into(), "BAD_USER_INPUT", "input.capacity"),
        ("createAgent(input: { name: \" \" })".into(), "BAD_USER_INPUT", "input.name"),
        (
            "createAgent(input: { name: \"x\", workingHours: { timeZone: \"UTC\", intervals: [{ day: MONDAY, from: \"9\", to: \"10:00\" }] } })".into(),
            "BAD_USER_INPUT",
            "intervals",
        ),
        (format!("createTeam(input: {{ name: \"x\", members: [{{ agentId: \"{}\", weight: 0 }}] }})", ours.agent), "BAD_USER_INPUT", "input.members.weight"),
        ("createField(input: { name: \"x\", kind: SELECT })".into(), "BAD_USER_INPUT", "input.options"),
        ("createField(input: { name: \"x\", kind: TEXT, options: [\"a\"] })".into(), "BAD_USER_INPUT", "input.options"),
        ("createContact(input: {})".into(), "BAD_USER_INPUT", "input"),
        ("createContact(input: { emails: [\"\"] })".into(), "BAD_USER_INPUT", "input.emails"),
        ("updateWorkspacePolicy(policy: { autoCloseAfterMs: 0 })".into(), "BAD_USER_INPUT", "policy.autoCloseAfterMs"),
        ("updateWorkspacePolicy(policy: { autoCloseAfterMs: 1.5 })".into(), "BAD_USER_INPUT", "policy.autoCloseAfterMs"),
        (
            format!("ingestPost(input: {{ kind: REVIEW, channelId: \"{}\", externalId: \"r\", owner: {{ externalId: \"a\" }}, stars: 6, text: \"x\" }})", ours.channel),
            "BAD_USER_INPUT",
            "input.stars",
        ),
        (format!("convertPost(id: \"{}\", reply: \"\")", ours.post), "BAD_USER_INPUT", "text"),
    ];
    for (call, code, field) in cases {
        let error = refused(&client, &call).await;
        assert_eq!(error["code"], code, "{call:.200} {error}");
        if !field.is_empty() {
            assert_eq!(error["field"], field, "{call:.200} {error}");
        }
    }
    let negative = client
        .error(
            "mutation { createAgent(input: { name: \"x\", capacity: -1 }) { id } }",
            json!({}),
        )
        .await;
    assert!(negative["extensions"]["code"].is_string(), "{negative:#}");
    assert_eq!(app.node.store.heads().await.unwrap(), before, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_contacts_merged_into_each_other_are_one() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut contacts = Vec::new();
    let channel = client.channel().await;
    let query = "query($id: UUID!) { chat(id: $id) { contact { id chats { id } } } }";
    for owner in ["ada", "bob"] {
        let said = client.say(&channel, owner, "m1", "hello").await;
        let found = client.data(query, json!({ "id": said["chat"]["id"] })).await;
        contacts.push(text(&found, "/chat/contact/id").parse::<Uuid>().unwrap());
    }
    // what two merges at the same moment leave behind
    for (from, into) in [(contacts[0], contacts[1]), (contacts[1], contacts[0])] {
        let command = ContactCommand {
            id: Uuid::from_u128(5),
            workspace_id: id::first_workspace(),
            actor: Actor::system(),
            keys: Vec::new(),
            body_hash: None,
            body: ContactCommandBody::MergeInto(into),
        };
        app.node.services.router.contact(from, command).await.unwrap();
    }
    let least = contacts.iter().min().unwrap().to_string();
    for contact in &contacts {
        let query = "query($id: UUID!) { contact(id: $id) { id chats { id } } }";
        let found = client.data(query, json!({ "id": contact })).await["contact"].clone();
        assert_eq!(
            (text(&found, "/id"), found["chats"].as_array().unwrap().len()),
            (least.as_str(), 2)
        );
    }
}
