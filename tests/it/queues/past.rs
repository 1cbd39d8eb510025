//! What all records say, at any place in the logs.

use std::collections::BTreeMap;

use switchboard::domain::Ticket;
use switchboard::store::Heads;
use uuid::Uuid;

use crate::lists::Row;
use crate::support::TestApp;
use crate::support::world::{ChatModel, World};

/// A chat right after one of its records.
struct Moment {
    partition: usize,
    position: u64,
    chat: ChatModel,
}

/// Every chat after each of its records, in order.
pub struct Past {
    chats: BTreeMap<Uuid, Vec<Moment>>,
}

impl Past {
    pub async fn of(app: &TestApp, world: &World) -> Self {
        let mut chats = BTreeMap::new();
        for chat_id in world.chats() {
            let records = app.node.store.history(chat_id, 0, 100_000).await.unwrap();
            let mut moments = Vec::new();
            for (number, record) in records.iter().enumerate() {
                let until = records[..=number].iter().map(|record| &*record.event);
                moments.push(Moment {
                    partition: record.partition.into(),
                    position: record.position,
                    chat: ChatModel::replay(until),
                });
            }
            chats.insert(chat_id, moments);
        }
        Self { chats }
    }

    /// Every ticket as it was when the logs had come so far.
    pub fn rows(&self, heads: &Heads) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (chat_id, moments) in &self.chats {
            let is_past = |moment: &&Moment| moment.position <= heads.positions[moment.partition];
            let Some(Moment { chat, .. }) = moments.iter().rfind(is_past) else {
                continue;
            };
            rows.extend(chat.tickets.values().map(|ticket| Row {
                chat_id: *chat_id,
                chat,
                ticket,
            }));
        }
        rows
    }

    /// Whether any ticket was ever so.
    pub fn ever(&self, is_so: impl Fn(&Ticket) -> bool) -> bool {
        let mut chats = self.chats.values().flatten().map(|moment| &moment.chat);
        chats.any(|chat| chat.tickets.values().any(&is_so))
    }
}
