//! What holds for all of them alike: pages, versions, repeats, and what is absent.

use serde_json::{Value, json};

use super::made;
use crate::support::story::{settings, text};
use crate::support::{Rest, TestApp};

/// The path and query of a `Link`, if it has this relation.
fn link(header: Option<&str>, relation: &str) -> Option<String> {
    let (target, rest) = header?.strip_prefix('<')?.split_once('>')?;
    rest.contains(&format!("rel=\"{relation}\"")).then(|| target.to_owned())
}

async fn texts(rest: &Rest, path: &str) -> (Vec<String>, Option<String>, Option<String>) {
    let reply = rest.get(path).await;
    let header = reply.header("link").map(str::to_owned);
    let (next, previous) = (link(header.as_deref(), "next"), link(header.as_deref(), "prev"));
    let messages = reply.ok();
    let messages = messages.as_array().unwrap().iter();
    (
        messages.map(|message| text(message, "/text").to_owned()).collect(),
        next,
        previous,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_through_a_list() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let channel = rest.client.channel().await;
    let mut chat = Value::Null;
    for number in 0..5 {
        let said = format!("m{number}");
        chat = rest.client.say(&channel, "ada", &said, &said).await["chat"]["id"].clone();
    }
    let path = format!("/api/v1/chats/{}/messages", chat.as_str().unwrap());
    let (first, next, _) = texts(&rest, &format!("{path}?first=2")).await;
    assert_eq!(first, ["m0", "m1"]);
    let (second, next, _) = texts(&rest, &next.unwrap()).await;
    assert_eq!(second, ["m2", "m3"]);
    let (third, next, _) = texts(&rest, &next.unwrap()).await;
    assert_eq!((third.as_slice(), next), (["m4".to_owned()].as_slice(), None));
    let (last, next, previous) = texts(&rest, &format!("{path}?last=2")).await;
    assert_eq!(
        (last.as_slice(), next),
        (["m3".to_owned(), "m4".to_owned()].as_slice(), None)
    );
    let (before, _, _) = texts(&rest, &previous.unwrap()).await;
    assert_eq!(before, ["m1", "m2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_how_many_there_are() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let channel = rest.client.channel().await;
    for owner in ["ada", "bob", "eve"] {
        rest.client.say(&channel, owner, owner, "hello").await;
    }
    let path = format!("/api/v1/tickets?channelIds={channel}&statuses=NEW&statuses=ACTIVE&first=2");
    let reply = rest.get(&path).await;
    assert_eq!(reply.header("x-total-count"), Some("3"));
    let next = link(reply.header("link"), "next").unwrap();
    assert_eq!(reply.body.as_array().unwrap().len(), 2);
    let reply = rest.get(&next).await;
    assert_eq!((reply.header("x-total-count"), reply.header("link")), (Some("3"), None));
    assert_eq!(reply.ok().as_array().unwrap().len(), 1);
    let none = rest
        .get(&format!("/api/v1/tickets?channelIds[]={channel}&statuses[]=INACTIVE"))
        .await;
    assert_eq!(none.header("x-total-count"), Some("0"));
    assert_eq!(none.ok(), json!([]));
    let said = rest.client.say(&channel, "ada", "again", "hello").await;
    for (path, total) in [
        (format!("/api/v1/chats?channelIds={channel}"), "3"),
        (format!("/api/v1/chats/{}/messages", text(&said, "/chat/id")), "2"),
        (format!("/api/v1/tickets/{}/messages", text(&said, "/ticket/id")), "2"),
    ] {
        let first = if path.contains('?') { "&first=1" } else { "?first=1" };
        let reply = rest.get(&format!("{path}{first}")).await;
        assert_eq!(reply.header("x-total-count"), Some(total), "{path}");
        assert_eq!(reply.ok().as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_what_has_changed_is_refused() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let channel = rest.client.channel().await;
    let said = rest.client.say(&channel, "ada", "m1", "hello").await;
    let path = format!("/api/v1/tickets/{}", text(&said, "/ticket/id"));
    let reply = rest.get(&path).await;
    let seen = reply.header("etag").unwrap().to_owned();
    assert_eq!(seen, format!("\"{}\"", reply.body["version"]));
    let urgent = Some(json!({ "priority": "URGENT" }));
    let call = format!("PUT {path}/priority");
    let reply = rest
        .call_with(&call, &[("if-match", seen.as_str())], urgent.clone())
        .await;
    let after = reply.header("etag").unwrap().to_owned();
    assert_ne!(after, seen);
    assert_eq!(after, format!("\"{}\"", reply.ok()["ticket"]["version"]));
    let low = Some(json!({ "priority": "LOW" }));
    let refused = rest.call_with(&call, &[("if-match", seen.as_str())], low.clone()).await;
    assert_eq!(refused.problem(), (412, "VERSION_CONFLICT"));
    for wrong in ["7", "W/\"7\"", "\"99999999999\""] {
        let refused = rest.call_with(&call, &[("if-match", wrong)], low.clone()).await;
        assert_eq!(refused.problem(), (400, "BAD_USER_INPUT"), "{wrong}");
        assert_eq!(refused.body["field"], "If-Match");
    }
    assert_eq!(rest.get(&path).await.ok()["priority"], "URGENT");
    rest.call_with(&call, &[("if-match", "*")], low).await.ok();
    let tag = made(rest.post("/api/v1/tags", json!({ "name": "vip" })).await);
    let call = format!("PUT /api/v1/tags/{}", text(&tag, "/id"));
    let refused = rest
        .call_with(&call, &[("if-match", "\"1\"")], Some(json!({ "name": "VIP" })))
        .await;
    assert_eq!(refused.problem(), (400, "BAD_USER_INPUT"));
    assert_eq!(rest.get("/api/v1/tags").await.ok()[0]["name"], "vip");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_happens_once() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let channel = rest.client.channel().await;
    let said = rest.client.say(&channel, "ada", "m1", "hello").await;
    let call = format!("POST /api/v1/tickets/{}/notes", text(&said, "/ticket/id"));
    let key = [("idempotency-key", "once")];
    let note = Some(json!({ "text": "hm" }));
    let first = rest.call_with(&call, &key, note.clone()).await.ok();
    let again = rest.call_with(&call, &key, note.clone()).await.ok();
    assert_eq!(first["message"]["id"], again["message"]["id"]);
    let other = rest.call_with(&call, &key, Some(json!({ "text": "ha" }))).await;
    assert_eq!(other.problem(), (409, "IDEMPOTENCY_MISMATCH"));
    let chat = format!("/api/v1/chats/{}/messages", text(&said, "/chat/id"));
    assert_eq!(rest.get(&chat).await.ok().as_array().unwrap().len(), 2);
    let tag = Some(json!({ "name": "vip" }));
    let first = made(rest.call_with("POST /api/v1/tags", &key, tag.clone()).await);
    let again = made(rest.call_with("POST /api/v1/tags", &key, tag).await);
    assert_eq!(first, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_stays_and_null_takes_away() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let (agent, team, ..) = settings(&rest.client).await;
    let channel = rest.client.channel().await;
    let said = rest.client.say(&channel, "ada", "m1", "hello").await;
    let path = format!("/api/v1/tickets/{}/assign", text(&said, "/ticket/id"));
    rest.post(&path, json!({ "teamId": team })).await.ok();
    let both = rest.post(&path, json!({ "agentId": agent })).await.ok();
    assert_eq!(both["ticket"]["team"]["id"], json!(team));
    assert_eq!(both["ticket"]["assignee"]["id"], json!(agent));
    let alone = rest.post(&path, json!({ "agentId": null })).await.ok();
    assert_eq!(alone["ticket"]["team"]["id"], json!(team));
    assert!(alone["ticket"]["assignee"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_ticket_is_named() {
    let app = TestApp::start().await;
    let rest = Rest::new(&app).await;
    let channel = rest.client.channel().await;
    let said = rest.client.say(&channel, "ada", "m1", "hello").await;
    let path = format!("/api/v1/chats/{}/tickets", text(&said, "/chat/id"));
    let refused = rest.post(&path, json!({})).await;
    assert_eq!(refused.problem(), (409, "ALREADY_OPEN"));
    assert_eq!(refused.body["ticketId"], said["ticket"]["id"]);
}
