//! One connection on the screen: what was negotiated, what is said, how it ended.
//!
//! What speaks of Bitcoin's types is here as well; `kaspa/show.rs` does the same for Kaspa's.

use std::fmt;
use std::time::Duration;

use peerage::bitcoin::{
    Count, DisconnectReason, Event, Fault, Message, Misbehaviour, Negotiated, Peer, PeerId, Remote,
    Stats, Traffic,
};
use serde_json::{Value, json};

use crate::describe::{describe, text};
use crate::output::{Fields, Output, fields, phrase, plain};

/// Shows one connection.
#[derive(Debug)]
pub(crate) struct Screen {
    output: Output,
    peer: u64,
    /// What text lines begin with, to tell connections apart.
    prefix: String,
}

impl Screen {
    /// The screen of the only connection.
    pub(crate) fn new(output: Output, peer: PeerId) -> Self {
        Self { output, peer: peer.0, prefix: String::new() }
    }

    /// The screen of one of several connections.
    pub(crate) fn of_many(output: Output, peer: PeerId) -> Self {
        Self { output, peer: peer.0, prefix: format!("#{peer} ") }
    }

    /// Shows what was negotiated and what the remote says of itself.
    pub(crate) fn opened(&self, peer: &Peer) {
        let stats = peer.stats();
        let mut shown = link(&stats);
        shown.extend(introduction(&stats.remote));
        self.introduce(&shown);
    }

    /// Shows these facts of a new connection.
    pub(crate) fn introduce(&self, shown: &Fields) {
        self.emit("opened", shown);
        self.text("connected");
        for (key, value) in shown.iter().filter(|(key, value)| is_for_people(key, value)) {
            self.text(format_args!("  {:<20} {}", key.replace('_', " "), plain(value)));
        }
    }

    /// Shows whatever happened; what goes without saying is left out.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::Message(message) => self.message(message),
            Event::Misbehaved(Misbehaviour::UnknownTraffic) => {
                self.notice("the remote sends many unknown messages");
            }
            Event::Unanswered(kind) => self.notice(&format!("{kind} was not answered in time")),
            _ => {}
        }
    }

    /// Shows an answer, as fields and as a line of text.
    pub(crate) fn answer(&self, request: &str, answer: Fields, line: impl fmt::Display) {
        let mut shown = fields([("request", request.into())]);
        shown.extend(answer);
        self.emit("answer", &shown);
        self.text(line);
    }

    /// Shows why the connection ended and what went over it.
    pub(crate) fn closed(&self, stats: &Stats, reason: &DisconnectReason) {
        self.ended(
            reason,
            &Moved::new(stats.bytes_received, &stats.received),
            &Moved::new(stats.bytes_sent, &stats.sent),
            stats.ping.min,
        );
    }

    /// Shows why a connection ended, what went either way, and its shortest round trip.
    pub(crate) fn ended(
        &self,
        reason: &DisconnectReason,
        received: &Moved,
        sent: &Moved,
        ping: Option<Duration>,
    ) {
        self.emit(
            "closed",
            &fields([
                ("reason", text(reason)),
                ("fault", fault(reason.fault()).into()),
                ("bytes_received", json!(received.bytes)),
                ("bytes_sent", json!(sent.bytes)),
                ("received", received.by_command()),
                ("sent", sent.by_command()),
                ("ping_ms", ping.map_or(Value::Null, |ping| json!(millis(ping)))),
            ]),
        );
        self.text(format_args!("disconnected: {reason}"));
        self.text(format_args!("  received  {received}"));
        self.text(format_args!("  sent      {sent}"));
        if let Some(ping) = ping {
            self.text(format_args!("  ping      {} ms", millis(ping)));
        }
    }

    fn message(&self, message: &Message) {
        self.said(message.kind(), describe(message));
    }

    /// Shows a message of this kind that says this.
    pub(crate) fn said(&self, kind: impl fmt::Display, body: Fields) {
        let kind = kind.to_string();
        let line = format!("{:>9.3}  {kind:<12} {}", self.output.seconds(), phrase(&body));
        self.text(line.trim_end());
        let shown =
            [("time", self.time()), ("command", kind.into()), ("body", Value::Object(body))];
        self.emit("message", &fields(shown));
    }

    /// Seconds since the start, to the microsecond.
    pub(crate) fn time(&self) -> Value {
        json!((self.output.seconds() * 1e6).round() / 1e6)
    }

    /// Shows something odd.
    pub(crate) fn notice(&self, what: &str) {
        self.emit("notice", &fields([("what", what.into())]));
        self.text(format_args!("{what}"));
    }

    /// Prints an event of the connection for programs.
    pub(crate) fn emit(&self, event: &str, shown: &Fields) {
        let mut object = fields([("peer", json!(self.peer))]);
        object.extend(shown.clone());
        self.output.object(event, object);
    }

    /// Prints a line about the connection for people.
    pub(crate) fn text(&self, text: impl fmt::Display) {
        self.output.text(format_args!("{}{text}", self.prefix));
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The transport by its name.
const fn transport(negotiated: &Negotiated) -> &'static str {
    match negotiated {
        Negotiated::V1 { .. } => "v1",
        Negotiated::V2 { .. } => "v2",
        Negotiated::Grpc { .. } => "grpc",
    }
}

fn link(stats: &Stats) -> Fields {
    let (after_v2, session) = match stats.transport {
        Negotiated::V1 { after_v2 } => (after_v2, Value::Null),
        Negotiated::V2 { session_id } => (false, hex(&session_id).into()),
        Negotiated::Grpc { .. } => (false, Value::Null),
    };
    fields([
        ("transport", transport(&stats.transport).into()),
        ("after_v2", json!(after_v2)),
        ("session_id", session),
        ("opening_ms", json!(millis(stats.opening_took))),
        ("direction", text(stats.direction)),
        ("address", stats.remote_addr.as_ref().map_or(Value::Null, text)),
    ])
}

fn introduction(remote: &Remote) -> Fields {
    let features: Vec<Value> = remote.features.iter().map(|feature| text(feature.id())).collect();
    fields([
        ("agreed", json!(remote.agreed)),
        ("version", json!(remote.version)),
        ("user_agent", text(&remote.user_agent)),
        ("services", text(remote.services)),
        ("services_bits", json!(remote.services.to_bits())),
        ("height", json!(remote.height)),
        ("relay", json!(remote.relay)),
        ("timestamp", json!(remote.timestamp)),
        ("time_offset", json!(remote.time_offset)),
        ("they_see_us", text(remote.addr_recv)),
        ("they_see_themselves", text(remote.addr_from)),
        ("wtxid_relay", json!(remote.wtxid_relay)),
        ("addrv2", json!(remote.wants_addrv2)),
        ("txrcncl", remote.txrcncl.as_ref().map_or(Value::Null, |offer| json!(offer.version))),
        ("features", Value::Array(features)),
    ])
}

/// Whether people miss it: what is not there, or is told by another line as well, only disturbs.
fn is_for_people(key: &str, value: &Value) -> bool {
    let absent = match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Bool(false) => key == "after_v2",
        _ => false,
    };
    !absent && !matches!(key, "services_bits" | "timestamp")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What went one way, of either network's messages.
#[derive(Debug)]
pub(crate) struct Moved {
    bytes: u64,
    messages: u64,
    kinds: Vec<(String, Count)>,
}

impl Moved {
    pub(crate) fn new<K: Copy + Eq + fmt::Display>(bytes: u64, traffic: &Traffic<K>) -> Self {
        let kinds = traffic.iter().map(|(kind, count)| (kind.to_string(), count)).collect();
        Self { bytes, messages: traffic.total().messages, kinds }
    }

    fn by_command(&self) -> Value {
        let rows = self.kinds.iter().map(|(kind, Count { messages, bytes })| {
            (kind.clone(), json!({ "messages": messages, "bytes": bytes }))
        });
        Value::Object(rows.collect())
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> =
            self.kinds.iter().map(|(kind, count)| format!("{kind} {}", count.messages)).collect();
        write!(f, "{} bytes, {} messages: {}", self.bytes, self.messages, kinds.join(", "))
    }
}

const fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Remote => "remote",
        Fault::Slowness => "slowness",
        Fault::Local => "local",
        Fault::Nobody => "nobody",
    }
}
