//! The view's tables.

use rusqlite::{Connection, OptionalExtension, params};

use crate::store::Heads;

const META_TABLE: &str = "CREATE TABLE view_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID";

/// What is now: chats, tickets, lists of them, counters.
const STATE_TABLES: &str = "
CREATE TABLE chat (
  id BLOB PRIMARY KEY, workspace BLOB NOT NULL, channel BLOB NOT NULL, external_id TEXT NOT NULL,
  name TEXT, avatar TEXT, blocked INTEGER NOT NULL, tickets INTEGER NOT NULL, responder TEXT, responder_id BLOB,
  owned INTEGER NOT NULL, responder_epoch INTEGER NOT NULL, contact BLOB NOT NULL, removed_at INTEGER,
  version INTEGER NOT NULL, seq INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
CREATE INDEX chat_contact ON chat (contact);
CREATE INDEX chat_channel ON chat (workspace, channel, updated_at, id) WHERE removed_at IS NULL;
CREATE TABLE ticket (
  id BLOB PRIMARY KEY, workspace BLOB NOT NULL, chat BLOB NOT NULL, number INTEGER NOT NULL, channel BLOB NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, assignee BLOB, team BLOB, responder BLOB, priority TEXT NOT NULL,
  tags BLOB NOT NULL, removed INTEGER NOT NULL, pending INTEGER NOT NULL, opened_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, waiting INTEGER NOT NULL, lists BLOB NOT NULL,
  body TEXT NOT NULL);
CREATE INDEX ticket_waiting ON ticket (workspace, channel, team, opened_at, id)
  WHERE assignee IS NULL AND status <> 'INACTIVE' AND removed = 0;
CREATE INDEX ticket_held ON ticket (workspace, assignee)
  WHERE assignee IS NOT NULL AND status <> 'INACTIVE';
CREATE INDEX ticket_new ON ticket (workspace, opened_at) WHERE status = 'NEW' AND removed = 0;
CREATE INDEX ticket_new_at ON ticket (workspace, channel, team, opened_at) WHERE status = 'NEW' AND removed = 0;
CREATE INDEX ticket_new_of ON ticket (workspace, assignee, channel, team, opened_at)
  WHERE status = 'NEW' AND removed = 0;
CREATE UNIQUE INDEX ticket_chat ON ticket (chat, number);
CREATE INDEX ticket_place ON ticket (workspace, channel, team, status, assignee);
CREATE TABLE list (
  id INTEGER PRIMARY KEY, workspace BLOB NOT NULL, dimension INTEGER NOT NULL, value BLOB NOT NULL,
  reason TEXT NOT NULL, priority TEXT NOT NULL, removed INTEGER NOT NULL, tickets INTEGER NOT NULL);
CREATE UNIQUE INDEX list_key ON list (workspace, dimension, value, removed, reason, priority);
CREATE TABLE by_updated (
  list INTEGER, at INTEGER, ticket BLOB, created INTEGER NOT NULL, PRIMARY KEY (list, at, ticket)) WITHOUT ROWID;
CREATE TABLE zone_updated (
  list INTEGER, at INTEGER, least INTEGER NOT NULL, most INTEGER NOT NULL, eras INTEGER NOT NULL,
  PRIMARY KEY (list, at)) WITHOUT ROWID;
CREATE TABLE zone_waiting (
  list INTEGER, at INTEGER, least INTEGER NOT NULL, most INTEGER NOT NULL, eras INTEGER NOT NULL,
  PRIMARY KEY (list, at)) WITHOUT ROWID;
CREATE TABLE by_created (
  list INTEGER, at INTEGER, ticket BLOB, created INTEGER NOT NULL, PRIMARY KEY (list, at, ticket)) WITHOUT ROWID;
CREATE TABLE by_waiting (
  list INTEGER, at INTEGER, ticket BLOB, created INTEGER NOT NULL, PRIMARY KEY (list, at, ticket)) WITHOUT ROWID;
CREATE TABLE counter (
  workspace BLOB NOT NULL, assignee BLOB NOT NULL, channel BLOB NOT NULL, team BLOB NOT NULL, status TEXT NOT NULL,
  tickets INTEGER NOT NULL, pending INTEGER NOT NULL,
  PRIMARY KEY (workspace, assignee, channel, team, status)) WITHOUT ROWID;
CREATE TABLE contact (
  id BLOB PRIMARY KEY, workspace BLOB NOT NULL, merged_into BLOB, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX contact_merged ON contact (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE post (
  id BLOB PRIMARY KEY, workspace BLOB NOT NULL, channel BLOB NOT NULL, kind TEXT NOT NULL,
  created_at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX post_kind ON post (workspace, kind, created_at, id);
CREATE INDEX post_channel ON post (workspace, channel, kind, created_at, id);
CREATE TABLE setting (workspace BLOB PRIMARY KEY, seq INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
";

/// What was: messages, the places of events, words, in whose index a place of the first column takes two bytes less.
const HISTORY_TABLES: &str = "
CREATE TABLE ticket_event (
  chat BLOB NOT NULL, ticket INTEGER NOT NULL, kind INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (chat, ticket, kind, seq)) WITHOUT ROWID;
CREATE TABLE doc (id INTEGER PRIMARY KEY, chat BLOB NOT NULL, ticket INTEGER, seq INTEGER);
CREATE INDEX doc_of ON doc (chat, ticket) WHERE seq IS NULL;
CREATE VIRTUAL TABLE words USING fts5 (
  body, scope, content='', contentless_delete=1, prefix='3 4', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, instance);
CREATE TABLE message (
  chat BLOB NOT NULL, seq INTEGER NOT NULL, ticket INTEGER, edit TEXT, edited_at INTEGER, deleted_at INTEGER,
  status TEXT, external_id TEXT, error TEXT, doc INTEGER,
  PRIMARY KEY (chat, seq)) WITHOUT ROWID;
CREATE TABLE reaction (
  chat BLOB NOT NULL, seq INTEGER NOT NULL, author TEXT NOT NULL, emoji TEXT NOT NULL, body TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (chat, seq, author)) WITHOUT ROWID;
";

/// Leaves of the index that fill the pages of the view's own files: who looks for the word after a common one passes over
/// all leaves of that.
const LARGE_LEAVES: &str = "INSERT INTO words (words, rank) VALUES ('pgsz', 16000)";

/// Embedded, the store's log is the list of events: ordinals are positions.
const EVENT_OVER_LOG: &str = "
CREATE VIEW event AS
  SELECT position AS ordinal, 0 AS partition, position, aggregate, seq, workspace, body FROM log;
";

const EVENT_TABLE: &str = "
CREATE TABLE event (
  ordinal INTEGER PRIMARY KEY, partition INTEGER NOT NULL, position INTEGER NOT NULL, aggregate BLOB NOT NULL,
  seq INTEGER NOT NULL, workspace BLOB NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX event_aggregate ON event (aggregate, seq);
CREATE INDEX event_position ON event (partition, position);
";

/// What a row of `ticket_event` is: an event that is no message, a message, or one of a ticket that was merged into this
/// one, whose event is still that ticket's.
pub(super) mod kind {
    pub(in crate::view) const OTHER: u8 = 0;
    pub(in crate::view) const MESSAGE: u8 = 1;
    pub(in crate::view) const MERGED: u8 = 2;
}

/// How the tables are laid out; those of another layout are built again.
pub(super) const LAYOUT: u32 = 10;

/// Every table of the view, in whichever file a layout has it.
const NAMES: [&str; 20] = [
    "view_meta",
    "chat",
    "ticket",
    "list",
    "by_updated",
    "zone",
    "zone_updated",
    "zone_waiting",
    "by_created",
    "by_waiting",
    "counter",
    "contact",
    "post",
    "setting",
    "ticket_event",
    "doc",
    "vocabulary",
    "words",
    "message",
    "reaction",
];

/// What is made in one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    create: &'static [&'static str],
    drop_events: &'static str,
}

/// What is now.
pub(super) const STATE: Tables = Tables {
    create: &[META_TABLE, STATE_TABLES],
    drop_events: "DROP TABLE IF EXISTS event",
};

/// What was, with the events themselves.
pub(super) const HISTORY: Tables = Tables {
    create: &[META_TABLE, HISTORY_TABLES, LARGE_LEAVES, EVENT_TABLE],
    drop_events: "DROP TABLE IF EXISTS event",
};

/// Both, over the events of the store's log.
pub(super) const EMBEDDED: Tables = Tables {
    create: &[META_TABLE, STATE_TABLES, HISTORY_TABLES, EVENT_OVER_LOG],
    drop_events: "DROP VIEW IF EXISTS event",
};

impl Tables {
    /// Makes them anew, empty, in the place of those of any layout.
    pub(super) fn reset(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(self.drop_events)?;
        for name in NAMES {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {name}"))?;
        }
        self.create.iter().try_for_each(|sql| connection.execute_batch(sql))
    }
}

/// Of the file that is attached under `file`.
pub(super) fn read_heads(connection: &Connection, (file, name): (&str, &str)) -> rusqlite::Result<Option<Heads>> {
    let text: Option<String> = connection
        .prepare_cached(&format!("SELECT value FROM {file}.view_meta WHERE name = ?1"))?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| parse_heads(&text)))
}

fn parse_heads(text: &str) -> Option<Heads> {
    let mut numbers = text.split(' ').map(str::parse);
    let epoch = numbers.next()?.ok()?;
    let positions = numbers.collect::<Result<Vec<u64>, _>>().ok()?;
    Some(Heads { epoch, positions })
}

pub(super) fn write_heads(connection: &Connection, name: &str, heads: &Heads) -> rusqlite::Result<()> {
    let mut text = heads.epoch.to_string();
    for position in &heads.positions {
        text.push(' ');
        text.push_str(&position.to_string());
    }
    connection
        .prepare_cached(
            "INSERT INTO view_meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        )?
        .execute(params![name, text])?;
    Ok(())
}

/// How the tables in the store's file are laid out, if there are any that say so.
pub(super) fn layout(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    if !connection.table_exists(None, "view_meta")? {
        return Ok(None);
    }
    let text: Option<String> = connection
        .query_row("SELECT value FROM view_meta WHERE name = 'layout'", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Says how they are laid out.
pub(super) fn note_layout(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO view_meta (name, value) VALUES ('layout', ?1)",
            [LAYOUT.to_string()],
        )
        .map(drop)
}
