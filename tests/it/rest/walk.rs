//! A day over REST that asks for everything once.

use serde_json::{Value, json};

use super::made;
use crate::support::Rest;
use crate::support::story::text;

/// The ids of what a workspace consists of.
struct Things {
    channel: String,
    bots: String,
    agent: String,
    team: String,
    field: String,
    contact_field: String,
}

fn id(value: &Value) -> String {
    text(value, "/id").to_owned()
}

/// Makes one of a kind, finds it in the list and changes it; its id.
async fn kind(rest: &Rest, name: &str, (method, input, change): (&str, Value, Value)) -> String {
    let path = format!("/api/v1/{name}");
    let known = made(rest.post(&path, input).await);
    let changed = format!("{method} {path}/{}", text(&known, "/id"));
    let changed = rest.call(&changed, Some(change.clone())).await.ok();
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(&changed[field], value, "{name}: {field}");
    }
    let listed = rest.get(&path).await.ok();
    assert!(listed.as_array().unwrap().contains(&changed), "{name}: {listed:#}");
    id(&known)
}

async fn settings(rest: &Rest) -> Things {
    let channel = (
        "PATCH",
        json!({ "type": "API", "name": "shop" }),
        json!({ "name": "the shop" }),
    );
    let channel = kind(rest, "channels", channel).await;
    let agent = (
        "PATCH",
        json!({ "name": "Robin", "capacity": 5 }),
        json!({ "email": "robin@example.org", "capacity": 7 }),
    );
    let agent = kind(rest, "agents", agent).await;
    let away = json!({ "availability": "AWAY" });
    let away = rest
        .put(&format!("/api/v1/agents/{agent}/availability"), away)
        .await
        .ok();
    assert_eq!(
        (&away["availability"], &away["isAvailable"]),
        (&json!("AWAY"), &json!(false))
    );
    let back = json!({ "availability": "AVAILABLE" });
    rest.put(&format!("/api/v1/agents/{agent}/availability"), back)
        .await
        .ok();
    let members = json!([{ "agentId": agent, "weight": 2 }]);
    let team = (
        "PUT",
        json!({ "name": "Support" }),
        json!({ "name": "Sales", "members": members }),
    );
    let team = kind(rest, "teams", team).await;
    let responder = (
        "PUT",
        json!({ "name": "bot" }),
        json!({ "name": "better bot", "versionNumber": 2 }),
    );
    let responder = kind(rest, "responders", responder).await;
    kind(
        rest,
        "tags",
        ("PUT", json!({ "name": "vip" }), json!({ "name": "VIP" })),
    )
    .await;
    let select = |options| json!({ "name": "colour", "kind": "SELECT", "options": options });
    let field = ("PUT", select(["red", "blue"]), select(["red", "green"]));
    let field = kind(rest, "fields", field).await;
    let vip = json!({ "name": "vip", "kind": "CHECKBOX", "target": "CONTACT" });
    let policy = json!({ "inboundMode": "RESPONDER", "defaultResponderId": responder });
    let bots = json!({ "type": "API", "name": "bots", "policy": policy });
    Things {
        channel,
        bots: id(&made(rest.post("/api/v1/channels", bots).await)),
        agent,
        team,
        field,
        contact_field: id(&made(rest.post("/api/v1/fields", vip).await)),
    }
}

async fn policy(rest: &Rest) {
    let changed = json!({ "onReopen": "QUEUE", "restorePeriodMs": null });
    let changed = rest.patch("/api/v1/policy", changed).await.ok();
    assert_eq!(
        (&changed["onReopen"], &changed["restorePeriodMs"]),
        (&json!("QUEUE"), &Value::Null)
    );
    assert_eq!(rest.get("/api/v1/policy").await.ok(), changed);
}

/// The ticket of a receipt after a command.
async fn command(rest: &Rest, call: &str, body: Option<Value>) -> Value {
    let receipt = rest.call(call, body).await.ok();
    receipt["ticket"].clone()
}

async fn ticket(rest: &Rest, things: &Things, id: &str) {
    let path = format!("/api/v1/tickets/{id}");
    let (agent, team) = (&things.agent, &things.team);
    let field = format!("PUT fields/{}", things.field);
    for (call, body, expected) in [
        ("POST take", Some(json!({ "agentId": agent })), "IN_PROGRESS"),
        ("POST pend", None, "PENDING_CUSTOMER"),
        ("POST resume", None, "IN_PROGRESS"),
        ("POST hold", Some(json!({})), "ON_HOLD"),
        ("POST resume", Some(json!({})), "IN_PROGRESS"),
        ("POST assign", Some(json!({ "teamId": team })), "IN_PROGRESS"),
        ("PUT priority", Some(json!({ "priority": "URGENT" })), "IN_PROGRESS"),
        ("PUT subject", Some(json!({ "subject": "a parcel" })), "IN_PROGRESS"),
        ("PUT summary", Some(json!({ "summary": "it is lost" })), "IN_PROGRESS"),
        (field.as_str(), Some(json!({ "value": "green" })), "IN_PROGRESS"),
        (
            "POST notes",
            Some(json!({ "text": "hm", "agentId": agent })),
            "IN_PROGRESS",
        ),
        ("POST spam", None, "SPAM"),
        ("DELETE spam", None, "IN_PROGRESS"),
        ("POST close", None, "CLOSED"),
        ("POST rating", Some(json!({ "score": 3, "comment": "quick" })), "CLOSED"),
        ("POST reopen", None, "IN_PROGRESS"),
        ("POST close", None, "CLOSED"),
    ] {
        let (method, what) = call.split_once(' ').unwrap();
        let after = command(rest, &format!("{method} {path}/{what}"), body).await;
        assert_eq!(after["reason"], expected, "{call}");
    }
    let shown = rest.get(&path).await.ok();
    for (pointer, expected) in [
        ("/team/id", json!(team)),
        ("/priority", json!("URGENT")),
        ("/subject", json!("a parcel")),
        ("/summary", json!("it is lost")),
        ("/fields/0/value", json!("green")),
        ("/rating/score", json!(3)),
        ("/status", json!("INACTIVE")),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&expected), "{pointer}");
    }
    let said = rest.get(&format!("{path}/messages")).await.ok();
    let texts: Vec<&str> = said
        .as_array()
        .unwrap()
        .iter()
        .map(|message| text(message, "/text"))
        .collect();
    assert_eq!(texts, ["hello", "hm"]);
    let query = format!("statuses=INACTIVE&priorities=URGENT&teamIds={team}&orderBy=CREATED_ASC");
    let listed = rest.get(&format!("/api/v1/tickets?{query}")).await.ok();
    assert_eq!(listed, json!([shown]));
}

async fn chat(rest: &Rest, things: &Things) {
    let (owner, text_sent) = (json!({ "externalId": "ada", "name": "Ada" }), "hello");
    let input = json!({ "channelId": things.channel, "owner": owner, "text": text_sent });
    let receipt = rest.post("/api/v1/outbound", input).await.ok();
    assert_eq!(receipt["ticket"]["reason"], "OUTBOUND");
    ticket(rest, things, text(&receipt, "/ticket/id")).await;
    let path = format!("/api/v1/chats/{}", text(&receipt, "/chat/id"));
    let opened = json!({ "subject": "another", "assigneeId": things.agent });
    let opened = made(rest.post(&format!("{path}/tickets"), opened).await);
    assert_eq!(opened["ticket"]["number"], 2);
    let answer = json!({ "text": "it is found", "agentId": things.agent });
    let answer = rest.post(&format!("{path}/messages"), answer).await.ok();
    assert_eq!(answer["ticket"]["id"], opened["ticket"]["id"]);
    let tickets = rest.get(&format!("{path}/tickets")).await.ok();
    assert_eq!((&tickets[0]["number"], &tickets[1]["number"]), (&json!(1), &json!(2)));
    let said = rest.get(&format!("{path}/messages?last=1")).await.ok();
    assert_eq!(
        (said.as_array().unwrap().len(), &said[0]["text"]),
        (1, &json!("it is found"))
    );
    for (what, blocked) in [("block", true), ("unblock", false)] {
        rest.call(&format!("POST {path}/{what}"), None).await.ok();
        assert_eq!(rest.get(&path).await.ok()["owner"]["blocked"], blocked);
    }
    let listed = rest
        .get(&format!("/api/v1/chats?channelIds={}&search=ada", things.channel))
        .await
        .ok();
    assert_eq!(listed, json!([rest.get(&path).await.ok()]));
    let stats = rest
        .get(&format!("/api/v1/queue-stats?teamIds={}", things.team))
        .await
        .ok();
    assert_eq!((&stats["inactive"], &stats["new"]), (&json!(1), &json!(0)));
}

async fn responders(rest: &Rest, things: &Things) {
    for (owner, what, body, circumstance) in [
        ("bob", "handover", json!({ "summary": "wants a person" }), "HANDOVER"),
        ("eve", "takeover", json!({ "agentId": things.agent }), "TAKEOVER"),
    ] {
        let said = rest.client.say(&things.bots, owner, owner, "hello").await;
        assert_eq!(said["decision"], "TO_RESPONDER");
        let path = format!("/api/v1/chats/{}/{what}", text(&said, "/chat/id"));
        let receipt = rest.post(&path, body).await.ok();
        let shown = rest
            .get(&format!("/api/v1/tickets/{}", text(&receipt, "/ticket/id")))
            .await
            .ok();
        assert_eq!(shown["circumstance"], circumstance);
    }
}

async fn contacts(rest: &Rest, things: &Things) {
    let known = json!({ "name": "Ada", "emails": ["ada@example.org"] });
    let known = made(rest.post("/api/v1/contacts", known).await);
    let path = format!("/api/v1/contacts/{}", text(&known, "/id"));
    let changed = rest.patch(&path, json!({ "note": "calls in the morning" })).await.ok();
    assert_eq!(
        (&changed["note"], &changed["name"]),
        (&json!("calls in the morning"), &json!("Ada"))
    );
    let field = format!("{path}/fields/{}", things.contact_field);
    let set = rest.put(&field, json!({ "value": true })).await.ok();
    assert_eq!(set["fields"][0]["value"], true);
    assert_eq!(rest.get(&path).await.ok(), set);
    let listed = rest
        .get(&format!("/api/v1/chats?channelIds={}", things.bots))
        .await
        .ok();
    let of_chat = format!("/api/v1/contacts/{}", text(&listed, "/0/contact/id"));
    for (what, blocked) in [("block", true), ("unblock", false)] {
        let contact = rest.call(&format!("POST {of_chat}/{what}"), None).await.ok();
        assert_eq!(
            (&contact["blocked"], &contact["identities"][0]["blocked"]),
            (&json!(blocked), &json!(blocked))
        );
    }
}

async fn keys(rest: &Rest, things: &Things) {
    let input = json!({ "name": "reports", "scopes": ["READ"], "channelIds": [things.channel] });
    let known = made(rest.post("/api/v1/keys", input).await);
    assert_eq!(known["apiKey"]["scopes"], json!(["READ"]));
    let path = format!("/api/v1/keys/{}", text(&known, "/apiKey/id"));
    let changed = rest.patch(&path, json!({ "name": "figures" })).await.ok();
    assert_eq!(changed["name"], "figures");
    let rotated = rest
        .post(&format!("{path}/rotate"), json!({ "overlapMs": 1_000 }))
        .await
        .ok();
    assert_ne!(text(&rotated, "/secret"), text(&known, "/secret"));
    assert_eq!(rotated["apiKey"]["secrets"].as_array().unwrap().len(), 2);
    let names = |listed: Value| -> Vec<String> {
        let listed = listed.as_array().unwrap().iter();
        listed.map(|key| text(key, "/name").to_owned()).collect()
    };
    let before = names(rest.get("/api/v1/keys").await.ok());
    assert!(before.contains(&"figures".to_owned()), "{before:?}");
    rest.delete(&path).await.ok();
    let after = names(rest.get("/api/v1/keys").await.ok());
    assert!(!after.contains(&"figures".to_owned()), "{after:?}");
}

async fn webhooks(rest: &Rest, things: &Things) {
    let input = json!({ "name": "desk", "url": "https://receiver.invalid/hook", "channelIds": [things.channel] });
    let known = made(rest.post("/api/v1/webhooks", input).await);
    let path = format!("/api/v1/webhooks/{}", text(&known, "/webhook/id"));
    let change = json!({ "eventTypes": ["ticket.created"], "enabled": false });
    let changed = rest.patch(&path, change).await.ok();
    assert_eq!(
        (&changed["enabled"], &changed["disabledReason"]),
        (&json!(false), &json!("turned off by hand"))
    );
    assert_eq!(rest.get("/api/v1/webhooks").await.ok(), json!([changed]));
    assert_eq!(rest.get(&path).await.ok(), changed);
    let rotated = rest
        .post(&format!("{path}/rotate"), json!({ "overlapMs": 1_000 }))
        .await
        .ok();
    assert_ne!(text(&rotated, "/secret"), text(&known, "/secret"));
    let tested = rest.post(&format!("{path}/test"), json!({})).await.ok();
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(false), &Value::Null));
    let stands = rest.get(&format!("{path}/deliveries")).await.ok();
    assert_eq!((&stands["delivered"], &stands["waiting"]), (&json!(0.0), &json!([])));
    assert_eq!(
        rest.post(&format!("{path}/retry"), json!({})).await.ok(),
        json!({ "events": 0 })
    );
    let message = json!({ "owner": { "externalId": "webhooks" }, "text": "hello" });
    let to = format!("/api/v1/channels/{}/messages", things.channel);
    let receipt = rest.post(&to, message).await.body;
    let replay = json!({ "after": text(&receipt, "/cursor") });
    let replayed = rest.post(&format!("{path}/replay"), replay).await.ok();
    assert_eq!(replayed["id"], known["webhook"]["id"]);
    rest.delete(&path).await.ok();
    assert_eq!(rest.get("/api/v1/webhooks").await.ok(), json!([]));
}

pub async fn walk(rest: &Rest) {
    let things = settings(rest).await;
    policy(rest).await;
    chat(rest, &things).await;
    responders(rest, &things).await;
    contacts(rest, &things).await;
    keys(rest, &things).await;
    webhooks(rest, &things).await;
}
