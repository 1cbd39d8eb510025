use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

fn at(ordinal: u64) -> Place {
    Place {
        ordinal,
        ..Place::default()
    }
}

fn answer(text: &str) -> Answer {
    Answer::Payload(text.into())
}

/// What an answer says.
fn text(taken: Taken) -> String {
    match taken {
        Taken::Answer(Answer::Payload(text), _) => text.to_string(),
        Taken::Last(Answer::Payload(text)) => format!("last: {text}"),
        Taken::Behind => "behind".to_owned(),
        Taken::Answer(Answer::Refused(_), _) | Taken::Last(Answer::Refused(_)) | Taken::Nothing => String::new(),
    }
}

/// Takes all that follows; up to where nothing was missed.
async fn read(mut member: Member, all: u64) -> u64 {
    let mut past = at(0);
    while past.ordinal < all
        && let Taken::Answer(_, Some(place)) = member.next(&past).await
        && place.ordinal.checked_sub(past.ordinal) == Some(1)
    {
        past = place;
    }
    past.ordinal
}

#[tokio::test]
async fn a_burst_waits_for_who_reads_and_lets_go_of_who_does_not() {
    const ALL: u64 = 2_000;
    let group = Arc::new(Group::default());
    group.open(Kind::Log, Some(&at(0)));
    let mut silent = Arc::clone(&group).join();
    let readers = (0..20).map(|_| read(Arc::clone(&group).join(), ALL));
    let readers = futures_util::future::join_all(readers);
    let gives = async {
        for ordinal in 1..=ALL {
            group.give(answer("{}"), Item::Entry(at(ordinal)));
            group.room().await;
        }
    };
    let ((), read) = tokio::join!(gives, readers);
    assert_eq!(read, [ALL; 20]);
    let held = |what: &str| {
        let state = group.state.lock();
        assert_eq!(state.window.held(), 0, "{what}");
        (state.window.members, state.window.idle)
    };
    assert_eq!(held("nobody waits for the lost"), (1, 0));
    assert!(matches!(silent.next(&at(0)).await, Taken::Behind));
    drop(silent);
    assert_eq!(held("nobody is there"), (0, 0));
}

/// How a member reads: so many answers when it has its turn, once in so many milliseconds.
#[derive(Clone, Copy)]
struct Pace {
    answers: u64,
    every: u64,
}

const FAST: Pace = Pace {
    answers: u64::MAX,
    every: 1,
};

struct Simulated {
    pace: Pace,
    reader: Reader,
    taken: u64,
    gone_at: Option<u64>,
}

impl Simulated {
    fn turn(&mut self, window: &mut Window, millis: u64) {
        if self.gone_at.is_some() {
            return;
        }
        if window.has_lost(&self.reader) {
            self.gone_at = Some(millis);
            window.leave(&mut self.reader);
            return;
        }
        for _ in 0..self.pace.answers {
            if window.take(&mut self.reader, &at(0)).is_none() {
                if window.is_paced() {
                    self.gone_at = Some(millis);
                    window.leave(&mut self.reader);
                }
                return;
            }
            self.taken = self.taken.saturating_add(1);
        }
    }
}

/// Gives members so many answers as soon as there is room, in a time of its own: after how many milliseconds those that
/// stayed have all, and when each of the others went.
fn simulate(paces: impl IntoIterator<Item = Pace>, all: u64) -> (u64, Vec<Option<u64>>) {
    let begin = Instant::now();
    let mut window = Window::default();
    let join = |pace| Simulated {
        pace,
        reader: window.join(),
        taken: 0,
        gone_at: None,
    };
    let mut members: Vec<Simulated> = paces.into_iter().map(join).collect();
    let mut given = 0_u64;
    for millis in 0..60_000_u64 {
        for (number, member) in (0_u64..).zip(&mut members) {
            if millis.saturating_add(number).is_multiple_of(member.pace.every) {
                member.turn(&mut window, millis);
            }
        }
        let now = begin.checked_add(Duration::from_millis(millis)).unwrap();
        loop {
            match window.hold(now) {
                Some(deadline) if deadline <= now => window.give_up(now, true),
                None if given < all => {
                    given = given.saturating_add(1);
                    window.push(answer("{}"), Item::Entry(at(given)));
                }
                Some(_) | None => break,
            }
        }
        if members
            .iter()
            .all(|member| member.gone_at.is_some() || member.taken == all)
        {
            return (millis, members.iter().map(|member| member.gone_at).collect());
        }
    }
    panic!("not all have everything after a minute");
}

#[test]
fn who_reads_steadily_but_slowly_holds_up_the_others_once() {
    let alone = simulate([FAST; 20], 4_000).0;
    assert!(alone < 50, "{alone} ms without anybody slow");
    // the second takes more in the time that it is given than the window holds
    for (answers, every) in [(1, 5), (3, 1)] {
        let slow = Pace { answers, every };
        let (millis, lost) = simulate([FAST; 20].into_iter().chain([slow]), 4_000);
        let at = lost[20].expect("lost");
        assert!(at <= 200, "{answers} each {every} ms: lost after {at} ms only");
        assert!(
            millis < 250,
            "{answers} each {every} ms: the others waited, {millis} ms"
        );
        assert_eq!(lost[..20], [None::<u64>; 20]);
    }
}

#[test]
fn who_takes_all_in_its_turn_stays_however_long_the_burst() {
    // among many on few cores a turn comes late, and not to all at once
    let paces = (0..40).map(|number| Pace {
        answers: u64::MAX,
        every: 25_u64.saturating_add(number),
    });
    let (millis, lost) = simulate(paces, 4_000);
    assert_eq!(lost, [None::<u64>; 40]);
    assert!(millis > 500, "{millis} ms: not longer than anybody is waited for");
}

#[test]
fn where_nearly_all_are_slow_they_share_on() {
    let pace = |answers, every| Pace { answers, every };
    assert_eq!(simulate([pace(100, 13); 40], 40_000).1, [None::<u64>; 40]);
    assert_eq!(simulate([pace(1, 10)], 1_000).1, [None::<u64>], "alone it harms nobody");
    let silent = pace(0, 1);
    let (millis, lost) = simulate([silent; 20].into_iter().chain([FAST]), 4_000);
    assert!(millis < 2_500, "{millis} ms for who reads beside those who do not");
    assert!(lost[..20].iter().all(Option::is_some) && lost[20].is_none());
    let (_, gone) = simulate([pace(1, 5); 20].into_iter().chain([FAST]), 4_000);
    assert_eq!(gone[..20], [None::<u64>; 20]);
    assert!(gone[20].is_some_and(|at| at < 2_500), "{:?}: waits for them", gone[20]);
}

#[test]
fn what_waits_grows_with_the_members() {
    // (members, bytes of an answer, how many wait at most)
    for (members, bytes, most) in [
        (1, 10, 24),
        (2, 10, 24),
        (4, 10, 48),
        (16, 10, 192),
        (1_000, 10, 192),
        (1, 16_384, 2),
        (16, 16_384, 12),
        (1, 1_048_576, 1),
    ] {
        let mut window = Window::default();
        let _readers: Vec<Reader> = (0..members).map(|_| window.join()).collect();
        let text = "x".repeat(bytes);
        let now = Instant::now();
        let mut given = 0_usize;
        while window.hold(now).is_none() {
            window.push(answer(&text), Item::Change);
            given = given.saturating_add(1);
        }
        assert_eq!(given, most, "{members} members, {bytes} bytes");
    }
}

#[tokio::test]
async fn who_is_lost_in_a_queue_goes_on_with_a_snapshot() {
    let group = Arc::new(Group::default());
    group.open(Kind::Changes, None);
    let (mut one, mut silent) = (Arc::clone(&group).join(), Arc::clone(&group).join());
    let past = at(0);
    group.give(answer("first"), Item::Snapshot);
    assert_eq!(text(one.next(&past).await), "first");
    assert_eq!(text(silent.next(&past).await), "first");
    let gives = async {
        for number in 0..100 {
            group.give(answer(&number.to_string()), Item::Change);
            group.room().await;
        }
    };
    let reads = async {
        for number in 0..100 {
            assert_eq!(text(one.next(&past).await), number.to_string());
        }
    };
    tokio::join!(gives, reads);
    let asks = async {
        group.asked().await;
        group.give(answer("second"), Item::Snapshot);
    };
    let (found, ()) = tokio::join!(silent.next(&past), asks);
    assert_eq!(text(found), "second");
    group.give(answer("change"), Item::Change);
    assert_eq!(text(silent.next(&past).await), "change");
    assert_eq!(text(one.next(&past).await), "change");
}

#[tokio::test]
async fn nobody_waits_for_who_waits_for_a_snapshot() {
    let group = Arc::new(Group::default());
    group.open(Kind::Changes, None);
    let mut one = Arc::clone(&group).join();
    group.give(answer("first"), Item::Snapshot);
    let past = at(0);
    assert_eq!(text(one.next(&past).await), "first");
    let mut late = Arc::clone(&group).join();
    group.give(answer("before it asks"), Item::Change);
    let mut next = Box::pin(late.next(&past));
    assert!(futures_util::poll!(&mut next).is_pending());
    group.asked().await;
    for number in 0..100 {
        group.give(answer(&number.to_string()), Item::Change);
    }
    let took = |group: &Group| {
        let state = group.state.lock();
        (state.window.is_crowded(), state.window.held() > 0)
    };
    assert_eq!(took(&group), (true, true), "by the one who has not taken them");
    assert_eq!(text(one.next(&past).await), "before it asks");
    for number in 0..100 {
        assert_eq!(text(one.next(&past).await), number.to_string());
    }
    assert_eq!(took(&group), (false, false));
    group.give(answer("second"), Item::Snapshot);
    group.give(answer("change"), Item::Change);
    // another change came before it looked: it asks again
    assert!(futures_util::poll!(&mut next).is_pending());
    group.asked().await;
    group.give(answer("third"), Item::Snapshot);
    assert_eq!(text(next.await), "third");
    group.give(answer("last"), Item::Change);
    assert_eq!(text(late.next(&past).await), "last");
    drop((one, late));
    let state = group.state.lock();
    assert_eq!(
        (state.window.members, state.window.idle, state.window.held()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn why_a_group_is_over_reaches_every_member_once_it_has_the_rest() {
    for kind in [Kind::Changes, Kind::Log] {
        let group = Arc::new(Group::default());
        group.open(kind, Some(&at(0)));
        let mut lagging = Arc::clone(&group).join();
        if kind == Kind::Changes {
            group.give(answer("all"), Item::Snapshot);
            assert_eq!(text(lagging.next(&at(0)).await), "all");
        }
        let item = if kind == Kind::Log {
            Item::Entry(at(1))
        } else {
            Item::Change
        };
        group.give(answer("one"), item);
        // of a queue it has nothing yet
        let mut waits = Arc::clone(&group).join();
        group.end_with(answer("why"));
        group.end();
        let mut late = Arc::clone(&group).join();
        assert_eq!(text(lagging.next(&at(0)).await), "one");
        for member in [&mut lagging, &mut waits, &mut late] {
            assert!(member.begin(&at(1)).await);
            assert_eq!(text(member.next(&at(0)).await), "last: why", "{kind:?}");
        }
    }
}

#[test]
fn who_comes_to_a_group_that_is_held_up_reads_by_itself() {
    let mut window = Window::default();
    let mut slow = window.join();
    let mut given = 0_u64;
    let mut now = Instant::now();
    let mut fill = |window: &mut Window, now| {
        while window.hold(now).is_none() {
            given = given.saturating_add(1);
            window.push(answer("{}"), Item::Entry(at(given)));
        }
        given
    };
    let last = fill(&mut window, now);
    // it takes the newest next
    let mut near = window.join();
    assert!(window.go_back(&mut near, &at(last.saturating_sub(1))));
    assert!(window.take(&mut near, &at(0)).is_some() && window.take(&mut near, &at(0)).is_none());
    window.leave(&mut near);
    // it would be slow at once
    let mut behind = window.join();
    assert!(!window.go_back(&mut behind, &at(1)));
    window.leave(&mut behind);
    // nobody is held up but who is slow: it sets the pace, and the logs go on without it
    for _ in 0..20 {
        assert!(window.take(&mut slow, &at(0)).is_some());
        fill(&mut window, now);
    }
    now = now.checked_add(Duration::from_secs(3)).unwrap();
    window.give_up(now, true);
    let last = fill(&mut window, now);
    assert!(window.is_paced() && !window.has_lost(&slow));
    let mut ahead = window.join();
    assert!(!window.go_back(&mut ahead, &at(last.saturating_add(1_000))));
    window.leave(&mut ahead);
    while window.take(&mut slow, &at(0)).is_some() {}
    assert!(!window.is_paced(), "it has come so far");
    let mut ahead = window.join();
    assert!(window.go_back(&mut ahead, &at(last.saturating_add(1_000))));
}

/// Counters, with so many members.
fn newest<const N: usize>() -> (Arc<Group>, [Member; N]) {
    let group = Arc::new(Group::default());
    group.open(Kind::Newest, None);
    let members = std::array::from_fn(|_| Arc::clone(&group).join());
    (group, members)
}

/// What a member takes without waiting, if there is anything.
fn at_once(member: &mut Member) -> Option<String> {
    member.next(&at(0)).now_or_never().map(text)
}

#[test]
fn the_newest_comes_once_to_each_and_at_once_to_who_comes_later() {
    let (group, [mut one]) = newest();
    assert_eq!(at_once(&mut one), None, "there is none yet");
    for value in ["first", "second"] {
        group.give(answer(value), Item::Snapshot);
        let mut late = Arc::clone(&group).join();
        for member in [&mut one, &mut late] {
            assert_eq!(at_once(member).as_deref(), Some(value));
            assert_eq!(at_once(member), None, "it has {value}");
        }
    }
}

#[tokio::test]
async fn who_is_woken_for_nothing_waits_on_for_the_next() {
    let (group, [mut one]) = newest();
    group.give(answer("first"), Item::Snapshot);
    let past = at(0);
    assert_eq!(text(one.next(&past).await), "first");
    let mut next = Box::pin(one.next(&past));
    for _ in 0..3 {
        assert!(futures_util::poll!(&mut next).is_pending());
        group.wake();
    }
    assert!(futures_util::poll!(&mut next).is_pending());
    group.give(answer("second"), Item::Snapshot);
    group.wake();
    assert_eq!(text(next.await), "second");
    assert_eq!(at_once(&mut one), None);
}

#[test]
fn who_was_slow_has_the_newest_and_none_of_the_older_ones() {
    let (group, [mut quick, mut slow]) = newest();
    for number in 0..100 {
        let value = number.to_string();
        group.give(answer(&value), Item::Snapshot);
        assert_eq!(at_once(&mut quick), Some(value));
    }
    assert_eq!(group.state.lock().window.held(), 0, "nobody waits for the slow one");
    assert_eq!(at_once(&mut slow).as_deref(), Some("99"));
    assert_eq!(at_once(&mut slow), None);
}

#[test]
fn the_end_comes_after_the_newest() {
    for (why, end) in [(None, ""), (Some(answer("why")), "last: why")] {
        let (group, [mut quick, mut slow, mut silent]) = newest();
        group.give(answer("older"), Item::Snapshot);
        assert_eq!(at_once(&mut slow).as_deref(), Some("older"));
        group.give(answer("newest"), Item::Snapshot);
        assert_eq!(at_once(&mut quick).as_deref(), Some("newest"));
        match why {
            Some(why) => group.end_with(why),
            None => group.end(),
        }
        let mut late = Arc::clone(&group).join();
        for member in [&mut slow, &mut silent, &mut late] {
            assert_eq!(at_once(member).as_deref(), Some("newest"));
        }
        for member in [&mut quick, &mut slow, &mut silent, &mut late] {
            assert_eq!(at_once(member).as_deref(), Some(end));
        }
    }
}
