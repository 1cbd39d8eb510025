//! Queries over GraphQL, alike on both stores: lists, pages, histories, and one's own writes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::story::run;
use crate::support::{Client, Redis, TestApp};

/// Thirty chats, every third ticket taken, every sixth completed.
async fn fill(client: &Client, channel: &str, agent: &str) -> Vec<Value> {
    let says = (0..30).map(|number| async move {
        let receipt = client
            .say(channel, &format!("owner{number}"), &format!("m{number}"), "hello")
            .await;
        let ticket = receipt["ticket"]["id"].as_str().unwrap().to_owned();
        if number % 3 == 0 {
            client
                .ticket_command("takeTicket", &ticket, &format!(", agentId: \"{agent}\""))
                .await;
        }
        if number % 6 == 0 {
            client.ticket_command("completeTicket", &ticket, "").await;
        }
        receipt
    });
    join_all(says).await
}

/// Every ticket of a list, page by page.
async fn pages(client: &Client, filter: &Value, order: &str, first: usize) -> Vec<Value> {
    let query = "query($filter: TicketFilter, $order: TicketOrder, $first: Int, $after: String) {
        tickets(filter: $filter, orderBy: $order, first: $first, after: $after) { totalCount
          edges { cursor node { id status createdAt updatedAt assignee { id } chat { id } } }
          pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let mut found: Vec<Value> = Vec::new();
    let mut after = Value::Null;
    loop {
        let data = client
            .data(
                query,
                json!({ "filter": filter, "order": order, "first": first, "after": after }),
            )
            .await;
        let page = &data["tickets"];
        let edges = page["edges"].as_array().unwrap();
        assert!(edges.len() <= first);
        found.extend(edges.iter().map(|edge| edge["node"].clone()));
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        after = page["pageInfo"]["endCursor"].clone();
        if !page["pageInfo"]["hasNextPage"].as_bool().unwrap() {
            assert_eq!(page["totalCount"], found.len());
            return found;
        }
    }
}

async fn lists(app: &TestApp) {
    let client = app.client();
    let (channel, other, agent) = (client.channel().await, client.channel().await, client.agent().await);
    let receipts = fill(&client, &channel, &agent).await;
    client.say(&other, "elsewhere", "e1", "hello").await;
    let every = pages(&client, &json!({}), "UPDATED_DESC", 7).await;
    assert_eq!(every.len(), 31);
    for (order, key, ascending) in [
        ("UPDATED_DESC", "updatedAt", false),
        ("CREATED_DESC", "createdAt", false),
        ("CREATED_ASC", "createdAt", true),
    ] {
        let found = pages(&client, &json!({}), order, 4).await;
        let mut ids: Vec<&Value> = found.iter().map(|ticket| &ticket["id"]).collect();
        assert!(found.is_sorted_by(|one, two| {
            let (one, two) = (one[key].as_str().unwrap(), two[key].as_str().unwrap());
            if ascending { one <= two } else { one >= two }
        }));
        ids.sort_by_key(ToString::to_string);
        ids.dedup();
        assert_eq!(ids.len(), 31, "{order}: no ticket twice, none left out");
    }
    for (filter, expected) in [
        (json!({ "statuses": ["NEW"] }), 21),
        (json!({ "statuses": ["ACTIVE", "INACTIVE"] }), 10),
        (json!({ "reasons": ["COMPLETED"] }), 5),
        (json!({ "assigneeIds": [agent] }), 10),
        (json!({ "unassigned": true }), 21),
        (json!({ "unassigned": false, "statuses": ["ACTIVE"] }), 5),
        (json!({ "channelIds": [other] }), 1),
        (
            json!({ "chatIds": [receipts[0]["chat"]["id"], receipts[1]["chat"]["id"]] }),
            2,
        ),
        (json!({ "createdAfter": "2100-01-01T00:00:00Z" }), 0),
        (json!({ "createdBefore": "2100-01-01T00:00:00Z" }), 31),
    ] {
        assert_eq!(
            pages(&client, &filter, "CREATED_ASC", 6).await.len(),
            expected,
            "{filter}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_ordered_and_paged() {
    lists(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_ordered_and_paged_on_redis() {
    let redis = Redis::start();
    lists(&TestApp::on_redis(&redis).await).await;
}

/// Holds that a cursor of every list goes on in it, and that every other list refuses it and says which argument is wrong.
async fn hold_apart(client: &Client, lists: &[String]) {
    let page = |list: &str, more: &str| {
        let list = list.replace("FIRST", &format!("first: 1{more}"));
        format!(
            "{{ {list} {{ edges {{ cursor }} }} {} }}",
            "}".repeat(list.matches('{').count())
        )
    };
    for of in lists {
        let data = client.data(&page(of, ""), json!({})).await.to_string();
        let (_, cursor) = data
            .split_once("\"cursor\":\"")
            .unwrap_or_else(|| panic!("{of}: {data}"));
        let (cursor, _) = cursor.split_once('"').unwrap();
        for list in lists {
            let query = page(list, &format!(", after: \"{cursor}\""));
            if list == of {
                let next = client.data(&query, json!({})).await.to_string();
                assert!(next.contains("cursor") && !next.contains(cursor), "{list}: {next}");
                continue;
            }
            let error = client.error(&query, json!({})).await;
            let said = (&error["extensions"]["code"], &error["extensions"]["field"]);
            assert_eq!(said, (&json!("BAD_USER_INPUT"), &json!("after")), "{of} in {list}");
            let expected = "a cursor of this list in this order";
            assert!(error["message"].as_str().unwrap().contains(expected), "{error:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_in_the_list_and_order_that_it_is_of_and_in_no_other() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let first = client.say(&channel, "ada", "m1", "hello").await;
    client.say(&channel, "ada", "m2", "hello").await;
    client.say(&channel, "bob", "m1", "hello").await;
    for number in 1..=2 {
        let post = format!(
            "ingestPost(input: {{ kind: COMMENT, channelId: \"{channel}\", externalId: \"c{number}\",
             owner: {{ externalId: \"ada\" }}, text: \"hello\" }})"
        );
        run(&client, &post, "id").await;
    }
    let orders = [
        "UPDATED_DESC",
        "CREATED_DESC",
        "CREATED_ASC",
        "WAITING_LONGEST",
        "PRIORITY",
    ];
    let mut lists: Vec<String> = orders.map(|order| format!("tickets(FIRST, orderBy: {order})")).into();
    let chat = first["chat"]["id"].as_str().unwrap();
    lists.extend(["chats(FIRST)", "posts(FIRST)"].map(str::to_owned));
    lists.extend(["messages", "events"].map(|list| format!("chat(id: \"{chat}\") {{ {list}(FIRST)")));
    hold_apart(&client, &lists).await;
    // a list inside another is as the same list outside
    let data = client
        .data(
            "{ tickets(first: 1, orderBy: CREATED_ASC) { edges { cursor } } }",
            json!({}),
        )
        .await;
    let cursor = data["tickets"]["edges"][0]["cursor"].as_str().unwrap();
    let inside = format!("{{ chat(id: \"{chat}\") {{ tickets(after: \"{cursor}\") {{ nodes {{ id }} }} }} }}");
    client.data(&inside, json!({})).await;
    // REST names it alike
    let refused = client
        .get(&format!("/api/v1/tickets?orderBy=PRIORITY&after={cursor}"))
        .await;
    assert_eq!(refused.problem(), (400, "BAD_USER_INPUT"));
    assert_eq!(refused.body["field"], "after", "{:#}", refused.body);
}

async fn histories(app: &TestApp) {
    let client = app.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    let receipt = client.say(&channel, "ada", "m1", "hello").await;
    let (chat, ticket) = (
        receipt["chat"]["id"].as_str().unwrap(),
        receipt["ticket"]["id"].as_str().unwrap(),
    );
    client
        .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
        .await;
    client.ticket_command("closeTicket", ticket, "").await;
    let query = "query($chat: UUID!, $ticket: UUID!) {
        chat(id: $chat) { version owner { externalId name channelType } channel { id } events(first: 50) { edges { node { type chatSeq } } }
          messages(last: 1) { edges { node { seq } } pageInfo { hasPreviousPage } } }
        ticket(id: $ticket) { lastDecision { decision rule } events { edges { node { type chatSeq actor { kind } patch { target oldValue value } } } } } }";
    let data = client.data(query, json!({ "chat": chat, "ticket": ticket })).await;
    let types = |list: &Value| -> Vec<String> {
        let edges = list["edges"].as_array().unwrap().iter();
        edges
            .map(|edge| edge["node"]["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let of_ticket = [
        "ticket.created",
        "message.received",
        "ticket.status_changed",
        "ticket.assignee_changed",
        "ticket.status_changed",
    ];
    assert_eq!(types(&data["ticket"]["events"]), of_ticket);
    assert_eq!(
        types(&data["chat"]["events"]),
        [&["chat.created"], &of_ticket[..]].concat()
    );
    assert_eq!(
        data["chat"]["owner"],
        json!({ "externalId": "ada", "name": "Ada", "channelType": "API" })
    );
    assert_eq!(
        (&data["chat"]["version"], &data["chat"]["channel"]["id"]),
        (&json!(3), &json!(channel))
    );
    let taken = &data["ticket"]["events"]["edges"][2]["node"];
    assert_eq!(
        taken["patch"],
        json!([
            { "target": "status", "oldValue": "NEW", "value": "ACTIVE" },
            { "target": "reason", "oldValue": "INBOUND", "value": "IN_PROGRESS" },
        ])
    );
    assert_eq!(taken["actor"]["kind"], "API");
    let assigned = &data["ticket"]["events"]["edges"][3]["node"]["patch"];
    assert_eq!(
        assigned,
        &json!([{ "target": "assigneeId", "oldValue": null, "value": agent }])
    );
    assert_eq!(
        data["ticket"]["lastDecision"],
        json!({ "decision": "CREATED", "rule": "no_ticket" })
    );
    // one's own writes are read at once, every time
    for number in 2..30 {
        client.say(&channel, "ada", &format!("m{number}"), "hello").await;
        let query =
            format!("{{ chat(id: \"{chat}\") {{ messages(last: 1) {{ edges {{ node {{ externalId }} }} }} }} }}");
        let last = client.data(&query, json!({})).await["chat"]["messages"]["edges"][0]["node"]["externalId"].clone();
        assert_eq!(last, format!("m{number}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_say_who_changed_what() {
    histories(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_say_who_changed_what_on_redis() {
    let redis = Redis::start();
    histories(&TestApp::on_redis(&redis).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fell_out_of_the_log_reads_the_histories() {
    let redis = Redis::start();
    let writer = TestApp::on_redis(&redis).await;
    let client = writer.client();
    let (channel, agent) = (client.channel().await, client.agent().await);
    fill(&client, &channel, &agent).await;
    let partitions = writer.node.store.partitions();
    for partition in 0..partitions {
        redis.cli(&["XTRIM", &format!("sb:{{p{partition:02}}}:log"), "MAXLEN", "0"]);
    }
    let late = TestApp::on_redis(&redis).await;
    let expected = pages(&client, &json!({}), "CREATED_ASC", 50).await;
    assert_eq!(expected.len(), 30);
    client.say(&channel, "owner1", "after", "hello").await;
    let late = late.client();
    crate::support::eventually("the late node's view", || async {
        let found = pages(&late, &json!({}), "CREATED_ASC", 50).await;
        (found.len() == 30).then_some(())
    })
    .await;
    let query = "query($id: UUID!) { ticket(id: $id) { messages(first: 50) { edges { node { seq text } } } events(first: 50) { edges { node { id type } } } } }";
    for ticket in expected {
        let id = json!({ "id": ticket["id"] });
        let shown = client.data(query, id.clone()).await;
        crate::support::eventually("the same history", || async {
            (late.data(query, id.clone()).await == shown).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_never_come_out_of_events() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut socket = crate::support::Socket::connect(&app.url, &client.key).await;
    socket
        .subscribe(
            "1",
            "subscription { events { ... on Event { type data patch { target value } } } }",
            json!({}),
        )
        .await;
    assert!(socket.is_silent(200).await);
    let config = json!({ "config": { "secretToken": "very-secret" } });
    let made = client.data("mutation($config: JSON) { createChannel(input: { type: TELEGRAM, name: \"bot\", config: $config }) { id } }", config.clone()).await;
    let id = made["createChannel"]["id"].clone();
    client
        .data(
            "mutation($id: UUID!, $config: JSON) { updateChannel(id: $id, input: { config: $config }) { id } }",
            json!({ "id": id, "config": config["config"] }),
        )
        .await;
    let hash = switchboard::domain::id::sha256_hex(b"very-secret");
    for kind in ["channel.created", "channel.updated"] {
        let item = socket.item().await.unwrap();
        assert_eq!(item["events"]["type"], kind);
        let shown = item.to_string();
        assert!(!shown.contains("very-secret") && !shown.contains(&hash), "{shown}");
    }
}
