//! The one task that takes in the logs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Applied, Built, LiveError, Place, Published, RING_MAX, Settings, Shared};
use crate::domain::Scope;
use crate::store::{Followed, Heads, Record, Store, StoreError};
use crate::view::{Entry, View};

/// About the most records of one turn.
const FOLLOW_MAX: usize = 16_384;
/// While a turn of so many is taken in, the next one is read; while there are fewer, those that come meanwhile are one turn.
const READ_AHEAD_MIN: usize = 1_024;
/// The first and the longest pause after a failure, in milliseconds.
const PAUSE_MS: (u64, u64) = (50, 2_000);
/// How many aggregates are read at once when the view is built again.
const REBUILD_PAGE: usize = 256;
/// How many records of an aggregate are read at once.
const HISTORY_PAGE: usize = 512;

pub(super) async fn open(store: &dyn Store, view: &View) -> Result<Applied, LiveError> {
    let heads = store.heads().await?;
    if view.is_embedded() {
        let floor = Heads {
            epoch: heads.epoch,
            positions: vec![0; heads.positions.len()],
        };
        return Ok(Applied {
            ordinal: heads.positions.first().copied().unwrap_or(0),
            heads,
            floor,
            ready: true,
            built: Built::default(),
            begun: Place::default(),
        });
    }
    let followed = view
        .followed()
        .await?
        .filter(|(known, _)| known.epoch == heads.epoch && known.positions.len() == heads.positions.len());
    let Some((known, floor)) = followed else {
        view.reset().await?;
        let none = Heads {
            epoch: heads.epoch,
            positions: vec![0; heads.positions.len()],
        };
        view.set_floor(none.clone()).await?;
        return Ok(Applied {
            ordinal: 0,
            ready: heads == none,
            built: built(&none, &heads),
            heads: none.clone(),
            floor: none,
            begun: Place::default(),
        });
    };
    Ok(Applied {
        ordinal: view.last_ordinal().await?,
        ready: known == heads,
        built: built(&known, &heads),
        heads: known,
        floor,
        begun: Place::default(),
    })
}

pub(super) async fn run(shared: &Arc<Shared>, stop: &CancellationToken) {
    let mut pause = PAUSE_MS.0;
    let mut turn = Turn::default();
    loop {
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = step(shared, &mut turn) => done,
        };
        let Err(error) = done else {
            pause = PAUSE_MS.0;
            continue;
        };
        tracing::warn!(%error, live.pause_ms = pause, "cannot follow the log; trying again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
        pause = pause.saturating_mul(2).min(PAUSE_MS.1);
    }
}

/// What one turn leaves to the next.
#[derive(Default)]
struct Turn {
    /// Where the logs were when the building of the view began.
    target: Option<Heads>,
    /// What was read while the view took in what came before it.
    ahead: Option<Followed>,
}

async fn step(shared: &Shared, turn: &mut Turn) -> Result<(), LiveError> {
    if shared.settings_are_stale.load(Ordering::Acquire) {
        refresh_settings(shared).await?;
    }
    let applied = shared.applied.borrow().clone();
    if !applied.ready && turn.target.is_none() {
        turn.target = Some(shared.store.heads().await?);
    }
    let followed = match turn.ahead.take() {
        Some(ahead) => ahead,
        None => shared.store.follow(&applied.heads, FOLLOW_MAX).await?,
    };
    match followed {
        Followed::Records(records) => {
            let mut heads = applied.heads;
            advance(&mut heads, &records);
            let is_behind = records.len() >= READ_AHEAD_MIN;
            let take_in = async {
                take_in(shared, records, heads.clone()).await?;
                built_up_to(shared, &mut turn.target, &heads);
                Ok(())
            };
            if !is_behind {
                return take_in.await;
            }
            // both to their ends: the view must not be left while it takes in
            let (done, ahead) = tokio::join!(take_in, shared.store.follow(&heads, FOLLOW_MAX));
            done?;
            turn.ahead = Some(ahead?);
        }
        Followed::Trimmed => {
            tracing::info!("the log no longer holds what comes next: reading the aggregates");
            turn.target = None;
            rebuild(shared).await?;
        }
        Followed::EpochChanged => {
            tracing::warn!("the logs began a new life: building the view again");
            if !shared.view.is_embedded() {
                shared.applied.send_modify(|applied| applied.ready = false);
                shared.view.reset().await?;
            }
            turn.target = None;
            rebuild(shared).await?;
        }
    }
    Ok(())
}

/// Lets the view be read once it is as far as the logs were.
fn built_up_to(shared: &Shared, target: &mut Option<Heads>, heads: &Heads) {
    let Some(aim) = target else { return };
    let mut pairs = heads.positions.iter().zip(&aim.positions);
    if !pairs.all(|(head, aim)| head >= aim) {
        let now = built(heads, aim);
        tell(shared, |built| *built = now);
        return;
    }
    *target = None;
    tracing::info!("the view is up to date");
    let (ordinal, heads) = shared.hub.now();
    shared.applied.send_modify(|applied| {
        applied.ready = true;
        applied.begun = Place { ordinal, heads };
    });
}

fn built(heads: &Heads, aim: &Heads) -> Built {
    let pairs = heads.positions.iter().zip(&aim.positions);
    Built {
        records: pairs.map(|(head, aim)| head.min(aim)).sum(),
        of: aim.positions.iter().sum(),
    }
}

/// Says how far the building of the view is.
fn tell(shared: &Shared, change: impl FnOnce(&mut Built)) {
    shared.applied.send_if_modified(|applied| {
        let before = applied.built;
        change(&mut applied.built);
        let Built { records, of } = applied.built;
        let tenths = |built: Built| built.records.saturating_mul(10).checked_div(built.of);
        if tenths(before) != tenths(applied.built) {
            tracing::info!(live.records = records, live.of = of, "building the view");
        }
        false
    });
}

async fn take_in(shared: &Shared, records: Vec<Record>, heads: Heads) -> Result<(), LiveError> {
    if records.is_empty() {
        return Ok(());
    }
    let entries = if shared.view.is_embedded() {
        shared.view.locate(records).await?
    } else {
        shared.view.apply(records, Some(heads.clone())).await?
    };
    publish(shared, entries, heads).await
}

fn advance(heads: &mut Heads, records: &[Record]) {
    for record in records {
        if let Some(head) = heads.positions.get_mut(usize::from(record.partition)) {
            *head = record.position;
        }
    }
}

/// Makes entries visible: first the settings that they changed, then the entries, then the news of them.
async fn publish(shared: &Shared, entries: Vec<Entry>, heads: Heads) -> Result<(), LiveError> {
    if entries
        .iter()
        .any(|entry| entry.record.event.body.scope() == Scope::Workspace)
    {
        shared.settings_are_stale.store(true, Ordering::Release);
        if let Err(error) = refresh_settings(shared).await {
            tracing::warn!(%error, "the settings cannot be read; trying again");
        }
    }
    if entries.is_empty() {
        // known from before a crash
        shared.hub.begin(shared.hub.now().0, heads.clone());
    }
    let last = entries.last().map(|entry| entry.ordinal);
    let mut after = shared.hub.now().1;
    let published: Vec<Arc<Published>> = entries
        .into_iter()
        .map(|entry| {
            advance(&mut after, std::slice::from_ref(&entry.record));
            let heads = after.clone();
            Arc::new(Published { entry, heads })
        })
        .collect();
    {
        let mut ring = shared.ring.write();
        for published in &published {
            if ring.len() >= RING_MAX {
                ring.pop_front();
            }
            ring.push_back(Arc::clone(published));
        }
    }
    shared.hub.publish(&published);
    shared.applied.send_modify(|applied| {
        applied.ordinal = last.unwrap_or(applied.ordinal);
        applied.heads = heads;
    });
    Ok(())
}

async fn refresh_settings(shared: &Shared) -> Result<(), LiveError> {
    let settings = Settings::new(shared.view.settings().await?);
    shared.settings.store(Arc::new(settings));
    shared.settings_are_stale.store(false, Ordering::Release);
    Ok(())
}

/// Reads what changed from the aggregates' histories. What comes so is not in the order of the logs: cursors from before
/// get a gap.
async fn rebuild(shared: &Shared) -> Result<(), LiveError> {
    let mut target = shared.store.heads().await?;
    shared.applied.send_modify(|applied| applied.ready = false);
    let before = shared.applied.borrow().heads.clone();
    if !shared.view.is_embedded() {
        let since = if before.epoch == target.epoch {
            before.positions
        } else {
            vec![0; before.positions.len()]
        };
        let pairs = target.positions.iter().zip(&since);
        let of = pairs.map(|(head, since)| head.saturating_sub(*since)).sum();
        tell(shared, |built| *built = Built { records: 0, of });
        for (partition, since) in (0_u16..).zip(since) {
            rebuild_partition(shared, partition, since).await?;
        }
        target = pass_histories(shared, target).await?;
        shared.view.set_floor(target.clone()).await?;
    }
    refresh_settings(shared).await?;
    let ordinal = shared.view.last_ordinal().await?;
    shared.ring.write().clear();
    // first: whoever sees that the view is ready begins where the hub is
    shared.hub.begin_anew(ordinal, target.clone());
    shared.applied.send_modify(|applied| {
        *applied = Applied {
            ordinal,
            heads: target.clone(),
            floor: target.clone(),
            ready: true,
            built: Built::default(),
            begun: Place { ordinal, heads: target },
        };
    });
    Ok(())
}

/// Follows the log past every record that a history may have brought: from there on, order is the log's again.
async fn pass_histories(shared: &Shared, mut heads: Heads) -> Result<Heads, LiveError> {
    let passed = shared.store.heads().await?;
    let is_behind = |heads: &Heads| {
        let mut pairs = heads.positions.iter().zip(&passed.positions);
        pairs.any(|(head, passed)| head < passed)
    };
    while is_behind(&heads) {
        let Followed::Records(records) = shared.store.follow(&heads, FOLLOW_MAX).await? else {
            return Err(StoreError::Unavailable("the log moved on meanwhile".into()).into());
        };
        advance(&mut heads, &records);
        shared.view.apply(records, None).await?;
    }
    Ok(heads)
}

async fn rebuild_partition(shared: &Shared, partition: u16, since: u64) -> Result<(), LiveError> {
    let mut token = None;
    loop {
        let page = shared
            .store
            .list(partition, since, token.as_deref(), REBUILD_PAGE)
            .await?;
        for id in page.ids {
            let mut after = 0;
            loop {
                let records = shared.store.history(id, after, HISTORY_PAGE).await?;
                let Some(last) = records.last() else { break };
                after = last.event.seq;
                let more = records.iter().filter(|record| record.position > since).count();
                let more = u64::try_from(more).unwrap_or(u64::MAX);
                // records that the view has are passed over by their sequence number
                shared.view.apply(records, None).await?;
                tell(shared, |built| built.records = built.records.saturating_add(more));
            }
        }
        token = page.next;
        if token.is_none() {
            return Ok(());
        }
    }
}
