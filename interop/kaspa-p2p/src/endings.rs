//! Why connections ended: the library tells it to nobody but its log.
//!
//! Its receive loop ends for four reasons and logs each in the same form, a text and then the
//! address of the peer: a reject, a message without a route, the end of the stream, a network error.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

/// Starts listening to the library's log.
pub(crate) fn listen() {
    // Nobody else sets a logger in this program.
    if log::set_logger(&Endings).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// Takes what was logged at the end of the connection with this address.
pub(crate) fn take(address: SocketAddr) -> Option<String> {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner).remove(&address)
}

/// One text for each address, which is taken when its connection is reported as ended.
static LOGGED: LazyLock<Mutex<HashMap<SocketAddr, String>>> = LazyLock::new(Mutex::default);

struct Endings;

impl Log for Endings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "kaspa_p2p_lib::core::router"
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if let Some((address, reason)) = ending(&record.args().to_string()) {
            let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
            logged.insert(address, reason);
        }
    }

    fn flush(&self) {}
}

fn ending(text: &str) -> Option<(SocketAddr, String)> {
    let (text, address) = text.strip_prefix("P2P, ")?.rsplit_once(' ')?;
    let text = text.trim_end_matches(':');
    let reason = text.strip_suffix(" from peer").or_else(|| text.strip_suffix(" for peer"))?;
    Some((address.parse().ok()?, reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::ending;

    #[test]
    fn reads_the_four_forms() {
        let peer = "127.0.0.1:5".parse().unwrap();
        for (text, reason) in [
            ("got reject message: a b", "P2P, got reject message: a b from peer: 127.0.0.1:5"),
            ("route error: c", "P2P, route error: c for peer: 127.0.0.1:5"),
            ("incoming stream ended", "P2P, incoming stream ended from peer 127.0.0.1:5"),
            ("network error: d", "P2P, network error: d from peer 127.0.0.1:5"),
        ]
        .map(|(reason, text)| (text, reason))
        {
            assert_eq!(ending(text), Some((peer, reason.to_owned())));
        }
        assert_eq!(ending("P2P, Router start was called more than once, router-id: 1"), None);
    }
}
