//! Pages of a list: keyset cursors, so that a deep page costs what the first does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The most items of one page.
pub const PAGE_MAX: usize = 100;
/// The items of a page when nobody says.
pub const PAGE_DEFAULT: usize = 20;
/// Where a total is not kept, so many items are looked at.
pub const TOTAL_MAX: u64 = 10_000;

/// Which way to read from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range<K> {
    /// Up to `limit` items after the key, or from the start.
    Forward {
        /// Not included.
        after: Option<K>,
        /// At most [`PAGE_MAX`].
        limit: usize,
    },
    /// The last `limit` items before the key, or before the end.
    Backward {
        /// Not included.
        before: Option<K>,
        /// At most [`PAGE_MAX`].
        limit: usize,
    },
}

impl<K> Range<K> {
    /// At most [`PAGE_MAX`].
    #[must_use]
    pub fn limit(&self) -> usize {
        match self {
            Self::Forward { limit, .. } | Self::Backward { limit, .. } => *limit,
        }
    }
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Something follows.
    pub has_next: bool,
    /// Something comes before.
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// From up to `limit + 1` items in reading order.
    pub(super) fn cut<K>(mut items: Vec<T>, range: &Range<K>) -> Self {
        let more = items.len() > range.limit();
        items.truncate(range.limit());
        match range {
            Range::Forward { after, .. } => Self {
                has_previous: after.is_some(),
                has_next: more,
                items,
            },
            Range::Backward { before, .. } => {
                items.reverse();
                Self {
                    has_previous: more,
                    has_next: before.is_some(),
                    items,
                }
            }
        }
    }
}

/// The place of a ticket in a list: the sort key, then the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketKey {
    /// A time in milliseconds.
    pub at: u64,
    /// The ticket.
    pub id: Uuid,
}

impl TicketKey {
    /// As an opaque cursor.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = [0_u8; 24];
        let (at, id) = bytes.split_at_mut(8);
        at.copy_from_slice(&self.at.to_be_bytes());
        id.copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From an opaque cursor.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (at, id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            at: u64::from_be_bytes(*at),
            id: Uuid::from_slice(id).ok()?,
        })
    }
}

/// A sequence number as an opaque cursor.
#[must_use]
pub fn encode_seq(seq: u64) -> String {
    URL_SAFE_NO_PAD.encode(seq.to_be_bytes())
}

/// From an opaque cursor.
#[must_use]
pub fn decode_seq(text: &str) -> Option<u64> {
    let bytes: [u8; 8] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}
