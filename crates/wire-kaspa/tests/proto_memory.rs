//! What a message takes in memory: never much more than its bytes, whatever they are.
#![cfg(feature = "proto")]
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod proto;

use std::net::SocketAddr;

use allocation_counter::measure;
use bytes::Bytes;
use peerage_wire::Malformed;
use peerage_wire_kaspa::proto::message::{
    Addresses, BlockHeaders, BodyTrait as _, GhostdagData, InvTransactions, PruningPointProof,
    PruningPointProofHeaderArray, Transaction,
};
use peerage_wire_kaspa::proto::{Kind, Message, Payload};
use proptest::prelude::*;
use proptest::sample::select;
use proto::{block, encoded_payload, hash, header, hex, list, text, transaction, vectors};

/// Decodes and looks at the most that was allocated at once.
fn decode_within(bytes: &Bytes) -> Result<Message, Malformed> {
    let mut result = Err(Malformed::Truncated);
    let spent = measure(|| result = Message::decode(bytes.clone()));
    let limit = bytes.len() as u64 * 8 + (4 << 10);
    assert!(spent.bytes_max <= limit, "{} of {limit} for {result:?}", spent.bytes_max);
    if let Err(Malformed::TooMany { what: "bytes in memory", .. }) = result {
        assert!(spent.bytes_max < 100, "nothing is allocated for what is refused");
    }
    result
}

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let body = Bytes::copy_from_slice(content);
    encoded_payload(Payload::Unknown { number, body }).into()
}

/// Every list of messages that may be empty, by its kind and field.
const LISTS: &[(Kind, u32)] = &[
    (Kind::Addresses, 1),
    (Kind::Block, 2),
    (Kind::Transaction, 2),
    (Kind::Transaction, 3),
    (Kind::IbdBlock, 2),
    (Kind::PruningPointUtxoSetChunk, 1),
    (Kind::BlockWithTrustedData, 3),
    (Kind::BlockWithTrustedData, 4),
    (Kind::BlockHeaders, 1),
    (Kind::PruningPoints, 1),
    (Kind::PruningPointProof, 1),
    (Kind::TrustedData, 1),
    (Kind::TrustedData, 2),
    (Kind::BlockBody, 1),
    (Kind::SmtLaneChunk, 1),
    (Kind::PruningPointProofChunk, 1),
    (Kind::TrustedDataChunk, 1),
];

#[test]
fn lists_of_empty_elements_are_refused_before_anything_is_allocated() {
    for (kind, number) in LISTS {
        let body = field(*number, &[]).repeat(50_000);
        let bytes = Bytes::from(field(kind.number(), &body));
        let refused = decode_within(&bytes).unwrap_err();
        let by_weight = matches!(refused, Malformed::TooMany { what: "bytes in memory", .. });
        assert!(by_weight, "{kind}: {refused:?}");
        assert!(decode_within(&field(kind.number(), &field(*number, &[])).into()).is_ok());
    }
    // Elements that must have their 32 bytes, and numbers of one byte each.
    for kind in [Kind::InvTransactions, Kind::RequestTransactions, Kind::RequestRelayBlocks] {
        let bytes = field(kind.number(), &field(1, &[]).repeat(3));
        assert!(matches!(decode_within(&bytes.into()), Err(Malformed::Invalid { .. })), "{kind}");
    }
}

#[test]
fn lists_within_lists_are_weighed() {
    // One header in 100,000 levels of a proof; a level of 100,000 headers; transactions of one empty
    // input each; parents without hashes.
    let levels = field(49, &field(1, &field(1, &[])).repeat(100_000));
    let headers = field(49, &field(1, &field(1, &[]).repeat(100_000)));
    let inputs = field(57, &field(1, &field(2, &[])).repeat(100_000));
    let parents = field(41, &field(1, &field(12, &[]).repeat(100_000)));
    for bytes in [levels, headers, inputs, parents] {
        let refused = decode_within(&bytes.into()).unwrap_err();
        assert!(matches!(refused, Malformed::TooMany { what: "bytes in memory", .. }));
    }
}

/// What is refused for its weight is taken once it is padded enough, and then it takes no more than
/// was foreseen, and not much less.
#[test]
fn the_weight_is_what_the_decoder_allocates() {
    let lists = LISTS.iter().map(|(kind, number)| (*kind, field(*number, &[]).repeat(900)));
    let nested = [
        // Headers with a level of parents each; a proof of levels of headers; inputs and outputs.
        (Kind::BlockHeaders, field(1, &field(12, &[]).repeat(5)).repeat(900)),
        (Kind::PruningPointProof, field(1, &field(1, &[]).repeat(33)).repeat(100)),
        (Kind::BlockBody, field(1, &[field(2, &[]), field(3, &[])].concat()).repeat(900)),
    ];
    for (kind, body) in lists.chain(nested) {
        let padded = |padding| {
            let body = [&body[..], &field(1_000, &vec![0; padding])].concat();
            Bytes::from(field(kind.number(), &body))
        };
        let enough = (0..20).rev().fold(0, |least, bit| {
            let more = least + (1 << bit);
            let refused = Message::decode(padded(more - 1)).is_err_and(|error| {
                matches!(error, Malformed::TooMany { what: "bytes in memory", .. })
            });
            if refused { more } else { least }
        });
        assert!(enough > 0, "{kind}");
        let bytes = padded(enough);
        let spent = measure(|| drop(Message::decode(bytes.clone()).unwrap()));
        let limit = bytes.len() as u64 * 8 + (4 << 10);
        assert!(spent.bytes_max <= limit && spent.bytes_max > limit / 2, "{kind}: {spent:?}");
    }
}

#[test]
fn packed_numbers_take_eight_times_their_bytes_and_no_more() {
    let numbers = vec![1; 100_000];
    let packed = field(51, &field(2, &numbers));
    assert!(decode_within(&packed.into()).is_ok());
    let loose = field(51, &[0x10, 1].repeat(100_000));
    let Payload::BlockWithTrustedDataV4(body) = decode_within(&loose.into()).unwrap().payload
    else {
        panic!("another kind");
    };
    assert_eq!(body.daa_window_indices, vec![1; 100_000]);
}

/// Found by the fuzzer: the decoder looked for the end of the last number behind the field, and had by
/// then more numbers than were counted.
#[test]
fn a_packed_number_ends_inside_its_field() {
    let numbers = [vec![1; 999], vec![0x9b]].concat();
    let open = field(51, &[field(3, &numbers), field(2, &[1])].concat());
    assert_eq!(decode_within(&open.into()), Err(Malformed::Invalid { what: "varint" }));
}

fn honest() -> Vec<Payload> {
    let addresses = (0..2_500_u32).map(|at| SocketAddr::from((at.to_be_bytes(), 16_111)).into());
    let txs = |inputs, outputs| vec![transaction(inputs, outputs); 513];
    let colour = GhostdagData {
        blue_work: vec![1; 8].into(),
        selected_parent: Some(hash(1)),
        merge_set_blues: vec![hash(2); 17],
        ..GhostdagData::default()
    };
    assert!(colour.encoded_len() > 600);
    let array = PruningPointProofHeaderArray { headers: vec![header(5); 1_025] };
    vec![
        Payload::Block(Box::new(block())),
        Payload::InvTransactions(InvTransactions { ids: vec![hash(1); 131_072] }),
        Payload::Addresses(Addresses { addresses: addresses.clone().take(1_000).collect() }),
        Payload::Addresses(Addresses { addresses: addresses.collect() }),
        // The smallest transactions, and a coinbase's many outputs, one more than fits.
        Payload::BlockBody(peerage_wire_kaspa::proto::message::BlockBody {
            transactions: txs(1, 1),
        }),
        Payload::Transaction(Box::new(transaction(0, 257))),
        Payload::Transaction(Box::new(Transaction {
            payload: vec![1; 40].into(),
            ..transaction(0, 1)
        })),
        Payload::Transaction(Box::new(transaction(513, 1))),
        // Headers without parents, with one, with the most runs of one.
        Payload::BlockHeaders(BlockHeaders { block_headers: vec![header(0); 1_025] }),
        Payload::BlockHeaders(BlockHeaders { block_headers: vec![header(1); 1_025] }),
        Payload::BlockHeaders(BlockHeaders { block_headers: vec![header(129); 1_025] }),
        Payload::PruningPointProof(PruningPointProof { headers: vec![array; 3] }),
    ]
}

#[test]
fn honest_messages_pass_with_room_to_spare() {
    for payload in honest() {
        let bytes = encoded_payload(payload);
        let mut most = 0;
        let spent = measure(|| most = Message::decode(bytes.clone()).unwrap().encoded_len());
        assert_eq!(most, bytes.len());
        let times = spent.bytes_max as f64 / bytes.len() as f64;
        eprintln!("{} bytes, {times:.1} times as much in memory", bytes.len());
        assert!(times < 7.0, "{times}");
    }
    let Some(file) = vectors() else { return };
    for vector in list(&file, "vectors") {
        decode_within(&hex(text(vector, "protobuf_hex")).into()).unwrap();
    }
}

/// Bytes that are fields, of fields, of fields.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Vec::new()),
        Just(vec![0x0a, 0x20].into_iter().chain([7; 32]).collect()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    leaf.prop_recursive(5, 400, 12, |inner| {
        let part = (1..15_u32, inner, 1..40_usize);
        proptest::collection::vec(part, 1..6).prop_map(|parts| {
            let parts =
                parts.iter().map(|(number, part, times)| field(*number, part).repeat(*times));
            parts.flatten().take(200_000).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_take_more_than_they_may(kind in select(Kind::ALL), body in nested()) {
        let _ = decode_within(&field(kind.number(), &body).into());
    }
}
