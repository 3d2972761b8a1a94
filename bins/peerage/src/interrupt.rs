//! Ctrl-C, which is noticed once and from then on: one that comes between two waits is not lost.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::{OnceCell, watch};

use crate::failure::Failure;

/// Resolves when the user presses Ctrl-C, at once if that has happened; never if it cannot be
/// noticed.
pub(crate) async fn interrupted() {
    static PRESSED: OnceCell<watch::Receiver<bool>> = OnceCell::const_new();
    let mut pressed = PRESSED.get_or_init(notice).await.clone();
    if pressed.wait_for(|pressed| *pressed).await.is_err() {
        std::future::pending().await
    }
}

/// What it gives, unless Ctrl-C comes first.
pub(crate) async fn or_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = interrupted() => Err(Failure::interrupted()),
    }
}

/// Becomes true with the first Ctrl-C.
async fn notice() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let mut signal = Box::pin(tokio::signal::ctrl_c());
    // The first poll asks the system to be told; before it, Ctrl-C simply kills.
    let first = poll_fn(|cx| Poll::Ready(signal.as_mut().poll(cx))).await;
    tokio::spawn(async move {
        let noticed = match first {
            Poll::Ready(noticed) => noticed,
            Poll::Pending => signal.await,
        };
        if noticed.is_ok() {
            sender.send_replace(true);
        }
    });
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_between_two_waits() {
        let soon = Duration::from_millis(10);
        assert!(tokio::time::timeout(soon, interrupted()).await.is_err());
        // Nobody waits now.
        let pid = std::process::id().to_string();
        let sent = tokio::process::Command::new("kill").args(["-INT", &pid]).status().await;
        assert!(sent.unwrap().success());
        let limit = Duration::from_secs(30);
        for _ in 0..2 {
            tokio::time::timeout(limit, interrupted()).await.unwrap();
        }
        let work = or_interrupted(std::future::pending::<Result<(), _>>());
        assert!(tokio::time::timeout(limit, work).await.unwrap().is_err());
    }
}
