//! Ids that two nodes derive alike without talking.
//!
//! Every public id reads as a UUID v4. Ids of chats, tickets, messages and events are SHA-256 over what they name, with
//! the version and variant bits of a v4 set, so that neither a look-up nor randomness is needed to know them.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

fn derive(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    for part in parts {
        // a length before each part keeps ("ab", "c") and ("a", "bc") apart
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = from;
    }
    Builder::from_random_bytes(bytes).into_uuid()
}

/// The chat of one owner on one channel.
#[must_use]
pub fn chat(workspace: Uuid, channel: Uuid, external_id: &str) -> Uuid {
    derive(
        "chat",
        &[workspace.as_bytes(), channel.as_bytes(), external_id.as_bytes()],
    )
}

/// The ticket with this number (from 1) in a chat.
#[must_use]
pub fn ticket(chat: Uuid, number: u32) -> Uuid {
    derive("ticket", &[chat.as_bytes(), &number.to_be_bytes()])
}

/// The message that the event with this sequence number brought into a chat.
#[must_use]
pub fn message(chat: Uuid, seq: u64) -> Uuid {
    derive("message", &[chat.as_bytes(), &seq.to_be_bytes()])
}

/// The event with this sequence number of an aggregate.
#[must_use]
pub fn event(aggregate: Uuid, seq: u64) -> Uuid {
    derive("event", &[aggregate.as_bytes(), &seq.to_be_bytes()])
}

/// The contact that a chat belongs to until that contact is merged into another.
#[must_use]
pub fn contact(chat: Uuid) -> Uuid {
    derive("contact", &[chat.as_bytes()])
}

/// The comment or review that a provider names so on a channel.
#[must_use]
pub fn post(workspace: Uuid, channel: Uuid, external_id: &str) -> Uuid {
    derive(
        "post",
        &[workspace.as_bytes(), channel.as_bytes(), external_id.as_bytes()],
    )
}

/// The desk of an agent.
#[must_use]
pub fn desk(workspace: Uuid, agent: Uuid) -> Uuid {
    derive("desk", &[workspace.as_bytes(), agent.as_bytes()])
}

/// A command that follows from another one: the same on every node.
#[must_use]
pub fn follow_up(cause: Uuid, what: &str) -> Uuid {
    derive("command", &[cause.as_bytes(), what.as_bytes()])
}

/// The workspace that a first start makes: every node that starts on the same empty store means the same one.
#[must_use]
pub fn first_workspace() -> Uuid {
    derive("workspace", &[b"default"])
}

/// The key record of a secret with this SHA-256.
#[must_use]
pub fn key(hash: &str) -> Uuid {
    derive("key", &[hash.as_bytes()])
}

/// The partition of `count` (at least 1) that holds an aggregate.
#[must_use]
pub fn partition(aggregate: Uuid, count: u16) -> u16 {
    let (_, low) = aggregate.as_u64_pair();
    u16::try_from(low.checked_rem(u64::from(count)).unwrap_or(0)).unwrap_or(0)
}

/// Lower-case hexadecimal SHA-256.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_v4_and_stable_and_distinct() {
        let workspace = first_workspace();
        let one = chat(workspace, Uuid::nil(), "ab");
        assert_eq!(one, chat(workspace, Uuid::nil(), "ab"));
        assert_eq!(one.get_version_num(), 4);
        assert_eq!(one.get_variant(), uuid::Variant::RFC4122);
        assert_ne!(one, chat(workspace, Uuid::nil(), "ac"));
        assert_ne!(ticket(one, 1), message(one, 1));
        assert_ne!(derive("x", &[b"ab", b"c"]), derive("x", &[b"a", b"bc"]));
    }

    #[test]
    fn every_kind_of_id_is_its_own() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let ids = [
            first_workspace(),
            chat(one, two, "a"),
            post(one, two, "a"),
            ticket(one, 2),
            message(one, 2),
            event(one, 2),
            contact(one),
            desk(one, two),
            follow_up(one, "a"),
            key("a"),
            chat(one, two, "b"),
            post(one, two, "b"),
            ticket(one, 3),
            message(one, 3),
            event(one, 3),
            contact(two),
            desk(two, one),
            follow_up(one, "b"),
            key("b"),
            Uuid::nil(),
        ];
        let distinct: std::collections::HashSet<Uuid> = ids.into_iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn a_hash_is_sha_256_in_hexadecimal() {
        // FIPS 180-2, appendix B.1
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn partitions_are_in_range_and_all_used() {
        let mut used = [false; 16];
        for number in 0..1_000 {
            let partition = partition(ticket(Uuid::nil(), number), 16);
            used[usize::from(partition)] = true;
        }
        assert!(used.iter().all(|used| *used));
    }
}
