//! Pages of a list: keyset cursors, so that a deep page costs what the first does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::TicketOrder;

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

/// Which list a cursor is of, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Listing {
    Tickets(TicketOrder),
    Chats,
    Posts,
    Messages,
    Events,
}

impl Listing {
    /// What its cursors begin with.
    fn byte(self) -> u8 {
        match self {
            Self::Tickets(TicketOrder::UpdatedDesc) => 1,
            Self::Tickets(TicketOrder::CreatedDesc) => 2,
            Self::Tickets(TicketOrder::CreatedAsc) => 3,
            Self::Tickets(TicketOrder::WaitingLongest) => 4,
            Self::Tickets(TicketOrder::Priority) => 5,
            Self::Chats => 6,
            Self::Posts => 7,
            Self::Messages => 8,
            Self::Events => 9,
        }
    }

    fn encode(self, key: &[u8]) -> String {
        let mut bytes = vec![self.byte()];
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None of another list, or of another order.
    fn decode<const SIZE: usize>(self, text: &str) -> Option<[u8; SIZE]> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (first, key) = bytes.split_first()?;
        key.try_into().ok().filter(|_| *first == self.byte())
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
    /// As an opaque cursor of a list.
    #[must_use]
    pub fn encode(&self, list: Listing) -> String {
        let mut bytes = [0_u8; 24];
        let (at, id) = bytes.split_at_mut(8);
        at.copy_from_slice(&self.at.to_be_bytes());
        id.copy_from_slice(self.id.as_bytes());
        list.encode(&bytes)
    }

    /// From an opaque cursor of this list.
    #[must_use]
    pub fn decode(list: Listing, text: &str) -> Option<Self> {
        let bytes: [u8; 24] = list.decode(text)?;
        let (at, id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            at: u64::from_be_bytes(*at),
            id: Uuid::from_slice(id).ok()?,
        })
    }
}

/// A sequence number as an opaque cursor of a list.
#[must_use]
pub fn encode_seq(list: Listing, seq: u64) -> String {
    list.encode(&seq.to_be_bytes())
}

/// From an opaque cursor of this list.
#[must_use]
pub fn decode_seq(list: Listing, text: &str) -> Option<u64> {
    list.decode(text).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_list_in_one_order() {
        let orders = [
            TicketOrder::UpdatedDesc,
            TicketOrder::CreatedDesc,
            TicketOrder::CreatedAsc,
            TicketOrder::WaitingLongest,
            TicketOrder::Priority,
        ];
        let mut lists: Vec<Listing> = orders.into_iter().map(Listing::Tickets).collect();
        lists.extend([Listing::Chats, Listing::Posts, Listing::Messages, Listing::Events]);
        let key = TicketKey {
            at: u64::MAX,
            id: Uuid::from_u128(7),
        };
        for of in &lists {
            for wanted in &lists {
                let expected = (of == wanted).then_some(key);
                assert_eq!(
                    TicketKey::decode(*wanted, &key.encode(*of)),
                    expected,
                    "{of:?} {wanted:?}"
                );
                let expected = (of == wanted).then_some(3);
                assert_eq!(decode_seq(*wanted, &encode_seq(*of, 3)), expected, "{of:?} {wanted:?}");
            }
            assert_eq!(TicketKey::decode(*of, &encode_seq(*of, 3)), None);
            assert_eq!(decode_seq(*of, &key.encode(*of)), None);
            for text in ["", "AA", "nonsense", &URL_SAFE_NO_PAD.encode([0_u8; 24])] {
                assert_eq!(TicketKey::decode(*of, text), None, "{text}");
                assert_eq!(decode_seq(*of, text), None, "{text}");
            }
        }
    }
}
