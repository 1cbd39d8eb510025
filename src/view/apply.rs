//! From records to rows. A record says what it needs: the ticket as it was after it comes along.

pub(super) mod history;
mod place;
pub(super) mod state;
mod text;
mod zones;

use rusqlite::Connection;

use super::read::signed;
use crate::domain::Event;

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Applies new events in order, where both halves of the view are in one file.
pub(super) fn apply(connection: &Connection, events: &[&Event]) -> rusqlite::Result<()> {
    history::apply(connection, events)?;
    state::apply(connection, events).map(drop)
}
