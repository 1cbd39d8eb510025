//! A place in the logs as one opaque string.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::Heads;

/// A place from which a subscription can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// How far each log had come: right after an item of a subscription, on every node.
    Heads(Heads),
    /// One record: what a node took in after it follows.
    Point {
        /// Which life of the logs.
        epoch: u64,
        /// Which log.
        partition: u16,
        /// The place in it.
        position: u64,
    },
}

const HEADS: u8 = 1;
const POINT: u8 = 2;

/// Finds a mistyped cursor; not a protection.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum = bytes.iter().fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let [_, _, high, low] = sum.to_be_bytes();
    [high, low]
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl Cursor {
    /// As a string.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(48);
        match self {
            Self::Heads(heads) => {
                bytes.push(HEADS);
                bytes.extend(heads.epoch.to_be_bytes());
                for position in &heads.positions {
                    push_number(&mut bytes, *position);
                }
            }
            Self::Point {
                epoch,
                partition,
                position,
            } => {
                bytes.push(POINT);
                bytes.extend(epoch.to_be_bytes());
                push_number(&mut bytes, u64::from(*partition));
                push_number(&mut bytes, *position);
            }
        }
        let sum = checksum(&bytes);
        bytes.extend(sum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From a string; none where it is not one of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, sum) = bytes.split_last_chunk::<2>()?;
        if checksum(body) != *sum {
            return None;
        }
        let (kind, rest) = body.split_first()?;
        let (epoch, mut rest) = rest.split_first_chunk::<8>()?;
        let epoch = u64::from_be_bytes(*epoch);
        let mut numbers = Vec::new();
        while !rest.is_empty() {
            numbers.push(take_number(&mut rest)?);
        }
        match (*kind, numbers.as_slice()) {
            (HEADS, _) => Some(Self::Heads(Heads {
                epoch,
                positions: numbers,
            })),
            (POINT, [partition, position]) => Some(Self::Point {
                epoch,
                partition: u16::try_from(*partition).ok()?,
                position: *position,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_encoded_decodes(epoch: u64, positions in prop::collection::vec(any::<u64>(), 0..20), partition: u16, position: u64) {
            let heads = Cursor::Heads(Heads { epoch, positions });
            prop_assert_eq!(Cursor::decode(&heads.encode()), Some(heads));
            let point = Cursor::Point { epoch, partition, position };
            prop_assert_eq!(Cursor::decode(&point.encode()), Some(point));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Cursor::decode(&text);
        }
    }

    #[test]
    fn a_changed_cursor_is_refused() {
        let mut text = Cursor::Point {
            epoch: 1,
            partition: 2,
            position: 3,
        }
        .encode();
        text.replace_range(12..13, if &text[12..13] == "A" { "B" } else { "A" });
        assert_eq!(Cursor::decode(&text), None);
    }
}
