//! More tickets than are looked at for a page, or counted one by one.

use super::*;
use switchboard::sqlite::ReadError;
use switchboard::view::page::TOTAL_MAX;

/// So many tickets are passed over on the way to a page.
const PASSED_OVER_MAX: usize = 100_000;

fn page(limit: usize) -> Range<TicketKey> {
    Range::Forward { after: None, limit }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_to_look_at_is_refused_and_counted_as_far() {
    let directory = tempfile::tempdir().unwrap();
    let view = View::standalone(&directory.path().join("view.db")).unwrap();
    let (mut world, tags) = (World::new(), [agent(100), agent(101)]);
    let workspace = id::first_workspace();
    let none = TicketFilter::default;
    let of_nobody = TicketFilter {
        responder_version_ids: vec![agent(0)],
        ..none()
    };
    for number in 0..=PASSED_OVER_MAX {
        if number == PASSED_OVER_MAX {
            view.apply(std::mem::take(&mut world.records), None).await.unwrap();
            let found = view.tickets(workspace, of_nobody.clone(), TicketOrder::UpdatedDesc, page(1));
            assert_eq!(found.await.unwrap().items, [], "not too much yet");
        }
        world.now += 1;
        world.create();
        let mut ticket = world.tickets.last().unwrap().clone();
        ticket.tags = vec![tags[number % 2]];
        world.changed(ticket);
        if world.records.len() >= 4_096 {
            view.apply(std::mem::take(&mut world.records), None).await.unwrap();
        }
    }
    view.apply(std::mem::take(&mut world.records), None).await.unwrap();
    let of_both = TicketFilter {
        tag_ids: tags.to_vec(),
        ..none()
    };
    for order in [TicketOrder::UpdatedDesc, TicketOrder::CreatedAsc] {
        let found = view.tickets(workspace, of_nobody.clone(), order, page(1)).await;
        assert!(matches!(found, Err(ReadError::TooMuch)), "{order:?}: {found:?}");
        let found = view.tickets(workspace, of_both.clone(), order, page(20)).await.unwrap();
        assert_eq!(found.items.len(), 20, "{order:?}");
    }
    let all = u64::try_from(world.tickets.len()).unwrap();
    for (filter, items, is_exact) in [
        (none(), all, true),
        (of_both, TOTAL_MAX, false),
        (of_nobody, 0, false),
        (
            TicketFilter {
                tag_ids: vec![tags[1]],
                ..none()
            },
            all / 2,
            true,
        ),
    ] {
        let total = view.ticket_total(workspace, filter.clone()).await.unwrap();
        assert_eq!((total.items, total.is_exact), (items, is_exact), "{filter:?}");
    }
}
