//! Reads every chat of the run back.

use std::collections::HashMap;
use std::fmt::Write as _;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::client::Failure;
use super::finding::{Findings, Invariant};
use super::ledger::{Closing, Read, Reading};
use super::sender::Shared;

/// How many questions are asked at once.
const QUESTIONS_MAX: usize = 4;
/// How many chats one question is about: a hundred messages of each, within what a document may cost.
const CHATS_MAX: usize = 10;
/// How many chats a question about open tickets names.
const CHATS_OF_TICKETS_MAX: usize = 50;

const ONCE: &str = "nothing acknowledged is lost or doubled";
const ORDER: &str = "the order of a chat is kept";
const OPEN: &str = "a chat has one open ticket at most";

const OPEN_TICKETS: &str = "query($chatIds: [UUID!], $after: String) { tickets(filter: { chatIds: $chatIds, \
    statuses: [NEW, ACTIVE] }, first: 100, after: $after) { nodes { id chat { id } } \
    pageInfo { hasNextPage endCursor } } }";

/// Whether and from where a list goes on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl PageInfo {
    /// The cursor of the next page; none at the end.
    ///
    /// # Errors
    /// The list says that it goes on, but not to where else than `before`.
    pub(super) fn next(self, before: Option<&str>) -> Result<Option<String>, Failure> {
        match self.end_cursor {
            _ if !self.has_next_page => Ok(None),
            Some(cursor) if Some(cursor.as_str()) != before => Ok(Some(cursor)),
            _ => Err(Failure::coded("no cursor", "a list goes on without a cursor", None)),
        }
    }
}

#[derive(Deserialize)]
struct Chat {
    messages: Messages,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Messages {
    nodes: Vec<Message>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    seq: u32,
    external_id: Option<String>,
    text: Option<String>,
    direction: String,
}

/// A chat that was not read to its end.
struct Unread {
    chat: u32,
    id: Uuid,
    after: Option<String>,
    reading: Reading,
}

/// A question about several chats by alias, with a cursor for each.
fn question(chats: &[Unread]) -> (String, Map<String, Value>) {
    let (mut arguments, mut fields, mut variables) = (String::new(), String::new(), Map::new());
    for (place, unread) in chats.iter().enumerate() {
        // writing to a string does not fail
        let _ = write!(arguments, "$id{place}: UUID!, $after{place}: String, ");
        let _ = write!(
            fields,
            "c{place}: chat(id: $id{place}) {{ messages(first: 100, after: $after{place}) {{ \
             nodes {{ seq externalId text direction }} pageInfo {{ hasNextPage endCursor }} }} }} "
        );
        variables.insert(format!("id{place}"), json!(unread.id));
        variables.insert(format!("after{place}"), json!(unread.after));
    }
    (format!("query({arguments}) {{ {fields} }}"), variables)
}

/// Reads a page of each, until all are at their end.
async fn read_chats(shared: &Shared, chats: &[(u32, Uuid)]) -> Result<Findings, Failure> {
    let begin = |(chat, id): &(u32, Uuid)| Unread {
        chat: *chat,
        id: *id,
        after: None,
        reading: Reading::default(),
    };
    let mut unread: Vec<_> = chats.iter().map(begin).collect();
    let mut findings = Findings::default();
    while !unread.is_empty() {
        let (query, variables) = question(&unread);
        let mut pages: HashMap<String, Option<Chat>> = shared.client.read(&query, variables).await?;
        let asked = unread.len();
        let mut further = Vec::new();
        for (place, mut chat) in unread.into_iter().enumerate() {
            let Some(Chat { messages }) = pages.remove(&format!("c{place}")).flatten() else {
                findings.note(|| format!("chat {} was named by a receipt and is not there", chat.id));
                continue;
            };
            for message in messages.nodes.iter().filter(|message| message.direction == "INCOMING") {
                let read = Read {
                    seq: message.seq,
                    external_id: message.external_id.as_deref(),
                    text: message.text.as_deref(),
                };
                shared.ledger.read(chat.chat, &mut chat.reading, &read);
            }
            chat.after = messages.page_info.next(chat.after.as_deref())?;
            if chat.after.is_some() {
                further.push(chat);
            }
        }
        let ended = asked.saturating_sub(further.len());
        shared.figures.chats_read.add(u64::try_from(ended).unwrap_or(0));
        unread = further;
    }
    Ok(findings)
}

/// Compares the chats with what was acknowledged: once each, in order, and what the subscriber got.
pub(super) async fn check(shared: &Shared, chats: &[(u32, Uuid)]) -> (Vec<Invariant>, Closing) {
    let groups = stream::iter(chats.chunks(CHATS_MAX).map(|group| read_chats(shared, group)));
    let read = groups.buffer_unordered(QUESTIONS_MAX);
    let read = read.try_fold(Findings::default(), async |mut all, findings| {
        all.join(&findings);
        Ok(all)
    });
    let read = read.await;
    let closing = shared.ledger.close();
    let missing = match read {
        Ok(missing) => missing,
        Err(failure) => {
            let unreadable = [ONCE, ORDER].map(|name| Invariant::unreadable(name, &failure));
            return (unreadable.into(), closing);
        }
    };
    let mut once = closing.exactly_once.clone();
    once.join(&missing);
    let acknowledged = shared.figures.acknowledged.get();
    let chats = chats.len();
    let once_sentence = format!("{acknowledged} acknowledged messages looked for in {chats} chats");
    let order_sentence = match closing.displaced {
        0 => format!("numbers and seqs ascend in {chats} chats"),
        open => {
            format!("numbers and seqs ascend in {chats} chats; {open} messages resent after later ones are left out")
        }
    };
    let invariants = vec![
        Invariant::of(ONCE, once, once_sentence),
        Invariant::of(ORDER, closing.order.clone(), order_sentence),
    ];
    (invariants, closing)
}

#[derive(Deserialize)]
struct OpenTickets {
    tickets: OpenTicketPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenTicketPage {
    nodes: Vec<OpenTicket>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
struct OpenTicket {
    id: Uuid,
    chat: ChatId,
}

#[derive(Deserialize)]
struct ChatId {
    id: Uuid,
}

async fn open_tickets(shared: &Shared, chats: &[(u32, Uuid)]) -> Result<(u64, Findings), Failure> {
    let chat_ids: Vec<_> = chats.iter().map(|(_, id)| *id).collect();
    let mut open: HashMap<Uuid, Uuid> = HashMap::new();
    let mut findings = Findings::default();
    let mut after: Option<String> = None;
    loop {
        let variables = json!({ "chatIds": chat_ids, "after": after });
        let OpenTickets { tickets } = shared.client.read(OPEN_TICKETS, variables).await?;
        for OpenTicket { id, chat } in tickets.nodes {
            let other = open.insert(chat.id, id).filter(|other| *other != id);
            if let Some(other) = other {
                findings.note(|| format!("chat {} has the open tickets {other} and {id}", chat.id));
            }
        }
        after = tickets.page_info.next(after.as_deref())?;
        if after.is_none() {
            return Ok((u64::try_from(open.len()).unwrap_or(0), findings));
        }
    }
}

/// Counts the open tickets of every chat.
pub(super) async fn check_open_tickets(shared: &Shared, chats: &[(u32, Uuid)]) -> Invariant {
    let groups = chats
        .chunks(CHATS_OF_TICKETS_MAX)
        .map(|group| open_tickets(shared, group));
    let counted = stream::iter(groups).buffer_unordered(QUESTIONS_MAX);
    let counted = counted.try_fold(
        (0_u64, Findings::default()),
        async |(open, mut all), (more, findings)| {
            all.join(&findings);
            Ok((open.saturating_add(more), all))
        },
    );
    match counted.await {
        Ok((open, findings)) => {
            let sentence = format!("{open} open tickets in {} chats", chats.len());
            Invariant::of(OPEN, findings, sentence)
        }
        Err(failure) => Invariant::unreadable(OPEN, &failure),
    }
}
