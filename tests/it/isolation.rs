//! Two workspaces with colliding ids: nothing of one reaches the other, over every field of the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::domain::id;
use uuid::Uuid;

mod probe;

pub use probe::{Probe, calls, probe};

use crate::support::{Client, Frame, KEY, Redis, Socket, TestApp, make_workspace};

const OTHER_KEY: &str = "other-key-0123456789abcdef0123456789abcdef";
/// By name: `ada.ticket` is the ticket in the answer to the step `ada` of the story.
pub type Things = BTreeMap<String, String>;
pub type Ids = BTreeSet<String>;

/// What happens in both workspaces: a chat in work, one that is done, one that waits, and one of all else.
const STORY: &str = r#"
    agent = createAgent(input: { name: "Robin <secret>", email: "r@<secret>.org" }, idempotencyKey: "agent");
    team = createTeam(input: { name: "Team <secret>", members: [{ agentId: <agent> }] }, idempotencyKey: "team");
    field = createField(input: { name: "colour <secret>", kind: TEXT }, idempotencyKey: "field");
    since = createField(input: { name: "since <secret>", kind: TEXT, target: CONTACT }, idempotencyKey: "since");
    responder = createResponder(input: { name: "Bot <secret>" }, idempotencyKey: "responder");
    channel = createChannel(input: { type: API, name: "line <secret>", policy: { defaultResponderId: <responder> } }, idempotencyKey: "channel");
    policy = updateWorkspacePolicy(policy: { outOfHoursReply: "later <secret>" }, idempotencyKey: "policy");
    key = createApiKey(input: { name: "key <secret>", scopes: [READ] }, idempotencyKey: "key");
    hook = createWebhook(input: { name: "hook <secret>", url: "https://<secret>.invalid" }, idempotencyKey: "hook");
    ada = ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "ada", name: "Ada <secret>" }, text: "hello <secret>" },
        idempotencyKey: "m1"); answer = sendMessage(chatId: <ada.chat>, text: "answer <secret>", agentId: <agent>, idempotencyKey: "answer");
    note = addNote(ticketId: <ada.ticket>, text: "note <secret>", agentId: <agent>, idempotencyKey: "note");
    subject = setSubject(ticketId: <ada.ticket>, subject: "subject <secret>");
    summary = setSummary(ticketId: <ada.ticket>, summary: "summary <secret>");
    tag = createTag(input: { name: "vip <secret>" }, idempotencyKey: "tag"); tagged = addTag(ticketId: <ada.ticket>, tagId: <tag>);
    value = setField(ticketId: <ada.ticket>, fieldId: <field>, value: "value <secret>"); urgent = setPriority(ticketId: <ada.ticket>, priority: HIGH);
    given = assignTicket(ticketId: <ada.ticket>, teamId: <team>); rated = rateTicket(ticketId: <ada.ticket>, score: 3, comment: "thanks <secret>");
    reaction = reactToMessage(chatId: <ada.chat>, messageExternalId: "m1", emoji: "<secret>");
    bob = ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "bob", name: "Bob <secret>" }, text: "hello <secret>" },
        idempotencyKey: "m1"); taken = takeTicket(ticketId: <bob.ticket>, agentId: <agent>);
    done = completeTicket(ticketId: <bob.ticket>, idempotencyKey: "done");
    cay = ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "cay", name: "Cay <secret>" }, text: "hello <secret>"
        }); beep = sendMessage(chatId: <cay.chat>, text: "beep <secret>", responderEpoch: 0);
    contact = createContact(input: { name: "Noor <secret>", emails: ["noor@<secret>.org"], note: "<secret>", phones: ["+49 170 1"], additionalIds:
        ["a1"] }, idempotencyKey: "contact"); known = setContactField(contactId: <contact>, fieldId: <since>, value: "value <secret>");
    post = ingestPost(input: { kind: REVIEW, channelId: <channel>, externalId: "p1", text: "it leaks <secret>", stars: 2, owner: { externalId: "ada",
        name: "Ada <secret>" }, subject: "kettle <secret>" }, idempotencyKey: "post")"#;
/// What is read once the story is told.
const READ: &str = "
    tickets.at = tickets(first: 1, orderBy: CREATED_ASC) { edges { cursor } }; chats.at = chats(first: 1) { edges { cursor } };
    tickets.last = tickets(first: 1) { edges { cursor } }; posts.at = posts(first: 1) { edges { cursor } }; messages.at = chat(id: <ada.chat>) { messages(first: 1) { edges { cursor } } };
    events.at = chat(id: <ada.chat>) { events(first: 1) { edges { cursor } } }";
/// Queries to which workspace two gets nothing, and workspace one something.
const EMPTY: &str = r#"
    ticket(id: <one.ada.ticket>); tickets(filter: { search: "onesecret" }); tickets(filter: { search: "hello", channelIds: [<one.channel>] });
    tickets(filter: { chatIds: [<one.ada.chat>] }); tickets(filter: { channelIds: [<one.channel>] }); tickets(filter: { assigneeIds: [<one.agent>] });
    tickets(filter: { channelIds: [<one.channel>], statuses: [NEW] }); tickets(filter: { responderIds: [<one.responder>] }); chat(id: <one.ada.chat>);
    tickets(filter: { assigneeIds: [<one.agent>], priorities: [HIGH], includeRemoved: true }); tickets(filter: { teamIds: [<one.team>] });
    tickets(filter: { tagIds: [<one.tag>] }); chats(search: "onesecret"); chats(channelIds: [<one.channel>], search: "hello"); post(id: <one.post>);
    chats(channelIds: [<one.channel>]); queueStats(channelIds: [<one.channel>]); queueStats(teamIds: [<one.team>]); contact(id: <one.contact>);
    queueStats(assigneeIds: [<one.agent>]); contact(id: <one.ada.contact>); posts(channelId: <one.channel>); webhook(id: <one.hook>)"#;
/// Queries to which workspace two gets something of its own, counted without what is not.
const OWN: &str = r#"
    ticket(id: <ada.ticket>); tickets; tickets(filter: { search: "hello" }); tickets(filter: { channelIds: [<one.channel>, <channel>] }); chats;
    tickets(orderBy: CREATED_ASC, after: <one.tickets.at>); tickets(filter: { unassigned: true }, orderBy: WAITING_LONGEST); chat(id: <ada.chat>);
    tickets(filter: { statuses: [NEW, ACTIVE, INACTIVE], includeRemoved: true }, orderBy: PRIORITY); chats(search: "hello"); contact(id: <contact>);
    chat(id: <ada.chat>) { tickets(first: 5, after: <one.tickets.at>) { totalCount nodes { %ticket% } } messages(first: 5, after: <one.messages.at>) {
        nodes { id text } } events(first: 50, after: <one.events.at>) { nodes { %event% } } }; chats(channelIds: [<one.channel>, <channel>]); posts;
    contact(id: <ada.contact>); post(id: <post>); posts(kind: REVIEW); teams; responders; tags; fields; channels; agents; workspacePolicy;
    apiKeys; viewer; webhooks; webhook(id: <hook>)"#;
/// Queries to which workspace two gets whatever is not of workspace one.
const CLEAN: &str = "
    queueStats; tickets(after: <one.tickets.last>); chats(after: <one.chats.at>); posts(after: <one.posts.at>)";
/// Mutations that are refused, by this code or else as NOT_FOUND; names before the same arguments stand in one row.
const REFUSED: &str = r#"
    completeTicket closeTicket reopenTicket holdTicket pendTicket resumeTicket markSpam unmarkSpam deleteTicket restoreTicket markViewed(ticketId:
        <one.ada.ticket>); handover openTicket blockOwner unblockOwner removeChat restoreChat(chatId: <one.ada.chat>);
    ingestMessage(input: { channelId: <one.channel>, externalId: "m1", owner: { externalId: "ada", name: "Ada onesecret" }, text: "hello onesecret" },
        idempotencyKey: "m1"); sendMessage(chatId: <one.ada.chat>, text: "x", agentId: <agent>);
    sendMessage(chatId: <one.ada.chat>, text: "answer onesecret", agentId: <one.agent>, idempotencyKey: "answer");
    sendMessage(chatId: <one.cay.chat>, text: "x", responderEpoch: 0); sendMessage(chatId: <ada.chat>, text: "x", agentId: <one.agent>);
    sendOutbound(input: { channelId: <one.channel>, owner: { externalId: "ada" }, text: "x" });
    editMessage(chatId: <one.ada.chat>, messageExternalId: "m1", text: "x"); editMessage(chatId: <one.ada.chat>, messageSeq: 2, text: "x");
    deleteMessage(chatId: <one.ada.chat>, messageExternalId: "m1"); reportDelivery(chatId: <one.ada.chat>, messageExternalId: "m1", status: READ);
    reactToMessage(chatId: <one.ada.chat>, messageExternalId: "m1", emoji: "x", agentId: <agent>); addTag(ticketId: <ada.ticket>, tagId: <one.tag>);
    reactToMessage(chatId: <ada.chat>, messageExternalId: "m1", emoji: "x", agentId: <one.agent>);
    takeTicket takeover(ticketId: <one.cay.ticket>, agentId: <agent>); takeTicket takeover(ticketId: <cay.ticket>, agentId: <one.agent>);
    completeTicket(ticketId: <one.bob.ticket>, idempotencyKey: "done"); mergeTicket(ticketId: <one.ada.ticket>, into: <ada.ticket>);
    mergeTicket(ticketId: <one.ada.ticket>, into: <one.bob.ticket>); addTag removeTag(ticketId: <one.ada.ticket>, tagId: <tag>);
    setField(ticketId: <one.ada.ticket>, fieldId: <field>, value: "x"); setField(ticketId: <ada.ticket>, fieldId: <one.field>, value: "x");
    setSubject(ticketId: <one.ada.ticket>, subject: "x"); setSummary(ticketId: <one.ada.ticket>, summary: "x");
    setPriority(ticketId: <one.ada.ticket>, priority: LOW); rateTicket(ticketId: <one.ada.ticket>, score: 1);
    addNote(ticketId: <one.ada.ticket>, text: "x"); addNote(ticketId: <ada.ticket>, text: "x", agentId: <one.agent>);
    assignTicket(ticketId: <one.ada.ticket>, agentId: <agent>); assignTicket(ticketId: <ada.ticket>, agentId: <one.agent>);
    assignTicket(ticketId: <ada.ticket>, teamId: <one.team>); openTicket(chatId: <bob.chat>, assigneeId: <one.agent>);
    openTicket handover(chatId: <bob.chat>, teamId: <one.team>); takeoverChat(chatId: <one.ada.chat>, agentId: <agent>);
    takeoverChat(chatId: <ada.chat>, agentId: <one.agent>); updateContact(id: <one.contact>, input: { name: "x" });
    updateContact(id: <one.ada.contact>, input: { name: "x" }); setContactField(contactId: <one.contact>, fieldId: <since>, value: "x");
    setContactField(contactId: <contact>, fieldId: <one.since>, value: "x"); mergeContacts(contactId: <one.contact>, into: <contact>);
    mergeContacts(contactId: <contact>, into: <one.contact>); mergeContacts(contactId: <one.contact>, into: <one.ada.contact>);
    blockContact unblockContact(contactId: <one.ada.contact>); deletePost convertPost(id: <one.post>);
    ingestPost(input: { kind: REVIEW, channelId: <one.channel>, externalId: "p1", owner: { externalId: "ada" }, text: "x" });
    createChannel(input: { type: API, name: "x", policy: { defaultTeamId: <one.team> } }); updateTeam(id: <one.team>, input: { name: "x" });
    createChannel(input: { type: API, name: "x", policy: { defaultResponderId: <one.responder> } }); updateTag(id: <one.tag>, input: { name: "x" });
    updateChannel(id: <channel>, input: { policy: { defaultTeamId: <one.team> } }); updateWorkspacePolicy(policy: { defaultTeamId: <one.team> });
    updateWorkspacePolicy(policy: { defaultResponderId: <one.responder> }); updateChannel(id: <one.channel>, input: { name: "x" });
    createTeam(input: { name: "x", members: [{ agentId: <agent> }, { agentId: <one.agent> }] }); updateAgent(id: <one.agent>, input: { name: "x" });
    updateTeam(id: <team>, input: { name: "x", members: [{ agentId: <one.agent> }] }); updateResponder(id: <one.responder>, input: { name: "x" });
    updateField(id: <one.field>, input: { name: "x", kind: TEXT }); setAgentAvailability(agentId: <one.agent>, availability: AWAY);
    updateApiKey(id: <one.key>, input: { name: "x" }); rotateApiKey revokeApiKey(id: <one.key>);
    updateWebhook(id: <one.hook>, input: { name: "x" }); rotateWebhookSecret deleteWebhook testWebhook retryWebhook(id: <one.hook>);
    replayWebhook(id: <one.hook>, after: <one.ada.cursor>); createWebhook(input: { name: "x", url: "https://x.invalid", channelIds: [<one.channel>] });
    createApiKey(input: { name: "x", scopes: [READ], channelIds: [<one.channel>] }); createApiKey(input: { name: "x", scopes: [READ], agentId:
        <one.agent> }); BAD_USER_INPUT = mergeTicket(ticketId: <ada.ticket>, into: <one.ada.ticket>)"#;
/// Mutations with an answer for each item: its error code, or that it was done.
const EACH: &str = r#"
    DONE NOT_FOUND = ingestMessages(inputs: [{ channelId: <channel>, externalId: "m1", owner: { externalId: "ada" }, text: "x" }, { channelId:
        <one.channel>, externalId: "m1", owner: { externalId: "ada" }, text: "x" }]);
    DONE NOT_FOUND = bulk(ticketIds: [<ada.ticket>, <one.ada.ticket>], operation: { action: ADD_NOTE, text: "x" });
    NOT_FOUND NOT_FOUND = bulk(ticketIds: [<one.ada.ticket>, <one.cay.ticket>], operation: { action: DELETE });
    NOT_FOUND = bulk(ticketIds: [<ada.ticket>], operation: { action: ASSIGN, agentId: <one.agent> });
    NOT_FOUND = bulk(ticketIds: [<ada.ticket>], operation: { action: ADD_TAG, tagId: <one.tag> });
    NOT_FOUND = bulk(ticketIds: [<ada.ticket>], operation: { action: SET_FIELD, fieldId: <one.field>, value: "x" })"#;
/// Mutations of workspace two's own, beside repeats of the story.
const DONE: &str = r#"
    removeTag(ticketId: <ada.ticket>, tagId: <one.tag>); createAgent createTag createResponder(input: { name: "new <secret>" })"#;
/// What both watch.
const WATCHED: &str = r#"
    events; events(types: ["message.received"]); events(after: <one.ada.cursor>); events(chatId: <one.ada.chat>); events(ticketId: <one.ada.ticket>);
    ticketChanged; events(chatId: <one.ada.chat>, after: <one.ada.cursor>); ticketChanged(after: <one.ada.cursor>); queue;
    ticketChanged(filter: { channelIds: [<one.channel>] }); ticketChanged(filter: { chatIds: [<one.ada.chat>] }); queueStats;
    ticketChanged(filter: { channelIds: [<one.channel>] }, after: <one.ada.cursor>); ticketChanged(filter: { assigneeIds: [<one.agent>] });
    ticketChanged(filter: { teamIds: [<one.team>] }); ticketChanged(filter: { tagIds: [<one.tag>] }); queue(filter: { assigneeIds: [<one.agent>] });
    ticketChanged(filter: { responderIds: [<one.responder>] }); queue(filter: { channelIds: [<one.channel>] }); queueStats(teamIds: [<one.team>]);
    queueStats(channelIds: [<one.channel>]); queueStats(assigneeIds: [<one.agent>])"#;
/// What happens in workspace one while both watch; the first of it in workspace two after that.
const MEANWHILE: &str = r#"
    ingestMessage(input: { channelId: <channel>, externalId: "m2", owner: { externalId: "cay" }, text: "again <secret>" });
    ingestMessage(input: { channelId: <channel>, externalId: "m2", owner: { externalId: "ada" }, text: "more <secret>" });
    ingestMessage(input: { channelId: <channel>, externalId: "m1", owner: { externalId: "zoe" }, text: "new <secret>" });
    completeTicket(ticketId: <ada.ticket>); addNote(ticketId: <ada.ticket>, text: "again <secret>"); createTag(input: { name: "new <secret>" });
    takeoverChat(chatId: <bob.chat>, agentId: <agent>); updateContact(id: <contact>, input: { name: "new <secret>" }); deletePost(id: <post>)"#;
/// What is asked of each field; of one that is not here, a receipt.
const FIELDS: &str = "
    receipt = decision cursor chat { id owner { externalId name } contact { id } } ticket { id subject } message { id text };
    ticket = id number subject summary chat { id owner { externalId name } contact { %contact% } } assignee { id name } team { id name } tags { id
        name } fields { value field { id name } } rating { comment } lastHandler { id name } messages(first: 5) { nodes { id text } } events(first: 5)
        { nodes { id data } }; tickets = totalCount totalCountIsExact pageInfo { hasNextPage endCursor } edges { cursor node { %ticket% } };
    chat = id owner { externalId name } channel { %channels% } contact { %contact% } responder { id name } lastTicket { id subject } tickets(first: 5)
        { totalCount nodes { id subject } } messages(first: 5) { nodes { id text } };
    chats = totalCount totalCountIsExact pageInfo { hasNextPage endCursor } edges { cursor node { %chat% } };
    contact createContact updateContact setContactField mergeContacts blockContact unblockContact = id name note emails fields { value field { id name
        } } identities { externalId name } chats { id };
    post ingestPost deletePost = id text ownerName subject deletedAt channel { id name } ticket { id };
    posts = pageInfo { hasNextPage endCursor } edges { cursor node { %post% } }; convertPost = post { %post% } receipt { %receipt% };
    bulk = ticketId receipt { %receipt% } error { code message }; ingestMessages = receipt { %receipt% } error { code message };
    workspacePolicy updateWorkspacePolicy = defaultTeamId defaultResponderId outOfHoursReply;
    channels createChannel updateChannel = id name policy { %workspacePolicy% }; teams createTeam updateTeam = id name members { agentId weight };
    createWebhook rotateWebhookSecret = webhook { %webhooks% }; deleteWebhook = id; testWebhook = delivered; retryWebhook = events;
    webhooks webhook updateWebhook replayWebhook = id name url channelIds deliveries { waiting { eventId } givenUp { eventId } };
    createApiKey rotateApiKey = apiKey { %apiKeys% }; revokeApiKey = id; viewer = keyId name scopes channels { %channels% } agent { id } role;
    apiKeys updateApiKey = id name prefix channelIds agentId; agents responders tags fields createAgent updateAgent setAgentAvailability createResponder updateResponder createTag updateTag createField
        updateField = id name; counters = new active inactive unassigned pendingMessages; queueStats = %counters% oldestNewAt cursor;
    event = id type chatId ticketId actor { kind id } cause { commandId messageId } data patch { target value } cursor;
    events = __typename ... on Event { %event% } ... on Gap { reason };
    ticketChanged = __typename ... on TicketChange { ticket { %ticket% } event { %event% } } ... on Gap { reason };
    queue = __typename ... on QueueSnapshot { tickets { %ticket% } stats { %queueStats% } } ... on QueueChange { kind ticket { %ticket% } stats {
        %queueStats% } } ... on Gap { reason }";
/// Everything that a workspace can read.
const STATE: &str = "
    tickets(filter: { includeRemoved: true }, first: 20, orderBy: CREATED_ASC) { totalCount edges { cursor node { version status reason priority
        updatedAt %ticket% } } };
    chats(first: 10) { edges { cursor node { id version responderEpoch removedAt owner { externalId name blocked } contact { id name note } responder
        { id } messages(first: 30) { nodes { id text status author { id } editedAt deletedAt reactions { emoji author { id } } } } events(first: 60) {
        nodes { chatSeq %event% } } } } }; contact(id: <contact>); posts; channels; agents; teams; tags; fields; responders; workspacePolicy;
    queueStats { %counters% oldestNewAt }";

/// The parts of a text, each with what stands before its `=`.
pub fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = text.split(';').map(|part| part.split_once(" = ").unwrap_or(("", part)));
    parts.map(|(name, call)| (name.trim(), call.trim()))
}

/// A text whose `%names%` are replaced by what is asked of these fields.
fn expanded(text: &str) -> String {
    let Some((before, rest)) = text.split_once('%') else {
        return text.to_owned();
    };
    let (field, after) = rest.split_once('%').unwrap();
    let find = |field: &str| parts(FIELDS).find(|(names, _)| names.split_whitespace().any(|name| name == field));
    let (_, fields) = find(field).or_else(|| find("receipt")).unwrap();
    expanded(&format!("{before}{fields}{after}"))
}

pub fn field_of(call: &str) -> &str {
    call.split(['(', ' ']).next().unwrap()
}

/// A call that ends in a selection has its own.
pub fn document(kind: &str, call: &str) -> String {
    if call.ends_with('}') {
        return expanded(&format!("{kind} {{ {call} }}"));
    }
    expanded(&format!("{kind} {{ {call} {{ %{}% }} }}", field_of(call)))
}

/// A text whose `<names>` are replaced by what they stand for.
pub fn written(text: &str, names: &[(&str, &Things)], secret: &str) -> String {
    let mut text = text.replace("<secret>", secret);
    for (prefix, things) in names {
        for (name, value) in *things {
            text = text.replace(&format!("<{prefix}{name}>"), &format!("\"{value}\""));
        }
    }
    assert!(!text.contains('<'), "a name that stands for nothing: {text}");
    text
}

pub fn ids_in(text: &str) -> Ids {
    let words = text.as_bytes().windows(36);
    let words = words.filter_map(|word| std::str::from_utf8(word).ok());
    let ids = words.filter(|word| Uuid::try_parse(word).is_ok());
    ids.map(str::to_owned).collect()
}

fn names_any(request: &str, ids: &Ids) -> bool {
    ids.iter().any(|id| request.contains(id.as_str()))
}

/// Holds that an answer has nothing of workspace one but the ids that the request named.
pub fn assert_clean(request: &str, answer: &Value, foreign: &Ids) {
    let text = answer.to_string();
    assert!(!text.contains("onesecret"), "a secret got out: {request}\n{answer:#}");
    let got_out = |id: &&String| text.contains(id.as_str()) && !request.contains(id.as_str());
    let got_out: Vec<&String> = foreign.iter().filter(got_out).collect();
    assert!(got_out.is_empty(), "{got_out:?} got out: {request}\n{answer:#}");
}

/// Whether an answer shows nothing and counts nothing.
pub fn is_empty(value: &Value) -> bool {
    let is_silent = |name: &str| ["cursor", "__typename", "totalCountIsExact"].contains(&name);
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::String(_) => false,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.iter().all(|(name, value)| is_silent(name) || is_empty(value)),
    }
}

/// What of a value comes first and has no parts.
fn first(value: &Value) -> &Value {
    match value {
        Value::Object(fields) => first(fields.values().next().unwrap()),
        Value::Array(items) => first(&items[0]),
        _ => value,
    }
}

/// One workspace.
pub struct Side {
    pub client: Client,
    secret: &'static str,
    pub things: Things,
}

impl Side {
    /// With a story told in it, and then something read.
    pub async fn told(client: Client, secret: &'static str, story: &str, read: &str) -> Self {
        let things = Things::new();
        let mut side = Self { client, secret, things };
        let kept = "/id /apiKey/id /webhook/id /chat/id /chat/contact/id /ticket/id /cursor".split(' ');
        let names = ["", "", "", ".chat", ".contact", ".ticket", ".cursor"];
        for (name, call) in parts(story) {
            let answer = side.ask("mutation", call).await;
            for (part, pointer) in names.iter().zip(kept.clone()) {
                let found = answer.pointer(pointer).and_then(Value::as_str);
                let found = found.map(|found| (format!("{name}{part}"), found.to_owned()));
                side.things.extend(found);
            }
        }
        for (name, call) in parts(read) {
            let cursor = first(&side.ask("query", call).await).as_str().unwrap().to_owned();
            side.things.insert(name.to_owned(), cursor);
        }
        side
    }

    /// Asks for something of its own.
    pub async fn ask(&self, kind: &str, call: &str) -> Value {
        let call = written(call, &[("", &self.things)], self.secret);
        let data = self.client.data(&document(kind, &call), json!({})).await;
        data[field_of(&call)].clone()
    }

    async fn state(&self) -> Value {
        let mut state = Vec::new();
        for (_, call) in parts(STATE) {
            state.push(self.ask("query", call).await);
        }
        Value::Array(state)
    }
}

/// The kind, the table, what stands before the `=`, and the call of every probe.
fn probes() -> Vec<Probe> {
    let queries = [("EMPTY", EMPTY), ("OWN", OWN), ("CLEAN", CLEAN)].map(|(table, text)| ("query", table, text));
    let mutations = [("REFUSED", REFUSED), ("EACH", EACH), ("OWN", DONE), ("OWN", STORY)];
    let mutations = mutations.map(|(table, text)| ("mutation", table, text));
    let tables = queries.into_iter().chain(mutations);
    let mut probes = Vec::new();
    for (kind, table, text) in tables.chain([("subscription", "WATCHED", WATCHED)]) {
        let repeatable = |call: &str| text != STORY || call.contains("idempotencyKey");
        for (name, call) in parts(text).filter(|(_, call)| repeatable(call)) {
            probes.extend(calls(call).map(|call| (kind, table, name, call)));
        }
    }
    probes
}

async fn assert_all_is_covered(client: &Client) {
    let types = "queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } }";
    let schema = client.data(&format!("{{ __schema {{ {types} }} }}"), json!({})).await;
    let mut known = BTreeSet::new();
    for kind in ["query", "mutation", "subscription"] {
        for field in schema["__schema"][format!("{kind}Type")]["fields"].as_array().unwrap() {
            known.insert(format!("{kind} {}", field["name"].as_str().unwrap()));
        }
    }
    let mut covered = BTreeSet::new();
    for (kind, _, _, call) in probes() {
        covered.insert(format!("{kind} {}", field_of(&call)));
    }
    let missing: Vec<&String> = known.difference(&covered).collect();
    assert!(missing.is_empty(), "no probe covers these fields: {missing:?}");
    assert_eq!(covered, known, "some probes are of fields that are gone");
}

/// The ids of workspace one, none of which workspace two has.
async fn ids_of_one(one: &Side, two: &Side) -> Ids {
    let mut foreign = ids_in(&one.state().await.to_string());
    foreign.insert(id::first_workspace().to_string());
    let own = ids_in(&two.state().await.to_string());
    let shared: Vec<&String> = foreign.intersection(&own).collect();
    assert!(shared.is_empty(), "both workspaces have these ids: {shared:?}");
    foreign
}

/// Subscriptions to all that is watched, on one socket.
pub struct Watch {
    socket: Socket,
    pub requests: Vec<String>,
    /// What came, with the number of its subscription.
    pub came: Vec<(usize, Value)>,
}

impl Watch {
    /// Begins to watch, and waits until nothing more comes.
    pub async fn begin(app: &TestApp, key: &str, watched: &str, names: &[(&str, &Things)]) -> Self {
        let calls = parts(watched).map(|(_, call)| document("subscription", &written(call, names, "")));
        let (requests, came) = (calls.collect(), Vec::new());
        let socket = Socket::connect(&app.url, key).await;
        let mut watch = Self { socket, requests, came };
        for (number, request) in watch.requests.iter().enumerate() {
            watch.socket.subscribe(&number.to_string(), request, json!({})).await;
        }
        let is_queue = |request: &str| request.starts_with("subscription { queue");
        watch.until_all(is_queue).await;
        watch.until_silent(500).await;
        watch
    }

    async fn next(&mut self) -> usize {
        let frame = match self.socket.next().await {
            Frame::Json(frame) => frame,
            closed @ Frame::Closed(..) => panic!("{closed:?}"),
        };
        assert_eq!(frame["type"], "next", "{frame:#}");
        assert!(frame["payload"]["errors"].is_null(), "{frame:#}");
        let number: usize = frame["id"].as_str().unwrap().parse().unwrap();
        let data = frame["payload"]["data"].as_object().unwrap();
        self.came.extend(data.values().map(|item| (number, item.clone())));
        number
    }

    pub async fn until_silent(&mut self, millis: u64) {
        let limit = Duration::from_millis(millis);
        while tokio::time::timeout(limit, self.next()).await.is_ok() {}
    }

    /// Until each of the subscriptions that `which` picks gave something.
    pub async fn until_all(&mut self, which: impl Fn(&str) -> bool) {
        let mut waiting: BTreeSet<usize> = (0..self.requests.len()).collect();
        waiting.retain(|number| which(&self.requests[*number]));
        while !waiting.is_empty() {
            let number = self.next().await;
            waiting.remove(&number);
        }
    }

    /// Holds that nothing of workspace one came, and nothing at all where something of it was named; otherwise no other
    /// counters than these. Forgets what came.
    fn assert_clean(&mut self, foreign: &Ids, counters: &Value) {
        for (number, item) in std::mem::take(&mut self.came) {
            let request = &self.requests[number];
            assert_clean(request, &item, foreign);
            let given = if item["new"].is_number() { &item } else { &item["stats"] };
            let same = |(name, count): (&String, &Value)| given[name.as_str()] == *count;
            let own = given.is_object() && counters.as_object().unwrap().iter().all(same);
            let is_right = if names_any(request, foreign) {
                // a queue counts by channels and teams alone, so one that names an agent has all the counters
                is_empty(&item) || (own && item["tickets"] == json!([]))
            } else {
                own || !given.is_object()
            };
            assert!(is_right, "{request}\n{item:#}");
        }
    }
}

async fn watch(app: &TestApp, one: &Side, two: &Side) {
    let counters = two.ask("query", "queueStats { %counters% }").await;
    let mut theirs = Watch::begin(app, KEY, WATCHED, &[("one.", &one.things)]).await;
    let mut watch = Watch::begin(app, OTHER_KEY, WATCHED, &[("one.", &one.things)]).await;
    for (_, call) in parts(MEANWHILE) {
        one.ask("mutation", call).await;
    }
    watch.until_silent(1_000).await;
    let foreign = ids_of_one(one, two).await;
    watch.assert_clean(&foreign, &counters);
    theirs.until_silent(500).await;
    let seen: BTreeSet<usize> = theirs.came.iter().map(|(number, _)| *number).collect();
    let requests = theirs.requests.iter().enumerate();
    let unseen: Vec<_> = requests.filter(|(number, _)| !seen.contains(number)).collect();
    assert!(unseen.is_empty(), "workspace one saw nothing of its own: {unseen:#?}");
    let (_, call) = parts(MEANWHILE).next().unwrap();
    two.ask("mutation", call).await;
    watch.until_all(|request| !names_any(request, &foreign)).await;
    watch.until_silent(300).await;
    watch.assert_clean(&foreign, &json!({}));
}

async fn story(app: &TestApp) {
    make_workspace(&app.node, Uuid::from_u128(77), OTHER_KEY).await;
    assert_all_is_covered(&app.client()).await;
    let one = Side::told(app.client(), "onesecret", STORY, READ).await;
    let two = Side::told(Client::new(&app.url, OTHER_KEY), "twosecret", STORY, READ).await;
    let counted = json!({ "new": 1, "active": 1, "inactive": 1 });
    for side in [&one, &two] {
        assert_eq!(side.ask("query", "queueStats { new active inactive }").await, counted);
    }
    let before = one.state().await;
    assert!(!before.to_string().contains("twosecret"), "{before:#}");
    probe(probes(), &two.client, (&one, &two), &ids_of_one(&one, &two).await).await;
    assert_eq!(one.state().await, before, "workspace one is as it was");
    watch(app, &one, &two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_workspace_reaches_the_other() {
    story(&TestApp::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_workspace_reaches_the_other_on_redis() {
    story(&TestApp::on_redis(&Redis::start()).await).await;
}
