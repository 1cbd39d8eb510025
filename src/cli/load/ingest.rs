//! Messages in: one by `ingestMessage`, more of one chat by `ingestMessages`, whose answers come one by one in order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::{Client, Failure};
use super::plan::Plan;

/// The most messages of one request.
pub(super) const BATCH_MAX: usize = 500;

macro_rules! receipt {
    () => {
        "decision chat { id } message { id seq externalId }"
    };
}

const ONE: &str = concat!(
    "mutation($input: MessageInput!) { ingestMessage(input: $input) { ",
    receipt!(),
    " } }"
);
const MANY: &str = concat!(
    "mutation($inputs: [MessageInput!]!) { ingestMessages(inputs: $inputs) { receipt { ",
    receipt!(),
    " } error { code message retryAfterMs } } }"
);

/// What a receipt says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    /// It was stored before.
    pub(super) duplicate: bool,
    pub(super) chat_id: Uuid,
    pub(super) message_id: Uuid,
    /// The order in the chat.
    pub(super) seq: u32,
    /// The provider's id, as the server knows it.
    pub(super) external_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    channel_id: Uuid,
    external_id: String,
    owner: Owner,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    external_id: String,
    name: String,
}

impl Input {
    fn new(plan: &Plan, channel_id: Uuid, index: u32) -> Self {
        let chat = plan.place(index).chat;
        Self {
            channel_id,
            external_id: plan.external_id(index),
            owner: Owner {
                external_id: plan.owner(chat),
                name: format!("load {chat}"),
            },
            text: plan.text(index),
        }
    }
}

#[derive(Serialize)]
struct OneVariables {
    input: Input,
}

#[derive(Serialize)]
struct ManyVariables {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneData {
    ingest_message: Receipt,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManyData {
    ingest_messages: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    receipt: Option<Receipt>,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemError {
    code: String,
    message: String,
    retry_after_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Receipt {
    decision: Option<String>,
    chat: Chat,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Chat {
    id: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Uuid,
    seq: u32,
    external_id: Option<String>,
}

impl Receipt {
    fn stored(self) -> Result<Stored, Failure> {
        let missing = || Failure::coded("no message", "a receipt without its message", None);
        let message = self.message.ok_or_else(missing)?;
        Ok(Stored {
            duplicate: self.decision.as_deref() == Some("DUPLICATE"),
            chat_id: self.chat.id,
            message_id: message.id,
            seq: message.seq,
            external_id: message.external_id,
        })
    }
}

/// Sends messages in one request; as many answers as messages, in their order.
pub(super) async fn ingest(
    client: &Client,
    plan: &Plan,
    channel_id: Uuid,
    indexes: &[u32],
) -> Vec<Result<Stored, Failure>> {
    if let [index] = indexes {
        let input = Input::new(plan, channel_id, *index);
        let answer = client.ask::<OneData>(ONE, OneVariables { input }).await;
        return vec![answer.and_then(|data| data.ingest_message.stored())];
    }
    let inputs = indexes.iter().map(|index| Input::new(plan, channel_id, *index));
    let inputs = inputs.collect();
    let answer = match client.post::<ManyData>(MANY, ManyVariables { inputs }).await {
        Ok(answer) => answer,
        Err(failure) => return vec![Err(failure); indexes.len()],
    };
    let otherwise = answer.failure();
    let otherwise = otherwise.unwrap_or_else(|| Failure::transport("a message was not answered"));
    let items = answer.data.map(|data| data.ingest_messages).unwrap_or_default();
    let mut items = items.into_iter();
    let each = indexes.iter().map(|_| match items.next() {
        Some(Item {
            receipt: Some(receipt), ..
        }) => receipt.stored(),
        Some(Item { error: Some(error), .. }) => Err(Failure::coded(&error.code, &error.message, error.retry_after_ms)),
        _ => Err(otherwise.clone()),
    });
    each.collect()
}

/// Sends a message of nobody's chat, so that subscribers have something to begin with.
pub(super) async fn warm_up(client: &Client, plan: &Plan, channel_id: Uuid, turn: u32) -> Result<(), Failure> {
    let input = Input {
        channel_id,
        external_id: format!("{}-w{turn}", plan.run),
        owner: Owner {
            external_id: format!("{}-w", plan.run),
            name: "load".into(),
        },
        text: format!("{} w {turn}", plan.run),
    };
    client.read::<OneData>(ONE, OneVariables { input }).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::plan::Scenario;
    use super::*;

    #[test]
    fn the_largest_request_fits_what_a_server_takes_by_default() {
        let rate = NonZeroU32::MIN;
        let plan = Plan::new(Scenario::ManyChats, "0123456789ab".into(), rate, (5_000_000, rate));
        let inputs = (0..BATCH_MAX).map(|_| Input::new(&plan, Uuid::nil(), 4_999_999));
        let inputs = inputs.collect();
        let body = serde_json::to_string(&ManyVariables { inputs }).unwrap();
        assert!(body.len() + MANY.len() + 64 < 131_072, "{}", body.len());
    }
}
