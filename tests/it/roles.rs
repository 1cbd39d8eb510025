//! Keys of agents: in whose name they act.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// An agent's key.
async fn key(admin: &Client, agent: &str, role: &str) -> Client {
    let input = format!("name: \"desk\", scopes: [WRITE], agentId: \"{agent}\"{role}");
    let create = format!("mutation {{ createApiKey(input: {{ {input} }}) {{ secret apiKey {{ role }} }} }}");
    let made = admin.data(&create, json!({})).await;
    Client::new(&admin.url, made["createApiKey"]["secret"].as_str().unwrap())
}

/// The answer to a mutation, or its code.
async fn outcome(client: &Client, call: &str, fields: &str) -> Result<Value, String> {
    let answer = client
        .send(&format!("mutation {{ {call} {{ {fields} }} }}"), json!({}))
        .await
        .unwrap();
    match answer["errors"][0]["extensions"]["code"].as_str() {
        Some(code) => Err(code.to_owned()),
        None => Ok(answer["data"].as_object().unwrap().values().next().unwrap().clone()),
    }
}

/// What happened: done, or the code.
async fn done(client: &Client, call: &str) -> String {
    let outcome = outcome(client, call, "__typename").await;
    outcome.map_or_else(|code| code, |_| "done".to_owned())
}

struct Desk {
    admin: Client,
    own: String,
    other: String,
    chat: String,
    ticket: String,
}

impl Desk {
    async fn new(app: &TestApp) -> Self {
        let admin = app.client();
        let channel = admin.channel().await;
        let said = admin.say(&channel, "ada", "m1", "hello").await;
        let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        Self {
            own: admin.agent().await,
            other: admin.agent().await,
            chat: text("/chat/id"),
            ticket: text("/ticket/id"),
            admin,
        }
    }

    /// Calls that name an agent.
    fn calls(&self, agent: &str) -> Vec<String> {
        let (chat, ticket) = (&self.chat, &self.ticket);
        vec![
            format!("assignTicket(ticketId: \"{ticket}\", agentId: \"{agent}\")"),
            format!("takeover(ticketId: \"{ticket}\", agentId: \"{agent}\")"),
            format!("takeoverChat(chatId: \"{chat}\", agentId: \"{agent}\")"),
            format!("sendMessage(chatId: \"{chat}\", text: \"x\", agentId: \"{agent}\")"),
            format!("addNote(ticketId: \"{ticket}\", text: \"x\", agentId: \"{agent}\")"),
            format!(
                "reactToMessage(chatId: \"{chat}\", messageExternalId: \"m1\", emoji: \"x\", agentId: \"{agent}\")"
            ),
            format!("setAgentAvailability(agentId: \"{agent}\", availability: AWAY)"),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_acts_as_themself_alone() {
    let app = TestApp::start().await;
    let desk = Desk::new(&app).await;
    let agent = key(&desk.admin, &desk.own, "").await;
    let viewer = agent.data("{ viewer { role } }", json!({})).await;
    assert_eq!(viewer["viewer"]["role"], "AGENT", "where no role is named");
    for call in desk.calls(&desk.other) {
        assert_eq!(done(&agent, &call).await, "FORBIDDEN", "{call}");
    }
    let take = |agent: &str| format!("takeTicket(ticketId: \"{}\", agentId: \"{agent}\")", desk.ticket);
    assert_eq!(done(&agent, &take(&desk.other)).await, "FORBIDDEN");
    assert_eq!(done(&agent, &take(&desk.own)).await, "done");
    for call in desk.calls(&desk.own) {
        assert_eq!(done(&agent, &call).await, "done", "{call}");
    }
    let bulk = format!(
        "bulk(ticketIds: [\"{}\"], operation: {{ action: ASSIGN, agentId: \"{}\" }})",
        desk.ticket, desk.other
    );
    let answers = outcome(&agent, &bulk, "error { code }").await.unwrap();
    assert_eq!(answers[0]["error"]["code"], "FORBIDDEN");
    let give_back = format!("assignTicket(ticketId: \"{}\", agentId: null)", desk.ticket);
    assert_eq!(done(&agent, &give_back).await, "done");
    let for_bot = format!("sendMessage(chatId: \"{}\", text: \"x\", responderEpoch: 9)", desk.chat);
    assert_eq!(done(&agent, &for_bot).await, "FORBIDDEN");
    assert_eq!(done(&agent, "createTag(input: { name: \"x\" })").await, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_command_names_nobody_the_key_s_agent_acts() {
    let app = TestApp::start().await;
    let desk = Desk::new(&app).await;
    for role in ["", ", role: SUPERVISOR"] {
        let client = key(&desk.admin, &desk.own, role).await;
        let send = format!("sendMessage(chatId: \"{}\", text: \"x\")", desk.chat);
        let note = format!("addNote(ticketId: \"{}\", text: \"x\")", desk.ticket);
        for call in [send, note] {
            let said = outcome(&client, &call, "message { author { kind id } }").await.unwrap();
            let author = json!({ "kind": "AGENT", "id": desk.own });
            assert_eq!(said["message"]["author"], author, "{call}");
        }
    }
    let channel = desk.admin.channel().await;
    let client = key(&desk.admin, &desk.own, "").await;
    let write =
        format!("sendOutbound(input: {{ channelId: \"{channel}\", owner: {{ externalId: \"bob\" }}, text: \"x\" }})");
    let said = outcome(&client, &write, "message { author { kind id } }")
        .await
        .unwrap();
    assert_eq!(said["message"]["author"], json!({ "kind": "AGENT", "id": desk.own }));
    let react = format!(
        "reactToMessage(chatId: \"{}\", messageExternalId: \"m1\", emoji: \"x\")",
        desk.chat
    );
    let client = key(&desk.admin, &desk.own, "").await;
    let reacted = outcome(&client, &react, "message { reactions { author { id } } }")
        .await
        .unwrap();
    assert_eq!(
        reacted["message"]["reactions"],
        json!([{ "author": { "id": desk.own } }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_acts_as_anybody() {
    let app = TestApp::start().await;
    let desk = Desk::new(&app).await;
    let supervisor = key(&desk.admin, &desk.own, ", role: SUPERVISOR").await;
    let take = format!("takeTicket(ticketId: \"{}\", agentId: \"{}\")", desk.ticket, desk.other);
    assert_eq!(done(&supervisor, &take).await, "done");
    for call in desk.calls(&desk.other) {
        assert_eq!(done(&supervisor, &call).await, "done", "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_and_agents_keys_change_who_takes_work() {
    let app = TestApp::start().await;
    let desk = Desk::new(&app).await;
    let create = "mutation { createApiKey(input: { name: \"script\", scopes: [WRITE] }) { secret } }";
    let made = desk.admin.data(create, json!({})).await;
    let script = Client::new(&app.url, made["createApiKey"]["secret"].as_str().unwrap());
    let away = format!("setAgentAvailability(agentId: \"{}\", availability: AWAY)", desk.own);
    assert_eq!(done(&script, &away).await, "FORBIDDEN");
    assert_eq!(done(&desk.admin, &away).await, "done");
}
