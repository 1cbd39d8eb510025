//! Signatures that were used lately. What is signed does not say where it was sent, so that whoever saw a request could
//! send its signature elsewhere: here one is good for one method and path alone, as often as it is repeated.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::SKEW_MAX_MS;
use crate::domain::Millis;

/// The most that are remembered; past it the oldest are forgotten.
const USED_MAX: usize = 100_000;

/// Those of this node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Signatures(Arc<Mutex<Used>>);

#[derive(Debug, Default)]
struct Used {
    /// What each was used for.
    requests: HashMap<String, String>,
    /// The oldest first.
    order: VecDeque<(Millis, String)>,
}

impl Signatures {
    /// Remembers what a signature is used for; false where it was used for something else.
    pub(super) fn accept(&self, signature: &str, request: String, now: Millis) -> bool {
        let mut used = self.0.lock();
        // a timestamp may lie as far ahead as behind
        let kept_from = now.saturating_sub(SKEW_MAX_MS.saturating_mul(2));
        while used.order.front().is_some_and(|(at, _)| *at < kept_from) || used.order.len() >= USED_MAX {
            if let Some((_, forgotten)) = used.order.pop_front() {
                used.requests.remove(&forgotten);
            }
        }
        if let Some(known) = used.requests.get(signature) {
            return *known == request;
        }
        used.requests.insert(signature.to_owned(), request);
        used.order.push_back((now, signature.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_one_request() {
        let signatures = Signatures::default();
        let accept = |request: &str, now| signatures.accept("s", request.to_owned(), now);
        assert!(accept("PATCH /a", 1));
        assert!(accept("PATCH /a", 2));
        assert!(!accept("PATCH /b", 3));
        assert!(!accept("PATCH /b", 600_001));
        assert!(accept("PATCH /b", 600_002));
    }
}
