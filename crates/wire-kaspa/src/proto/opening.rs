//! How a connection opens: `version`, `verack` and `ready`, each both ways.
//!
//! ```text
//!   both sides alike
//!   1. send version (who mirrors, waits for theirs first)
//!   2. on version: check it, tell the handler; send verack
//!   3. when version and verack have come: send ready
//!   4. when ready has come as well: done
//! ```
//!
//! What is sent depends on what has come, and not on the order in which it came: kaspad waits for each
//! of the three by its kind. Each may come once.
//!
//! The checks of a `version`, in kaspad's order: its id is none of ours; its network is ours; its
//! protocol version is not below our minimum.
//!
//! Who does not want us says so in a `reject`, which ends the opening with its words as the reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_wire::{Direction, Now, Protocol as _, Rng, Step, Text, UserAgent, Violation};

use super::ids::IdGuard;
use super::message::Version;
use super::{Identity, Kaspa, Kind, Message, NodeId, Payload, Remote};

/// The opening of one connection.
#[derive(Debug)]
pub struct Opening {
    ours: Arc<Identity>,
    id: IdGuard,
    /// What their `version` said, once it has come.
    theirs: Option<Remote>,
    verack: bool,
    ready: bool,
}

impl peerage_wire::Opening<Kaspa> for Opening {
    fn start(
        _direction: Direction,
        ours: &Arc<Identity>,
        rng: &mut Rng,
        now: Now,
    ) -> (Self, Vec<Message>) {
        let id = ours.ids.hold(ours.id, rng);
        let opening =
            Self { ours: Arc::clone(ours), id, theirs: None, verack: false, ready: false };
        let send = if ours.mirror { Vec::new() } else { vec![opening.introduction(None, now)] };
        (opening, send)
    }

    fn on_message(mut self, message: &Message, now: Now) -> Step<Kaspa, Self> {
        let duplicate = Step::Failed(Violation::Duplicate { command: message.kind().into() });
        let mut send = Vec::new();
        let mut heard = None;
        match &message.payload {
            Payload::Version(_) if self.theirs.is_some() => return duplicate,
            Payload::Version(theirs) => {
                let id = <[u8; 16]>::try_from(&theirs.id[..]).map(NodeId::from_bytes);
                let Ok(id) = id else { return incompatible("an id that is not of 16 bytes") };
                if self.ours.ids.contains(id) && !self.ours.allow_self_connections {
                    return Step::SelfConnection;
                }
                let remote = match self.agree(theirs, id, now) {
                    Ok(remote) => remote,
                    Err(violation) => return Step::Failed(violation),
                };
                if self.ours.mirror {
                    send.push(self.introduction(Some(remote.version), now));
                }
                send.push(Payload::Verack.into());
                heard = Some(remote.clone());
                self.theirs = Some(remote);
            }
            // What has not been sent cannot be acknowledged.
            Payload::Verack if self.theirs.is_none() && self.ours.mirror => {
                return unexpected(message.kind());
            }
            Payload::Verack if self.verack => return duplicate,
            Payload::Verack => self.verack = true,
            Payload::Ready if self.ready => return duplicate,
            Payload::Ready => {
                self.ready = true;
                return match self.theirs.take_if(|_| self.verack) {
                    Some(remote) => Step::Done { remote, send },
                    None => Step::More { state: self, send, heard },
                };
            }
            Payload::Reject(reject) => {
                return Step::Rejected(Text::from(shown(&reject.reason, MAX_REASON)));
            }
            // Unknown kinds are of later versions; the engine bounds how many it lets pass.
            Payload::Unknown { .. } => {
                return Step::More { state: self, send, heard };
            }
            _ => return unexpected(message.kind()),
        }
        if self.verack && self.theirs.is_some() {
            send.push(Payload::Ready.into());
        }
        match self.theirs.take_if(|_| self.verack && self.ready) {
            Some(remote) => Step::Done { remote, send },
            None => Step::More { state: self, send, heard },
        }
    }

    /// It does not matter to how messages are read.
    fn version(&self) -> u32 {
        self.theirs.as_ref().map_or(Kaspa::VERSION, |remote| remote.agreed)
    }

    /// As long as kaspad waits for each.
    fn step(&self) -> Option<(u8, Duration)> {
        Some(match (&self.theirs, self.verack) {
            (None, _) => (0, INTRODUCTION),
            (Some(_), false) => (1, INTRODUCTION),
            (Some(_), true) => (2, READY),
        })
    }
}

impl Opening {
    fn introduction(&self, theirs: Option<u32>, now: Now) -> Message {
        let ours = &self.ours;
        let version = Version {
            protocol_version: ours.advertised(theirs),
            services: ours.services,
            timestamp: now.unix.saturating_mul(1_000),
            address: ours.address.map(Into::into),
            id: Bytes::copy_from_slice(&self.id.id().to_bytes()),
            user_agent: ours.user_agent.as_text().to_string_lossy().into_owned(),
            disable_relay_tx: ours.disable_relay_tx,
            subnetwork_id: ours.subnetwork,
            network: ours.network.name.clone().into_owned(),
        };
        Payload::Version(Box::new(version)).into()
    }

    fn agree(&self, theirs: &Version, id: NodeId, now: Now) -> Result<Remote, Violation> {
        let ours = &self.ours;
        if theirs.network != ours.network.name {
            return Err(Violation::Incompatible { what: "another network" });
        }
        let (version, minimum) = (theirs.protocol_version, ours.min_version);
        if version < minimum {
            let version = i32::try_from(version).unwrap_or(i32::MAX);
            return Err(Violation::Obsolete { version, minimum });
        }
        Ok(Remote {
            version,
            agreed: version.min(ours.advertised(Some(version))),
            id,
            our_id: self.id.id(),
            user_agent: shortened(&theirs.user_agent),
            address: theirs.address.as_ref().and_then(|it| SocketAddr::try_from(it).ok()),
            network: ours.network.name.clone(),
            services: theirs.services,
            disable_relay_tx: theirs.disable_relay_tx,
            subnetwork: theirs.subnetwork_id,
            timestamp: theirs.timestamp,
            time_offset: theirs.timestamp.div_euclid(1_000).saturating_sub(now.unix),
        })
    }
}

/// As much of a name as whole characters fit into 256 bytes, in memory of its own.
fn shortened(name: &str) -> UserAgent {
    let name = shown(name, UserAgent::MAX_LEN);
    UserAgent::from_raw(Bytes::copy_from_slice(name.as_bytes()))
        .expect("it was cut to the longest that is taken")
}

/// As many whole characters of a text as fit into `max` bytes.
fn shown(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

fn unexpected(kind: Kind) -> Step<Kaspa, Opening> {
    Step::Failed(Violation::Unexpected { command: kind.into(), expected: "the opening" })
}

const fn incompatible(what: &'static str) -> Step<Kaspa, Opening> {
    Step::Failed(Violation::Incompatible { what })
}

/// How much is kept of why we were refused, in bytes.
const MAX_REASON: usize = 1 << 10;
/// How long kaspad waits for a `version`, and for a `verack`.
const INTRODUCTION: Duration = Duration::from_secs(4);
/// How long kaspad waits for a `ready`.
const READY: Duration = Duration::from_secs(8);
