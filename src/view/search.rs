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
/// A word that is in more places is looked for again in the chats that have all others, if these are no more.
const CHATS_MAX: usize = 100;
/// From so many letters on, the beginning of a word is enough.
const PREFIX_MIN_LETTERS: usize = 3;
/// The index has beginnings of up to so many letters. For a longer one it would read every place of all words that begin
/// so, before it gives the newest.
const INDEXED_MAX_LETTERS: usize = 4;
/// The words with a longer beginning are looked for by themselves, if they are no more.
const ENDINGS_MAX: usize = 64;

/// Begins the words that say whose a document is, and none that is searched for.
const MARK: char = '\u{e000}';

/// As `words` in the schema, in tables of their own.
const TOKENS: &str = "
CREATE VIRTUAL TABLE said USING fts5 (body, content='', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE token USING fts5vocab (said, instance);
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

/// Where each word is. One that is in more places than are looked at is looked for again where all others are: so a rare
/// word leads to the old places of a common one.
fn of_words(connection: &Connection, workspace: Uuid, text: &str) -> Result<Vec<Hits>, ReadError> {
    let of_workspace = format!("\"{}\"", workspace_word(workspace));
    let (mut found, mut cut) = (Vec::new(), Vec::new());
    for tokens in words(text)? {
        let Some(said) = said(connection, &tokens)? else {
            found.push(Hits::default());
            continue;
        };
        let hits = places(connection, &of_workspace, &said)?;
        if hits.is_cut {
            cut.push((said, hits));
        } else {
            found.push(hits);
        }
    }
    let few = in_all(&found).filter(|chats| chats.len() <= CHATS_MAX);
    for (said, hits) in cut {
        found.push(match &few {
            Some(chats) => in_chats(connection, chats, &said)?,
            None => hits,
        });
    }
    Ok(found)
}

fn in_chats(connection: &Connection, chats: &HashSet<Uuid>, said: &str) -> Result<Hits, ReadError> {
    if chats.is_empty() {
        return Ok(Hits::default());
    }
    let words = chats.iter().map(|chat| format!("\"{}\"", chat_word(*chat)));
    let of_chats = words.collect::<Vec<_>>().join(" OR ");
    places(connection, &format!("({of_chats})"), said)
}

/// The words of a search that are looked for, each cut up as the index does. Without one, it finds nothing.
fn words(text: &str) -> Result<Vec<Vec<String>>, ReadError> {
    let text = text.replace(MARK, " ");
    let words = text.split_whitespace();
    let words = words.filter(|word| word.chars().any(char::is_alphanumeric));
    let tokenizer = Connection::open_in_memory()?;
    tokenizer.execute_batch(TOKENS)?;
    let mut say = tokenizer.prepare("INSERT INTO said (rowid, body) VALUES (?1, ?2)")?;
    for (number, word) in (0_u32..).zip(words.take(WORDS_MAX)) {
        say.execute(params![number, word])?;
    }
    let tokens = all(
        &tokenizer,
        "SELECT doc, term FROM token ORDER BY doc, offset",
        [],
        |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)),
    )?;
    let words = tokens.chunk_by(|one, other| one.0 == other.0);
    Ok(words
        .map(|tokens| tokens.iter().map(|(_, token)| token.clone()).collect())
        .collect())
}

/// How the index is asked for a word: for its parts one after the other, of the last one at least the beginning. None where
/// no document can have it.
fn said(connection: &Connection, tokens: &[String]) -> Result<Option<String>, ReadError> {
    let Some((last, before)) = tokens.split_last() else {
        return Ok(None);
    };
    let whole = format!("\"{}\"", tokens.join(" "));
    let letters = last.chars().count();
    if letters < PREFIX_MIN_LETTERS {
        return Ok(Some(whole));
    }
    if letters > INDEXED_MAX_LETTERS {
        let endings = endings(connection, last)?;
        if endings.len() <= ENDINGS_MAX {
            let before = before.join(" ");
            let phrases = endings.iter().map(|ending| format!("\"{before} {ending}\""));
            let phrases = phrases.collect::<Vec<_>>().join(" OR ");
            return Ok((!phrases.is_empty()).then(|| format!("({phrases})")));
        }
    }
    Ok(Some(format!("{whole} *")))
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
    format!("{MARK}work{}", workspace.simple())
}

/// The word that every document of a chat has, and no other.
fn chat_word(chat: Uuid) -> String {
    format!("{MARK}chat{}", chat.simple())
}

/// The words that say whose a document is.
pub(super) fn scope(workspace: Uuid, chat: Uuid) -> String {
    format!("{} {}", workspace_word(workspace), chat_word(chat))
}

/// The newest places in a scope where something is said.
fn places(connection: &Connection, scope: &str, said: &str) -> Result<Hits, ReadError> {
    let asked = format!("scope : {scope} AND body : {said}");
    let docs = all(
        connection,
        "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid DESC LIMIT ?2",
        params![asked, i64::try_from(HITS_MAX).unwrap_or(i64::MAX)],
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

    fn history() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        HISTORY.reset(&connection).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        connection
    }

    /// What a ticket is about, or else the name of a chat's owner.
    fn write(connection: &Connection, (chat, ticket): (u128, Option<u32>), body: &str) {
        let chat = Uuid::from_u128(chat);
        let mut doc = connection
            .prepare_cached("INSERT INTO doc (chat, ticket) VALUES (?1, ?2)")
            .unwrap();
        let id = doc.insert(params![chat.as_bytes(), ticket]).unwrap();
        let mut words = connection
            .prepare_cached("INSERT INTO words (rowid, scope, body) VALUES (?1, ?2, ?3)")
            .unwrap();
        words.execute(params![id, scope(Uuid::nil(), chat), body]).unwrap();
    }

    fn tickets(connection: &Connection, text: &str) -> Vec<(Uuid, u32)> {
        let found = hits(connection, Uuid::nil(), text).unwrap();
        let mut tickets: Vec<_> = found.tickets().map(|(chat, number)| (*chat, number)).collect();
        tickets.sort_unstable();
        tickets
    }

    fn assert_cut(connection: &Connection, text: &str, is_cut: bool) {
        let found = hits(connection, Uuid::nil(), text).unwrap();
        assert_eq!(found.is_cut, is_cut, "{text}");
        let (_, is_cut_for_chats) = chats(connection, Uuid::nil(), text).unwrap();
        assert_eq!(is_cut_for_chats, is_cut, "{text}");
    }

    #[test]
    fn a_search_that_is_cut_off_says_so() {
        let connection = history();
        let last = u32::try_from(HITS_MAX).unwrap();
        for number in 1..last {
            write(&connection, (1, Some(number)), "order rare");
        }
        for is_cut in [false, true] {
            assert_cut(&connection, "order", is_cut);
            assert_cut(&connection, "order rare", is_cut);
            // what is nowhere is known to be
            assert_cut(&connection, "no order", false);
            assert_cut(&connection, "nothing", false);
            write(&connection, (1, Some(last)), "order rare");
        }
    }

    #[test]
    fn a_rare_word_leads_to_the_old_places_of_a_common_one() {
        let connection = history();
        let chat = Uuid::from_u128(1);
        write(&connection, (1, None), "rarely");
        write(&connection, (1, Some(1)), "hello");
        write(&connection, (1, Some(2)), "goodbye");
        for number in (1..).take(HITS_MAX) {
            write(&connection, (2, Some(number)), "hello there");
        }
        for text in ["rarely hello", "hel rar"] {
            assert_eq!(tickets(&connection, text), [(chat, 1)], "{text}");
            let (found, _) = chats(&connection, Uuid::nil(), text).unwrap();
            assert_eq!(found, HashSet::from([chat]), "{text}");
            assert_cut(&connection, text, false);
        }
        assert!(tickets(&connection, "rarely hello there").is_empty());
        for other in (3..).take(CHATS_MAX) {
            write(&connection, (other, None), "rarely");
        }
        assert_cut(&connection, "rarely hello", true);
    }

    #[test]
    fn the_beginning_of_a_word_is_enough_from_three_letters_on() {
        let connection = history();
        for number in 1..=200 {
            write(&connection, (1, Some(number)), &format!("box parcél{number} wine"));
        }
        for (text, begins) in [
            ("par", ""),
            ("PARC", ""),
            ("parce", ""),
            ("parcel1", "1"),
            ("parcèl19", "19"),
            ("Parcel2", "2"),
            ("box-parcel1", "1"),
            ("box-parcel2", "2"),
            ("win--", ""),
        ] {
            let numbers = (1..=200_u32).filter(|number| number.to_string().starts_with(begins));
            let expected: Vec<_> = numbers.map(|number| (Uuid::from_u128(1), number)).collect();
            assert_eq!(tickets(&connection, text), expected, "{text}");
        }
        for text in ["wi", "w--", "parcel5-w", "x-parcel2", "box-wine", "parcel3000"] {
            assert!(tickets(&connection, text).is_empty(), "{text}");
        }
    }

    #[test]
    fn words_are_cut_up_as_the_index_does() {
        let connection = history();
        let text = "Größe o'clock ΣΊΣΥΦΟΣ naïve a-b +49 İzmir 東京";
        write(&connection, (1, Some(1)), text);
        let indexed = all(
            &connection,
            "SELECT term FROM vocabulary WHERE col = 'body' ORDER BY offset",
            [],
            |row| row.get::<_, String>(0),
        );
        assert_eq!(words(text).unwrap().concat(), indexed.unwrap());
        let marked = words(&format!("{MARK}chat")).unwrap();
        assert_eq!(marked, [["chat"]]);
    }
}
