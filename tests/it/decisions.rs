//! The rules for a message as a table, the transitions of a ticket, and what the pure core promises over any history.

use serde_json::{Value, json};
use switchboard::domain::command::Incoming;
use switchboard::domain::event::Profile;
use switchboard::domain::message::Content;
use switchboard::domain::{
    Actor, Aggregate, ChannelPolicy, Chat, ChatCommand, ChatCommandBody, Decision, InboundMode, Reason, Rule, Rulebook,
    Status, id,
};
use uuid::Uuid;

use crate::support::TestApp;

/// When the last ticket ended.
const END: u64 = 1_000_000_000_000;
const DAY: u64 = 86_400_000;

fn command(number: u64, body: ChatCommandBody) -> ChatCommand {
    ChatCommand {
        origin: Some((Uuid::nil(), "ada".into())),
        ..ChatCommand::new(
            Uuid::from_u128(number.into()),
            id::first_workspace(),
            Actor::system(),
            body,
        )
    }
}

fn receive(sent_at: Option<u64>) -> ChatCommandBody {
    ChatCommandBody::Receive(Box::new(Incoming {
        external_id: None,
        content: Content {
            text: Some("hello".into()),
            attachments: Vec::new(),
        },
        sent_at,
        profile: Profile::default(),
        author_name: None,
    }))
}

fn blank() -> Chat {
    Chat::blank(id::chat(id::first_workspace(), Uuid::nil(), "ada"))
}

/// A chat whose only ticket is where `reason` says; it ended, if it did, at [`END`].
fn chat_with(reason: Reason) -> Chat {
    let decided = blank()
        .decide(&command(1, receive(None)), &Rulebook::default(), END - 1_000)
        .unwrap();
    let mut chat = decided.state;
    let ticket = chat.last_ticket.as_mut().unwrap();
    ticket.reason = reason;
    ticket.ended_at = (reason.status() == Status::Inactive).then_some(END);
    chat
}

struct Case {
    chat: Chat,
    policy: ChannelPolicy,
    sent_at: Option<u64>,
    now: u64,
}

fn case(chat: Chat) -> Case {
    Case {
        chat,
        policy: ChannelPolicy::default(),
        sent_at: None,
        now: END + 1,
    }
}

impl Case {
    fn restore(mut self, period: Option<u64>) -> Self {
        self.policy.restore_period_ms = period;
        self
    }

    fn after(mut self, elapsed: u64) -> Self {
        self.now = END + elapsed;
        self
    }

    fn sent(mut self, at: u64) -> Self {
        self.sent_at = Some(at);
        self
    }

    fn responder(mut self, owns: bool) -> Self {
        self.policy.inbound_mode = InboundMode::Responder;
        self.chat.responder_owns = owns;
        self
    }

    /// The decision, its rule, the period and the elapsed time; and the state after it.
    fn decide(&self) -> ((Decision, Rule, Option<u64>, Option<u64>), Chat) {
        let decided = self
            .chat
            .decide(
                &command(2, receive(self.sent_at)),
                &self.policy.clone().into(),
                self.now,
            )
            .unwrap();
        let trace = decided.receipt.trace.unwrap();
        (
            (trace.decision, trace.rule, trace.restore_period_ms, trace.elapsed_ms),
            decided.state,
        )
    }
}

#[test]
fn the_rules_read_like_the_table() {
    let closed = || case(chat_with(Reason::Closed));
    let without_ticket = || case(blank()).responder(false).decide().1;
    let blocked = |mut chat: Chat| {
        chat.owner.blocked = true;
        case(chat)
    };
    let merged_into = |reason: Reason| {
        let mut chat = chat_with(Reason::Merged);
        let mut target = chat.last_ticket.clone().unwrap();
        target.reason = reason;
        target.id = id::ticket(chat.id, 99);
        target.ended_at = (reason.status() == Status::Inactive).then_some(END);
        chat.merge_target = Some(target);
        case(chat)
    };
    let period = Some(DAY);
    let table = [
        // 2
        (
            blocked(without_ticket()),
            (Decision::Silenced, Rule::OwnerBlocked, None, None),
        ),
        (
            blocked(chat_with(Reason::InProgress)),
            (Decision::Silenced, Rule::OwnerBlocked, None, None),
        ),
        (
            case(chat_with(Reason::Spam)),
            (Decision::Silenced, Rule::LastTicketSpam, None, None),
        ),
        // 3
        (case(blank()), (Decision::Created, Rule::NoTicket, None, None)),
        (
            case(blank()).responder(false),
            (Decision::ToResponder, Rule::NoTicketResponder, None, None),
        ),
        // 4
        (
            case(chat_with(Reason::Inbound)),
            (Decision::Appended, Rule::TicketOpen, None, None),
        ),
        (
            case(chat_with(Reason::InProgress)),
            (Decision::Appended, Rule::TicketOpen, None, None),
        ),
        (
            case(chat_with(Reason::PendingCustomer)),
            (Decision::Appended, Rule::TicketOpen, None, None),
        ),
        (
            case(chat_with(Reason::OnHold)).responder(true),
            (Decision::Appended, Rule::TicketOpen, None, None),
        ),
        // 5
        (
            merged_into(Reason::InProgress),
            (Decision::Appended, Rule::TicketOpen, None, None),
        ),
        (
            merged_into(Reason::Closed),
            (Decision::Reopened, Rule::WithinRestorePeriod, period, Some(1)),
        ),
        (
            merged_into(Reason::Deleted),
            (Decision::Created, Rule::LastTicketDeleted, None, None),
        ),
        // 6
        (
            case(chat_with(Reason::Deleted)),
            (Decision::Created, Rule::LastTicketDeleted, None, None),
        ),
        // 7
        (
            closed().responder(true),
            (Decision::ToResponder, Rule::ResponderOwnsChat, None, None),
        ),
        (
            closed().responder(false),
            (Decision::Reopened, Rule::WithinRestorePeriod, period, Some(1)),
        ),
        // 8
        (
            closed().restore(None).after(100 * 365 * DAY),
            (Decision::Reopened, Rule::RestoreForever, None, Some(36_500 * DAY)),
        ),
        (
            closed().after(DAY),
            (Decision::Reopened, Rule::WithinRestorePeriod, period, Some(DAY)),
        ),
        (
            case(chat_with(Reason::Completed)),
            (Decision::Reopened, Rule::WithinRestorePeriod, period, Some(1)),
        ),
        (
            case(chat_with(Reason::AutoClosed)),
            (Decision::Reopened, Rule::WithinRestorePeriod, period, Some(1)),
        ),
        // sent before the end, received after it
        (
            closed().restore(Some(5)).after(DAY / 2).sent(END - 1),
            (Decision::Reopened, Rule::WithinRestorePeriod, Some(5), Some(0)),
        ),
        // 9
        (
            closed().after(DAY + 1),
            (Decision::Created, Rule::AfterRestorePeriod, period, Some(DAY + 1)),
        ),
        (
            closed().restore(Some(0)).after(0),
            (Decision::Created, Rule::AfterRestorePeriod, Some(0), Some(0)),
        ),
        (
            closed().restore(Some(0)).after(1),
            (Decision::Created, Rule::AfterRestorePeriod, Some(0), Some(1)),
        ),
        // a provider's word counts only within the skew, and never for the future
        (
            closed().restore(Some(5)).after(2 * DAY).sent(END),
            (Decision::Created, Rule::AfterRestorePeriod, Some(5), Some(DAY)),
        ),
        (
            closed().restore(Some(5)).after(5).sent(END + DAY),
            (Decision::Reopened, Rule::WithinRestorePeriod, Some(5), Some(5)),
        ),
    ];
    for (place, (case, expected)) in table.into_iter().enumerate() {
        let (decided, after) = case.decide();
        assert_eq!(decided, expected, "line {place}");
        let ticket = after.current_ticket();
        let numbers = (
            case.chat.current_ticket().map_or(0, |t| t.number),
            ticket.map_or(0, |t| t.number),
        );
        match expected.0 {
            Decision::Created => assert_eq!(numbers.1, case.chat.last_ticket.map_or(0, |t| t.number) + 1),
            Decision::Appended => assert!(matches!(ticket.unwrap().reason, Reason::Inbound | Reason::InProgress)),
            Decision::Reopened => {
                let ticket = ticket.unwrap();
                assert_eq!(
                    (ticket.reason, ticket.episode, ticket.ended_at),
                    (Reason::InProgress, 2, None)
                );
            }
            _ => assert_eq!(numbers.0, numbers.1, "nothing happens to tickets"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_lives_closes_reopens_and_is_followed() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel_with(json!({ "restorePeriodMs": 1_000 })).await;
    let agent = client.agent().await;
    let first = client.say(&channel, "ada", "m1", "hello").await;
    let ticket = first["ticket"]["id"].as_str().unwrap();
    let refused = client.ticket_command("completeTicket", ticket, "").await["errors"][0]["extensions"].clone();
    assert_eq!(
        refused,
        json!({ "code": "INVALID_TRANSITION", "from": "NEW", "to": "INACTIVE", "allowed": ["ACTIVE"],
            "fromReason": "INBOUND", "toReason": "COMPLETED" })
    );
    let taken = client
        .ticket_command("takeTicket", ticket, &format!(", agentId: \"{agent}\""))
        .await;
    let taken = &taken["data"]["takeTicket"]["ticket"];
    assert_eq!(
        (&taken["status"], &taken["assignee"]["id"]),
        (&json!("ACTIVE"), &json!(agent))
    );
    assert!(taken["ongoingAt"].is_string());
    let chat = first["chat"]["id"].as_str().unwrap();
    let reply = format!(
        "mutation {{ sendMessage(chatId: \"{chat}\", text: \"hi\") {{ ticket {{ pendingChatMessages firstResponseAt }} message {{ direction status }} }} }}"
    );
    let reply = client.data(&reply, json!({})).await["sendMessage"].clone();
    assert_eq!(reply["message"], json!({ "direction": "OUTGOING", "status": "QUEUED" }));
    assert_eq!(reply["ticket"]["pendingChatMessages"], 0);
    assert!(reply["ticket"]["firstResponseAt"].is_string());
    let closed = client.ticket_command("closeTicket", ticket, "").await["data"]["closeTicket"].clone();
    assert_eq!(
        (&closed["ticket"]["reason"], &closed["chat"]["status"]),
        (&json!("CLOSED"), &json!("INACTIVE"))
    );
    assert!(closed["ticket"]["endedAt"].is_string());
    let again = client.say(&channel, "ada", "m2", "again").await;
    assert_eq!(
        (&again["decision"], &again["trace"]["rule"]),
        (&json!("REOPENED"), &json!("within_restore_period"))
    );
    assert_eq!(
        (
            &again["ticket"]["id"],
            &again["ticket"]["episode"],
            &again["ticket"]["endedAt"]
        ),
        (&json!(ticket), &json!(2), &Value::Null)
    );
    client.ticket_command("completeTicket", ticket, "").await;
    app.clock.advance(60_000);
    let later = client.say(&channel, "ada", "m3", "a new request").await;
    assert_eq!(
        (&later["decision"], &later["trace"]["rule"]),
        (&json!("CREATED"), &json!("after_restore_period"))
    );
    assert_eq!(
        (&later["trace"]["restorePeriodMs"], &later["ticket"]["number"]),
        (&json!(1_000.0), &json!(2))
    );
    let query = "query($id: UUID!) { ticket(id: $id) { previousTicket { id nextTicket { number } } chat { status lastTicket { number } tickets { totalCount } } } }";
    let linked = client.data(query, json!({ "id": later["ticket"]["id"] })).await["ticket"].clone();
    assert_eq!(
        linked["previousTicket"],
        json!({ "id": ticket, "nextTicket": { "number": 2 } })
    );
    assert_eq!(
        linked["chat"],
        json!({ "status": "NEW", "lastTicket": { "number": 2 }, "tickets": { "totalCount": 2 } })
    );
    let old = client.ticket_command("reopenTicket", ticket, "").await["errors"][0]["extensions"].clone();
    assert_eq!(
        old,
        json!({ "code": "TICKET_SUPERSEDED", "lastTicketId": later["ticket"]["id"] })
    );
    let change = "mutation($id: UUID!, $policy: ChannelPolicyInput) { updateChannel(id: $id, input: { policy: $policy }) { policy { restorePeriodMs } } }";
    let forever = client
        .data(change, json!({ "id": channel, "policy": { "restorePeriodMs": null } }))
        .await;
    assert_eq!(forever["updateChannel"]["policy"]["restorePeriodMs"], Value::Null);
    let second = later["ticket"]["id"].as_str().unwrap();
    client
        .ticket_command("assignTicket", second, &format!(", agentId: \"{agent}\""))
        .await;
    client.ticket_command("closeTicket", second, "").await;
    app.clock.advance(100 * 365 * DAY);
    let restored = client.say(&channel, "ada", "m4", "years later").await;
    assert_eq!(
        (&restored["decision"], &restored["trace"]["rule"]),
        (&json!("REOPENED"), &json!("restore_forever"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responders_channel_makes_no_ticket() {
    let app = TestApp::start().await;
    let client = app.client();
    let channel = client.channel_with(json!({ "inboundMode": "RESPONDER" })).await;
    let receipt = client.say(&channel, "ada", "m1", "hello").await;
    assert_eq!(
        (&receipt["decision"], &receipt["ticket"], &receipt["chat"]["status"]),
        (&json!("TO_RESPONDER"), &Value::Null, &Value::Null)
    );
    assert_eq!(client.messages(receipt["chat"]["id"].as_str().unwrap()).await.len(), 1);
}
