//! Messages of today's Kaspa, of each sort.

use std::net::SocketAddr;

use bytes::Bytes;
use peerage_wire_kaspa::proto::message::{
    Addresses, Block, BlockHeader, BlockHeaders, BlockLevelParents, BlockWithTrustedDataV4,
    CovenantBinding, DaaBlockV4, GhostdagData, InvRelayBlock, InvTransactions, Outpoint,
    OutpointAndUtxoEntryPair, Ping, PruningPointUtxoSetChunk, Reject, RequestAddresses,
    RequestHeaders, RequestRelayBlocks, ScriptPublicKey, SmtLaneChunk, SmtLaneEntry, Transaction,
    TransactionInput, TransactionOutput, TrustedDataChunk, UtxoEntry, Version,
};
use peerage_wire_kaspa::proto::types::{Hash, SubnetworkId};
use peerage_wire_kaspa::proto::{Message, Payload};

/// The inputs of `message_kaspa`: whole messages.
pub(crate) fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for (place, payload) in payloads().into_iter().enumerate() {
        let id = u32::try_from(place % 3).unwrap();
        let message = Message { request_id: id, response_id: id * 200, payload };
        let name = message.kind().to_string().replace(' ', "-");
        inputs.push((format!("{name}-{place}"), encoded(&message)));
    }
    let ping = encoded(&Payload::Ping(Ping { nonce: 7 }).into());
    let ids = [0xb0, 6, 42, 0xa8, 6, 1];
    inputs.push(("ids-first".into(), [&ids[..], &ping].concat()));
    inputs.push(("pieces".into(), [&ping[..], &ids, &ping].concat()));
    inputs.push(("two-kinds".into(), [&ping[..], &[0x8a, 1, 2, 8, 8]].concat()));
    // Empty headers and transactions, many for their bytes.
    inputs.push(("light-headers".into(), [&[0xca, 2, 200, 15][..], &[10, 0].repeat(996)].concat()));
    inputs.push((
        "light-levels".into(),
        [&[0x8a, 3, 200, 15][..], &[10, 2, 10, 0].repeat(498)].concat(),
    ));
    inputs
}

/// The inputs of `frames_grpc`: a mode, the length of pieces, and a stream, or what is to be packed.
pub(crate) fn streams() -> Vec<(String, Vec<u8>)> {
    let ping = encoded(&Payload::Ping(Ping { nonce: 7 }).into());
    let ids = vec![hash(9); 2_000];
    let inv = encoded(&Payload::InvTransactions(InvTransactions { ids }).into());
    let headers =
        encoded(&Payload::BlockHeaders(BlockHeaders { block_headers: vec![header(); 9] }).into());
    let stream = |messages: &[&[u8]]| {
        let framed = messages.iter().map(|message| {
            let len = u32::try_from(message.len()).unwrap().to_be_bytes();
            [&[0][..], &len, message].concat()
        });
        framed.collect::<Vec<_>>().concat()
    };
    let all = stream(&[&ping, &headers, &ping, b"", &ping]);
    let too_large = stream(&[&[&[0x82, 1, 0xff, 0x7f][..], &[0; 5_000]].concat()]);
    let packed_before_agreed = [&[1, 0, 0, 0, 3][..], &[1, 2, 3]].concat();
    [
        ("whole", 0, 255, all.clone()),
        ("bytes", 0, 1, all),
        ("large", 0, 250, stream(&[&inv])),
        ("too-large", 0, 7, too_large),
        ("opening", 4, 99, stream(&[&inv])),
        ("claim", 0, 9, vec![0, 255, 255, 255, 255]),
        ("flag", 2, 9, vec![2, 0, 0, 0, 0]),
        ("packed-unasked", 0, 9, packed_before_agreed.clone()),
        ("packed-badly", 2, 9, packed_before_agreed),
        ("packed", 3, 11, inv[..40_000].to_vec()),
        ("packed-ping", 3, 1, ping),
        ("packed-headers", 3, 200, headers),
        ("packed-bomb", 3, 30, [&[0x82, 1, 0xff, 0x7f][..], &[0; 30_000]].concat()),
    ]
    .map(|(name, mode, piece, bytes)| (name.into(), [&[mode, piece][..], &bytes].concat()))
    .into()
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

fn payloads() -> Vec<Payload> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap().into();
    let addresses = vec![address("10.0.0.1:16111"), address("[2001:db8::1]:16611")];
    let pair = OutpointAndUtxoEntryPair {
        outpoint: Some(outpoint()),
        utxo_entry: Some(UtxoEntry { amount: 5, is_coinbase: true, ..UtxoEntry::default() }),
    };
    let colour = GhostdagData {
        selected_parent: Some(hash(1)),
        merge_set_blues: vec![hash(2); 3],
        ..GhostdagData::default()
    };
    let daa = DaaBlockV4 { header: Some(header()), ghostdag_data: Some(colour) };
    let lane = SmtLaneEntry { data: vec![1; 64].into(), blue_score: 9, proof: Bytes::new() };
    let block =
        Block { header: Some(header()), transactions: vec![transaction(0), transaction(1)] };
    vec![
        Payload::Version(Box::new(version())),
        Payload::Verack,
        Payload::Reject(Reject { reason: "DUPLICATE_CONNECTION".into() }),
        Payload::RequestAddresses(RequestAddresses {
            include_all_subnetworks: false,
            subnetwork_id: Some(SubnetworkId::COINBASE),
        }),
        Payload::Addresses(Addresses { addresses }),
        Payload::InvRelayBlock(InvRelayBlock { hash: Some(hash(1)) }),
        Payload::InvTransactions(InvTransactions { ids: vec![hash(1), hash(2)] }),
        Payload::RequestRelayBlocks(RequestRelayBlocks { hashes: vec![hash(1)] }),
        Payload::RequestHeaders(RequestHeaders { low_hash: None, high_hash: Some(hash(1)) }),
        Payload::Block(Box::new(block.clone())),
        Payload::Transaction(Box::new(transaction(0))),
        Payload::Transaction(Box::new(transaction(1))),
        Payload::BlockHeaders(BlockHeaders { block_headers: vec![header(); 2] }),
        Payload::TrustedDataChunk(TrustedDataChunk { headers: vec![daa] }),
        Payload::BlockWithTrustedDataV4(Box::new(BlockWithTrustedDataV4 {
            block: Some(block),
            daa_window_indices: vec![1, 300],
            ghostdag_data_indices: Vec::new(),
        })),
        Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunk {
            outpoint_and_utxo_entry_pairs: vec![pair; 2],
        }),
        Payload::SmtLaneChunk(SmtLaneChunk { entries: vec![lane] }),
        Payload::Unknown { number: 99, body: vec![1, 2, 3].into() },
    ]
}

fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

fn outpoint() -> Outpoint {
    Outpoint { transaction_id: Some(hash(7)), index: 1 }
}

fn version() -> Version {
    Version {
        protocol_version: 11,
        timestamp: 1_700_000_000_123,
        address: Some("10.0.0.1:16111".parse::<SocketAddr>().unwrap().into()),
        id: vec![5; 16].into(),
        user_agent: "/peerage:0.1.0/".into(),
        network: "kaspa-simnet".into(),
        ..Version::default()
    }
}

fn transaction(version: u32) -> Transaction {
    let input = TransactionInput {
        previous_outpoint: Some(outpoint()),
        signature_script: vec![0x51; 3].into(),
        sequence: u64::MAX,
        compute_commit: 1,
    };
    let covenant = CovenantBinding { authorizing_input: 1, covenant_id: Some(hash(3)) };
    let output = TransactionOutput {
        value: 5,
        script_public_key: Some(ScriptPublicKey { script: vec![0x51].into(), version: 0 }),
        covenant: (version > 0).then_some(covenant),
    };
    Transaction {
        version,
        inputs: vec![input; 2],
        outputs: vec![output],
        subnetwork_id: Some(SubnetworkId::NATIVE),
        ..Transaction::default()
    }
}

fn header() -> BlockHeader {
    let run = |end, parent| BlockLevelParents {
        parent_hashes: vec![hash(parent); 2],
        cumulative_level: end,
    };
    BlockHeader {
        version: 1,
        hash_merkle_root: Some(hash(1)),
        accepted_id_merkle_root: Some(hash(2)),
        utxo_commitment: Some(hash(3)),
        timestamp: 1_700_000_000_123,
        blue_work: vec![1, 2].into(),
        parents: vec![run(1, 4), run(255, 5)],
        pruning_point: Some(hash(6)),
        ..BlockHeader::default()
    }
}
