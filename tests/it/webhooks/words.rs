//! The words of other products, over a ticket's life.

use serde_json::{Value, json};

use super::{hook, start, text};
use crate::support::story::run;
use crate::support::{Client, Sent, WebhookSink};

/// A ticket's life as each webhook is told of it; the ticket, the chat and the agent.
async fn life(client: &Client) -> (String, String, String, String) {
    let channel = client.channel().await;
    let said = client.say(&channel, "ada", "1", "Where is my parcel?").await;
    let (ticket, chat) = (text(&said, "/ticket/id").to_owned(), text(&said, "/chat/id").to_owned());
    let agent = client.agent().await;
    let take = format!("takeTicket(ticketId: \"{ticket}\", agentId: \"{agent}\")");
    run(client, &take, "chatId").await;
    let answer = format!("sendMessage(chatId: \"{chat}\", text: \"On its way.\", agentId: \"{agent}\")");
    run(client, &answer, "chatId").await;
    client.say(&channel, "ada", "2", "Thanks!").await;
    client.ticket_command("completeTicket", &ticket, "").await;
    run(
        client,
        &format!("rateTicket(ticketId: \"{ticket}\", score: 3, comment: \"quick\")"),
        "chatId",
    )
    .await;
    (ticket, chat, agent, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn usedesk_is_told_of_tickets_changes_comments_and_ratings() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let (_, secret) = hook(&client, &sink.url, "format: USEDESK").await;
    let (ticket, _, agent, channel) = life(&client).await;
    let sent = sink.until(8).await;
    let kinds = |one: &Sent| {
        let kinds = ["ticket", "trigger", "comment", "csi"];
        kinds
            .into_iter()
            .find(|kind| one.body[kind].is_object())
            .unwrap_or("none")
    };
    let order: Vec<&str> = sent.iter().map(kinds).collect();
    assert_eq!(
        order,
        [
            "ticket", "comment", "trigger", "trigger", "comment", "comment", "trigger", "csi"
        ]
    );
    let shown = &switchboard::domain::id::sha256_hex(secret.as_bytes())[..40];
    let is_signed = |one: &Sent| one.body["secret"] == shown && one.signed_by(&secret) == Some(0);
    assert!(sent.iter().all(is_signed));
    let created = &sent[0].body["ticket"];
    assert_eq!(created["id"], json!(ticket));
    assert_eq!(created["status_id"], 8);
    assert_eq!(created["channel_id"], json!(channel));
    assert_eq!(created["message"], "Where is my parcel?");
    let first = &sent[1].body["comment"];
    assert_eq!(
        (&first["from"], &first["type"], &first["is_first"]),
        (&json!("client"), &json!("public"), &json!(1))
    );
    assert_eq!(first["user_id"], Value::Null);
    let answer = &sent[4].body["comment"];
    assert_eq!((&answer["from"], &answer["user_id"]), (&json!("user"), &json!(agent)));
    assert_eq!(
        (&answer["is_first"], &answer["message"]),
        (&json!(0), &json!("On its way."))
    );
    let completed = &sent[6].body["trigger"];
    assert_eq!(
        (&completed["old_status"], &completed["new_status"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(sent[7].body["csi"]["rating"], 3);
    assert_eq!(sent[0].body["client"]["name"], "Ada");
    assert_eq!(sent[0].body["client"]["additional_ids"][0]["value"], "ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn yolead_is_told_of_tickets_messages_statuses_and_assignees() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    hook(&client, &sink.url, "format: YOLEAD").await;
    let (ticket, chat, agent, _) = life(&client).await;
    let sent = sink.until(5).await;
    let mut events: Vec<&str> = sent.iter().map(|one| one.body["event"].as_str().unwrap()).collect();
    assert_eq!(
        events[0], "ticket.created",
        "and no message.incoming for the message that made it"
    );
    events[1..3].sort_unstable();
    assert_eq!(
        events[1..],
        [
            "ticket.assignee_changed",
            "ticket.status_changed",
            "message.incoming",
            "ticket.status_changed"
        ]
    );
    let of = |event: &str| sent.iter().rfind(|one| one.body["event"] == event).unwrap().body["data"].clone();
    let ended = of("ticket.status_changed");
    assert_eq!(
        (&ended["oldStatus"], &ended["newStatus"]),
        (&json!("active"), &json!("inactive"))
    );
    assert_eq!((&ended["ticketId"], &ended["chatId"]), (&json!(ticket), &json!(chat)));
    let assigned = of("ticket.assignee_changed");
    assert_eq!(
        (&assigned["previousAssigneeId"], &assigned["newAssigneeId"]),
        (&Value::Null, &json!(agent))
    );
    assert_eq!(of("message.incoming")["message"]["text"], "Thanks!");
    for one in &sent {
        assert_eq!(one.headers["x-yolead-signature"].len(), 64);
        assert!(one.headers.contains_key("x-yolead-timestamp"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_one_channel_learns_nothing_that_was_set_of_who_writes_on_two() {
    let app = start(None).await;
    let (client, sink) = (app.client(), WebhookSink::start().await);
    let (one, other) = (client.channel().await, client.channel().await);
    let of = |path: &str| format!("{}/{path}", sink.url);
    let types = "format: USEDESK, eventTypes: [\"note.added\"]";
    hook(&client, &of("one"), &format!("{types}, channelIds: [\"{one}\"]")).await;
    hook(&client, &of("all"), types).await;
    let contact = "chat { contact { id } } ticket { id }";
    let mut of_chats = Vec::new();
    for channel in [&one, &other] {
        let input = crate::support::message(channel, "ada", "1", "hello");
        let query = format!("mutation($input: MessageInput!) {{ ingestMessage(input: $input) {{ {contact} }} }}");
        of_chats.push(client.data(&query, json!({ "input": input })).await["ingestMessage"].clone());
    }
    let of_contact = |place: usize| text(&of_chats[place], "/chat/contact/id").to_owned();
    let merge = format!(
        "mergeContacts(contactId: \"{}\", into: \"{}\")",
        of_contact(1),
        of_contact(0)
    );
    run(&client, &merge, "id").await;
    let mail = format!(
        "updateContact(id: \"{}\", input: {{ emails: [\"ada@example.org\"] }})",
        of_contact(0)
    );
    run(&client, &mail, "id").await;
    run(
        &client,
        &format!("addNote(ticketId: {}, text: \"n\")", of_chats[0]["ticket"]["id"]),
        "chatId",
    )
    .await;
    let sent = sink.until(2).await;
    let emails = |path: &str| {
        let one = sent.iter().find(|one| one.path.ends_with(path)).unwrap();
        one.body["client"]["emails"].as_array().unwrap().len()
    };
    assert_eq!((emails("/all"), emails("/one")), (1, 0));
}
