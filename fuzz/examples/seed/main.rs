//! Writes the stored corpus: one small input of each kind, made here and nowhere copied from.
//!
//! `cargo run --example seed` in this folder. Files that are there already stay.
#![allow(clippy::unwrap_used)] // a tool of the developer's

mod kaspa;
mod kaspa_legacy;
mod messages;

use std::fs;
use std::path::{Path, PathBuf};

use messages::{introduction, messages};
use peerage_fuzz::input::MEGABYTES;
use peerage_wire::{FramedKind as _, Message as _, Protocol as _};
use peerage_wire_bitcoin::types::NetworkAddress;
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};

fn main() -> std::io::Result<()> {
    let messages = messages();
    for (name, bytes) in [
        framed(&messages),
        packets(&messages, "v2_initiator"),
        packets(&messages, "v2_responder"),
        raw(),
        decoded(&messages),
        viewed(&messages),
        compared(&messages),
        engine(),
        texts(),
        proxies(),
        seeds("frames_grpc", kaspa::streams()),
        seeds("message_kaspa", kaspa::inputs()),
        seeds("message_kaspa_legacy", kaspa_legacy::inputs()),
    ]
    .into_iter()
    .flatten()
    {
        fs::create_dir_all(name.parent().unwrap())?;
        if !name.exists() {
            fs::write(name, bytes)?;
        }
    }
    Ok(())
}

type Seeds = Vec<(PathBuf, Vec<u8>)>;

/// Names seeds by their target and what they are.
fn seeds(target: &str, inputs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Seeds {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    inputs.into_iter().map(|(name, bytes)| (folder.join(format!("seed-{name}")), bytes)).collect()
}

/// A length and the bytes behind it, as `Input::block` reads it.
fn block(bytes: &[u8]) -> Vec<u8> {
    match u8::try_from(bytes.len()) {
        Ok(len) if len < 255 => [&[len], bytes].concat(),
        _ => [&[255][..], &u16::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat(),
    }
}

/// As `Input::padded_block` reads it, without padding.
fn unpadded(bytes: &[u8]) -> Vec<u8> {
    [&block(bytes)[..], &[0]].concat()
}

fn number(kind: Kind) -> Vec<u8> {
    match Kind::ALL.iter().position(|it| *it == kind) {
        Some(place) => vec![u8::try_from(place).unwrap()],
        None => [&[255][..], &kind.command().to_bytes()].concat(),
    }
}

fn payload(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(Bitcoin::VERSION, &mut out);
    out
}

fn framed(messages: &[Message]) -> Seeds {
    let mut inputs = Vec::new();
    for (place, chunk) in messages.chunks(5).enumerate() {
        let choice = u8::try_from(place).unwrap();
        let mut input = vec![choice % 2, choice, 0];
        for message in chunk {
            input
                .extend([&[0][..], &number(message.kind()), &unpadded(&payload(message))].concat());
        }
        inputs.push((format!("frames-{place}"), input));
    }
    let large = [
        &[0, 5, 1, 0][..],
        &number(Kind::Verack),
        &[0, 0, 0],
        &number(Kind::Block),
        &[0, 255, MEGABYTES, 0, 100],
    ];
    inputs.push(("large".into(), large.concat()));
    let claim = [&[0, 1, 0, 2][..], b"block\0\0\0\0\0\0\0", &[0xff; 8], &[3, 3, 1, 2, 3]].concat();
    inputs.push(("claim".into(), claim));
    for mode in [2, 3] {
        let opening = [
            &[mode, 3, 2, 0][..],
            &number(Kind::Version),
            &unpadded(&payload(&introduction())),
            &[0],
            &number(Kind::Verack),
            &[0, 0],
        ];
        inputs.push((format!("detected-{mode}"), opening.concat()));
    }
    seeds("frame_v1", inputs)
}

/// A handshake with so much garbage and these decoys, then packets.
fn packets(messages: &[Message], target: &str) -> Seeds {
    let open = |seed: u8, garbage: u16, decoys: &[&[u8]]| {
        let mut input = vec![seed, seed, 0, seed];
        input.extend(garbage.to_le_bytes());
        input.extend(block(b"garbage"));
        input.push(u8::try_from(decoys.len()).unwrap());
        decoys.iter().for_each(|decoy| input.extend(block(decoy)));
        input.extend([0, 0]);
        input
    };
    let mut inputs = Vec::new();
    for (place, chunk) in messages.chunks(7).enumerate() {
        let seed = u8::try_from(place).unwrap();
        let mut input = open(seed, u16::from(seed) * 819, &[&b"decoy"[..], b""][..place % 3]);
        for (turn, message) in chunk.iter().enumerate() {
            // They say it in its short or its long form, or we say it to them.
            let what = [2_u8, 3, 6][turn % 3];
            input.extend(
                [&[what][..], &number(message.kind()), &unpadded(&payload(message))].concat(),
            );
            input.push(u8::from(turn % 2 == 0));
        }
        inputs.push((format!("talk-{place}"), input));
    }
    let wanted = |rest: &[u8]| [&open(1, 4_095, &[])[..], rest].concat();
    inputs.push(("empty-packet".into(), wanted(&[0, 0, 0])));
    inputs.push(("unknown-id".into(), wanted(&[0, 2, 200, 7, 0])));
    inputs.push(("decoys".into(), wanted(&[4, 3, 1, 2, 3, 0, 4, 0, 0, 0, 1, 18, 0])));
    // Eighteen of 960 bytes are above 16 KiB before the opening is done; a ping has 8 bytes.
    let mut flood = open(1, 0, &[]);
    flood[2] = 1;
    flood.extend([4, 0, 250, 15].repeat(18));
    inputs.push(("decoy-flood".into(), flood));
    inputs.push(("above-its-cap".into(), wanted(&[0, 10, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])));
    inputs.push(("noise".into(), wanted(&[5, 3, 1, 2, 3, 0, 1, 18, 0])));
    inputs.push((
        "large".into(),
        wanted(&[0, 1, 2, 255, MEGABYTES, 0, 100, 0, 1, 2, 255, MEGABYTES, 255, 255]),
    ));
    let mut stranger = open(3, 10, &[]);
    stranger[2] = 9;
    stranger.extend([4, 0, 255, 8, 0, 4, 0, 255, 8, 0, 0, 1, 21, 255, 9, 0]);
    inputs.push(("stranger".into(), stranger));
    let mut damaged = open(2, 20, &[]);
    let end = damaged.len() - 2;
    damaged.splice(end.., [0, 255, 17, 0]);
    inputs.push(("damaged".into(), damaged));
    let mut intruder = open(2, 20, &[]);
    let end = intruder.len() - 2;
    intruder.splice(end.., [255, 2, 1, 2, 255, 32, 0]);
    inputs.push(("intruder".into(), intruder));
    seeds(target, inputs)
}

fn raw() -> Seeds {
    let inputs = (0..4_u8).map(|mode| {
        let key = (0..120).map(|byte: u8| byte.wrapping_mul(37).wrapping_add(mode));
        (
            format!("key-{mode}"),
            [&[mode, mode + 1][..], &unpadded(&key.collect::<Vec<_>>()), &[1; 40]].concat(),
        )
    });
    let prefix =
        [4, 0x54, 0xf4, 0xf6].map(|mode| (format!("prefix-{mode}"), vec![mode, 1, 2, 0, 0, 0, 1]));
    let long = ("long".to_owned(), vec![0, 6, 3, 7, 7, 7, 250, 80]);
    seeds("v2_raw", inputs.chain(prefix).chain([long]))
}

fn decoded(messages: &[Message]) -> Seeds {
    let inputs = messages.iter().enumerate().skip(6).map(|(place, message)| {
        let versions = [14, u8::try_from(place % 15).unwrap()];
        let name = format!("{}-{place}", message.kind());
        (name, [&number(message.kind())[..], &versions, &payload(message)].concat())
    });
    let old = [
        ("ping-old".to_owned(), [&number(Kind::Ping)[..], &[6, 7]].concat()),
        (
            "reject-padded".to_owned(),
            [&number(Kind::Reject)[..], &[14, 14], b"\x07f\0\0\0\0\0\0\0\x03old"].concat(),
        ),
        ("addr-old".to_owned(), [&number(Kind::Addr)[..], &[2, 14, 1], &[1; 26]].concat()),
    ];
    seeds("message", inputs.chain(old))
}

fn viewed(messages: &[Message]) -> Seeds {
    let order = [
        Kind::Block,
        Kind::Tx,
        Kind::CmpctBlock,
        Kind::BlockTxn,
        Kind::GetBlockTxn,
        Kind::MerkleBlock,
        Kind::Headers,
        Kind::Inv,
        Kind::GetHeaders,
        Kind::Addr,
        Kind::AddrV2,
        Kind::CFilter,
        Kind::CFHeaders,
        Kind::CFCheckpt,
        Kind::GetData,
        Kind::NotFound,
        Kind::GetBlocks,
        Kind::Reject,
        Kind::Feature,
        Kind::FilterLoad,
        Kind::FilterAdd,
        Kind::Version,
    ];
    let inputs = messages.iter().enumerate().filter_map(|(number, message)| {
        let place = order.iter().position(|kind| *kind == message.kind())?;
        let place = u8::try_from(place).unwrap();
        Some((format!("{}-{number}", message.kind()), [&[place], &payload(message)[..]].concat()))
    });
    // The gap before the only prefilled transaction leads behind the end of the block.
    let compact = messages.iter().find(|message| message.kind() == Kind::CmpctBlock).unwrap();
    let mut beyond = [&[2], &payload(compact)[..]].concat();
    beyond[1 + 80 + 8 + 1 + 2 * 6 + 1] = 3;
    seeds("views", inputs.chain([("cmpctblock-beyond".to_owned(), beyond)]))
}

fn compared(messages: &[Message]) -> Seeds {
    let inputs = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| (1..400).contains(&payload(message).len()));
    seeds(
        "differential_bitcoin",
        inputs.map(|(place, message)| {
            let input = [&number(message.kind())[..], &payload(message)].concat();
            (format!("{}-{place}", message.kind()), input)
        }),
    )
}

/// Openings and what may follow; the numbers are those of the target's `script`.
fn engine() -> Seeds {
    let version = |choice: u8| [&[0, 0, choice][..], &[0; 8], &[0], &[9, 0, 0, 0], &[1]].concat();
    let verack = [0, 2];
    let mut inputs = Vec::new();
    for inbound in [0, 1] {
        for (name, choice) in [("new", 0), ("old", 2), ("ancient", 6), ("obsolete", 7)] {
            let open =
                [&[inbound, 0, 0, 0][..], &version(choice), &[0, 3, 0, 0, 3, 1], &verack].concat();
            let later = [
                &[6, 2, 130, 0][..],                            // two minutes: a ping of ours
                &[0, 5, 8],                                     // its pong, then the next timeout
                &[0, 4, 1, 2, 3, 4, 5, 6, 7, 8],                // a ping of theirs
                &[12, 5, 1, 0, 0, 12, 3, 9, 0, 2, 7, 2, 30, 0], // announcements
                &[12, 250, 220, 5, 0, 1, 0, 7, 2, 30, 0],       // more of them than one inv takes
                &[0, 6, 4, 2, 0, 0],                            // theirs
                &[9, 0, 3, 0, 0, 1, 0, 8, 3, 0, 0],             // getdata, and what cannot be had
                &[16, 10, 0, 9, 4, 0, 1, 17],                   // a slow link and a large message
                &[15, 0, 7, 1, 100, 15, 1],                     // we do not read for a while
                &[14, 0, 100, 5, 1, 2, 3], // a long frame begins; something malformed
            ];
            inputs.push((format!("{name}-{inbound}"), [&open[..], &later.concat()].concat()));
        }
        let refused = [&[inbound, 0, 0, 0, 19, 1][..], &version(2)].concat();
        inputs.push((format!("refused-{inbound}"), refused));
        let closed =
            [&[inbound, 3, 1, 7][..], &version(0), &verack, &[9, 4, 255, 255, 19, 2, 6, 1, 9]]
                .concat();
        inputs.push((format!("closed-{inbound}"), closed));
        let times = [
            &[inbound, 0, 0, 8][..],
            &[30, 0].repeat(8),
            &[0, 1, 255, 255, 0, 0, 100, 0],
            &version(0),
            &verack,
            &[12, 250, 200, 0, 0, 0, 0, 7, 2, 60, 0, 19, 7, 255, 15],
        ];
        inputs.push((format!("times-{inbound}"), times.concat()));
    }
    seeds("peer_inputs", inputs)
}

fn texts() -> Seeds {
    let onion = NetworkAddress::TorV3([7; 32]).to_string();
    let i2p = NetworkAddress::I2p([9; 32]).to_string();
    let parsed = [
        "1.2.3.4",
        "1.2.3.4:8333",
        "[2a01::1]:8333",
        "2a01::1",
        "[fe80::1%3]:80",
        "seed.example:8333",
        "localhost",
        &format!("{onion}:8333"),
        &onion,
        &i2p,
        "6hzph5hv6337r6p2.onion:1",
    ];
    let inputs = parsed
        .iter()
        .enumerate()
        .map(|(place, text)| (format!("parse-{place}"), [&[0], text.as_bytes()].concat()));
    let shown =
        (0..6_u8).map(|form| (format!("show-{form}"), [&[1, form][..], &[form; 42]].concat()));
    let agents =
        [b"\x02Own\n0.9.1\na b\nc".to_vec(), b"\x02a/b\n1".to_vec(), b"\x03a\x1b[2Jb\\".to_vec()];
    let agents =
        agents.into_iter().enumerate().map(|(place, text)| (format!("agent-{place}"), text));
    let command = ("command".to_owned(), b"\x04getheaders\0\0\x51".to_vec());
    seeds("addresses", inputs.chain(shown).chain(agents).chain([command]))
}

fn proxies() -> Seeds {
    let granted: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
    let inputs = [
        ("plain", [&[0, 0, 0, 5, 0][..], granted, b"peer"].concat()),
        ("name", [&[0, 1, 2, 5, 0][..], &[5, 0, 0, 3, 2, b'a', b'b', 0, 80, 1]].concat()),
        ("ipv6", [&[1, 2, 1, 5, 0][..], &[5, 0, 0, 4], &[0; 18], &[1]].concat()),
        ("isolated", [&[1, 1, 2, 5, 2, 1, 0][..], granted].concat()),
        ("password", [&[2, 2, b'm', b'e', 1, b'x', 0, 0, 5, 2, 1, 0][..], granted].concat()),
        ("bad-password", vec![2, 1, b'm', 1, b'x', 0, 0, 5, 2, 1, 1]),
        ("refused", vec![0, 0, 0, 5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
        ("no-method", vec![0, 0, 0, 5, 255]),
        ("http", [&[0, 0, 0][..], b"HTTP/1.1 400 Bad Request"].concat()),
        ("long-name", vec![0, 0, 3, 255, 5, 0]),
    ];
    seeds("socks", inputs.map(|(name, input)| (name.to_owned(), input)))
}
