use super::*;

fn told(seq: u64, at: Millis, outcome: Outcome) -> Told {
    Told {
        aggregate_id: Uuid::from_u128(1),
        seq,
        event_type: "ticket.created".into(),
        at,
        outcome,
    }
}

fn failed(retry_after_ms: Option<Millis>) -> Outcome {
    Outcome::Failed(Failure {
        reason: "no".into(),
        retry_after_ms,
        is_throttle: retry_after_ms.is_some(),
        is_for_ever: false,
    })
}

fn due(state: &State, now: Millis) -> Vec<u64> {
    let due = state.due((now, 16), |_| false);
    due.iter().map(|event| event.seq).collect()
}

#[test]
fn of_a_receiver_that_is_down_each_event_has_its_turn() {
    let mut state = State::default();
    for seq in 1..=10 {
        assert!(!state.is_down());
        state.take(&told(seq, seq, failed(None)));
    }
    assert!(state.is_down());
    assert!(due(&state, 10 + PROBE_MS - 1).is_empty());
    let mut now = 10;
    for seq in [1, 2, 3, 4] {
        now += PROBE_MS;
        assert_eq!(state.next_attempt_at(), Some(now));
        assert_eq!(due(&state, now), [seq]);
        state.take(&told(seq, now, failed(None)));
    }
    state.take(&told(99, now, Outcome::Taken));
    assert!(!state.is_down());
    assert_eq!(due(&state, now).len(), 10, "whoever is back is told at once");
}

#[test]
fn an_event_is_given_up_only_if_others_were_taken() {
    for others_are_taken in [false, true] {
        let (mut state, mut now) = (State::default(), 1);
        for _ in 0..=DELAYS_MS.len() {
            assert_eq!(state.given_up, []);
            state.take(&told(1, now, failed(None)));
            if others_are_taken {
                state.take(&told(2, now + 1, Outcome::Taken));
            }
            now += 40_000_000;
        }
        assert_eq!(state.given_up.len(), usize::from(others_are_taken));
        assert_eq!(state.waiting.len(), usize::from(!others_are_taken));
    }
}

#[test]
fn who_wants_to_be_left_alone_is_and_is_not_down() {
    let mut state = State::default();
    for seq in 1..=20 {
        state.take(&told(seq, 1, failed(Some(60_000))));
    }
    assert!(!state.is_down());
    assert!(!state.may_try(60_000));
    assert_eq!(due(&state, 60_001).len(), 16);
    state.take(&told(21, 2, failed(Some(Millis::MAX))));
    assert!(state.may_try(RETRY_AFTER_MAX_MS + 2), "a day at most");
}

#[test]
fn what_was_given_up_can_be_asked_for_again_as_far_as_there_is_room() {
    let mut state = State::default();
    for seq in 1..=300 {
        state.give_up(Undelivered {
            aggregate_id: Uuid::from_u128(1),
            seq,
            event_type: "ticket.created".into(),
            attempts: 11,
            first_at: 1,
            last_at: 1,
            next_at: 1,
            error: "no".into(),
        });
    }
    assert_eq!((state.given_up.len(), state.forgotten), (GIVEN_UP_MAX, 44));
    state.take(&told(1_000, 5, failed(None)));
    assert_eq!(state.retry(None, 7), WAITING_MAX);
    assert_eq!((state.waiting.len(), state.given_up.len()), (WAITING_MAX, 1));
    let one = state.given_up[0].event_id();
    assert_eq!(state.retry(Some(&[one]), 7), 0, "there is no room");
    assert!(state.waiting.iter().all(|event| event.next_at == 7));
}
