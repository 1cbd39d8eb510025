//! Relay connections over the view's pages.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{ObjectType, OutputType};

use crate::domain::Rejection;
use crate::view::page::{Listing, PAGE_DEFAULT, PAGE_MAX, Page, Range, TicketKey, decode_seq};

/// `first`, `after`, `last`, `before` of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct PageArguments {
    pub(super) first: Option<i32>,
    pub(super) after: Option<String>,
    pub(super) last: Option<i32>,
    pub(super) before: Option<String>,
}

impl PageArguments {
    pub(super) fn forward(first: Option<i32>, after: Option<String>) -> Self {
        Self {
            first,
            after,
            ..Self::default()
        }
    }

    /// A range over keys that `decode` reads from a cursor.
    fn range<K>(self, decode: impl Fn(&str) -> Option<K>) -> Result<Range<K>, Rejection> {
        let key = |field, cursor: Option<String>| {
            let decoded = cursor.map(|cursor| decode(&cursor).ok_or(field)).transpose();
            decoded.map_err(|field| Rejection::invalid(field, "a cursor of this list in this order"))
        };
        let backward = self.last.is_some() || self.before.is_some();
        if backward && (self.first.is_some() || self.after.is_some()) {
            return Err(Rejection::invalid(
                "first",
                "either first and after, or last and before",
            ));
        }
        if backward {
            let limit = limit("last", self.last)?;
            let before = key("before", self.before)?;
            return Ok(Range::Backward { before, limit });
        }
        let limit = limit("first", self.first)?;
        let after = key("after", self.after)?;
        Ok(Range::Forward { after, limit })
    }

    /// A range over a list of tickets, chats or posts.
    pub(super) fn keys(self, list: Listing) -> Result<Range<TicketKey>, Rejection> {
        self.range(|cursor| TicketKey::decode(list, cursor))
    }

    /// A range over a list of messages or events.
    pub(super) fn seqs(self, list: Listing) -> Result<Range<u64>, Rejection> {
        self.range(|cursor| decode_seq(list, cursor))
    }
}

fn limit(field: &'static str, value: Option<i32>) -> Result<usize, Rejection> {
    let Some(value) = value else {
        return Ok(PAGE_DEFAULT);
    };
    usize::try_from(value)
        .ok()
        .filter(|value| *value <= PAGE_MAX)
        .ok_or_else(|| Rejection::invalid(field, format!("0 to {PAGE_MAX}")))
}

/// What a page may cost: its fields, times what it may hold.
pub(super) fn cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let items = first.or(last).and_then(|items| usize::try_from(items).ok());
    let times = items.unwrap_or(PAGE_DEFAULT).div_ceil(10).max(1);
    child.saturating_mul(times).saturating_add(1)
}

pub(super) fn connection<T, N, F>(
    page: Page<T>,
    fields: F,
    node: impl Fn(T) -> (String, N),
) -> Connection<String, N, F, EmptyFields>
where
    N: OutputType,
    F: ObjectType,
{
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, fields);
    connection.edges.extend(page.items.into_iter().map(|item| {
        let (cursor, node) = node(item);
        Edge::new(cursor, node)
    }));
    connection
}
