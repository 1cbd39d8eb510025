//! How many items lists of chats, messages and events have on all pages: as many as the pages have together, and none
//! that the key may not know of.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchboard::view::search::HITS_MAX;
use uuid::Uuid;

use crate::support::story::{run, text};
use crate::support::{Client, Redis, TestApp, make_workspace};

const OTHER_KEY: &str = "other-key-0123456789abcdef0123456789abcdef";

/// What stands around a list, its name, and its own arguments.
type List<'a> = (&'a str, &'a str, &'a str);

async fn page(client: &Client, (around, name, arguments): List<'_>, first: u32, after: &Value) -> Value {
    let fields = "totalCount totalCountIsExact nodes { id } pageInfo { hasNextPage endCursor }";
    let mut query = format!("{name}({arguments} first: {first}, after: $after) {{ {fields} }}");
    if !around.is_empty() {
        query = format!("{around} {{ {query} }}");
    }
    let query = format!("query($after: String) {{ {query} }}");
    let data = client.data(&query, json!({ "after": after })).await;
    let root = data.as_object().unwrap().values().next().unwrap();
    if around.is_empty() {
        root.clone()
    } else {
        root[name].clone()
    }
}

/// How many items a list has over all its pages, each of which says so, as does one without items.
async fn counted(client: &Client, list: List<'_>) -> usize {
    let total = page(client, list, 0, &Value::Null).await["totalCount"].clone();
    let (mut ids, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let page = page(client, list, 3, &after).await;
        for node in page["nodes"].as_array().unwrap() {
            assert!(
                ids.insert(text(node, "/id").to_owned()),
                "{list:?}: {node} is there twice"
            );
        }
        assert_eq!(
            (&page["totalCount"], &page["totalCountIsExact"]),
            (&total, &json!(true)),
            "{list:?}"
        );
        after = page["pageInfo"]["endCursor"].clone();
        if !page["pageInfo"]["hasNextPage"].as_bool().unwrap() {
            break;
        }
    }
    assert_eq!(total, json!(ids.len()), "{list:?}");
    ids.len()
}

/// Holds how many messages chats and tickets have; of their events, that they are as many as the pages have.
async fn assert_messages(client: &Client, expected: &[(&str, usize)]) {
    for &(around, messages) in expected {
        let found = counted(client, (around, "messages", "")).await;
        assert_eq!(found, messages, "{around}");
        assert!(counted(client, (around, "events", "")).await > 0, "{around}");
    }
}

/// Two tickets that become one, and a message without a ticket; the chat.
async fn conversation(client: &Client, channel: &str) -> String {
    let agent = client.agent().await;
    let first = client.say(channel, "ada", "m1", "hello").await;
    let (chat, one) = (text(&first, "/chat/id"), text(&first, "/ticket/id"));
    for number in 2..=5 {
        client.say(channel, "ada", &format!("m{number}"), "hello").await;
    }
    for call in [
        format!("takeTicket(ticketId: \"{one}\", agentId: \"{agent}\")"),
        format!("addNote(ticketId: \"{one}\", text: \"hm\")"),
        format!("sendMessage(chatId: \"{chat}\", text: \"hi\")"),
        format!("closeTicket(ticketId: \"{one}\")"),
    ] {
        run(client, &call, "cursor").await;
    }
    let second = client.say(channel, "ada", "m6", "hello").await;
    let two = text(&second, "/ticket/id");
    assert_eq!(second["ticket"]["number"], 2);
    client.say(channel, "ada", "m7", "hello").await;
    let of_chat = format!("chat(id: \"{chat}\")");
    let (of_one, of_two) = (format!("ticket(id: \"{one}\")"), format!("ticket(id: \"{two}\")"));
    assert_messages(client, &[(&of_chat, 9), (&of_one, 7), (&of_two, 2)]).await;
    let merge = format!("mergeTicket(ticketId: \"{two}\", into: \"{one}\")");
    run(client, &merge, "cursor").await;
    assert_messages(client, &[(&of_chat, 9), (&of_one, 9), (&of_two, 0)]).await;
    run(client, &format!("blockOwner(chatId: \"{chat}\")"), "cursor").await;
    let silenced = client.say(channel, "ada", "m8", "hello").await;
    assert_eq!(silenced["decision"], "SILENCED");
    assert_messages(client, &[(&of_chat, 10), (&of_one, 9), (&of_two, 0)]).await;
    let by_edit = format!("editMessage(chatId: \"{chat}\", messageExternalId: \"m1\", text: \"hello there\")");
    run(client, &by_edit, "cursor").await;
    assert_messages(client, &[(&of_chat, 10), (&of_one, 9)]).await;
    chat.to_owned()
}

async fn limited(admin: &Client, channel: &str) -> Client {
    let make = format!("createApiKey(input: {{ name: \"one\", scopes: [READ], channelIds: [\"{channel}\"] }})");
    let key = run(admin, &make, "secret").await;
    Client::new(&admin.url, text(&key, "/secret"))
}

async fn assert_chats(client: &Client, expected: &[(&str, usize)]) {
    for &(arguments, chats) in expected {
        assert_eq!(counted(client, ("", "chats", arguments)).await, chats, "{arguments}");
    }
}

/// Totals of lists in a list, and one without the other field.
async fn nested(client: &Client, messages: u64) {
    let query = "{ chats(first: 10) { totalCountIsExact nodes { messages(last: 1) { totalCount nodes { id } }
        events(first: 1) { totalCountIsExact } lastTicket { messages { totalCount } events { totalCount } } } } }";
    let chats = client.data(query, json!({})).await["chats"].clone();
    assert_eq!(chats["totalCountIsExact"], true);
    let mut sum = 0;
    for chat in chats["nodes"].as_array().unwrap() {
        assert_eq!(chat["messages"]["nodes"].as_array().unwrap().len(), 1);
        assert_eq!(chat["events"]["totalCountIsExact"], true);
        let of_chat = chat["messages"]["totalCount"].as_u64().unwrap();
        let of_ticket = chat["lastTicket"]["messages"]["totalCount"].as_u64().unwrap();
        assert!((1..=of_chat).contains(&of_ticket), "{chat:#}");
        assert!(
            chat["lastTicket"]["events"]["totalCount"].as_u64() > Some(1),
            "{chat:#}"
        );
        sum += of_chat;
    }
    assert_eq!(sum, messages);
}

async fn story(app: &TestApp) {
    let client = app.client();
    let channel = client.channel_with(json!({ "restorePeriodMs": 0 })).await;
    let other = client.channel().await;
    let ada = conversation(&client, &channel).await;
    client.say(&channel, "bob", "m1", "hello again").await;
    let cay = client.say(&channel, "cay", "m1", "hello").await;
    let remove = format!("removeChat(chatId: \"{}\")", text(&cay, "/chat/id"));
    run(&client, &remove, "cursor").await;
    let dan = client.say(&other, "dan", "m1", "hello").await;
    client.say(&other, "eve", "m1", "goodbye").await;
    let one = format!("channelIds: [\"{channel}\"],");
    let two = format!("channelIds: [\"{other}\"],");
    let both = format!("channelIds: [\"{channel}\", \"{other}\", \"{channel}\"],");
    let hello = "search: \"hello\",";
    let on_one = format!("{one} {hello}");
    let every = [
        ("", 4),
        (&*one, 2),
        (&*two, 2),
        (&*both, 4),
        (hello, 3),
        (&*on_one, 2),
        ("search: \"nobody\",", 0),
    ];
    assert_chats(&client, &every).await;
    nested(&client, 13).await;

    let narrow = limited(&client, &channel).await;
    let own = [("", 2), (&*one, 2), (&*two, 0), (&*both, 2), (hello, 2), (&*on_one, 2)];
    assert_chats(&narrow, &own).await;
    let of_ada = format!("chat(id: \"{ada}\")");
    assert_messages(&narrow, &[(&of_ada, 10)]).await;

    make_workspace(&app.node, Uuid::from_u128(77), OTHER_KEY).await;
    let stranger = Client::new(&app.url, OTHER_KEY);
    assert_chats(&stranger, &every.map(|(arguments, _)| (arguments, 0))).await;
    let its_own = stranger.channel().await;
    stranger.say(&its_own, "ada", "m1", "hello").await;
    let all = format!("channelIds: [\"{channel}\", \"{its_own}\"],");
    assert_chats(&stranger, &[("", 1), (hello, 1), (&all, 1), (&both, 0)]).await;
    assert_chats(&client, &every).await;

    let of_dan = format!("chat(id: \"{}\")", text(&dan, "/chat/id"));
    for (who, around) in [(&narrow, &of_dan), (&stranger, &of_dan), (&stranger, &of_ada)] {
        let query = format!("{{ {around} {{ messages {{ totalCount }} events {{ totalCount }} }} }}");
        assert!(who.data(&query, json!({})).await["chat"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_what_the_pages_have() {
    story(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_what_the_pages_have_on_redis() {
    story(&TestApp::on_redis(&Redis::start()).await).await;
}

/// Sends as many messages as a search looks at of one word.
async fn say_often(client: &Client, channel: &str) {
    let line = |number: usize| {
        let owner = json!({ "externalId": format!("often{}", number % 20), "name": "Bob" });
        let message = json!({ "externalId": format!("m{number}"), "owner": owner, "text": "hello" });
        format!("{message}\n")
    };
    let lines: String = (1..=HITS_MAX).map(line).collect();
    let url = format!("{}/api/v1/channels/{channel}/messages/stream", client.url);
    let request = client.http().post(url).bearer_auth(&client.key);
    let request = request.header("content-type", "application/x-ndjson").body(lines);
    let answers = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(answers.matches("\"receipt\":").count(), HITS_MAX, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_says_whether_there_may_be_more_than_it_found() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    client.say(&channel, "rarely", "m0", "hello").await;
    say_often(&client, &channel).await;
    for (search, items, is_exact) in [
        ("hello", 20, false),
        ("rarely", 1, true),
        ("hello rarely", 1, true),
        ("hello often7", 1, true),
        ("hello never", 0, true),
    ] {
        let total = "totalCount totalCountIsExact";
        let query = format!(
            "{{ tickets(filter: {{ search: \"{search}\" }}) {{ {total} }} chats(search: \"{search}\") {{ {total} }} }}"
        );
        let found = client.data(&query, json!({})).await;
        let expected = json!({ "totalCount": items, "totalCountIsExact": is_exact });
        assert_eq!(found, json!({ "tickets": expected, "chats": expected }), "{search}");
    }
}
