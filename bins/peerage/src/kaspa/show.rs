//! A Kaspa connection on the screen.

use peerage::kaspa::{DisconnectReason, Event, Misbehaviour, Negotiated, Peer, Remote, Stats};
use serde_json::{Value, json};

use super::describe::describe;
use crate::describe::text;
use crate::output::{Fields, fields};
use crate::show::{Moved, Screen, millis};

/// Shows what was negotiated and what the remote says of itself.
pub(super) fn opened(screen: &Screen, peer: &Peer) {
    let stats = peer.stats();
    let gzip = matches!(stats.transport, Negotiated::Grpc { gzip: true });
    let mut shown = fields([
        ("transport", "grpc".into()),
        ("gzip", json!(gzip)),
        ("opening_ms", json!(millis(stats.opening_took))),
        ("direction", text(stats.direction)),
        ("address", stats.remote_addr.as_ref().map_or(Value::Null, text)),
    ]);
    shown.extend(introduction(&stats.remote));
    screen.introduce(&shown);
}

/// Shows whatever happened; what goes without saying is left out.
pub(super) fn event(screen: &Screen, event: &Event) {
    match event {
        Event::Message(message) => screen.said(message.kind(), describe(message)),
        other => odd(screen, other),
    }
}

/// Shows what is no message and deserves a word.
pub(super) fn odd(screen: &Screen, event: &Event) {
    match event {
        Event::Misbehaved(Misbehaviour::UnknownTraffic) => {
            screen.notice("the remote sends many unknown messages");
        }
        Event::Unanswered(kind) => screen.notice(&format!("{kind} was not answered in time")),
        _ => {}
    }
}

/// Shows why the connection ended and what went over it.
pub(super) fn closed(screen: &Screen, stats: &Stats, reason: &DisconnectReason) {
    screen.ended(
        reason,
        &Moved::new(stats.bytes_received, &stats.received),
        &Moved::new(stats.bytes_sent, &stats.sent),
        stats.ping.min,
    );
}

fn introduction(remote: &Remote) -> Fields {
    fields([
        ("network", text(&remote.network)),
        ("agreed", json!(remote.agreed)),
        ("version", json!(remote.version)),
        ("user_agent", text(&remote.user_agent)),
        ("id", text(remote.id)),
        ("our_id", text(remote.our_id)),
        ("listens_at", remote.address.map_or(Value::Null, text)),
        ("services", json!(remote.services)),
        ("disable_relay_tx", json!(remote.disable_relay_tx)),
        ("subnetwork", remote.subnetwork.map_or(Value::Null, text)),
        ("timestamp", json!(remote.timestamp)),
        ("time_offset", json!(remote.time_offset)),
    ])
}
