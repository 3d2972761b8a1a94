//! Who panics ends his own connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use peerage::bitcoin::message::Ping;
use peerage::bitcoin::{
    DisconnectReason, Kind, Listener, Local, Malformed, Message, OpenError, Peer, Refusal, Remote,
    State, V2, accept_with, initiate,
};
use tokio::io::duplex;

use crate::world::{PIPE, config, join, settle};
use crate::{Counted, no_task_is_left};

const PANICKED: DisconnectReason = DisconnectReason::Local(Local::HandlerPanicked);

/// Where a listener panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Version,
    Verack,
    Established,
    Ping,
    Message,
    Read,
    Write,
    Disconnected,
    Drop,
}

struct Panicking(Place);

impl Panicking {
    fn at(&self, place: Place) {
        assert!(self.0 != place, "as arranged");
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.at(Place::Drop);
        }
    }
}

impl Listener for Panicking {
    const WIRE: bool = true;

    fn on_version(&mut self, _remote: &Remote) -> Result<(), Refusal> {
        self.at(Place::Version);
        Ok(())
    }

    fn on_verack(&mut self, _peer: &Peer) {
        self.at(Place::Verack);
    }

    fn on_ping(&mut self, _peer: &Peer, _message: Ping) {
        self.at(Place::Ping);
    }

    fn on_message(&mut self, _peer: &Peer, message: &Message) {
        if message.kind() == Kind::GetAddr {
            self.at(Place::Message);
        }
    }

    fn on_state(&mut self, _peer: &Peer, state: State) {
        match state {
            State::Established => self.at(Place::Established),
            State::Disconnected(_) => self.at(Place::Disconnected),
            _ => {}
        }
    }

    fn on_read(&mut self, kind: Option<Kind>, _bytes: usize, _error: Option<&Malformed>) {
        if kind == Some(Kind::GetAddr) {
            self.at(Place::Read);
        }
    }

    fn on_write(&mut self, kind: Kind, _bytes: usize) {
        if kind == Kind::Pong {
            self.at(Place::Write);
        }
    }
}

/// One of two connections has a listener that panics here; the other must not notice.
async fn panic_at(place: Place) {
    let (mut bystander, mut other) = join(&config(V2::Preferred), &config(V2::Preferred)).await;
    let alive = Arc::new(AtomicUsize::new(0));
    let (a, b) = duplex(PIPE);
    let a = Counted::new(a, &alive);
    let (ours, theirs) = (config(V2::Preferred), config(V2::Preferred));
    let remote = async {
        let (peer, mut events) = initiate(b, &theirs).await.ok()?;
        let _ = peer.send(&Message::Ping(Ping { nonce: Some(1) })).await;
        let _ = peer.send(&Message::GetAddr).await;
        while let Ok(message) = events.message().await {
            if matches!(message, Message::Pong(_)) {
                settle().await;
                peer.disconnect();
            }
        }
        Some(peer.closed().await)
    };
    let (opened, _) = tokio::join!(
        async {
            match accept_with(a, &ours, Panicking(place)).await {
                Ok(peer) => peer.closed().await,
                Err(error) => match error {
                    OpenError::Ended { reason, .. } => reason,
                    other => panic!("{other}"),
                },
            }
        },
        remote
    );
    match place {
        // The connection had ended before, for a reason of its own.
        Place::Disconnected | Place::Drop => {
            let fair = [PANICKED, DisconnectReason::RemoteClosed].contains(&opened);
            assert!(fair, "{place:?}: {opened:?}");
        }
        _ => assert_eq!(opened, PANICKED, "{place:?}"),
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0, "{place:?}: the stream is left");
    bystander.peer.send(&Message::GetAddr).await.unwrap();
    assert_eq!(other.message().await, Message::GetAddr);
    other.peer.disconnect();
    bystander.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_connection_and_no_other() {
    for place in [
        Place::Version,
        Place::Verack,
        Place::Established,
        Place::Ping,
        Place::Message,
        Place::Read,
        Place::Write,
        Place::Disconnected,
    ] {
        panic_at(place).await;
        no_task_is_left().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_as_a_listener_is_dropped_ends_its_own_connection_and_no_other() {
    panic_at(Place::Drop).await;
    no_task_is_left().await;
}
