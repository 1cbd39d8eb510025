//! Contacts, and what is said in public.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use uuid::Uuid;

use super::View;
use super::page::{Page, Range, TicketKey};
use super::read::{CHAT, ChatRow, TicketRow, all, bytes, chat, limit_plus_one, parsed, signed, ticket};
use crate::domain::contact::ContactDetails;
use crate::domain::post::PostKind;
use crate::domain::{Contact, Post};
use crate::sqlite::ReadError;

/// The longest chain of merged contacts that is followed.
const CHAIN_MAX: usize = 64;
/// The most chats of one contact that are shown.
const CHATS_MAX: usize = 100;

/// A comment or review.
pub type PostRow = Post;

/// Where a ticket waits: its channel, and its team if it has one.
pub type Pool = (Uuid, Option<Uuid>);

const WAITING: &str = "FROM ticket t JOIN chat c ON c.id = t.chat
    WHERE t.workspace = ? AND t.assignee IS NULL AND t.status <> 'INACTIVE'
      AND t.removed = 0 AND c.owned = 0 AND c.blocked = 0";

/// A contact that stands for itself and all that were merged into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactRow {
    /// Of the contact that stands for all of them.
    pub id: Uuid,
    /// What is known.
    pub details: ContactDetails,
    /// Its chats on all channels, the oldest first; the first hundred.
    pub chats: Vec<ChatRow>,
    /// There are more.
    pub has_more_chats: bool,
    /// It has chats on channels that were not asked for.
    pub has_chats_elsewhere: bool,
}

impl ContactRow {
    /// For who may not know of all its channels: of one with chats elsewhere, nothing that was set.
    #[must_use]
    pub fn glimpse(self) -> Self {
        if self.has_chats_elsewhere {
            return Self {
                details: ContactDetails::default(),
                ..self
            };
        }
        self
    }
}

/// The contact that stands for this one. A circle, which two merges at the same moment may make, stands for its least id.
fn root(connection: &Connection, workspace: Uuid, contact_id: Uuid) -> rusqlite::Result<Uuid> {
    let mut statement =
        connection.prepare_cached("SELECT merged_into FROM contact WHERE id = ?1 AND workspace = ?2")?;
    let mut passed = vec![contact_id];
    let mut current = contact_id;
    while passed.len() < CHAIN_MAX {
        let next: Option<Option<[u8; 16]>> = statement
            .query_row(params![current.as_bytes(), workspace.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(next) = next.flatten().map(Uuid::from_bytes) else {
            return Ok(current);
        };
        if let Some(begin) = passed.iter().position(|passed| *passed == next) {
            let circle = passed.get(begin..).unwrap_or_default();
            return Ok(circle.iter().min().copied().unwrap_or(next));
        }
        passed.push(next);
        current = next;
    }
    Ok(current)
}

/// Every contact that this one stands for, itself first.
fn merged(connection: &Connection, workspace: Uuid, root: Uuid) -> Result<Vec<Uuid>, ReadError> {
    let mut ids = vec![root];
    let mut at = 0;
    while let Some(id) = ids.get(at).copied() {
        let found = all(
            connection,
            "SELECT id FROM contact WHERE merged_into = ?1 AND workspace = ?2",
            params![id.as_bytes(), workspace.as_bytes()],
            |row| bytes(row, 0),
        )?;
        for id in found {
            if ids.len() <= CHATS_MAX && !ids.contains(&id) {
                ids.push(id);
            }
        }
        at = at.saturating_add(1);
    }
    Ok(ids)
}

/// What was set of a contact, if anything was.
fn known(connection: &Connection, workspace: Uuid, id: Uuid) -> Result<Option<Contact>, ReadError> {
    let mut statement = connection.prepare_cached("SELECT body FROM contact WHERE id = ?1 AND workspace = ?2")?;
    let found = statement.query_row(params![id.as_bytes(), workspace.as_bytes()], |row| parsed(row, 0));
    Ok(found.optional()?)
}

/// The contact that stands for this one, and the name that was set for it.
pub(super) fn owner(
    connection: &Connection,
    workspace: Uuid,
    contact_id: Uuid,
) -> Result<(Uuid, Option<String>), ReadError> {
    let id = root(connection, workspace, contact_id)?;
    let known = known(connection, workspace, id)?;
    Ok((id, known.and_then(|contact| contact.details.name)))
}

fn contact(
    connection: &Connection,
    workspace: Uuid,
    contact_id: Uuid,
    channel_ids: Option<&[Uuid]>,
) -> Result<Option<ContactRow>, ReadError> {
    let id = root(connection, workspace, contact_id)?;
    let known = known(connection, workspace, id)?;
    let sql = format!("{CHAT} WHERE contact = ?1 AND workspace = ?2");
    let mut chats = Vec::new();
    for id in merged(connection, workspace, id)? {
        let found = all(connection, &sql, params![id.as_bytes(), workspace.as_bytes()], chat)?;
        chats.extend(found);
    }
    if known.is_none() && chats.is_empty() {
        return Ok(None);
    }
    let of_all = chats.len();
    chats.retain(|chat| channel_ids.is_none_or(|ids| ids.contains(&chat.channel_id)));
    let has_chats_elsewhere = chats.len() < of_all;
    chats.sort_by_key(|chat| (chat.created_at, chat.id));
    let has_more_chats = chats.len() > CHATS_MAX;
    chats.truncate(CHATS_MAX);
    Ok(Some(ContactRow {
        id,
        details: known.map(|contact| contact.details).unwrap_or_default(),
        chats,
        has_more_chats,
        has_chats_elsewhere,
    }))
}

/// Which comments and reviews.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in the API")]
pub struct PostFilter {
    pub kind: Option<PostKind>,
    /// Any of these; all where it is empty.
    pub channel_ids: Vec<Uuid>,
}

impl View {
    /// A contact of the workspace by its own id or that of one that was merged into it.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn contact(
        &self,
        workspace: Uuid,
        contact_id: Uuid,
        channel_ids: Option<Vec<Uuid>>,
    ) -> Result<Option<ContactRow>, ReadError> {
        self.ask(move |connection| contact(connection, workspace, contact_id, channel_ids.as_deref()))
            .await
    }

    /// A comment or review.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn post(&self, workspace: Uuid, id: Uuid) -> Result<Option<PostRow>, ReadError> {
        self.ask(move |connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM post WHERE id = ?1 AND workspace = ?2")?;
            let found = statement.query_row(params![id.as_bytes(), workspace.as_bytes()], |row| parsed(row, 0));
            Ok(found.optional()?)
        })
        .await
    }

    /// One page of comments and reviews, the newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn posts(
        &self,
        workspace: Uuid,
        filter: PostFilter,
        after: Option<TicketKey>,
        limit: usize,
    ) -> Result<Page<PostRow>, ReadError> {
        self.ask(move |connection| {
            let before = after.map_or((i64::MAX, vec![0xff; 16]), |key| {
                (signed(key.at), key.id.as_bytes().to_vec())
            });
            let marks: Vec<String> = (6_usize..)
                .take(filter.channel_ids.len())
                .map(|number| format!("?{number}"))
                .collect();
            let on_channels = if marks.is_empty() {
                String::new()
            } else {
                format!("AND channel IN ({})", marks.join(", "))
            };
            let sql = format!(
                "SELECT body FROM post WHERE workspace = ?1 AND (created_at, id) < (?2, ?3)
                   AND (?4 IS NULL OR kind = ?4) {on_channels}
                 ORDER BY created_at DESC, id DESC LIMIT ?5"
            );
            let mut values: Vec<Box<dyn ToSql>> = vec![
                Box::new(*workspace.as_bytes()),
                Box::new(before.0),
                Box::new(before.1),
                Box::new(filter.kind.map(PostKind::name)),
                Box::new(limit_plus_one(limit)),
            ];
            for id in filter.channel_ids {
                values.push(Box::new(*id.as_bytes()));
            }
            let rows = all(connection, &sql, params_from_iter(values), |row| parsed(row, 0))?;
            Ok(Page::cut(rows, &Range::Forward { after, limit }))
        })
        .await
    }

    /// Where open tickets wait that nobody has, by channel and team, the longest waiting first; not those of removed
    /// chats, blocked owners and responders.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn waiting_pools(&self, workspace: Uuid) -> Result<Vec<Pool>, ReadError> {
        self.ask(move |connection| {
            let sql = format!("SELECT t.channel, t.team {WAITING} GROUP BY 1, 2 ORDER BY min(t.opened_at)");
            all(connection, &sql, params![workspace.as_bytes()], |row| {
                let team: Option<[u8; 16]> = row.get(1)?;
                Ok((bytes(row, 0)?, team.map(Uuid::from_bytes)))
            })
        })
        .await
    }

    /// Tickets that wait in any of these pools, with their channel, the longest waiting first.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn waiting(
        &self,
        workspace: Uuid,
        pools: Vec<Pool>,
        limit: usize,
    ) -> Result<Vec<(TicketRow, Uuid)>, ReadError> {
        self.ask(move |connection| {
            let any = vec!["(t.channel = ? AND t.team IS ?)"; pools.len()].join(" OR ");
            let sql =
                format!("SELECT t.chat, t.body, t.channel {WAITING} AND ({any}) ORDER BY t.opened_at, t.id LIMIT ?");
            let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(*workspace.as_bytes())];
            for (channel, team) in pools {
                values.push(Box::new(*channel.as_bytes()));
                values.push(Box::new(team.map(|team| *team.as_bytes())));
            }
            values.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
            all(connection, &sql, params_from_iter(values), |row| {
                Ok((ticket(row)?, bytes(row, 2)?))
            })
        })
        .await
    }

    /// Open tickets that an agent has.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn held(&self, workspace: Uuid, agent_id: Uuid, limit: usize) -> Result<Vec<TicketRow>, ReadError> {
        self.ask(move |connection| {
            all(
                connection,
                "SELECT chat, body FROM ticket
                 WHERE workspace = ?1 AND assignee = ?2 AND status <> 'INACTIVE' LIMIT ?3",
                params![
                    workspace.as_bytes(),
                    agent_id.as_bytes(),
                    i64::try_from(limit).unwrap_or(i64::MAX)
                ],
                ticket,
            )
        })
        .await
    }
}
