//! Requests to URLs that users gave go nowhere private, follow no redirect, and trust no certificate of their own.

use serde_json::{Value, json};

use super::{WEBHOOK, hook, start};
use crate::support::story::run;
use crate::support::{Client, Reaction, TestApp, WebhookSink};

async fn refusal(client: &Client, url: &str) -> Value {
    let create = format!("mutation {{ createWebhook(input: {{ name: \"x\", url: \"{url}\" }}) {{ secret }} }}");
    client.error(&create, json!({})).await["extensions"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_that_lead_nowhere_public_are_refused() {
    let app = TestApp::start().await;
    let client = app.client();
    for url in [
        "http://127.0.0.1:8080/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00::1]/",
        "http://0/",
        "ftp://example.org/",
        "https://user:pass@example.org/",
        "not a url",
        "",
    ] {
        let refused = refusal(&client, url).await;
        assert_eq!(refused["code"], "BAD_USER_INPUT", "{url}");
        assert_eq!(refused["field"], "input.url", "{url}");
    }
    // a name is looked up when it is asked: nothing goes out
    let sink = WebhookSink::start().await;
    let local = sink.url.replace("127.0.0.1", "localhost");
    let (id, _) = hook(&client, &local, "").await;
    let test = run(&client, &format!("testWebhook(id: \"{id}\")"), "delivered status error").await;
    assert_eq!(test["delivered"], false);
    assert_eq!(test["status"], Value::Null);
    assert_eq!(test["error"], "the host has no public address");
    let update = format!(
        "mutation {{ updateWebhook(id: \"{id}\", input: {{ url: \"{}\" }}) {{ id }} }}",
        sink.url
    );
    assert_eq!(
        client.error(&update, json!({})).await["extensions"]["field"],
        "input.url"
    );
    client.say(&client.channel().await, "ada", "1", "hello").await;
    super::until(&client, &id, "the failures", |found| {
        found["deliveries"]["waiting"]
            .as_array()
            .is_some_and(|waiting| !waiting.is_empty())
    })
    .await;
    assert_eq!(sink.sent().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_failures() {
    let app = start(None).await;
    let (client, sink, other) = (app.client(), WebhookSink::start().await, WebhookSink::start().await);
    let elsewhere = other.url.clone();
    sink.react(move |_| Reaction {
        header: Some(("location", elsewhere.clone())),
        ..Reaction::status(307)
    });
    let (id, secret) = hook(&client, &sink.url, "").await;
    let test = run(&client, &format!("testWebhook(id: \"{id}\")"), "delivered status error").await;
    assert_eq!(test["delivered"], false);
    assert_eq!(test["status"], 307);
    assert_eq!(other.sent().len(), 0);
    let sent = &sink.sent()[0];
    assert_eq!((sent.kind(), sent.signed_by(&secret)), ("webhook.test", Some(0)));
    sink.react(|_| Reaction::status(202));
    let test = run(&client, &format!("testWebhook(id: \"{id}\")"), "delivered status error").await;
    assert_eq!(
        (&test["delivered"], &test["status"], &test["error"]),
        (&json!(true), &json!(202), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_and_an_authority_of_ones_own_may_be_trusted() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let sink = WebhookSink::start_tls(&chain, &key).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, &chain).unwrap();
    for is_trusted in [false, true] {
        let app = TestApp::start_with(None, |config| {
            super::allow_private(config);
            if is_trusted {
                config.webhook.ca_file.clone_from(&file);
            }
        })
        .await;
        let client = app.client();
        let (id, _) = hook(&client, &sink.url, "").await;
        let test = run(&client, &format!("testWebhook(id: \"{id}\")"), "delivered error").await;
        assert_eq!(test["delivered"], is_trusted, "{test}");
        if !is_trusted {
            assert!(test["error"].as_str().unwrap().contains("certificate"), "{test}");
        }
    }
    assert_eq!(sink.sent().len(), 1);
    // the certificate is of another name
    let app = TestApp::start_with(None, |config| {
        super::allow_private(config);
        config.webhook.ca_file.clone_from(&file);
    })
    .await;
    let client = app.client();
    let (id, _) = hook(&client, &sink.url.replace("localhost", "127.0.0.1"), "").await;
    let test = run(&client, &format!("testWebhook(id: \"{id}\")"), "delivered error").await;
    assert_eq!(test["delivered"], false, "{test}");
    let shown = client.data(&format!("{{ webhooks {{ {WEBHOOK} }} }}"), json!({})).await;
    assert_eq!(shown["webhooks"][0]["id"], json!(id));
}
