//! Full-text search: every word must be found somewhere in a ticket: in its subject or summary, in one of its messages,
//! or in the name or identifier of its owner.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::apply::workspace_word;
use super::read::{all, bytes};
use crate::sqlite::ReadError;

/// The most words of a search; the others are not looked at.
pub const WORDS_MAX: usize = 8;
/// The longest search, in bytes.
pub const SEARCH_MAX_BYTES: usize = 256;
/// Of a word, so many of the newest places are looked at.
pub const HITS_MAX: usize = 10_000;
/// From so many characters on, the beginning of a word is enough.
const PREFIX_MIN_CHARS: usize = 3;

/// What a search found: whole chats, and single tickets.
#[derive(Debug, Default)]
pub(super) struct Hits {
    chats: HashSet<Uuid>,
    tickets: HashMap<Uuid, HashSet<u32>>,
    /// There may be others.
    pub(super) is_cut: bool,
}

impl Hits {
    /// Every ticket of these chats.
    pub(super) fn of_chats(ids: &[Uuid]) -> Self {
        Self {
            chats: ids.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Of both.
    fn and(self, other: &Self) -> Self {
        let mut both = Self {
            chats: self.chats.intersection(&other.chats).copied().collect(),
            tickets: HashMap::new(),
            is_cut: self.is_cut || other.is_cut,
        };
        let pairs = [(&self, other), (other, &self)];
        for (here, there) in pairs {
            for (chat, numbers) in &here.tickets {
                let in_chat = there.chats.contains(chat);
                let there = there.tickets.get(chat);
                let found = numbers
                    .iter()
                    .filter(|number| in_chat || there.is_some_and(|there| there.contains(number)));
                let found: Vec<u32> = found.copied().collect();
                if !found.is_empty() {
                    both.tickets.entry(*chat).or_default().extend(found);
                }
            }
        }
        both
    }

    /// The chats of which every ticket was found.
    pub(super) fn chats(&self) -> impl Iterator<Item = &Uuid> {
        self.chats.iter()
    }

    /// The others that were found, by chat and number.
    pub(super) fn tickets(&self) -> impl Iterator<Item = (&Uuid, u32)> {
        let others = self.tickets.iter().filter(|(chat, _)| !self.chats.contains(chat));
        others.flat_map(|(chat, numbers)| numbers.iter().map(move |number| (chat, *number)))
    }

    /// The chats that were found, or of which a ticket or message was.
    fn into_chats(self) -> HashSet<Uuid> {
        let mut chats = self.chats;
        chats.extend(self.tickets.into_keys());
        chats
    }
}

/// The words of a search that are looked for. Without one, it finds nothing.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace();
    words
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
}

/// The tickets in which every word is found.
pub(super) fn hits(connection: &Connection, workspace: Uuid, text: &str) -> Result<Hits, ReadError> {
    let mut found: Option<Hits> = None;
    for word in words(text) {
        let hits = word_hits(connection, workspace, word)?;
        found = Some(match found {
            Some(found) => found.and(&hits),
            None => hits,
        });
    }
    Ok(found.unwrap_or_default())
}

/// The chats in which every word is found, and whether there may be others.
pub(super) fn chats(connection: &Connection, workspace: Uuid, text: &str) -> Result<(HashSet<Uuid>, bool), ReadError> {
    let mut found: Option<HashSet<Uuid>> = None;
    let mut is_cut = false;
    for word in words(text) {
        let hits = word_hits(connection, workspace, word)?;
        is_cut |= hits.is_cut;
        let hits = hits.into_chats();
        found = Some(match found {
            Some(found) => found.intersection(&hits).copied().collect(),
            None => hits,
        });
    }
    Ok((found.unwrap_or_default(), is_cut))
}

/// A word as the full-text index takes it: quoted, so that nothing in it is an operator.
fn quoted(workspace: Uuid, word: &str) -> String {
    let prefix = if word.chars().count() >= PREFIX_MIN_CHARS {
        "*"
    } else {
        ""
    };
    let word = word.replace('\0', " ").replace('"', "\"\"");
    format!(
        "workspace : \"{}\" AND body : \"{word}\" {prefix}",
        workspace_word(workspace)
    )
}

fn word_hits(connection: &Connection, workspace: Uuid, word: &str) -> Result<Hits, ReadError> {
    let docs = all(
        connection,
        "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid DESC LIMIT ?2",
        params![quoted(workspace, word), i64::try_from(HITS_MAX).unwrap_or(i64::MAX)],
        |row| row.get::<_, i64>(0),
    )?;
    let mut hits = Hits {
        is_cut: docs.len() >= HITS_MAX,
        ..Hits::default()
    };
    let mut doc = connection.prepare_cached("SELECT chat, ticket, seq FROM doc WHERE id = ?1")?;
    let mut message = connection.prepare_cached("SELECT ticket FROM message WHERE chat = ?1 AND seq = ?2")?;
    for id in docs {
        let found = doc.query_row([id], |row| Ok((bytes(row, 0)?, row.get(1)?, row.get(2)?)));
        let Some((chat, ticket, seq)): Option<(Uuid, Option<u32>, Option<i64>)> = found.optional()? else {
            continue;
        };
        let number = match (ticket, seq) {
            (None, Some(seq)) => message
                .query_row(params![chat.as_bytes(), seq], |row| row.get::<_, Option<u32>>(0))
                .optional()?
                .flatten(),
            (ticket, _) => ticket,
        };
        match number {
            Some(number) => drop(hits.tickets.entry(chat).or_default().insert(number)),
            None if seq.is_none_or(|seq| seq == 0) => drop(hits.chats.insert(chat)),
            // said while there was no ticket: it is the chat's alone
            None => drop(hits.tickets.entry(chat).or_default()),
        }
    }
    Ok(hits)
}

#[cfg(test)]
mod tests {
    use super::super::schema::HISTORY;
    use super::*;

    #[test]
    fn a_search_that_is_cut_off_says_so() {
        let connection = Connection::open_in_memory().unwrap();
        HISTORY.reset(&connection).unwrap();
        let workspace = Uuid::nil();
        let fill = "WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)";
        for (first, last, is_cut) in [(1, HITS_MAX - 1, false), (HITS_MAX, HITS_MAX, true)] {
            let (first, last) = (i64::try_from(first).unwrap(), i64::try_from(last).unwrap());
            let chat = Uuid::nil();
            connection
                .execute(
                    &format!("{fill} INSERT INTO doc (id, chat, ticket) SELECT i, ?3, i FROM n"),
                    params![first, last, chat.as_bytes()],
                )
                .unwrap();
            connection
                .execute(
                    &format!("{fill} INSERT INTO words (rowid, workspace, body) SELECT i, ?3, 'order rare' FROM n"),
                    params![first, last, workspace_word(workspace)],
                )
                .unwrap();
            for text in ["order", "order rare", "no order"] {
                assert_eq!(hits(&connection, workspace, text).unwrap().is_cut, is_cut, "{text}");
                assert_eq!(chats(&connection, workspace, text).unwrap().1, is_cut, "{text}");
            }
        }
        assert!(!hits(&connection, workspace, "nothing").unwrap().is_cut);
    }
}
