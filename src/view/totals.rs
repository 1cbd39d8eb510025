//! How many items a list has on all pages.

use rusqlite::{Connection, OptionalExtension, Params, params};
use uuid::Uuid;

use super::View;
use super::page::TOTAL_MAX;
use super::read::number;
use super::schema::kind;
use crate::sqlite::ReadError;

/// Where a total is not kept, so many rows are looked at: one more than it may be, which tells that there are more.
const LOOK_MAX: u64 = TOTAL_MAX.saturating_add(1);

/// How many items a list has on all pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Found.
    pub items: u64,
    /// There are no others. Otherwise so many were found among the first [`TOTAL_MAX`] that were looked at; of a search, among
    /// the newest [`HITS_MAX`](super::search::HITS_MAX) places of each word.
    pub is_exact: bool,
}

impl Total {
    /// All of these.
    pub(super) fn exactly(items: u64) -> Self {
        Self { items, is_exact: true }
    }

    /// Of so many that were found before the counting stopped.
    pub(super) fn counted(items: u64) -> Self {
        Self {
            items: items.min(TOTAL_MAX),
            is_exact: items <= TOTAL_MAX,
        }
    }
}

/// How many rows a SELECT finds, [`LOOK_MAX`] at most.
pub(super) fn count(connection: &Connection, select: &str, values: impl Params) -> Result<u64, ReadError> {
    let sql = format!("SELECT count(*) FROM ({select} LIMIT {LOOK_MAX})");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(values, |row| number(row, 0))?)
}

/// What a ticket has of these kinds.
fn of_ticket(connection: &Connection, (chat_id, ticket): (Uuid, u32), [one, other]: [u8; 2]) -> Result<u64, ReadError> {
    count(
        connection,
        "SELECT 1 FROM ticket_event WHERE chat = ?1 AND ticket = ?2 AND kind IN (?3, ?4)",
        params![chat_id.as_bytes(), ticket, one, other],
    )
}

/// The events of a chat have numbers from 1, without gaps.
fn last_seq(connection: &Connection, chat_id: Uuid) -> Result<u64, ReadError> {
    let last = connection
        .prepare_cached("SELECT seq FROM event WHERE aggregate = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([chat_id.as_bytes()], |row| number(row, 0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

impl View {
    /// How many messages a chat has, or one of its tickets.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn message_total(&self, chat_id: Uuid, ticket_number: Option<u32>) -> Result<Total, ReadError> {
        self.ask(move |connection| {
            let found = if let Some(ticket) = ticket_number {
                of_ticket(connection, (chat_id, ticket), [kind::MESSAGE, kind::MERGED])?
            } else {
                let of_chat = "SELECT 1 FROM message WHERE chat = ?1";
                count(connection, of_chat, params![chat_id.as_bytes()])?
            };
            Ok(Total::counted(found))
        })
        .await
    }

    /// How many events a chat has, which is kept, or one of its tickets.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn event_total(&self, chat_id: Uuid, ticket_number: Option<u32>) -> Result<Total, ReadError> {
        self.ask(move |connection| {
            let Some(ticket) = ticket_number else {
                return Ok(Total::exactly(last_seq(connection, chat_id)?));
            };
            let found = of_ticket(connection, (chat_id, ticket), [kind::OTHER, kind::MESSAGE])?;
            Ok(Total::counted(found))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_stops_and_says_so() {
        let connection = Connection::open_in_memory().unwrap();
        let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT 1 FROM n";
        for (there, items, is_exact) in [
            (1_i64, 1, true),
            (9_999, 9_999, true),
            (10_000, 10_000, true),
            (10_001, 10_000, false),
            (30_000, 10_000, false),
        ] {
            let found = count(&connection, numbers, [there]).unwrap();
            assert!(found <= LOOK_MAX);
            assert_eq!(Total::counted(found), Total { items, is_exact }, "{there}");
        }
        assert_eq!(count(&connection, "SELECT 1 WHERE 0", []).unwrap(), 0);
    }
}
