//! What kaspad v0.5.0 wrote and read, byte for byte.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod data;

use bytes::BytesMut;
use data::{bytes, encoded, frame_of, hex, list, message_of, networks, payload_of, text, vectors};
use peerage_transport::{Transport, TransportError, V2};
use peerage_wire::{
    Command, Direction, FramedKind as _, Kind as _, Malformed, Message as _, Protocol as _, Reader,
    Rng, compact,
};
use peerage_wire_kaspa::legacy::types::Hash;
use peerage_wire_kaspa::legacy::{KaspaLegacy, Kind, Message, Network};

/// One of each kind of vector, for a clone without the shared ones: a version, a transaction of a
/// subnetwork, a block.
#[test]
fn retyped_vectors_decode_and_encode() {
    let version = concat!(
        "01000000050000000000000000d2fb5e0000000001010000000000000000000000000000000000ffff0a000002",
        "3eef0500000000000000000000000000000000000000000000000000887766554433221120",
        "2f6b61737061643a302e352e302f706565723a312e3028636f6d6d656e74292f",
        "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f01",
    );
    let tx = concat!(
        "01000000013132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f50ffffffff00050000",
        "8000000000012a000000000000000151000000000000000001000000000000000000000000000000000000000000",
        "0000000000003ed0168b68a68a1312603eec8e4b7c065c47973915f7809e556f27f12f212b2d03090807",
    );
    let block = concat!(
        "0000001000ca855627c76ab57a261d63621e5721f05e601fee1d4daa5372e116da4bb3d80e00000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000e04cdf5e00000000ffff7f2000000000000000000101000000000000000000",
        "0000000001000000000000000000000000000000000000000000000000000000c441e6781df7b339664d1a03",
        "9763c72cfc70d775b6d9fc1a96f0ac07effa263820000000000000000017a914da1745e9b549bd0bfa1a5699",
        "71c77eba30cd5a4b87",
    );
    for (kind, digits) in [(Kind::Version, version), (Kind::Tx, tx), (Kind::Block, block)] {
        let payload = hex(digits);
        let message = Message::decode(kind, payload.clone().into(), 1).unwrap();
        assert_eq!(encoded(&message), payload);
        match message {
            Message::Tx(tx) => {
                let id = "daa6828a9ca449568dfd5d0b10087ed55fbbbc626a347b7385af36ae149baea3";
                let hash = "69b9835d77f23415257c214b0734a222d4235a7177e11938c373f86851a7b62f";
                assert_eq!((tx.id().to_string(), tx.hash().to_string()), (id.into(), hash.into()));
            }
            Message::Block(block) => assert_eq!(block.hash(), Network::mainnet().genesis),
            _ => {}
        }
    }
}

#[test]
fn every_message_is_read_and_written_as_kaspad_does_on_every_network() {
    let Some(file) = vectors("v0.5.0.json") else { return };
    let vectors = list(&file, "vectors");
    for vector in vectors {
        let name = text(vector, "name");
        let payload = bytes(vector, "payload_hex");
        let kind = Kind::from_command(Command::new(text(vector, "command")));
        let built = message_of(kind, &vector["fields"]);
        assert_eq!(encoded(&built), payload, "{name}");
        assert_eq!(Message::decode(kind, payload.clone(), 1), Ok(built.clone()), "{name}");
        for network in networks() {
            let frame = bytes(&vector["frames"], &network.name);
            assert_eq!(payload_of(&frame, &network), (kind, payload.clone()), "{name}");
            assert_eq!(frame_of(&built, &network), frame, "{name}");
        }
        if let Some(extra) = vector.get("extra") {
            check_hashes(&built, extra, name);
        }
    }
    assert_eq!(vectors.len(), 45);
}

fn check_hashes(message: &Message, extra: &serde_json::Value, name: &str) {
    match message {
        Message::Tx(tx) => {
            assert_eq!(tx.id().to_string(), text(extra, "txid_display"), "{name}");
            assert_eq!(tx.hash().to_string(), text(extra, "tx_hash_display"), "{name}");
        }
        Message::Block(block) => {
            assert_eq!(block.hash().to_string(), text(extra, "block_hash_display"), "{name}");
            let header = block.header().decode();
            let txs: Vec<_> = block.transactions().map(|tx| tx.to_tx()).collect();
            let views: Vec<_> = txs.iter().map(|tx| tx.view()).collect();
            let again = peerage_wire_kaspa::legacy::message::Block::new(&header, views).unwrap();
            assert_eq!(again, *block, "{name}");
        }
        other => panic!("nothing more is known of {other:?}"),
    }
}

#[test]
fn the_networks_and_caps_are_kaspads() {
    let Some(file) = vectors("v0.5.0.json") else { return };
    let known = list(&file, "networks");
    assert_eq!(known.len(), networks().len());
    for (network, facts) in networks().into_iter().zip(known) {
        let magic = u32::from_str_radix(&text(facts, "magic_u32")[2..], 16).unwrap();
        assert_eq!(network.name, text(facts, "name"));
        assert_eq!(network.magic, magic.to_le_bytes());
        assert_eq!(network.port.to_string(), text(facts, "default_port"));
        assert_eq!(network.genesis.to_string(), text(facts, "genesis_hash_display"));
        assert_eq!(network.partial_nodes, facts["enable_non_native_subnetworks"]);
        let seeds: Vec<_> = list(facts, "dns_seeds").iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(network.dns_seeds, seeds);
    }
    let caps = file["max_payloads"].as_object().unwrap();
    assert_eq!(caps.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(caps[kind.policy().name], kind.policy().cap, "{kind}");
    }
}

#[test]
fn what_kaspad_refuses_is_refused_for_the_same_reason() {
    let Some(file) = vectors("v0.5.0.json") else { return };
    let vectors = list(&file, "negative_vectors");
    for vector in vectors {
        let (name, error) = (text(vector, "name"), text(vector, "error"));
        let network = Network::from_name(&text(vector, "reader_network").to_lowercase()).unwrap();
        let input = BytesMut::from(&bytes(vector, "input_hex")[..]);
        let class = Class::of(error);
        assert_eq!(read(input, &network), class, "{name}: {error}");
    }
    assert_eq!(vectors.len(), 24);
}

/// What comes of reading a stream: each of kaspad's errors has its place here.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    Read,
    /// More must come.
    Unfinished,
    OtherNetwork,
    BadCommand,
    UnknownCommand,
    TooLarge,
    BadChecksum,
    TooMany,
    NonCanonical,
}

impl Class {
    fn of(error: &str) -> Self {
        const CLASSES: [(&str, Class); 13] = [
            ("(no error)", Class::Read),
            ("other network", Class::OtherNetwork),
            ("payload is too large", Class::TooLarge),
            ("exceeds max length", Class::TooLarge),
            ("invalid command", Class::BadCommand),
            ("unhandled command", Class::UnknownCommand),
            ("checksum failed", Class::BadChecksum),
            ("non-canonical", Class::NonCanonical),
            ("too many", Class::TooMany),
            ("larger than the max", Class::TooMany),
            ("too long", Class::TooMany),
            ("unexpected EOF", Class::Unfinished),
            ("EOF", Class::Unfinished),
        ];
        let found = CLASSES.into_iter().find(|(text, _)| error.contains(text));
        found.unwrap_or_else(|| panic!("no class for {error}")).1
    }
}

fn read(mut input: BytesMut, network: &Network) -> Class {
    let rng = Rng::from_seed([0; 32]);
    let mut transport =
        Transport::<Kind>::new(Direction::Inbound, network.magic, V2::Off, None, rng);
    transport.set_max_payload(KaspaLegacy::MAX_PAYLOAD);
    let malformed = match transport.next_frame(&mut input) {
        Ok(None) => return Class::Unfinished,
        Ok(Some(frame)) => match Message::decode(frame.kind, frame.payload, 1) {
            Ok(Message::Unknown { .. }) => return Class::UnknownCommand,
            Ok(_) => return Class::Read,
            // kaspad sees no difference between a stream and a payload that end too early.
            Err(Malformed::Truncated) => return Class::Unfinished,
            Err(malformed) => malformed,
        },
        Err(TransportError::Malformed(malformed)) => malformed,
        Err(other) => panic!("{other}"),
    };
    match malformed {
        Malformed::WrongMagic { .. } => Class::OtherNetwork,
        Malformed::BadCommand => Class::BadCommand,
        Malformed::TooLarge { .. } => Class::TooLarge,
        Malformed::BadChecksum { .. } => Class::BadChecksum,
        Malformed::TooMany { .. } => Class::TooMany,
        Malformed::NonCanonicalSize => Class::NonCanonical,
        other => panic!("{other}"),
    }
}

#[test]
fn variable_integers_are_kaspads() {
    let Some(file) = vectors("v0.5.0.json") else { return };
    let cases = list(&file, "varints");
    for case in cases {
        let encoding = bytes(case, "hex");
        let read = Reader::new(&encoding).compact();
        match case["decode_error"].as_str() {
            Some(error) if error.contains("non-canonical") => {
                assert_eq!(read, Err(Malformed::NonCanonicalSize), "{case}");
            }
            Some(_) => assert_eq!(read, Err(Malformed::Truncated), "{case}"),
            None => {
                let value = text(case, "value").parse().unwrap();
                let mut out = Vec::new();
                compact::put(&mut out, value);
                assert_eq!((read, &out[..]), (Ok(value), &encoding[..]));
            }
        }
    }
    assert_eq!(cases.len(), 22);
}

#[test]
fn a_recorded_synchronisation_is_read_and_written() {
    let Some(file) = vectors("conversation.json") else { return };
    let network = Network::from_name(text(&file, "network")).unwrap();
    assert_eq!(network.genesis.to_string(), text(&file, "genesis"));
    let (mut asked, mut blocks) = (Vec::new(), Vec::new());
    for frame in list(&file, "frames") {
        let raw = bytes(frame, "frame_hex");
        let (kind, payload) = payload_of(&raw, &network);
        let message = Message::decode(kind, payload, 1).unwrap();
        assert_eq!(message.kind().policy().name, text(frame, "command"));
        assert_eq!(frame_of(&message, &network), raw);
        match message {
            Message::GetData(items) => asked.extend(items.iter().map(|item| item.hash)),
            Message::Block(block) => {
                let info = &frame["info"];
                let tx = block.transaction(0).unwrap();
                assert_eq!(block.hash().to_string(), text(info, "block_hash_display"));
                assert_eq!(tx.id().to_string(), text(info, "tx0_id_display"));
                assert_eq!(block.header().parents().len().to_string(), text(info, "parents"));
                blocks.push(block.hash());
            }
            _ => {}
        }
    }
    assert_eq!(blocks[0], network.genesis);
    assert_eq!(blocks, asked[..9], "the blocks came in the order in which they were asked for");
    assert_ne!(blocks[8], Hash::ZERO);
}
