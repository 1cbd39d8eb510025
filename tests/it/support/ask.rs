//! One aggregate of the pure core that is not a chat.

use switchboard::domain::command::Wish;
use switchboard::domain::{Actor, Aggregate, Event, Rejection, id};
use uuid::Uuid;

pub fn wish<B>(body: B) -> Wish<B> {
    Wish {
        id: Uuid::from_u128(7),
        workspace_id: id::first_workspace(),
        actor: Actor::system(),
        keys: Vec::new(),
        body_hash: Some("hash".into()),
        body,
    }
}

/// Asks an aggregate; what happened. Replaying the events leads to the same state.
pub fn ask<A, B>(state: &mut A, policy: &A::Policy, body: B, now: u64) -> Result<Vec<Event>, Rejection>
where
    A: Aggregate<Command = Wish<B>> + PartialEq,
    B: std::fmt::Debug + Send + Sync + 'static,
{
    let decided = state.decide(&wish(body), policy, now)?;
    let mut replayed = state.clone();
    for event in &decided.events {
        let stored = serde_json::to_string(event).unwrap();
        replayed.apply(&serde_json::from_str(&stored).unwrap());
    }
    if !decided.events.is_empty() {
        *state = decided.state;
        let version = state.version();
        state.set_version(version + 1);
    }
    assert!(replayed == *state, "replaying rebuilds the state");
    if let Some(last) = decided.events.last() {
        assert_eq!(state.seq(), last.seq);
    }
    // a repeat is known by the body, also of what changed nothing
    assert_eq!(decided.receipt.body_hash.as_deref(), Some("hash"));
    assert!(decided.receipt.setting_id.is_some());
    Ok(decided.events)
}

pub fn types(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.body.name()).collect()
}

pub fn code<T: std::fmt::Debug>(answer: Result<T, Rejection>) -> &'static str {
    answer.unwrap_err().code()
}
