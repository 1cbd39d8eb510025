//! The writing of a view that has files of its own: what is now in one, what was in the other, each with its own thread,
//! so that both take in the same records at the same time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::schema::{self, HISTORY, LAYOUT, STATE, Tables};
use super::{Entry, apply};
use crate::domain::Event;
use crate::sqlite::{Durability, ReadError, open_writer};
use crate::store::{Heads, Record};

/// Both files.
#[derive(Debug)]
pub(super) struct Writer {
    state: Arc<Half>,
    history: Arc<Half>,
    turn: tokio::sync::Mutex<()>,
    /// What the history took in while the state could not: they are of the next time that both can.
    held: Mutex<Vec<Entry>>,
}

/// One file and its writing.
#[derive(Debug)]
struct Half {
    tables: Tables,
    connection: Mutex<Connection>,
}

/// The file beside the view's.
pub(super) fn history_path(path: &Path) -> PathBuf {
    path.with_extension("history.db")
}

impl Half {
    fn open(path: &Path, tables: Tables) -> rusqlite::Result<Arc<Self>> {
        let connection = open_writer(path, Durability::Rebuildable)?;
        let layout: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if layout != LAYOUT {
            tables.reset(&connection)?;
            connection.pragma_update(None, "user_version", LAYOUT)?;
        }
        Ok(Arc::new(Self {
            tables,
            connection: Mutex::new(connection),
        }))
    }

    async fn write<T, F>(self: &Arc<Self>, write: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        let half = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let mut connection = half.connection.lock();
            let transaction = connection.transaction()?;
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        });
        written.await.map_err(|_| ReadError::CutOff)?
    }
}

impl Writer {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self {
            state: Half::open(path, STATE)?,
            history: Half::open(&history_path(path), HISTORY)?,
            turn: tokio::sync::Mutex::new(()),
            held: Mutex::new(Vec::new()),
        })
    }

    /// Applies what is new to each file. A crash between the two leaves one ahead of the other: each knows by itself what
    /// it has, and following goes on from the one that is behind.
    pub(super) async fn apply(&self, records: Vec<Record>, heads: Option<Heads>) -> Result<Vec<Entry>, ReadError> {
        let _turn = self.turn.lock().await;
        let records: Arc<[Record]> = records.into();
        let state = {
            let (records, heads) = (Arc::clone(&records), heads.clone());
            self.state.write(move |connection| {
                let events: Vec<&Event> = records.iter().map(|record| &*record.event).collect();
                let chats = apply::state::apply(connection, &events)?;
                note_heads(connection, heads)?;
                Ok(chats)
            })
        };
        let history = {
            let records = Arc::clone(&records);
            self.history.write(move |connection| {
                let entries = apply::history::apply_new(connection, &records)?;
                note_heads(connection, heads)?;
                Ok(entries)
            })
        };
        let (state, history) = tokio::join!(state, history);
        let mut held = self.held.lock();
        held.extend(history?);
        let chats = state?;
        let mut entries = std::mem::take(&mut *held);
        for entry in &mut entries {
            entry.whereabouts = chats.get(&entry.record.event.aggregate_id).copied();
        }
        Ok(entries)
    }

    pub(super) async fn set_floor(&self, floor: Heads) -> Result<(), ReadError> {
        let _turn = self.turn.lock().await;
        let heads = floor.clone();
        self.history
            .write(|connection| note_heads(connection, Some(heads)))
            .await?;
        self.state
            .write(move |connection| {
                schema::write_heads(connection, "floor", &floor)?;
                note_heads(connection, Some(floor))
            })
            .await
    }

    pub(super) async fn reset(&self) -> Result<(), ReadError> {
        let _turn = self.turn.lock().await;
        self.held.lock().clear();
        for half in [&self.history, &self.state] {
            let tables = half.tables;
            half.write(move |connection| Ok(tables.reset(connection)?)).await?;
        }
        Ok(())
    }
}

fn note_heads(connection: &Connection, heads: Option<Heads>) -> Result<(), ReadError> {
    if let Some(heads) = heads {
        schema::write_heads(connection, "heads", &heads)?;
    }
    Ok(())
}
