//! Lists of comments and reviews: of either kind and any channels, page by page what a look at all of them gives.

use serde_json::{Value, json};

use crate::support::story::{run, text};
use crate::support::{Client, TestApp};

/// When it came in, its id, its channel and its kind.
type Post = (String, String, usize, &'static str);

async fn ingest(client: &Client, (channel, kind): (&str, &str), external_id: &str) -> Value {
    let input = format!(
        "kind: {kind}, channelId: \"{channel}\", externalId: \"{external_id}\", owner: {{ externalId: \"ada\" }}, text: \"hm\""
    );
    run(client, &format!("ingestPost(input: {{ {input} }})"), "id createdAt").await
}

/// Every post of a list, page by page.
async fn pages(client: &Client, arguments: &str, first: usize) -> Vec<String> {
    let query = format!(
        "query($after: String) {{ posts({arguments} first: {first}, after: $after) {{
           nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = client.data(&query, json!({ "after": after })).await["posts"].clone();
        let nodes = page["nodes"].as_array().unwrap();
        assert!(nodes.len() <= first, "{page:#}");
        found.extend(nodes.iter().map(|node| text(node, "/id").to_owned()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] != true {
            return found;
        }
    }
}

async fn check(client: &Client, all: &[Post], known: &[usize], (channel, id): (Option<usize>, &str)) {
    for kind in [None, Some("COMMENT"), Some("REVIEW")] {
        let wanted = |post: &&Post| {
            known.contains(&post.2)
                && channel.is_none_or(|channel| channel == post.2)
                && kind.is_none_or(|kind| kind == post.3)
        };
        let expected: Vec<String> = all.iter().filter(wanted).map(|post| post.1.clone()).collect();
        assert!(!expected.is_empty());
        let mut arguments = kind.map_or_else(String::new, |kind| format!("kind: {kind}, "));
        if channel.is_some() {
            arguments = format!("{arguments}channelId: \"{id}\",");
        }
        for first in [1, 3, 100] {
            assert_eq!(
                pages(client, &arguments, first).await,
                expected,
                "{arguments} first: {first}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_kind_and_of_channels_have_what_they_should() {
    let app = TestApp::start().await;
    let client = app.client();
    let channels = [client.channel().await, client.channel().await, client.channel().await];
    let mut all: Vec<Post> = Vec::new();
    for number in 0..30 {
        // the third channel is quiet, and reviews are rare
        let channel = if number % 10 == 0 { 2 } else { number % 2 };
        let kind = if number % 7 == 3 { "REVIEW" } else { "COMMENT" };
        let post = ingest(&client, (&channels[channel], kind), &format!("p{number}")).await;
        let [made_at, id] = ["/createdAt", "/id"].map(|pointer| text(&post, pointer).to_owned());
        all.push((made_at, id, channel, kind));
    }
    all.sort_unstable();
    all.reverse();
    check(&client, &all, &[0, 1, 2], (None, "")).await;
    for (number, id) in channels.iter().enumerate() {
        check(&client, &all, &[0, 1, 2], (Some(number), id)).await;
    }
    let make = format!(
        "createApiKey(input: {{ name: \"two\", scopes: [READ], channelIds: [\"{}\", \"{}\"] }})",
        channels[0], channels[2]
    );
    let key = run(&client, &make, "secret").await;
    let limited = Client::new(&client.url, text(&key, "/secret"));
    check(&limited, &all, &[0, 2], (None, "")).await;
    check(&limited, &all, &[0, 2], (Some(2), &channels[2])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_comes_again_as_a_review_is_listed_as_one() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel().await;
    let post = ingest(&client, (&channel, "COMMENT"), "p1").await;
    ingest(&client, (&channel, "REVIEW"), "p1").await;
    assert_eq!(pages(&client, "kind: COMMENT,", 5).await, [""; 0]);
    assert_eq!(pages(&client, "kind: REVIEW,", 5).await, [text(&post, "/id")]);
    assert_eq!(app.node.services.live.view().recount().await.unwrap(), []);
}
