//! What other nodes write: nothing that this node remembers from before it stays.

use tokio_util::sync::CancellationToken;

use super::{Processes, pause};
use crate::live::{EventFilter, From, LiveError, Step, Topic};

/// The pause after a failure, in milliseconds.
const PAUSE_MS: u64 = 500;

pub(super) async fn run(processes: &Processes, stop: &CancellationToken) {
    let mut epoch = None;
    while processes.store.is_shared() && !stop.is_cancelled() {
        if let Err(error) = follow(processes, &mut epoch, stop).await {
            tracing::warn!(%error, "cannot follow what other nodes write; trying again");
            pause(stop, PAUSE_MS).await;
        }
    }
}

/// `epoch` is the last life of the logs that was seen.
async fn follow(processes: &Processes, epoch: &mut Option<u64>, stop: &CancellationToken) -> Result<(), LiveError> {
    let mut see = |seen: u64| {
        if epoch.replace(seen).is_some_and(|before| before != seen) {
            processes.router.forget_acknowledged();
        }
    };
    let topic = Topic::Events(EventFilter::default());
    let mut tail = processes.live.tail(None, topic, From::Now).await?;
    see(tail.place().heads.epoch);
    loop {
        let came = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            came = tail.next() => came?,
        };
        match came {
            None => return Ok(()),
            Some(Step::Event(event, _)) => processes.router.note(&event),
            // what was missed is found out by whoever is asked
            Some(Step::Gap(place, _)) => see(place.heads.epoch),
        }
    }
}
