//! Contacts: who stands for whom, and what is known of them.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::View;
use super::read::{CHAT, ChatRow, all, bytes, chat, parsed};
use crate::domain::Contact;
use crate::domain::contact::ContactDetails;
use crate::sqlite::ReadError;

/// The longest chain of merged contacts that is followed.
const CHAIN_MAX: usize = 64;
/// The most chats of one contact that are shown.
const CHATS_MAX: usize = 100;

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
}
