//! Bots and people, messages afterwards, contacts, comments and reviews, through GraphQL on both stores.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::story::{TICKET, on_both_stores, refused, run, settings, text};

async fn responding(client: &Client) {
    let (agent, team, ..) = settings(client).await;
    let bot = "createResponder(input: { name: \"Bot\", versionNumber: 1 })";
    let bot = text(&run(client, bot, "id").await, "/id").to_owned();
    let update = format!("updateResponder(id: \"{bot}\", input: {{ name: \"Bot\", versionNumber: 2 }})");
    assert_eq!(run(client, &update, "versionNumber").await["versionNumber"], 2);
    let channel = client
        .channel_with(json!({ "inboundMode": "RESPONDER", "defaultResponderId": bot }))
        .await;
    let first = client.say(&channel, "ada", "m1", "hello").await;
    assert_eq!(
        (&first["decision"], &first["ticket"]),
        (&json!("TO_RESPONDER"), &Value::Null)
    );
    let chat = text(&first, "/chat/id");
    let fields = "chat { responderEpoch responderOwns responder { id name entity versionNumber } } message { author { kind id } }";
    let reply = |epoch: u32| format!("sendMessage(chatId: \"{chat}\", text: \"beep\", responderEpoch: {epoch})");
    let sent = run(client, &reply(0), fields).await;
    assert_eq!(sent["message"]["author"], json!({ "kind": "BOT", "id": bot }));
    assert_eq!(
        sent["chat"]["responder"],
        json!({ "id": bot, "name": "Bot", "entity": "AGENT", "versionNumber": 2 })
    );
    client.say(&channel, "ada", "m2", "a person, please").await;
    let handover = format!("handover(chatId: \"{chat}\", teamId: \"{team}\", summary: \"asks for a person\")");
    let handed = run(client, &handover, TICKET).await["ticket"].clone();
    assert_eq!(
        (text(&handed, "/reason"), text(&handed, "/circumstance")),
        ("HANDOVER", "HANDOVER")
    );
    assert_eq!(
        (text(&handed, "/team/id"), text(&handed, "/summary")),
        (team.as_str(), "asks for a person")
    );
    assert_eq!(handed["pendingChatMessages"], 1);
    let ticket = text(&handed, "/id");
    let taken = run(
        client,
        &format!("takeover(ticketId: \"{ticket}\", agentId: \"{agent}\")"),
        fields,
    )
    .await;
    assert_eq!(
        (&taken["chat"]["responderEpoch"], &taken["chat"]["responderOwns"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        refused(client, &reply(0)).await,
        json!({ "code": "STALE_RESPONDER", "responderEpoch": 1 })
    );
    client.ticket_command("completeTicket", ticket, "").await;
    assert_eq!(
        client.say(&channel, "ada", "m3", "thanks").await["decision"],
        "TO_RESPONDER"
    );
    let again = run(
        client,
        &format!("takeoverChat(chatId: \"{chat}\", agentId: \"{agent}\")"),
        TICKET,
    )
    .await;
    assert_eq!(
        (&again["ticket"]["number"], text(&again, "/ticket/circumstance")),
        (&json!(2), "TAKEOVER")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_answers_first_and_never_over_a_person() {
    on_both_stores(responding).await;
}

async fn afterwards(client: &Client) {
    let channel = client.channel().await;
    let first = client.say(&channel, "ada", "m1", "hello").await;
    let chat = text(&first, "/chat/id").to_owned();
    let c = format!("chatId: \"{chat}\"");
    let query = "query($id: UUID!) { chat(id: $id) { messages(first: 10) { edges { node { externalId text status error
        deletedAt editedAt reactions { emoji author { kind } } } } } } }";
    let messages = || async {
        let data = client.data(query, json!({ "id": chat })).await;
        let edges = data["chat"]["messages"]["edges"].as_array().unwrap().clone();
        edges.into_iter().map(|edge| edge["node"].clone()).collect::<Vec<_>>()
    };
    let early =
        format!("editMessage({c}, messageExternalId: \"m2\", text: \"edited\", editedAt: \"2026-01-01T00:00:02Z\")");
    assert_eq!(run(client, &early, "message { id }").await["message"], Value::Null);
    client.say(&channel, "ada", "m2", "original").await;
    assert_eq!(messages().await[1]["text"], "edited");
    let older =
        format!("editMessage({c}, messageExternalId: \"m2\", text: \"older\", editedAt: \"2026-01-01T00:00:01Z\")");
    run(client, &older, "message { text }").await;
    assert_eq!(
        messages().await[1]["text"],
        "edited",
        "the later edit counts, whichever comes first"
    );
    let react = |emoji: &str| format!("reactToMessage({c}, messageExternalId: \"m1\", emoji: \"{emoji}\")");
    run(client, &react("👍"), "cursor").await;
    run(client, &react("🎉"), "cursor").await;
    assert_eq!(
        messages().await[0]["reactions"],
        json!([{ "emoji": "🎉", "author": { "kind": "OWNER" } }])
    );
    run(client, &react(""), "cursor").await;
    assert_eq!(messages().await[0]["reactions"], json!([]));
    run(
        client,
        &format!("deleteMessage({c}, messageExternalId: \"m2\")"),
        "cursor",
    )
    .await;
    let deleted = messages().await[1].clone();
    assert_eq!(deleted["text"], Value::Null);
    assert!(deleted["deletedAt"].is_string());
    let sent = run(
        client,
        &format!("sendMessage({c}, text: \"hi\")"),
        "message { seq status }",
    )
    .await;
    let seq = &sent["message"]["seq"];
    let report = |which: &str, status: &str| format!("reportDelivery({c}, {which}, status: {status})");
    let named = format!("messageSeq: {seq}, externalId: \"w1\"");
    for (which, status, shown) in [
        ("messageExternalId: \"w1\"", "READ", "QUEUED"),
        (named.as_str(), "SENT", "READ"),
        ("messageExternalId: \"w1\"", "DELIVERED", "READ"),
        ("messageExternalId: \"w1\"", "FAILED", "READ"),
    ] {
        run(client, &report(which, status), "cursor").await;
        assert_eq!(messages().await[2]["status"], shown, "{which} {status}");
    }
    assert_eq!(messages().await[2]["externalId"], "w1");
    let both = format!("messageSeq: {seq}, messageExternalId: \"w1\"");
    assert_eq!(refused(client, &report(&both, "SENT")).await["code"], "BAD_USER_INPUT");
    assert_eq!(refused(client, &report(&named, "QUEUED")).await["field"], "status");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_messages_afterwards() {
    on_both_stores(afterwards).await;
}

async fn outside(client: &Client) {
    let channel = client.channel().await;
    let other = client.channel().await;
    let query = "query($id: UUID!) { chat(id: $id) { contact { id name emails phones note identities { externalId } chats { id }
        fields { value } } } }";
    let mut contacts = Vec::new();
    let mut chats = Vec::new();
    for (channel, owner) in [(&channel, "+49 170 1"), (&other, "ada_fischer")] {
        let said = client.say(channel, owner, "m1", "hello").await;
        let chat = text(&said, "/chat/id").to_owned();
        let contact = client.data(query, json!({ "id": chat })).await["chat"]["contact"].clone();
        assert_eq!(
            (text(&contact, "/name"), contact["chats"].as_array().unwrap().len()),
            ("Ada", 1)
        );
        contacts.push(text(&contact, "/id").to_owned());
        chats.push(chat);
    }
    let field = "createField(input: { name: \"since\", kind: DATE, target: CONTACT })";
    let field = text(&run(client, field, "id").await, "/id").to_owned();
    let update = format!(
        "updateContact(id: \"{}\", input: {{ name: \"Ada Fischer\", emails: [\"ada@example.org\"], note: \"VIP\" }})",
        contacts[0]
    );
    run(client, &update, "id").await;
    let set = format!(
        "setContactField(contactId: \"{}\", fieldId: \"{field}\", value: \"2020-01-31\")",
        contacts[0]
    );
    run(client, &set, "id").await;
    let phones = format!(
        "updateContact(id: \"{}\", input: {{ phones: [\"+49 170 1\"] }})",
        contacts[1]
    );
    run(client, &phones, "id").await;
    let merge = format!(
        "mergeContacts(contactId: \"{}\", into: \"{}\")",
        contacts[1], contacts[0]
    );
    let merged = run(
        client,
        &merge,
        "id name emails phones note identities { externalId } chats { id } fields { value }",
    )
    .await;
    assert_eq!(text(&merged, "/id"), contacts[0]);
    assert_eq!(
        (&merged["emails"], &merged["phones"]),
        (&json!(["ada@example.org"]), &json!(["+49 170 1"]))
    );
    let named: Vec<&str> = merged["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| text(owner, "/externalId"))
        .collect();
    assert_eq!(named, ["+49 170 1", "ada_fischer"]);
    // the merged id goes on naming the other one, and chats stay apart
    for chat in &chats {
        assert_eq!(
            client.data(query, json!({ "id": chat })).await["chat"]["contact"],
            merged
        );
    }
    run(client, &merge, "id").await;
    let block = |verb: &str| format!("{verb}Contact(contactId: \"{}\")", contacts[1]);
    let blocked = run(client, &block("block"), "id blocked identities { blocked }").await;
    assert_eq!(
        (&blocked["id"], &blocked["blocked"]),
        (&json!(contacts[0]), &json!(true))
    );
    assert_eq!(blocked["identities"], json!([{ "blocked": true }, { "blocked": true }]));
    assert_eq!(
        client.say(&other, "ada_fischer", "m2", "?").await["decision"],
        "SILENCED"
    );
    assert_eq!(run(client, &block("unblock"), "blocked").await["blocked"], false);
    let itself = format!("mergeContacts(contactId: \"{0}\", into: \"{0}\")", contacts[0]);
    let error = client
        .error(&format!("mutation {{ {itself} {{ id }} }}"), json!({}))
        .await;
    assert_eq!(error["extensions"]["field"], "into");
    let made = run(
        client,
        "createContact(input: { name: \"Noor\" }, idempotencyKey: \"c1\")",
        "id name chats { id }",
    )
    .await;
    assert_eq!(
        run(
            client,
            "createContact(input: { name: \"Noor\" }, idempotencyKey: \"c1\")",
            "id name chats { id }"
        )
        .await,
        made
    );
    posts(client, &channel).await;
}

async fn posts(client: &Client, channel: &str) {
    let ingest = |text: &str| {
        format!(
            "ingestPost(input: {{ kind: REVIEW, channelId: \"{channel}\", externalId: \"r1\", owner: {{ externalId: \"+49 170 1\" }},
             text: \"{text}\", stars: 2, subject: \"Kettle\", sentAt: \"2026-01-01T00:00:00Z\" }})"
        )
    };
    let post = run(client, &ingest("It leaks"), "id kind stars text ticket { id }").await;
    assert_eq!(
        (text(&post, "/kind"), &post["stars"], &post["ticket"]),
        ("REVIEW", &json!(2), &Value::Null)
    );
    assert_eq!(
        run(client, &ingest("It leaks a lot"), "id text").await,
        json!({ "id": post["id"], "text": "It leaks a lot" })
    );
    let convert = format!(
        "convertPost(id: \"{}\", reply: \"Sorry! We send a new one.\")",
        text(&post, "/id")
    );
    let fields = "post { ticket { id } } receipt { ticket { id number } }";
    let first = run(client, &convert, fields).await;
    assert_eq!(run(client, &convert, fields).await, first, "once");
    let ticket = text(&first, "/receipt/ticket/id");
    assert_eq!(text(&first, "/post/ticket/id"), ticket);
    let query = "query($id: UUID!) { ticket(id: $id) { messages(last: 2) { edges { node { visibility text } } } } }";
    let said = client.data(query, json!({ "id": ticket })).await["ticket"]["messages"]["edges"].clone();
    assert_eq!(
        said,
        json!([{ "node": { "visibility": "NOTE", "text": "It leaks a lot" } },
               { "node": { "visibility": "PUBLIC", "text": "Sorry! We send a new one." } }])
    );
    let list = "{ posts(kind: REVIEW, first: 1) { edges { node { externalId deletedAt } } pageInfo { hasNextPage } } }";
    let listed = client.data(list, json!({})).await["posts"].clone();
    assert_eq!(
        (
            text(&listed, "/edges/0/node/externalId"),
            &listed["pageInfo"]["hasNextPage"]
        ),
        ("r1", &json!(false))
    );
    run(client, &format!("deletePost(id: \"{}\")", text(&post, "/id")), "id").await;
    assert!(
        client
            .data(list, json!({}))
            .await
            .pointer("/posts/edges/0/node/deletedAt")
            .unwrap()
            .is_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_comments_and_reviews() {
    on_both_stores(outside).await;
}
