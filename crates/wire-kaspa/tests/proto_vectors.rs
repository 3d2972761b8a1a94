//! What kaspad 2.1.0 wrote, byte for byte.
#![cfg(feature = "proto")]
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod proto;

use std::net::SocketAddr;

use bytes::Bytes;
use peerage_wire::{Envelope as _, Kind as _, Malformed, Peek};
use peerage_wire_kaspa::proto::message::{
    BlockHeader, BlockLevelParents, BodyTrait as _, Outpoint, ScriptPublicKey, Transaction,
    TransactionInput, TransactionOutput,
};
use peerage_wire_kaspa::proto::types::{Hash, SubnetworkId};
use peerage_wire_kaspa::proto::{Kind, Message, Network, Payload};
use proto::{covenant_transaction, encoded, hash, hex, list, text, vectors};
use serde_json::Value;

/// One of each sort, for a clone without the shared vectors: a message without and with an id, a
/// header and its hash.
#[test]
fn retyped_vectors_decode_and_encode() {
    let version = concat!(
        "a20145080b18fbd095ffbc3122091a040a00000120ef7d2a100102030405060708090a0b0c0d0e0f10320e2f",
        "6b61737061643a322e312e302f520d6b617370612d6d61696e6e6574",
    );
    let bytes = hex(version);
    let message = Message::decode(bytes.clone().into()).unwrap();
    assert_eq!(encoded(&message), bytes);
    let Payload::Version(version) = message.payload else { panic!("{message:?}") };
    assert_eq!((version.protocol_version, &*version.user_agent), (11, "/kaspad:2.1.0/"));
    let address = SocketAddr::try_from(version.address.as_ref().unwrap());
    assert_eq!(address, Ok("10.0.0.1:16111".parse().unwrap()));

    let hash = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
    let bytes = hex(&format!("52240a220a20{hash}b0062a"));
    let message = Message::decode(bytes.clone().into()).unwrap();
    assert_eq!(encoded(&message), bytes);
    assert_eq!((message.request_id, message.response_id), (42, 0));
    let Payload::RequestRelayBlocks(request) = message.payload else { panic!("{message:?}") };
    assert_eq!(request.hashes, [hash.parse().unwrap()]);

    let header = concat!(
        "1a220a208ec898568c6801d13df4ee6e2a1b54b7e6236f671f20954f05306410518eeb3222220a2000000000",
        "000000000000000000000000000000000000000000000000000000002a220a20710f27df423e63aa6cdb72b8",
        "9ea5a06cffa399d66f167704455b5af59def8e2030fd9292c9d42f38b3948be80140acf20c48dc905072220a",
        "200000000000000000000000000000000000000000000000000000000000000000",
    );
    let header = BlockHeader::decode(&*hex(header)).unwrap();
    assert_eq!(header.hash().ok(), Network::mainnet().genesis);
}

#[test]
fn every_message_is_read_and_written_as_kaspad_does() {
    let Some(file) = vectors() else { return };
    let vectors = list(&file, "vectors");
    for vector in vectors {
        let name = text(vector, "name");
        let bytes = Bytes::from(hex(text(vector, "protobuf_hex")));
        let message =
            Message::decode(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kind = message.kind();
        assert_eq!(kind.policy().name, name.split('/').next().unwrap());
        assert_eq!(encoded(&message), bytes, "{name}");
        assert_eq!(message.detach(), message, "{name}");
        assert_eq!(Kind::peek(&bytes[..2]), Peek::Kind(kind), "{name}");
        assert_eq!(u64::from(message.request_id), vector["request_id"], "{name}");
        assert_eq!(u64::from(message.response_id), vector["response_id"], "{name}");
        let framed =
            [&[0], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
        assert_eq!(hex(text(vector, "grpc_frame_hex")), framed, "{name}");
        check_fields(&message.payload, &vector["fields"]);
    }
    assert_eq!(vectors.len(), 39);
}

/// Compares what the vector names of its contents.
fn check_fields(payload: &Payload, fields: &Value) {
    let address = |text: &Value| text.as_str().unwrap().parse::<SocketAddr>().unwrap();
    match payload {
        Payload::Version(version) => {
            if let Some(number) = fields["protocolVersion"].as_u64() {
                assert_eq!(u64::from(version.protocol_version), number);
                assert_eq!(version.network, fields["network"]);
                assert_eq!(version.disable_relay_tx, fields["disableRelayTx"]);
            }
            if fields["address"].is_string() {
                let theirs = version.address.as_ref().unwrap();
                assert_eq!(SocketAddr::try_from(theirs), Ok(address(&fields["address"])));
            }
            if fields["subnetworkId"].is_string() {
                let id = SubnetworkId::from_bytes(std::array::from_fn(|i| {
                    u8::try_from(i).unwrap() + 0x10
                }));
                assert_eq!(version.subnetwork_id, Some(id));
            }
            assert_eq!(version.id.len(), 16);
        }
        Payload::Addresses(body) => {
            let theirs = body.addresses.iter().map(|it| SocketAddr::try_from(it).unwrap());
            assert!(theirs.eq(list(fields, "list").iter().map(address)));
        }
        Payload::Reject(body) => assert_eq!(body.reason, fields["reason"]),
        Payload::Pong(body) => assert_eq!(body.nonce, u64::MAX),
        Payload::Ping(body) if fields["nonce"].is_u64() => assert_eq!(body.nonce, fields["nonce"]),
        Payload::Ping(body) => assert_eq!(body.nonce, 0x0102_0304_0506_0708),
        Payload::RequestAddresses(body) => {
            assert_eq!(body.include_all_subnetworks, fields["includeAllSubnetworks"]);
        }
        Payload::InvRelayBlock(body) => assert_eq!(body.hash, Some(hash(1))),
        Payload::InvTransactions(body) => assert_eq!(body.ids, [hash(1), hash(2)]),
        Payload::RequestBlockLocator(body) => assert_eq!(u64::from(body.limit), fields["limit"]),
        Payload::PruningPointProofChunk(body) => assert_eq!(u64::from(body.level), fields["level"]),
        Payload::Block(body) => assert_eq!(body.transactions.len() as u64, fields["transactions"]),
        Payload::BlockHeaders(body) => assert_eq!(body.block_headers.len() as u64, fields["n"]),
        Payload::Transaction(body) if fields["version"].is_u64() => {
            assert_eq!(u64::from(body.version), fields["version"]);
            assert_eq!(body.outputs[0].covenant.as_ref().unwrap().covenant_id, Some(hash(0x77)));
        }
        _ => {}
    }
}

#[test]
fn headers_and_transactions_have_the_hashes_that_kaspad_gives_them() {
    let Some(file) = vectors() else { return };
    let networks = list(&file, "networks");
    for row in networks {
        let network = Network::from_name(text(row, "network")).unwrap();
        assert_eq!(u64::from(network.port), row["p2p_port"]);
        let header = BlockHeader::decode(&*hex(text(row, "header_protobuf_hex"))).unwrap();
        assert_eq!(header.hash().unwrap().to_string(), text(row, "genesis_hash"));
        assert_eq!(header.hash().ok(), network.genesis);
    }
    assert_eq!(networks.len(), 4);

    let of = |name: &str| {
        let vector = list(&file, "vectors").iter().find(|vector| vector["name"] == name).unwrap();
        Message::decode(hex(text(vector, "protobuf_hex")).into()).unwrap().payload
    };
    let Payload::Block(block) = of("block") else { panic!("no block") };
    let header = block.header.as_ref().unwrap();
    assert_eq!(header.hash().unwrap().to_string(), text(&file, "sample_header_hash"));
    let Payload::Transaction(tx) = of("transaction") else { panic!("no transaction") };
    assert_eq!(tx.id().unwrap().to_string(), text(&file, "sample_tx_id"));
    assert_eq!(tx.hash().unwrap().to_string(), text(&file, "sample_tx_hash"));
}

/// Transactions and their ids and hashes, as kaspa-consensus-core 2.1.0 tests them.
#[test]
fn transactions_of_both_versions_have_kaspads_ids() {
    let input =
        |id: &str, script: &'static [u8], index, sequence, compute_commit| TransactionInput {
            previous_outpoint: Some(Outpoint { transaction_id: Some(id.parse().unwrap()), index }),
            signature_script: script.into(),
            sequence,
            compute_commit,
        };
    let id = "59b3d6dc6cdc660c389c3fdb5704c48c598d279cdf1bab54182db586a4c95dd5";
    let script = ScriptPublicKey { script: vec![1, 2, 3, 4, 5].into(), version: 7 };
    let output = TransactionOutput { value: 1564, script_public_key: Some(script), covenant: None };
    let empty = Transaction { subnetwork_id: Some(SubnetworkId::NATIVE), ..Transaction::default() };
    let registry = Transaction {
        inputs: vec![input(id, &[1, 2], 2, 7, 5)],
        outputs: vec![output],
        lock_time: 54,
        gas: 3,
        payload: vec![1, 2, 3].into(),
        subnetwork_id: Some(SubnetworkId::REGISTRY),
        ..Transaction::default()
    };
    let with_mass = Transaction { storage_mass: 5, ..registry.clone() };
    // Its inputs count signatures, as version 0 does: version 1 takes that for a budget of zero.
    let mut first = Transaction { version: 1, ..registry.clone() };
    first.inputs[0].compute_commit = 0;
    let budget = |budget| Transaction {
        version: 1,
        inputs: vec![input(&"0".repeat(64), &[], 0, 0, budget)],
        ..empty.clone()
    };
    for (tx, id, hash) in [
        (
            &empty,
            "2c18d5e59ca8fc4c23d9560da3bf738a8f40935c11c162017fbf2c907b7e665c",
            "c9e29784564c269ce2faaffd3487cb4684383018ace11133de082dce4bb88b0b",
        ),
        (
            &registry,
            "4acda997dfb31c6518224c9ac00d0777fc7cbecdab461be3c0816b1cba19a056",
            "f0bb137ed71a91445ddf9224c76f755153a296eeb4fdc29b8393ddd81bf34ce6",
        ),
        (
            &with_mass,
            "4acda997dfb31c6518224c9ac00d0777fc7cbecdab461be3c0816b1cba19a056",
            "ced89bbf642cda42d29d9518d16e35cbbf85d10e1ab106b7dc2e0a821308ac91",
        ),
        (
            &first,
            "a08a500b21be3e692c080b14e399fcfa2cfa01b25c08f2f8e7414d1c116e8d18",
            "773f5582d847a1c48947eb4e6e6ac569f90f0f9d979b4c939b72ef008f025e02",
        ),
        (
            &budget(111),
            "5978e7aa1a9ba8fdf12dae6aa39aa198a91985e91192b291e207d4d6246349e6",
            "c41c18964aab2abe309a79de3dcf0353eee216e29ab83448cbec0c4c5792056c",
        ),
        (
            &budget(222),
            "5978e7aa1a9ba8fdf12dae6aa39aa198a91985e91192b291e207d4d6246349e6",
            "415dfbc5b38e5805e20831d43a49bc770f4f591b00964ac922d108f6a224c590",
        ),
    ] {
        assert_eq!(tx.id().unwrap().to_string(), id);
        assert_eq!(tx.hash().unwrap().to_string(), hash);
    }
}

#[test]
fn runs_of_parents_are_hashed_as_the_levels_they_stand_for() {
    let run = |end, parents: &[Hash]| BlockLevelParents {
        parent_hashes: parents.to_vec(),
        cumulative_level: end,
    };
    let of = |runs: &[BlockLevelParents]| {
        BlockHeader { parents: runs.to_vec(), ..proto::header(0) }.hash()
    };
    let (a, b) = ([hash(1), hash(2)], [hash(3)]);
    let runs = of(&[run(3, &a), run(5, &b)]).unwrap();
    let levels = of(&[run(1, &a), run(2, &a), run(3, &a), run(4, &b), run(5, &b)]).unwrap();
    assert_eq!(runs, levels);
    assert_ne!(runs, of(&[run(2, &a), run(5, &b)]).unwrap());

    // Not ascending, too high, or so many that hashing them would be work.
    for bad in [&[run(0, &a)][..], &[run(2, &a), run(2, &b)], &[run(256, &a)]] {
        assert_eq!(of(bad), Err(Malformed::Invalid { what: "level of parents" }));
    }
    assert!(of(&[run(255, &[hash(1); 2_048])]).is_ok());
    assert!(matches!(of(&[run(255, &[hash(1); 2_049])]), Err(Malformed::TooMany { .. })));
}

#[test]
fn what_cannot_be_hashed_is_no_header_or_transaction() {
    assert!(BlockHeader::default().hash().is_err());
    assert!(Transaction::default().id().is_err());
    let good = proto::header(1);
    for bad in [
        BlockHeader { version: 65_536, ..good.clone() },
        BlockHeader { timestamp: -1, ..good.clone() },
        BlockHeader { utxo_commitment: None, ..good.clone() },
        BlockHeader { pruning_point: None, ..good.clone() },
        BlockHeader { blue_work: vec![1; 25].into(), ..good.clone() },
    ] {
        assert!(bad.hash().is_err(), "{bad:?}");
    }
    let padded = BlockHeader { blue_work: vec![0, 0, 1, 2, 3].into(), ..good.clone() };
    assert_eq!(padded.hash(), good.hash());

    let good = covenant_transaction();
    assert!(good.id().is_ok());
    let mut bad = vec![good; 6];
    bad[0].inputs[0].compute_commit = 65_536;
    bad[1].inputs[1].previous_outpoint = None;
    bad[2].outputs[0].script_public_key = None;
    bad[3].subnetwork_id = None;
    bad[4].outputs[0].covenant.as_mut().unwrap().covenant_id = None;
    bad[5].version = 1 << 16;
    for tx in bad {
        assert!(tx.id().is_err() && tx.hash().is_err(), "{tx:?}");
    }
    let mut old = proto::transaction(1, 1);
    old.inputs[0].compute_commit = 256;
    assert!(old.hash().is_err() && old.id().is_ok());
}

#[test]
fn kinds_are_named_as_the_vectors_are() {
    assert_eq!(Kind::RequestIbdBlocks.policy().name, "requestIBDBlocks");
    assert_eq!(Kind::ALL.iter().map(|kind| kind.policy().cap).max(), Some(256 << 20));
}
