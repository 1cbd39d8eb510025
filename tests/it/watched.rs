//! What a live queue hears of: everything by which a ticket leaves it, and a new life of the logs.

use serde_json::json;

use crate::queues::queue;
use crate::support::{KEY, Redis, Socket, TestApp};

/// What the next change of a queue is.
async fn change(socket: &mut Socket) -> (String, String) {
    let item = socket.item().await.expect("a change")["queue"].clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&item["kind"]), text(&item["ticket"]["id"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_hears_of_what_leaves_it() {
    use crate::support::story::{run, text};
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let (one, other) = (client.agent().await, client.agent().await);
    let team = run(&client, "createTeam(input: { name: \"a\" })", "id").await;
    let tag = run(&client, "createTag(input: { name: \"a\" })", "id").await;
    let (team, tag) = (text(&team, "/id"), text(&tag, "/id"));
    let receipt = client.say(&channel, "ada", "m1", "hello").await;
    let (chat, ticket) = (text(&receipt, "/chat/id"), text(&receipt, "/ticket/id").to_owned());
    // (the queue, what brings the ticket into it, what takes it out)
    let cases = [
        (
            format!("assigneeIds: [\"{one}\"]"),
            format!("assignTicket(ticketId: \"{ticket}\", agentId: \"{one}\")"),
            format!("assignTicket(ticketId: \"{ticket}\", agentId: \"{other}\")"),
        ),
        (
            "unassigned: true".to_owned(),
            format!("assignTicket(ticketId: \"{ticket}\", agentId: null)"),
            format!("assignTicket(ticketId: \"{ticket}\", agentId: \"{other}\")"),
        ),
        (
            format!("teamIds: [\"{team}\"]"),
            format!("assignTicket(ticketId: \"{ticket}\", teamId: \"{team}\")"),
            format!("assignTicket(ticketId: \"{ticket}\", teamId: null)"),
        ),
        (
            format!("tagIds: [\"{tag}\"]"),
            format!("addTag(ticketId: \"{ticket}\", tagId: \"{tag}\")"),
            format!("removeTag(ticketId: \"{ticket}\", tagId: \"{tag}\")"),
        ),
        (
            "statuses: [INACTIVE]".to_owned(),
            format!("completeTicket(ticketId: \"{ticket}\")"),
            format!("reopenTicket(ticketId: \"{ticket}\")"),
        ),
        (
            "priorities: [URGENT]".to_owned(),
            format!("setPriority(ticketId: \"{ticket}\", priority: URGENT)"),
            format!("setPriority(ticketId: \"{ticket}\", priority: LOW)"),
        ),
        (
            format!("assigneeIds: [\"{other}\"]"),
            format!("assignTicket(ticketId: \"{ticket}\", agentId: \"{other}\")"),
            format!("removeChat(chatId: \"{chat}\")"),
        ),
    ];
    for (filter, enter, leave) in cases {
        let mut socket = Socket::connect(&app.url, KEY).await;
        let arguments = format!("filter: {{ {filter} }}");
        socket.subscribe("1", &queue(&arguments), json!({})).await;
        let snapshot = socket.item().await.unwrap()["queue"].clone();
        let was_in = snapshot["tickets"] != json!([]);
        run(&client, &enter, "cursor").await;
        if !was_in {
            assert_eq!(
                change(&mut socket).await,
                ("ENTER".to_owned(), ticket.clone()),
                "{filter}"
            );
        }
        run(&client, &leave, "cursor").await;
        assert_eq!(
            change(&mut socket).await,
            ("LEAVE".to_owned(), ticket.clone()),
            "{filter}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_life_of_the_logs_is_a_gap_and_a_snapshot_and_the_queue_goes_on() {
    let redis = Redis::start();
    let app = TestApp::on_redis(&redis).await;
    let client = app.client();
    let channel = client.channel().await;
    for number in 0..40 {
        client.say(&channel, "ada", &format!("m{number}"), "hello").await;
    }
    let mut socket = Socket::connect(&app.url, KEY).await;
    socket.subscribe("1", &queue("first: 10"), json!({})).await;
    let first = socket.item().await.unwrap()["queue"].clone();
    assert_eq!(first["__typename"], "QueueSnapshot");
    for key in redis.cli(&["--raw", "KEYS", "*:epoch"]).lines() {
        redis.cli(&["INCR", key]);
    }
    let gap = socket.item().await.unwrap()["queue"].clone();
    assert_eq!(gap["__typename"], "Gap", "{gap:#}");
    let again = socket.item().await.unwrap()["queue"].clone();
    assert_eq!(again["tickets"], first["tickets"]);
    client.say(&channel, "bob", "n1", "hello").await;
    assert_eq!(change(&mut socket).await.0, "ENTER");
}
