//! Carries a [`Cancel`] into asynchronous code.

use tokio::sync::watch;

use super::blocking::blocking;
use crate::cancel::{Cancel, Cancelled};

/// Lets a future wait for the signal that sets a [`Cancel`].
#[derive(Clone)]
pub struct CancelToken {
    cancel: Cancel,
    signals: watch::Receiver<Option<i32>>,
}

impl CancelToken {
    /// Listens to `cancel`.
    pub fn new(cancel: &Cancel) -> Self {
        let (sender, signals) = watch::channel(None);
        cancel.on_signal(move |signal| {
            sender.send_if_modified(|first| first.is_none() && first.replace(signal).is_none());
        });
        Self { cancel: cancel.clone(), signals }
    }

    /// Waits until a signal comes, for ever if none does.
    pub async fn requested(&self) -> Cancelled {
        let mut signals = self.signals.clone();
        let signal = signals.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
        match signal {
            Some(signal) => Cancelled { signal },
            // The sender lives as long as the `Cancel` we hold.
            None => std::future::pending().await,
        }
    }

    /// Runs `work` that may hang, as on a disk that does not answer, on a blocking thread of the runtime.
    ///
    /// A signal ends the wait for it, and not the work: that should look at the [`Cancel`] itself.
    pub(crate) async fn run_blocking_cancellable<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cancelled> {
        let working = blocking(work);
        tokio::select! {
            biased;
            cancelled = self.requested() => Err(cancelled),
            done = working => Ok(done),
        }
    }

    /// Fails once a signal has come.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.cancel.check()
    }

    /// Returns the flag itself, for blocking code.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_wakes_a_waiting_future() {
        let cancel = Cancel::new();
        let cancel_token = CancelToken::new(&cancel);
        let waiter = tokio::spawn(async move { cancel_token.requested().await });

        cancel.cancel(15);

        assert_eq!(waiter.await.unwrap(), Cancelled { signal: 15 });
    }

    #[tokio::test]
    async fn a_signal_does_not_wait_for_work_that_hangs() {
        let cancel = Cancel::new();
        let cancel_token = CancelToken::new(&cancel);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, starts) = tokio::sync::oneshot::channel();

        let hanging = cancel_token.run_blocking_cancellable(move || {
            started.send(()).unwrap();
            held.recv().is_err()
        });
        let signal = async {
            starts.await.unwrap();
            cancel.cancel(15);
        };
        let (ended, ()) = tokio::join!(hanging, signal);

        assert_eq!(ended, Err(Cancelled { signal: 15 }));
        assert_eq!(CancelToken::new(&Cancel::new()).run_blocking_cancellable(|| 7).await, Ok(7));
        drop(release);
    }

    #[tokio::test]
    async fn a_signal_that_came_before_is_heard() {
        let cancel = Cancel::new();
        cancel.cancel(2);
        cancel.cancel(15);

        assert_eq!(CancelToken::new(&cancel).requested().await, Cancelled { signal: 2 });
    }
}
