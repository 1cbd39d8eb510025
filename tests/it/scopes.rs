//! Which scope each field of the schema needs: every key without it is refused, and no key with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

/// A field that is not here fails the test.
const NEEDS: [(&str, &str, &str); 6] = [
    (
        "query",
        "READ",
        "ticket tickets chat chats queueStats contact post posts teams responders tags fields workspacePolicy channels
         agents viewer",
    ),
    ("query", "ADMIN", "apiKeys webhooks webhook"),
    (
        "mutation",
        "INGEST",
        "ingestMessage ingestMessages editMessage deleteMessage reactToMessage reportDelivery ingestPost deletePost",
    ),
    (
        "mutation",
        "WRITE",
        "sendMessage sendOutbound takeTicket takeover completeTicket closeTicket reopenTicket holdTicket pendTicket
         resumeTicket markSpam unmarkSpam mergeTicket deleteTicket restoreTicket addTag removeTag setField setSubject
         setSummary setPriority markViewed addNote rateTicket assignTicket bulk openTicket handover takeoverChat blockOwner
         unblockOwner removeChat restoreChat createContact updateContact setContactField mergeContacts blockContact
         unblockContact convertPost",
    ),
    (
        "mutation",
        "ADMIN",
        "createChannel updateChannel updateWorkspacePolicy createAgent updateAgent setAgentAvailability createTeam
         updateTeam createResponder updateResponder createTag updateTag createField updateField createApiKey updateApiKey
         rotateApiKey revokeApiKey createWebhook updateWebhook rotateWebhookSecret deleteWebhook testWebhook retryWebhook
         replayWebhook",
    ),
    ("subscription", "READ", "events ticketChanged queue queueStats"),
];

/// Which keys may do what needs a scope.
const HOLDERS: [(&str, &[&str]); 4] = [
    ("READ", &["READ", "WRITE", "ADMIN"]),
    ("INGEST", &["INGEST", "WRITE", "ADMIN"]),
    ("WRITE", &["WRITE", "ADMIN"]),
    ("ADMIN", &["ADMIN"]),
];

const TYPES: &str = "{ __schema { types { name kind fields { name args { name type { ...T } } type { ...T } }
    inputFields { name type { ...T } } enumValues { name } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The fields of a root type that need a scope, by the table.
pub fn needing(kind: &str, scope: &str) -> BTreeSet<&'static str> {
    let rows = NEEDS.iter().filter(|row| row.0 == kind && row.1 == scope);
    rows.flat_map(|row| row.2.split_whitespace()).collect()
}

/// The types of the schema by name.
struct Schema(BTreeMap<String, Value>);

impl Schema {
    async fn read(client: &Client) -> Self {
        let found = client.data(TYPES, json!({})).await;
        let types = found["__schema"]["types"].as_array().unwrap().iter();
        Self(
            types
                .map(|known| (known["name"].as_str().unwrap().to_owned(), known.clone()))
                .collect(),
        )
    }

    fn fields(&self, kind: &str) -> &Vec<Value> {
        let name = kind[..1].to_uppercase() + &kind[1..];
        self.0[&name]["fields"].as_array().unwrap()
    }

    /// The least that a type takes.
    fn least(&self, of: &Value) -> String {
        match of["kind"].as_str().unwrap() {
            "NON_NULL" => self.least(&of["ofType"]),
            "LIST" => "[]".to_owned(),
            "ENUM" => {
                let known = &self.0[of["name"].as_str().unwrap()];
                known["enumValues"][0]["name"].as_str().unwrap().to_owned()
            }
            "INPUT_OBJECT" => {
                let known = &self.0[of["name"].as_str().unwrap()];
                format!("{{ {} }}", self.required(&known["inputFields"]))
            }
            _ => match of["name"].as_str().unwrap() {
                "UUID" => "\"00000000-0000-4000-8000-000000000000\"".to_owned(),
                "Int" | "Float" => "1".to_owned(),
                "Boolean" => "true".to_owned(),
                "DateTime" => "\"2030-01-01T00:00:00Z\"".to_owned(),
                _ => "\"x\"".to_owned(),
            },
        }
    }

    fn required(&self, inputs: &Value) -> String {
        let inputs = inputs.as_array().unwrap().iter();
        let needed = inputs.filter(|input| input["type"]["kind"] == "NON_NULL");
        let written =
            needed.map(|input| format!("{}: {}", input["name"].as_str().unwrap(), self.least(&input["type"])));
        written.collect::<Vec<_>>().join(", ")
    }

    /// An operation with nothing but this field.
    fn document(&self, kind: &str, field: &Value) -> String {
        let arguments = self.required(&field["args"]);
        let arguments = if arguments.is_empty() {
            String::new()
        } else {
            format!("({arguments})")
        };
        format!(
            "{kind} {{ {}{arguments} {{ __typename }} }}",
            field["name"].as_str().unwrap()
        )
    }
}

async fn key(admin: &Client, scope: &str) -> Client {
    let create = format!("mutation {{ createApiKey(input: {{ name: \"{scope}\", scopes: [{scope}] }}) {{ secret }} }}");
    let made = admin.data(&create, json!({})).await;
    Client::new(&admin.url, made["createApiKey"]["secret"].as_str().unwrap())
}

/// The code of the first error.
async fn refusal(client: &Client, kind: &str, document: &str) -> Option<String> {
    let answer = if kind == "subscription" {
        let request = client.http().post(format!("{}/graphql/stream", client.url));
        let request = request.bearer_auth(&client.key).json(&json!({ "query": document }));
        let text = request.send().await.unwrap().text().await.unwrap();
        let first = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str(first).unwrap()
    } else {
        client.send(document, json!({})).await.unwrap()
    };
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_refuses_keys_without_its_scope_and_no_others() {
    let app = TestApp::start().await;
    let admin = app.client();
    let schema = Schema::read(&admin).await;
    let mut keys = BTreeMap::new();
    for (scope, _) in HOLDERS {
        keys.insert(scope, key(&admin, scope).await);
    }
    for kind in ["query", "mutation", "subscription"] {
        let fields = schema.fields(kind);
        let known: BTreeSet<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let listed: BTreeSet<&str> = HOLDERS.iter().flat_map(|(scope, _)| needing(kind, scope)).collect();
        assert_eq!(known, listed, "the table has every {kind}");
        for field in fields {
            let name = field["name"].as_str().unwrap();
            let holders = HOLDERS.iter().find(|(scope, _)| needing(kind, scope).contains(name));
            let (_, holders) = holders.unwrap();
            let document = schema.document(kind, field);
            for (scope, client) in &keys {
                let may = holders.contains(scope);
                if may && kind == "subscription" {
                    continue;
                }
                let code = refusal(client, kind, &document).await;
                let is_refused = code.as_deref() == Some("FORBIDDEN");
                assert_eq!(is_refused, !may, "{scope}: {document}: {code:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_scope_and_comes_before_anything_else() {
    let app = TestApp::start().await;
    let admin = app.client();
    let (reader, channel) = (key(&admin, "READ").await, admin.channel().await);
    let write = format!(
        "mutation {{ sendOutbound(input: {{ channelId: \"{channel}\", owner: {{ externalId: \"ada\" }}, text: \"x\" }}) {{ cursor }} }}"
    );
    let error = reader.error(&write, json!({})).await;
    assert_eq!(error["extensions"]["code"], "FORBIDDEN");
    assert_eq!(error["extensions"]["requiredScope"], "WRITE");
    let chats = admin.data("{ chats { nodes { id } } }", json!({})).await;
    assert_eq!(chats["chats"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_take_in_reads_nothing_through_receipts() {
    let app = TestApp::start().await;
    let admin = app.client();
    let channel = admin.channel().await;
    let said = admin.say(&channel, "ada", "m1", "in confidence").await;
    let ingest = key(&admin, "INGEST").await;
    let call = |id: &str, fields: &str| {
        format!(
            "mutation {{ ingestMessage(input: {{ channelId: \"{channel}\", externalId: \"{id}\", \
             owner: {{ externalId: \"ada\" }}, text: \"x\" }}) {{ {fields} }} }}"
        )
    };
    let done = ingest
        .data(&call("m2", "decision cursor chatId ticketId trace { rule }"), json!({}))
        .await;
    assert_eq!(done["ingestMessage"]["chatId"], said["chat"]["id"]);
    assert_eq!(done["ingestMessage"]["ticketId"], said["ticket"]["id"]);
    for (place, fields) in [
        "chat { messages { nodes { text } } }",
        "chat { id }",
        "ticket { subject }",
        "message { text }",
        "... on Receipt { chat { contact { note } } }",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = ingest
            .send(&call(&format!("r{place}"), fields), json!({}))
            .await
            .unwrap();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "FORBIDDEN",
            "{fields}\n{answer:#}"
        );
        assert!(!answer.to_string().contains("confidence"), "{answer:#}");
    }
    let viewer = "{ viewer { keyId } }";
    assert_eq!(
        ingest.error(viewer, json!({})).await["extensions"]["requiredScope"],
        "READ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_take_in_touches_nothing_that_was_said_inside() {
    let app = TestApp::start().await;
    let admin = app.client();
    let (channel, agent) = (admin.channel().await, admin.agent().await);
    let said = admin.say(&channel, "ada", "m1", "hello").await;
    let (chat, ticket) = (
        said["chat"]["id"].as_str().unwrap(),
        said["ticket"]["id"].as_str().unwrap(),
    );
    let note = format!("mutation {{ addNote(ticketId: \"{ticket}\", text: \"inside\") {{ message {{ seq }} }} }}");
    let note = admin.data(&note, json!({})).await["addNote"]["message"]["seq"].clone();
    let ingest = key(&admin, "INGEST").await;
    let post = format!(
        "ingestPost(input: {{ kind: REVIEW, channelId: \"{channel}\", externalId: \"p1\", text: \"x\", stars: 1, \
         owner: {{ externalId: \"ada\" }} }})"
    );
    for (call, fields, expected) in [
        (
            format!("editMessage(chatId: \"{chat}\", messageSeq: {note}, text: \"x\")"),
            "cursor",
            Some("NOT_FOUND"),
        ),
        (
            format!("deleteMessage(chatId: \"{chat}\", messageSeq: {note})"),
            "cursor",
            Some("NOT_FOUND"),
        ),
        (
            format!("editMessage(chatId: \"{chat}\", messageExternalId: \"m1\", text: \"x\")"),
            "cursor",
            None,
        ),
        (
            format!("reactToMessage(chatId: \"{chat}\", messageSeq: {note}, emoji: \"x\", agentId: \"{agent}\")"),
            "cursor",
            Some("FORBIDDEN"),
        ),
        (post.clone(), "id", None),
        (post.clone(), "ownerName", Some("FORBIDDEN")),
        (post, "channel { policy { greeting } }", Some("FORBIDDEN")),
    ] {
        let code = refusal(&ingest, "mutation", &format!("mutation {{ {call} {{ {fields} }} }}")).await;
        assert_eq!(code.as_deref(), expected, "{call} {fields}");
    }
    // a time to come would hide every later edit
    let edit = |text: &str, at: &str| {
        format!(
            "mutation {{ editMessage(chatId: \"{chat}\", messageExternalId: \"m1\", text: \"{text}\"{at}) {{ message {{ text }} }} }}"
        )
    };
    admin
        .data(&edit("late", ", editedAt: \"2999-01-01T00:00:00Z\""), json!({}))
        .await;
    let edited = admin.data(&edit("later", ""), json!({})).await;
    assert_eq!(edited["editMessage"]["message"]["text"], "later");
}
