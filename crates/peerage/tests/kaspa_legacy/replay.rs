//! A recorded synchronisation with kaspad v0.5.0, in which our peer takes either part.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use peerage::kaspa_legacy::message::Version;
use peerage::kaspa_legacy::types::{Hash, Services};
use peerage::kaspa_legacy::{
    Config, DisconnectReason, Events, Kind, Message, Network, Peer, accept, initiate,
};
use peerage_wire::{FrameHeader, FramedKind as _, HEADER_LEN, Message as _};

use crate::remote::Remote;

/// Who said a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Probe,
    Node,
}

struct Line {
    by: Speaker,
    frame: Vec<u8>,
    message: Message,
    /// The hash of the block in it, as kaspad told it.
    block: Option<Hash>,
}

/// The conversation; `None` in a clone without the shared vectors, unless `CI` is true.
fn conversation() -> Option<Vec<Line>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/kaspa-legacy/conversation.json"
    );
    let Ok(text) = fs::read(Path::new(path)) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{path} is missing");
        eprintln!("skipped: {path} is missing");
        return None;
    };
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    Some(file["frames"].as_array().unwrap().iter().map(line).collect())
}

fn line(entry: &serde_json::Value) -> Line {
    let digits = entry["frame_hex"].as_str().unwrap().as_bytes().as_chunks::<2>().0;
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let frame: Vec<u8> = digits.iter().map(byte).collect();
    let (header, payload) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
    let header = FrameHeader::parse(header, Network::simnet().magic).unwrap();
    let kind = Kind::from_command(header.command);
    let message = Message::decode(kind, Bytes::copy_from_slice(payload), 1).unwrap();
    let by = match entry["dir"].as_str() {
        Some("probe->node") => Speaker::Probe,
        Some("node->probe") => Speaker::Node,
        other => panic!("{other:?}"),
    };
    let block = entry["info"]["block_hash_display"].as_str().map(|hash| hash.parse().unwrap());
    Line { by, frame, message, block }
}

fn introduction(lines: &[Line], by: Speaker) -> &Version {
    let mut said = lines.iter().filter(|line| line.by == by);
    match said.next().map(|line| &line.message) {
        Some(Message::Version(version)) => version,
        other => panic!("{other:?}"),
    }
}

/// One who introduces himself as the recorded one did.
fn config(version: &Version) -> Config {
    let mut config = Config::simnet();
    config.identity.services = version.services;
    config.identity.user_agent = version.user_agent.clone();
    config.identity.selected_tip = version.selected_tip;
    config.identity.relay = version.relay;
    config.identity.addr_recv = Some(version.addr_recv);
    config.identity.addr_from = Some(version.addr_from);
    config
}

/// What must be equal in two introductions of the same node: all but time and nonce.
fn alike(ours: &Version, recorded: &Version) -> bool {
    let Version { timestamp, nonce, .. } = *recorded;
    *recorded == Version { timestamp, nonce, ..ours.clone() }
}

/// Says our lines with a peer and theirs with bare bytes; each must hear what was recorded.
async fn replay(lines: Vec<Line>, us: Speaker) {
    let (mut remote, ours) = Remote::pair();
    let config = config(introduction(&lines, us));
    let opening = async {
        match us {
            Speaker::Probe => initiate(ours, &config).await,
            Speaker::Node => accept(ours, &config).await,
        }
    };
    let mut rest = lines.iter();
    // The two introductions, in the order of who is who.
    let introduce = async {
        for line in rest.by_ref().take(2) {
            if line.by != us {
                remote.say_bytes(&line.frame).await;
                continue;
            }
            let Message::Version(said) = remote.expect(Kind::Version).await else { unreachable!() };
            assert!(alike(&said, introduction(&lines, us)), "{said:?}");
        }
    };
    let (opened, ()) = tokio::join!(opening, introduce);
    let (peer, mut events) = opened.unwrap();
    let mut blocks = 0;
    for line in rest {
        if line.by == us {
            say(&peer, &line.message).await;
            // A pong leaves when the reader of the stream comes back from the ping.
            let heard = tokio::select! {
                heard = remote.hear_bytes() => heard,
                event = events.next() => panic!("{event:?}"),
            };
            assert_eq!(heard.as_deref(), Some(&line.frame[..]));
        } else {
            remote.say_bytes(&line.frame).await;
            hear(&mut events, line).await;
            blocks += usize::from(line.block.is_some());
        }
    }
    let of = |by| lines.iter().filter(move |line| line.by == by);
    let theirs: usize = of(if us == Speaker::Node { Speaker::Probe } else { Speaker::Node })
        .map(|line| line.frame.len())
        .sum();
    let ours: usize = of(us).map(|line| line.frame.len()).sum();
    let stats = peer.stats();
    assert_eq!(stats.bytes_received, theirs as u64);
    assert_eq!(stats.bytes_sent, ours as u64);
    assert_eq!(stats.received.total().messages, of(us).count().abs_diff(lines.len()) as u64);
    assert_eq!(blocks, if us == Speaker::Probe { 9 } else { 0 });
    peer.disconnect();
    remote.expect_end().await;
    assert!(matches!(peer.closed().await, DisconnectReason::Local(_)));
}

/// What the peer says by itself is not said for it.
async fn say(peer: &Peer, message: &Message) {
    if !matches!(message, Message::Verack | Message::Pong(_)) {
        peer.send(message).await.unwrap();
    }
}

async fn hear(events: &mut Events, line: &Line) {
    let heard = events.message().await.unwrap();
    assert_eq!(heard, line.message);
    if let (Message::Block(block), Some(hash)) = (&heard, line.block) {
        assert_eq!(block.hash(), hash);
    }
}

#[tokio::test(start_paused = true)]
async fn we_are_the_probe() {
    let Some(lines) = conversation() else { return };
    assert_eq!(introduction(&lines, Speaker::Node).services, Services::from_bits(0x25));
    replay(lines, Speaker::Probe).await;
}

#[tokio::test(start_paused = true)]
async fn we_are_the_node() {
    let Some(lines) = conversation() else { return };
    replay(lines, Speaker::Node).await;
}
