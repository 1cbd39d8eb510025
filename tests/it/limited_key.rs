//! A key that is limited to one channel of a workspace: nothing of the other channel reaches it, over every field of the
//! schema, and what is of its own channel does. `one` is the other channel.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::isolation::{Ids, Probe, Side, Things, Watch, assert_clean, calls, field_of, ids_in, parts, probe};
use crate::scopes::needing;
use crate::support::{Client, KEY, Redis, TestApp};

/// What happens on both channels.
const STORY: &str = r#"
    channel = createChannel(input: { type: API, name: "line <secret>" });
    ada = ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "ada", name: "Ada <secret>" }, text: "hello <secret>" });
    answer = sendMessage(chatId: <ada.chat>, text: "answer <secret>"); note = addNote(ticketId: <ada.ticket>, text: "note <secret>");
    subject = setSubject(ticketId: <ada.ticket>, subject: "subject <secret>"); urgent = setPriority(ticketId: <ada.ticket>, priority: HIGH);
    summary = setSummary(ticketId: <ada.ticket>, summary: "summary <secret>");
    rated = rateTicket(ticketId: <ada.ticket>, score: 3, comment: "thanks <secret>");
    known = updateContact(id: <ada.contact>, input: { note: "<secret>", emails: ["ada@<secret>.org"] });
    bob = ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "bob", name: "Bob <secret>" }, text: "hello <secret>" });
    cay = ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "cay", name: "Cay <secret>" }, text: "hello <secret>" });
    taken = sendMessage(chatId: <cay.chat>, text: "soon <secret>"); done = completeTicket(ticketId: <cay.ticket>);
    post = ingestPost(input: { kind: REVIEW, channelId: <channel>, externalId: "p1", text: "it leaks <secret>", stars: 2, owner: { externalId: "ada",
        name: "Ada <secret>" }, subject: "kettle <secret>" })"#;
/// What is read once the story is told.
const READ: &str = "
    tickets.at = tickets(first: 1, orderBy: CREATED_ASC) { edges { cursor } }; chats.at = chats(first: 1) { edges { cursor } };
    posts.at = posts(first: 1) { edges { cursor } }";
/// All that can be read of a channel.
const STATE: &str = "
    tickets(filter: { includeRemoved: true, channelIds: [<channel>] }); posts(channelId: <channel>); contact(id: <ada.contact>);
    chats(channelIds: [<channel>]) { edges { node { id contact { id } messages(first: 30) { nodes { id text } } events(first: 60) { nodes { %event% } }
        tickets(first: 5) { nodes { id } } } } }";
/// Nothing for the key, and something for one that is not limited.
const EMPTY: &str = r#"
    ticket(id: <one.ada.ticket>); chat(id: <one.ada.chat>); contact(id: <one.ada.contact>); post(id: <one.post>); posts(channelId: <one.channel>);
    tickets(filter: { channelIds: [<one.channel>] }); tickets(filter: { chatIds: [<one.ada.chat>] }); tickets(filter: { search: "onesecret" });
    tickets(filter: { channelIds: [<one.channel>], statuses: [NEW, ACTIVE] }); chats(channelIds: [<one.channel>]); chats(search: "onesecret");
    tickets(filter: { channelIds: [<one.channel>], search: "hello", includeRemoved: true }); queueStats(channelIds: [<one.channel>])"#;
/// Something of its own and nothing else.
const OWN: &str = r#"
    ticket(id: <ada.ticket>); tickets; tickets(filter: { includeRemoved: true }, orderBy: PRIORITY); tickets(filter: { search: "hello" });
    tickets(filter: { channelIds: [<one.channel>, <channel>] }); tickets(orderBy: CREATED_ASC, after: <one.tickets.at>); chats; chats(search: "hello");
    tickets(filter: { unassigned: true }, orderBy: WAITING_LONGEST); chats(channelIds: [<one.channel>, <channel>]); chat(id: <ada.chat>);
    contact(id: <ada.contact>); contact(id: <dan.contact>); post(id: <post>); posts; posts(kind: REVIEW); channels; viewer"#;
/// Nothing of the other channel.
const CLEAN: &str = "
    chats(after: <one.chats.at>); posts(after: <one.posts.at>); agents; teams; responders; tags; fields; workspacePolicy; queueStats";
/// Mutations that are refused, by this code or else as NOT_FOUND; names before the same arguments stand in one row.
const REFUSED: &str = r#"
    completeTicket closeTicket reopenTicket holdTicket pendTicket resumeTicket markSpam unmarkSpam deleteTicket restoreTicket markViewed(ticketId:
        <one.ada.ticket>); handover openTicket blockOwner unblockOwner removeChat restoreChat(chatId: <one.ada.chat>);
    ingestMessage(input: { channelId: <one.channel>, externalId: "m1", owner: { externalId: "ada" }, text: "x" });
    sendMessage(chatId: <one.ada.chat>, text: "x"); sendMessage(chatId: <one.ada.chat>, text: "x", responderEpoch: 0);
    sendOutbound(input: { channelId: <one.channel>, owner: { externalId: "ada" }, text: "x" });
    editMessage(chatId: <one.ada.chat>, messageExternalId: "m1", text: "x"); deleteMessage(chatId: <one.ada.chat>, messageExternalId: "m1");
    reactToMessage(chatId: <one.ada.chat>, messageExternalId: "m1", emoji: "x");
    reportDelivery(chatId: <one.ada.chat>, messageExternalId: "m1", status: READ); takeTicket takeover(ticketId: <one.bob.ticket>, agentId: <agent>);
    takeoverChat(chatId: <one.bob.chat>, agentId: <agent>); assignTicket(ticketId: <one.bob.ticket>, agentId: <agent>);
    mergeTicket(ticketId: <one.ada.ticket>, into: <ada.ticket>); addTag removeTag(ticketId: <one.ada.ticket>, tagId: <tag>);
    setField(ticketId: <one.ada.ticket>, fieldId: <field>, value: "x"); setSubject(ticketId: <one.ada.ticket>, subject: "x");
    setSummary(ticketId: <one.ada.ticket>, summary: "x"); setPriority(ticketId: <one.ada.ticket>, priority: LOW);
    addNote(ticketId: <one.ada.ticket>, text: "x"); rateTicket(ticketId: <one.ada.ticket>, score: 1);
    updateContact(id: <one.ada.contact>, input: { name: "x" }); setContactField(contactId: <one.ada.contact>, fieldId: <since>, value: "x");
    blockContact unblockContact(contactId: <one.ada.contact>); deletePost convertPost(id: <one.post>);
    ingestPost(input: { kind: REVIEW, channelId: <one.channel>, externalId: "p1", owner: { externalId: "ada" }, text: "x" });
    FORBIDDEN = createContact(input: { name: "x" }); FORBIDDEN = mergeContacts(contactId: <one.ada.contact>, into: <ada.contact>);
    FORBIDDEN = mergeContacts(contactId: <bob.contact>, into: <ada.contact>)"#;
/// Mutations with an answer for each item: its error code, or that it was done.
const EACH: &str = r#"
    DONE NOT_FOUND = ingestMessages(inputs: [{ channelId: <channel>, externalId: "m1", owner: { externalId: "ada" }, text: "x" }, { channelId:
        <one.channel>, externalId: "m1", owner: { externalId: "ada" }, text: "x" }]);
    DONE NOT_FOUND = bulk(ticketIds: [<ada.ticket>, <one.ada.ticket>], operation: { action: ADD_NOTE, text: "x" })"#;
/// What both watch.
const WATCHED: &str = r#"
    events; events(types: ["message.received", "tag.created", "post.received", "key.created"]); events(chatId: <one.ada.chat>);
    events(ticketId: <one.ada.ticket>); events(after: <one.ada.cursor>); ticketChanged; ticketChanged(after: <one.ada.cursor>);
    ticketChanged(filter: { channelIds: [<one.channel>] }); ticketChanged(filter: { chatIds: [<one.ada.chat>] }); queue; queueStats;
    queue(filter: { channelIds: [<one.channel>] }); queueStats(channelIds: [<one.channel>])"#;
/// What happens on the other channel, and in the workspace, while both watch.
const MEANWHILE: &str = r#"
    ingestMessage(input: { channelId: <channel>, externalId: "m2", owner: { externalId: "ada" }, text: "more <secret>" });
    ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "zoe" }, text: "new <secret>" });
    addNote(ticketId: <ada.ticket>, text: "again <secret>"); blockOwner(chatId: <bob.chat>); createTag(input: { name: "new <secret>" });
    updateContact(id: <ada.contact>, input: { name: "new <secret>" }); createApiKey(input: { name: "new <secret>", scopes: [READ] });
    ingestPost(input: { kind: COMMENT, channelId: <channel>, externalId: "p2", text: "new <secret>", owner: { externalId: "ada" } })"#;
/// What happens on its own channel after that.
const THEN: &str = r#"
    ingestMessage(input: { channelId: <channel>, externalId: "m2", owner: { externalId: "ada" }, text: "more <secret>" });
    ingestPost(input: { kind: COMMENT, channelId: <channel>, externalId: "p2", text: "new <secret>", owner: { externalId: "ada" } })"#;

/// The kind, the table, what stands before the `=`, and the call of every probe.
fn probes() -> Vec<Probe> {
    let mut probes = Vec::new();
    for (kind, table, text) in [
        ("query", "EMPTY", EMPTY),
        ("query", "OWN", OWN),
        ("query", "CLEAN", CLEAN),
        ("mutation", "REFUSED", REFUSED),
        ("mutation", "EACH", EACH),
        ("subscription", "WATCHED", WATCHED),
    ] {
        for (name, call) in parts(text) {
            probes.extend(calls(call).map(|call| (kind, table, name, call)));
        }
    }
    probes
}

/// What needs ADMIN is not for a key that is limited.
fn assert_all_is_covered() {
    for kind in ["query", "mutation", "subscription"] {
        let probes = probes();
        let covered: BTreeSet<&str> = probes
            .iter()
            .filter(|probe| probe.0 == kind)
            .map(|probe| field_of(&probe.3))
            .collect();
        let mut known = needing(kind, "READ");
        known.extend(needing(kind, "WRITE"));
        known.extend(needing(kind, "INGEST"));
        assert_eq!(covered, known, "the tables have every {kind}");
    }
}

async fn state(side: &Side) -> Value {
    let mut state = Vec::new();
    for (_, call) in parts(STATE) {
        state.push(side.ask("query", call).await);
    }
    Value::Array(state)
}

/// The ids of the other channel.
async fn ids_of_one(one: &Side, two: &Side) -> Ids {
    let mut foreign = ids_in(&state(one).await.to_string());
    foreign.insert(one.things["channel"].clone());
    let own = ids_in(&state(two).await.to_string());
    let foreign: Ids = foreign.difference(&own).cloned().collect();
    assert!(
        ["ada.chat", "bob.ticket", "ada.contact", "post"]
            .iter()
            .all(|name| foreign.contains(&one.things[*name]))
    );
    foreign
}

/// What both channels share.
async fn settings(admin: &Client) -> Things {
    let mut things = Things::new();
    for (name, call) in parts(
        "agent = createAgent(input: { name: \"Robin\" }); tag = createTag(input: { name: \"vip\" });
         field = createField(input: { name: \"colour\", kind: TEXT });
         since = createField(input: { name: \"since\", kind: TEXT, target: CONTACT })",
    ) {
        let made = admin.data(&format!("mutation {{ {call} {{ id }} }}"), json!({})).await;
        let id = made[field_of(call)]["id"].as_str().unwrap();
        things.insert(name.to_owned(), id.to_owned());
    }
    things
}

/// Dan writes on both channels and is known to be one person.
async fn meet_dan(one: &mut Side, two: &mut Side) {
    for side in [&mut *one, &mut *two] {
        let call = r#"ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "dan", name: "Dan <secret>" }, text: "x" })"#;
        let said = side.ask("mutation", call).await;
        let contact = said["chat"]["contact"]["id"].as_str().unwrap().to_owned();
        side.things.insert("dan.contact".into(), contact);
    }
    let merge = format!(
        "mutation {{ mergeContacts(contactId: \"{}\", into: \"{}\") {{ id }} }}",
        one.things["dan.contact"], two.things["dan.contact"]
    );
    one.client.data(&merge, json!({})).await;
}

async fn limited(admin: &Client, channel: &str) -> Client {
    let input = format!("name: \"script\", scopes: [WRITE], channelIds: [\"{channel}\"]");
    let made = admin
        .data(
            &format!("mutation {{ createApiKey(input: {{ {input} }}) {{ secret }} }}"),
            json!({}),
        )
        .await;
    Client::new(&admin.url, made["createApiKey"]["secret"].as_str().unwrap())
}

const COUNTERS: &str = "{ new active inactive unassigned pendingMessages }";

/// The counters that came with an item, if any.
fn counters(item: &Value) -> Option<&Value> {
    [item, &item["stats"]]
        .into_iter()
        .find(|stats| stats["new"].is_number())
}

async fn watch(app: &TestApp, client: &Client, (one, two): (&Side, &Side)) {
    let names = [("one.", &one.things)];
    // the same subscriptions by a key that may see all, first: they share nothing
    let mut theirs = Watch::begin(app, KEY, WATCHED, &names).await;
    let mut watch = Watch::begin(app, &client.key, WATCHED, &names).await;
    let own = two
        .ask("query", &format!("queueStats(channelIds: [<channel>]) {COUNTERS}"))
        .await;
    for (_, call) in parts(MEANWHILE) {
        one.ask("mutation", call).await;
    }
    watch.until_silent(1_000).await;
    theirs.until_silent(500).await;
    let seen: BTreeSet<usize> = theirs.came.iter().map(|(number, _)| *number).collect();
    assert_eq!(seen.len(), theirs.requests.len(), "whoever may see all saw all of it");
    let foreign = ids_of_one(one, two).await;
    for (number, item) in std::mem::take(&mut watch.came) {
        let request = &watch.requests[number];
        assert_clean(request, &item, &foreign);
        let of_other = request.contains(&one.things["channel"]);
        if let Some(given) = counters(&item) {
            let same =
                |(name, count): (&String, &Value)| given[name] == if of_other { json!(0) } else { count.clone() };
            assert!(own.as_object().unwrap().iter().all(same), "{request}\n{item:#}");
        }
        let replayed = request.contains("after:");
        let told = item["type"].as_str().or(item["event"]["type"].as_str());
        assert!(
            told.is_none() || replayed,
            "nothing of its own happened: {request}\n{item:#}"
        );
        assert!(
            item["tickets"].is_null() || !of_other || item["tickets"] == json!([]),
            "{request}\n{item:#}"
        );
    }
    for (_, call) in parts(THEN) {
        two.ask("mutation", call).await;
    }
    let of_one = |request: &str| ids_in(request).iter().any(|id| foreign.contains(id));
    watch.until_all(|request| !of_one(request)).await;
    watch.until_silent(500).await;
    let mut types = BTreeSet::new();
    for (number, item) in &watch.came {
        let request = &watch.requests[*number];
        assert_clean(request, item, &foreign);
        assert!(!of_one(request) || counters(item).is_some(), "{request}\n{item:#}");
        types.extend(item["type"].as_str().map(str::to_owned));
    }
    assert!(
        types.contains("message.received") && types.contains("post.received"),
        "{types:?}"
    );
}

async fn story(app: &TestApp) {
    assert_all_is_covered();
    let admin = app.client();
    let shared = settings(&admin).await;
    let mut one = Side::told(app.client(), "onesecret", STORY, READ).await;
    let mut two = Side::told(app.client(), "twosecret", STORY, READ).await;
    meet_dan(&mut one, &mut two).await;
    for side in [&mut one, &mut two] {
        side.things.extend(shared.clone());
    }
    let client = limited(&admin, &two.things["channel"]).await;
    let before = state(&one).await;
    probe(probes(), &client, (&one, &two), &ids_of_one(&one, &two).await).await;
    assert_eq!(state(&one).await, before, "the other channel is as it was");
    let dan = "query($id: UUID!) { contact(id: $id) { identities { name } chats { id } } }";
    let dan = client.data(dan, json!({ "id": two.things["dan.contact"] })).await;
    assert_eq!(dan["contact"]["identities"], json!([{ "name": "Dan twosecret" }]));
    let own = two
        .ask("query", &format!("queueStats(channelIds: [<channel>]) {COUNTERS}"))
        .await;
    let counted = client.data(&format!("{{ queueStats {COUNTERS} }}"), json!({})).await;
    assert_eq!(counted["queueStats"], own);
    watch(app, &client, (&one, &two)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_channel_reaches_a_key_that_is_limited_to_one() {
    story(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_channel_reaches_a_key_that_is_limited_to_one_on_redis() {
    story(&TestApp::on_redis(&Redis::start()).await).await;
}
