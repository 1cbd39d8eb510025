//! GraphQL over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

/// Of a whole receipt.
pub const RECEIPT: &str = "decision cursor trace { decision rule restorePeriodMs elapsedMs } \
    chat { id version status } message { id seq text status externalId } \
    ticket { id number status reason episode pendingChatMessages assignee { id } endedAt ongoingAt firstResponseAt }";

#[derive(Clone)]
pub struct Client {
    pub url: String,
    pub key: String,
    http: reqwest::Client,
}

impl Client {
    pub fn new(url: &str, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self {
            url: url.to_owned(),
            key: key.to_owned(),
            http,
        }
    }

    /// The raw answer; an error is that of the connection.
    pub async fn send(&self, query: &str, variables: Value) -> reqwest::Result<Value> {
        let answer = self.http.post(format!("{}/graphql", self.url)).bearer_auth(&self.key);
        answer
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await?
            .json()
            .await
    }

    /// The data of an answer without errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.send(query, variables).await.unwrap();
        assert!(answer["errors"].is_null(), "{query}\n{answer:#}");
        answer["data"].clone()
    }

    /// The first error of an answer.
    pub async fn error(&self, query: &str, variables: Value) -> Value {
        let answer = self.send(query, variables).await.unwrap();
        assert!(answer["errors"][0].is_object(), "{query}\n{answer:#}");
        answer["errors"][0].clone()
    }

    pub async fn channel(&self) -> String {
        self.channel_with(json!({})).await
    }

    pub async fn channel_with(&self, policy: Value) -> String {
        let input = json!({ "type": "API", "name": "a channel", "policy": policy });
        let made = self
            .data(
                "mutation($input: ChannelInput!) { createChannel(input: $input) { id } }",
                json!({ "input": input }),
            )
            .await;
        made["createChannel"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn agent(&self) -> String {
        let made = self
            .data("mutation { createAgent(input: { name: \"Robin\" }) { id } }", json!({}))
            .await;
        made["createAgent"]["id"].as_str().unwrap().to_owned()
    }

    /// Ingests a text; the receipt.
    pub async fn say(&self, channel: &str, owner: &str, external_id: &str, text: &str) -> Value {
        let input = message(channel, owner, external_id, text);
        self.ingest(input).await
    }

    pub async fn ingest(&self, input: Value) -> Value {
        let query = format!("mutation($input: MessageInput!) {{ ingestMessage(input: $input) {{ {RECEIPT} }} }}");
        self.data(&query, json!({ "input": input })).await["ingestMessage"].clone()
    }

    /// Ingests over a connection that may break; none where no answer without errors came.
    pub async fn try_say(&self, channel: &str, owner: &str, external_id: &str, text: &str) -> Option<Value> {
        let query = format!("mutation($input: MessageInput!) {{ ingestMessage(input: $input) {{ {RECEIPT} }} }}");
        let input = message(channel, owner, external_id, text);
        let answer = self.send(&query, json!({ "input": input })).await.ok()?;
        let receipt = &answer["data"]["ingestMessage"];
        (!receipt.is_null() && answer["errors"].is_null()).then(|| receipt.clone())
    }

    /// A mutation of a ticket, as `completeTicket`.
    pub async fn ticket_command(&self, name: &str, ticket: &str, more: &str) -> Value {
        let query = format!("mutation {{ {name}(ticketId: \"{ticket}\"{more}) {{ {RECEIPT} }} }}");
        self.send(&query, json!({})).await.unwrap()
    }

    /// Every message of a chat in order: `(seq, externalId)`.
    pub async fn messages(&self, chat: &str) -> Vec<(u64, String)> {
        let query = "query($chat: UUID!, $after: String) { chat(id: $chat) { messages(first: 100, after: $after) {
            edges { cursor node { seq externalId } } pageInfo { hasNextPage } } } }";
        let mut all = Vec::new();
        let mut after = Value::Null;
        loop {
            let page = self.data(query, json!({ "chat": chat, "after": after })).await;
            let messages = &page["chat"]["messages"];
            for edge in messages["edges"].as_array().unwrap() {
                after = edge["cursor"].clone();
                let node = &edge["node"];
                all.push((
                    node["seq"].as_u64().unwrap(),
                    node["externalId"].as_str().unwrap_or_default().to_owned(),
                ));
            }
            if !messages["pageInfo"]["hasNextPage"].as_bool().unwrap() {
                return all;
            }
        }
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

pub fn message(channel: &str, owner: &str, external_id: &str, text: &str) -> Value {
    json!({ "channelId": channel, "externalId": external_id, "owner": { "externalId": owner, "name": "Ada" }, "text": text })
}
