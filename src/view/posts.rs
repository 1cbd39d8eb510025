//! Comments and reviews, the newest first.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use uuid::Uuid;

use super::View;
use super::condition::{Where, blob};
use super::page::{Page, Range, TicketKey};
use super::read::{all, bytes, limit_plus_one, number, parsed, signed};
use crate::domain::Post;
use crate::domain::post::PostKind;
use crate::sqlite::ReadError;

const KINDS: [PostKind; 2] = [PostKind::Comment, PostKind::Review];

/// A comment or review.
pub type PostRow = Post;

/// Which comments and reviews.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "as in the API")]
pub struct PostFilter {
    pub kind: Option<PostKind>,
    /// Any of these; all where it is empty.
    pub channel_ids: Vec<Uuid>,
}

/// The places of one page of those of a kind, on a channel or on all.
fn places(
    connection: &Connection,
    (workspace, channel, kind): (Uuid, Option<Uuid>, PostKind),
    after: Option<TicketKey>,
    limit: usize,
) -> Result<Vec<(u64, Uuid)>, ReadError> {
    let (at, id) = after.map_or((i64::MAX, vec![0xff; 17]), |key| {
        (signed(key.at), key.id.as_bytes().to_vec())
    });
    let mut wanted = Where::new(
        "workspace = ? AND kind = ? AND (created_at, id) < (?, ?)",
        vec![
            blob(workspace.as_bytes()),
            Value::Text(kind.name().to_owned()),
            at.into(),
            id.into(),
        ],
    );
    if let Some(channel) = channel {
        wanted = wanted.and("channel = ?", blob(channel.as_bytes()));
    }
    wanted.values.push(limit_plus_one(limit).into());
    let sql = format!(
        "SELECT created_at, id FROM post WHERE {} ORDER BY created_at DESC, id DESC LIMIT ?",
        wanted.sql
    );
    all(connection, &sql, params_from_iter(wanted.values), |row| {
        Ok((number(row, 0)?, bytes(row, 1)?))
    })
}

fn found(connection: &Connection, workspace: Uuid, id: Uuid) -> Result<Option<PostRow>, ReadError> {
    let mut statement = connection.prepare_cached("SELECT body FROM post WHERE id = ?1 AND workspace = ?2")?;
    let found = statement.query_row(params![id.as_bytes(), workspace.as_bytes()], |row| parsed(row, 0));
    Ok(found.optional()?)
}

fn page(
    connection: &Connection,
    workspace: Uuid,
    filter: &PostFilter,
    (after, limit): (Option<TicketKey>, usize),
) -> Result<Page<PostRow>, ReadError> {
    let mut channels: HashSet<Option<Uuid>> = filter.channel_ids.iter().copied().map(Some).collect();
    if channels.is_empty() {
        channels.insert(None);
    }
    let kinds = KINDS
        .into_iter()
        .filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind));
    let mut of_all = Vec::new();
    for kind in kinds {
        for channel in &channels {
            of_all.extend(places(connection, (workspace, *channel, kind), after, limit)?);
        }
    }
    of_all.sort_unstable_by(|one, other| other.cmp(one));
    of_all.truncate(limit.saturating_add(1));
    let mut rows = Vec::with_capacity(of_all.len());
    for (_, id) in of_all {
        rows.extend(found(connection, workspace, id)?);
    }
    Ok(Page::cut(rows, &Range::Forward { after, limit }))
}

impl View {
    /// A comment or review.
    ///
    /// # Errors
    /// What SQLite says; so for every question.
    pub async fn post(&self, workspace: Uuid, id: Uuid) -> Result<Option<PostRow>, ReadError> {
        self.ask(move |connection| found(connection, workspace, id)).await
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
        self.ask(move |connection| page(connection, workspace, &filter, (after, limit)))
            .await
    }
}
