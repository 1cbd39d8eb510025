//! Corners that were found by reading: each was wrong once.

use serde_json::{Value, json};
use switchboard::domain::command::{Incoming, MessageName};
use switchboard::domain::event::Profile;
use switchboard::domain::message::Amendment;
use switchboard::domain::{Actor, ChatCommand, ChatCommandBody, Decision, MessageStatus, id};
use uuid::Uuid;

use crate::support::story::{refused, run, text};
use crate::support::{Client, TestApp, eventually, make_workspace, says};

#[tokio::test(flavor = "multi_thread")]
async fn pools_without_anybody_hold_up_no_other() {
    let app = TestApp::start().await;
    let client = app.client();
    let agent = client.agent().await;
    let mut channels = Vec::new();
    for pool in 0..5 {
        let members = if pool == 4 {
            format!("{{ agentId: \"{agent}\" }}")
        } else {
            String::new()
        };
        let team = run(
            &client,
            &format!("createTeam(input: {{ name: \"t\", members: [{members}] }})"),
            "id",
        )
        .await;
        let policy = json!({ "assignment": "LEAST_BUSY", "defaultTeamId": team["id"] });
        channels.push(client.channel_with(policy).await);
    }
    let query = "mutation($inputs: [MessageInput!]!) { ingestMessages(inputs: $inputs) { receipt { cursor } } }";
    for channel in &channels[..4] {
        let inputs: Vec<Value> = (0..120)
            .map(|owner| json!({ "channelId": channel, "owner": { "externalId": format!("o{owner}") }, "text": "x" }))
            .collect();
        client.data(query, json!({ "inputs": inputs })).await;
    }
    let said = client.say(&channels[4], "ada", "m1", "hello").await;
    let query = "query($id: UUID!) { ticket(id: $id) { assignee { id } } }";
    eventually("the one whose team has somebody is given", || async {
        let data = client.data(query, json!({ "id": said["ticket"]["id"] })).await;
        (data["ticket"]["assignee"]["id"] == json!(agent)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_key_gets_no_receipt_of_another_workspace() {
    let app = TestApp::start().await;
    let client = app.client();
    let other_key = "other-key-0123456789abcdef0123456789abcdef";
    make_workspace(&app.node, id::ticket(Uuid::nil(), 77), other_key).await;
    let stranger = Client::new(&app.url, other_key);
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "secret words").await;
    let chat = text(&said, "/chat/id");
    let post = format!(
        "ingestPost(input: {{ kind: COMMENT, channelId: \"{channel}\", externalId: \"c1\", owner: {{ externalId: \"ada\" }}, text: \"secret\" }})"
    );
    let post = text(&run(&client, &post, "id").await, "/id").to_owned();
    for (call, fields) in [
        (
            format!("sendMessage(chatId: \"{chat}\", text: \"secret\", idempotencyKey: \"k1\")"),
            "cursor",
        ),
        (
            format!("removeChat(chatId: \"{chat}\", idempotencyKey: \"k2\")"),
            "cursor",
        ),
        (format!("deletePost(id: \"{post}\", idempotencyKey: \"k3\")"), "id"),
    ] {
        run(&client, &call, fields).await;
        run(&client, &call, fields).await;
        let error = stranger
            .error(&format!("mutation {{ {call} {{ {fields} }} }}"), json!({}))
            .await;
        assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{call}");
        let other = call.replace("secret", "other");
        let error = stranger
            .error(&format!("mutation {{ {other} {{ {fields} }} }}"), json!({}))
            .await;
        assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_waited_for_a_name_is_no_second_one() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let c = format!("chatId: \"{}\"", text(&said, "/chat/id"));
    let sent = run(&client, &format!("sendMessage({c}, text: \"oops\")"), "message { seq }").await;
    let seq = &sent["message"]["seq"];
    run(&client, &format!("deleteMessage({c}, messageSeq: {seq})"), "cursor").await;
    run(
        &client,
        &format!("deleteMessage({c}, messageExternalId: \"w1\")"),
        "cursor",
    )
    .await;
    let report = format!("reportDelivery({c}, messageSeq: {seq}, status: SENT, externalId: \"w1\")");
    assert_eq!(
        run(&client, &report, "message { status externalId }").await["message"],
        json!({ "status": "SENT", "externalId": "w1" })
    );
    run(&client, &report, "cursor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_repeated_later_is_the_same() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "m1", "hello").await;
    let c = format!("chatId: \"{}\"", text(&said, "/chat/id"));
    let calls = [
        format!("editMessage({c}, messageExternalId: \"m1\", text: \"x\", idempotencyKey: \"a\")"),
        format!("reactToMessage({c}, messageExternalId: \"m1\", emoji: \"x\", idempotencyKey: \"b\")"),
        format!("deleteMessage({c}, messageExternalId: \"m1\", idempotencyKey: \"c\")"),
        format!("reportDelivery({c}, messageExternalId: \"w9\", status: READ, idempotencyKey: \"d\")"),
    ];
    for call in calls {
        let first = run(&client, &call, "cursor").await;
        app.clock.advance(1_000);
        assert_eq!(run(&client, &call, "cursor").await, first, "{call}");
        let other = call.replace("\"m1\"", "\"m2\"").replace("\"w9\"", "\"w8\"");
        assert_eq!(refused(&client, &other).await["code"], "IDEMPOTENCY_MISMATCH");
    }
    // a provider's redelivery with a key of its own and another picture
    let ingest = |key: &str, avatar: &str| {
        format!(
            "ingestMessage(input: {{ channelId: \"{channel}\", externalId: \"m7\", owner: {{ externalId: \"bob\", avatar: \"{avatar}\" }}, text: \"x\" }}, idempotencyKey: \"{key}\")"
        )
    };
    assert_eq!(run(&client, &ingest("e", "1"), "decision").await["decision"], "CREATED");
    assert_eq!(
        run(&client, &ingest("f", "2"), "decision").await["decision"],
        "DUPLICATE"
    );
    assert_eq!(
        refused(&client, &ingest("e", "2")).await["code"],
        "IDEMPOTENCY_MISMATCH"
    );
    let post = format!(
        "ingestPost(input: {{ kind: REVIEW, channelId: \"{channel}\", externalId: \"r1\", owner: {{ externalId: \"bob\" }}, stars: 5 }})"
    );
    let first = run(&client, &post, "id sentAt").await;
    let before = app.node.store.heads().await.unwrap();
    app.clock.advance(1_000);
    assert_eq!(run(&client, &post, "id sentAt").await, first);
    assert_eq!(app.node.store.heads().await.unwrap(), before, "a repeat is no edit");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_to_an_earlier_ticket_are_all_done() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel_with(json!({ "restorePeriodMs": 0 })).await;
    let agent = client.agent().await;
    let first = client.say(&channel, "ada", "m1", "one").await;
    let ticket = text(&first, "/ticket/id");
    client
        .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
        .await;
    client.ticket_command("closeTicket", ticket, "").await;
    client.say(&channel, "ada", "m2", "two").await;
    let query = "mutation($ids: [UUID!]!) { bulk(ticketIds: $ids, operation: { action: ADD_NOTE, text: \"x\" }) { error { code } } }";
    let answers = client.data(query, json!({ "ids": vec![ticket; 150] })).await;
    let answers = answers["bulk"].as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["error"].is_null()), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_in_front_decides_no_rules() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel: Uuid = client
        .channel_with(json!({ "inboundMode": "RESPONDER" }))
        .await
        .parse()
        .unwrap();
    let router = &app.node.services.router;
    for owner in 0..20 {
        let owner = format!("owner{owner}");
        let chat = id::chat(id::first_workspace(), channel, &owner);
        let report = ChatCommandBody::Amend {
            message: MessageName::Seq(1),
            amendment: Amendment::Receipt {
                status: MessageStatus::Read,
                error: None,
                at: 1,
            },
            external_id: None,
            of_owner: false,
        };
        let ingest = ChatCommandBody::Receive(Box::new(Incoming {
            external_id: None,
            content: says("hello"),
            sent_at: None,
            profile: Profile::default(),
            author_name: None,
        }));
        let command = |number: u128, body| {
            ChatCommand::new(Uuid::from_u128(number), id::first_workspace(), Actor::system(), body)
        };
        let first = router.submit(chat, channel, command(1, report)).unwrap();
        let second = ChatCommand {
            origin: Some((channel, owner)),
            ..command(2, ingest)
        };
        let second = router.submit_to_origin(second).unwrap();
        first.answer().await.unwrap_err();
        let trace = second.answer().await.unwrap().receipt.trace.unwrap();
        assert_eq!(trace.decision, Decision::ToResponder);
    }
}
