//! What other nodes write: nothing that this node remembers from before it stays.

use tokio_util::sync::CancellationToken;

use super::{Processes, pause};
use crate::live::{EventFilter, From, LiveError, Step, Topic};

/// The pause after a failure, in milliseconds.
const PAUSE_MS: u64 = 500;

pub(super) async fn run(processes: &Processes, stop: &CancellationToken) {
    while processes.store.is_shared() && !stop.is_cancelled() {
        if let Err(error) = follow(processes, stop).await {
            tracing::warn!(%error, "cannot follow what other nodes write; trying again");
            pause(stop, PAUSE_MS).await;
        }
    }
}

async fn follow(processes: &Processes, stop: &CancellationToken) -> Result<(), LiveError> {
    let topic = Topic::Events(EventFilter::default());
    let mut tail = processes.live.tail(None, topic, From::Now).await?;
    let mut epoch = tail.place().heads.epoch;
    loop {
        let came = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            came = tail.next() => came?,
        };
        match came {
            None => return Ok(()),
            Some(Step::Event(event, _)) => processes.router.note(&event),
            Some(Step::Gap(place, _)) => {
                // what was missed is found out by whoever is asked
                if std::mem::replace(&mut epoch, place.heads.epoch) != place.heads.epoch {
                    processes.router.forget_acknowledged();
                }
            }
        }
    }
}
