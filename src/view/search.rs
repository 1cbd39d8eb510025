//! Full-text search: every word must be found somewhere in a ticket: in its subject or summary, in one of its messages,
//! or in the name or identifier of its owner.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::read::{all, bytes, limit_plus_one};
use crate::sqlite::ReadError;

/// The most words of a search; the others are not looked at.
pub const WORDS_MAX: usize = 8;
/// The longest search, in bytes.
pub const SEARCH_MAX_BYTES: usize = 256;
/// Of a word, so many of the newest places are looked at.
pub const HITS_MAX: usize = 1_000;
/// Where the rarer words lead to no more chats, the others are looked for there alone.
const CHATS_MAX: usize = 100;
/// From so many letters on, the beginning of a word is enough.
const PREFIX_MIN_LETTERS: usize = 3;
/// The index has beginnings of up to so many letters. For a longer one it would read every place of all words that begin
/// so, before it gives the newest.
const INDEXED_MAX_LETTERS: usize = 4;
/// The words with a longer beginning are looked for by themselves, if they are no more.
const ENDINGS_MAX: usize = 64;

/// Of a word that is in no more places, whosever they are, all are looked at.
const RARE_MAX: usize = 50;

/// Begins the words that say whose a document is, and none that is searched for.
const MARK: &str = "\u{e000}";

/// As `words` in the schema, in tables that a connection has for itself.
const TOKENS: &str = "
CREATE VIRTUAL TABLE IF NOT EXISTS temp.said USING fts5 (
  body, content='', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE IF NOT EXISTS temp.token USING fts5vocab (temp, said, instance);
INSERT INTO temp.said (said) VALUES ('delete-all');
";

/// From one word of the index to the next, whatever number of places each has.
const ENDINGS: &str = "
WITH RECURSIVE found (term) AS (
  SELECT (SELECT term FROM vocabulary WHERE term >= ?1 AND term < ?2 LIMIT 1)
  UNION ALL
  SELECT (SELECT term FROM vocabulary WHERE term >= found.term || char(0) AND term < ?2 LIMIT 1)
  FROM found WHERE found.term IS NOT NULL)
SELECT term FROM found WHERE term IS NOT NULL LIMIT ?3";

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
    fn all_chats(&self) -> HashSet<Uuid> {
        self.chats.iter().chain(self.tickets.keys()).copied().collect()
    }
}

/// The tickets in which every word is found.
pub(super) fn hits(connection: &Connection, workspace: Uuid, text: &str) -> Result<Hits, ReadError> {
    let found = of_words(connection, workspace, text)?;
    let found = found.into_iter().reduce(|found, hits| found.and(&hits));
    Ok(found.unwrap_or_default())
}

/// The chats in which every word is found, and whether there may be others.
pub(super) fn chats(connection: &Connection, workspace: Uuid, text: &str) -> Result<(HashSet<Uuid>, bool), ReadError> {
    let found = of_words(connection, workspace, text)?;
    let is_cut = found.iter().any(|hits| hits.is_cut);
    Ok((in_all(&found).unwrap_or_default(), is_cut))
}

/// The chats that have every word, if there are words.
fn in_all(words: &[Hits]) -> Option<HashSet<Uuid>> {
    let chats = words.iter().map(Hits::all_chats);
    chats.reduce(|found, chats| found.intersection(&chats).copied().collect())
}

/// Where each word is. If words that are in few places lead to few chats, the others are looked for there alone, those
/// last that are in very many: so a rare word leads to the old places of a common one.
fn of_words(connection: &Connection, workspace: Uuid, text: &str) -> Result<Vec<Hits>, ReadError> {
    let (mut found, mut common, mut cut) = (Vec::new(), Vec::new(), Vec::new());
    for tokens in words(connection, text)? {
        match said(connection, &tokens)? {
            None => found.push(Hits::default()),
            Some(said) => match rare_places(connection, workspace, &said)? {
                Some(hits) => found.push(hits),
                None => common.push(said),
            },
        }
    }
    let of_workspace = format!("\"{}\"", workspace_word(workspace));
    for said in common {
        let hits = match in_few(&found) {
            Some(chats) => in_chats(connection, &chats, &said)?,
            None => places(connection, &of_workspace, &said)?,
        };
        if hits.is_cut {
            cut.push((said, hits));
        } else {
            found.push(hits);
        }
    }
    let few = in_few(&found);
    for (said, hits) in cut {
        found.push(match &few {
            Some(chats) => in_chats(connection, chats, &said)?,
            None => hits,
        });
    }
    Ok(found)
}

/// The chats that have every word, if there are words and few chats.
fn in_few(words: &[Hits]) -> Option<HashSet<Uuid>> {
    in_all(words).filter(|chats| chats.len() <= CHATS_MAX)
}

fn in_chats(connection: &Connection, chats: &HashSet<Uuid>, said: &Said) -> Result<Hits, ReadError> {
    if chats.is_empty() {
        return Ok(Hits::default());
    }
    let words = chats.iter().map(|chat| format!("\"{}\"", chat_word(*chat)));
    let of_chats = words.collect::<Vec<_>>().join(" OR ");
    let scope = format!("({of_chats})");
    let all = all_places(connection, &scoped(&scope, said), HITS_MAX)?;
    all.map_or_else(|| places(connection, &scope, said), Ok)
}

/// The words of a search that are looked for, each cut up as the index does. Without one, it finds nothing.
fn words(connection: &Connection, text: &str) -> Result<Vec<Vec<String>>, ReadError> {
    let text = text.replace(MARK, " ");
    let words = text.split_whitespace();
    let words = words.filter(|word| word.chars().any(char::is_alphanumeric));
    connection.execute_batch(TOKENS)?;
    let mut say = connection.prepare_cached("INSERT INTO temp.said (rowid, body) VALUES (?1, ?2)")?;
    for (number, word) in (0_u32..).zip(words.take(WORDS_MAX)) {
        say.execute(params![number, word])?;
    }
    let tokens = all(
        connection,
        "SELECT doc, term FROM temp.token ORDER BY doc, offset",
        [],
        |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)),
    )?;
    let words = tokens.chunk_by(|one, other| one.0 == other.0);
    Ok(words
        .map(|tokens| tokens.iter().map(|(_, token)| token.clone()).collect())
        .collect())
}

/// How the index is asked for a word.
struct Said {
    body: String,
    /// It has more places than those of a rare one, or may take long to be found where it is not looked for in a scope: one
    /// of several parts is looked for in all places of each.
    is_common: bool,
}

/// For the parts of a word one after the other, of the last one at least the beginning. None where no document can have it.
fn said(connection: &Connection, tokens: &[String]) -> Result<Option<Said>, ReadError> {
    let Some((last, before)) = tokens.split_last() else {
        return Ok(None);
    };
    let whole = format!("\"{}\"", tokens.join(" "));
    let letters = last.chars().count();
    let (mut body, mut is_common) = (whole, !before.is_empty());
    if letters < PREFIX_MIN_LETTERS {
        return Ok(Some(Said { body, is_common }));
    }
    body.push_str(" *");
    if letters > INDEXED_MAX_LETTERS {
        let endings = endings(connection, last)?;
        is_common = is_common || endings.len() > RARE_MAX;
        if endings.len() <= ENDINGS_MAX {
            let before = before.join(" ");
            let phrases = endings.iter().map(|ending| format!("\"{before} {ending}\""));
            let phrases = phrases.collect::<Vec<_>>().join(" OR ");
            body = format!("({phrases})");
            return Ok((!phrases.is_empty()).then_some(Said { body, is_common }));
        }
    }
    Ok(Some(Said { body, is_common }))
}

/// The words of the index that begin so: one more than [`ENDINGS_MAX`] at most.
fn endings(connection: &Connection, beginning: &str) -> Result<Vec<String>, ReadError> {
    let past = format!("{beginning}{}", char::MAX);
    let values = params![beginning, past, limit_plus_one(ENDINGS_MAX)];
    all(connection, ENDINGS, values, |row| {
        // the index may cut off a very long word within a letter
        Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned())
    })
}

/// The word that every document of a workspace has, and no other.
fn workspace_word(workspace: Uuid) -> String {
    [
        MARK,
        "work",
        workspace.simple().encode_lower(&mut Uuid::encode_buffer()),
    ]
    .concat()
}

/// The word that every document of a chat has, and no other.
fn chat_word(chat: Uuid) -> String {
    [MARK, "chat", chat.simple().encode_lower(&mut Uuid::encode_buffer())].concat()
}

/// The words that say whose a document is.
pub(super) fn scope(workspace: Uuid, chat: Uuid) -> String {
    [&workspace_word(workspace), " ", &chat_word(chat)].concat()
}

fn scoped(scope: &str, said: &Said) -> String {
    format!("scope : {scope} AND body : {}", said.body)
}

/// The newest places in a scope where something is said.
fn places(connection: &Connection, scope: &str, said: &Said) -> Result<Hits, ReadError> {
    let docs = all(
        connection,
        "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid DESC LIMIT ?2",
        params![scoped(scope, said), i64::try_from(HITS_MAX).unwrap_or(i64::MAX)],
        |row| row.get(0),
    )?;
    let mut hits = resolved(connection, &docs)?;
    hits.is_cut = docs.len() >= HITS_MAX;
    Ok(hits)
}

/// All places where something rare is said: looked for in every workspace, which takes the index a fraction of what a scope
/// does; those of others are left out.
fn rare_places(connection: &Connection, workspace: Uuid, said: &Said) -> Result<Option<Hits>, ReadError> {
    if said.is_common {
        return Ok(None);
    }
    let Some(mut hits) = all_places(connection, &format!("body : {}", said.body), RARE_MAX)? else {
        return Ok(None);
    };
    let mut own = connection.prepare_cached("SELECT 1 FROM chat WHERE id = ?1 AND workspace = ?2")?;
    for chat in hits.all_chats() {
        if !own.exists(params![chat.as_bytes(), workspace.as_bytes()])? {
            hits.chats.remove(&chat);
            hits.tickets.remove(&chat);
        }
    }
    Ok(Some(hits))
}

/// All places, if these are no more than `max`. The index is much slower the other way round.
fn all_places(connection: &Connection, asked: &str, max: usize) -> Result<Option<Hits>, ReadError> {
    let docs = all(
        connection,
        "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid LIMIT ?2",
        params![asked, limit_plus_one(max)],
        |row| row.get(0),
    )?;
    let are_all = docs.len() <= max;
    are_all.then(|| resolved(connection, &docs)).transpose()
}

/// What documents are of.
fn resolved(connection: &Connection, docs: &[i64]) -> Result<Hits, ReadError> {
    let mut hits = Hits::default();
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
mod tests;
