//! Polls a socket only when something has arrived. A socket's task is woken far more often by its subscriptions, and each
//! look at the socket would clear a read buffer and try to read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use futures_util::task::{ArcWake, AtomicWaker, waker};

/// Remembers whether the socket woke its task.
#[derive(Debug)]
pub(super) struct Gate {
    flag: Arc<Flag>,
    waker: Waker,
}

#[derive(Debug)]
struct Flag {
    is_woken: AtomicBool,
    task: AtomicWaker,
}

impl ArcWake for Flag {
    fn wake_by_ref(flag: &Arc<Self>) {
        flag.is_woken.store(true, Ordering::Release);
        flag.task.wake();
    }
}

impl Gate {
    /// Open for the first look.
    pub(super) fn new() -> Self {
        let flag = Arc::new(Flag {
            is_woken: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            waker: waker(Arc::clone(&flag)),
            flag,
        }
    }

    /// The stream's next item, if it may have one.
    pub(super) fn poll<S: Stream + Unpin>(&self, stream: &mut S, context: &Context<'_>) -> Poll<Option<S::Item>> {
        self.flag.task.register(context.waker());
        if !self.flag.is_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let polled = Pin::new(stream).poll_next(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            // there may be more
            self.flag.is_woken.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_stream_is_looked_at_when_it_woke() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut looks = 0;
        let mut stream = futures_util::stream::poll_fn(move |context| {
            looks += 1;
            receiver
                .poll_recv(context)
                .map(|item: Option<u8>| item.map(|item| (item, looks)))
        });
        let (gate, waker) = (Gate::new(), noop_waker());
        let context = Context::from_waker(&waker);
        for _ in 0..3 {
            assert_eq!(gate.poll(&mut stream, &context), Poll::Pending);
        }
        sender.try_send(7).unwrap();
        sender.try_send(8).unwrap();
        assert_eq!(gate.poll(&mut stream, &context), Poll::Ready(Some((7, 2))));
        assert_eq!(gate.poll(&mut stream, &context), Poll::Ready(Some((8, 3))));
        assert_eq!(gate.poll(&mut stream, &context), Poll::Pending);
    }
}
