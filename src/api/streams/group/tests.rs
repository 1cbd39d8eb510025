use super::*;

fn at(ordinal: u64) -> Place {
    Place {
        ordinal,
        ..Place::default()
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
            group.give(Answer::Payload("{}".into()), Some(Item::Entry(at(ordinal))));
            group.room().await;
        }
    };
    let ((), read) = tokio::join!(gives, readers);
    assert_eq!(read, [ALL; 20]);
    let held = |what: &str| {
        let state = group.state.lock();
        assert!(state.waiting.is_empty() && state.bytes == 0, "{what}");
        (state.members, state.lost)
    };
    assert_eq!(held("nobody waits for the lost"), (1, 1));
    assert!(matches!(silent.next(&at(0)).await, Taken::Behind));
    drop(silent);
    assert_eq!(held("nobody is there"), (0, 0));
}
