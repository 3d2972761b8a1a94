//! What holds for every message of today's protocol: decoding undoes encoding, and no bytes whatever
//! cause a panic.
#![cfg(feature = "proto")]
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod proto;

use bytes::Bytes;
use peerage_wire::{Envelope as _, Peek};
use peerage_wire_kaspa::proto::message::{
    Addresses, Block, BlockHeaders, BlockLocator, BlockWithTrustedDataV4, DaaBlockV4, GhostdagData,
    InvRelayBlock, InvTransactions, NetAddress, OutpointAndUtxoEntryPair, Ping,
    PruningPointProofChunk, PruningPointUtxoSetChunk, Reject, RequestAddresses, RequestHeaders,
    SmtLaneChunk, SmtLaneEntry, SmtMetadata, TrustedDataChunk, UtxoEntry, Version,
};
use peerage_wire_kaspa::proto::types::{Hash, SubnetworkId};
use peerage_wire_kaspa::proto::{Kind, Message, Payload};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proto::{covenant_transaction, encoded, header, transaction};

fn any_hash() -> impl Strategy<Value = Hash> + Clone {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

fn any_bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn any_version() -> impl Strategy<Value = Payload> {
    let address = (any::<i64>(), any_bytes(20), any::<u32>())
        .prop_map(|(timestamp, ip, port)| NetAddress { timestamp, ip, port });
    let subnetwork = option::of(any::<[u8; 20]>().prop_map(SubnetworkId::from_bytes));
    let text = ".{0,40}";
    (any::<(u32, u64, i64, bool)>(), option::of(address), any_bytes(20), text, subnetwork, text)
        .prop_map(|(numbers, address, id, user_agent, subnetwork_id, network)| {
            let (protocol_version, services, timestamp, disable_relay_tx) = numbers;
            Payload::Version(Box::new(Version {
                protocol_version,
                services,
                timestamp,
                address,
                id,
                user_agent,
                disable_relay_tx,
                subnetwork_id,
                network,
            }))
        })
}

fn any_block() -> impl Strategy<Value = Block> {
    let tx = prop_oneof![
        (1..4_usize, 1..6_usize).prop_map(|(inputs, outputs)| transaction(inputs, outputs)),
        any_bytes(99).prop_map(|payload| {
            let mut tx = covenant_transaction();
            tx.payload = payload;
            tx
        }),
    ];
    (option::of((0..9_usize).prop_map(header)), vec(tx, 0..5))
        .prop_map(|(header, transactions)| Block { header, transactions })
}

fn any_ghostdag() -> impl Strategy<Value = GhostdagData> {
    (any::<u64>(), any_bytes(24), option::of(any_hash()), vec(any_hash(), 0..9)).prop_map(
        |(blue_score, blue_work, selected_parent, merge_set_blues)| GhostdagData {
            blue_score,
            blue_work,
            selected_parent,
            merge_set_blues,
            ..GhostdagData::default()
        },
    )
}

fn any_state() -> impl Strategy<Value = Payload> {
    let entry = (any::<u64>(), any::<bool>(), option::of(any_hash())).prop_map(
        |(amount, is_coinbase, covenant_id)| OutpointAndUtxoEntryPair {
            outpoint: transaction(1, 0).inputs[0].previous_outpoint.clone(),
            utxo_entry: Some(UtxoEntry {
                amount,
                is_coinbase,
                covenant_id,
                script_public_key: transaction(0, 1).outputs[0].script_public_key.clone(),
                block_daa_score: amount / 2,
            }),
        },
    );
    let lane = (any_bytes(65), any::<u64>(), any_bytes(99))
        .prop_map(|(data, blue_score, proof)| SmtLaneEntry { data, blue_score, proof });
    prop_oneof![
        vec(entry, 0..9).prop_map(|outpoint_and_utxo_entry_pairs| {
            Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunk {
                outpoint_and_utxo_entry_pairs,
            })
        }),
        vec(lane, 0..9).prop_map(|entries| Payload::SmtLaneChunk(SmtLaneChunk { entries })),
        (any_bytes(97), any::<u64>()).prop_map(|(data, active_lanes_count)| {
            Payload::SmtMetadata(SmtMetadata { data, active_lanes_count })
        }),
    ]
}

fn any_headers() -> impl Strategy<Value = Payload> {
    let headers = vec((0..20_usize).prop_map(header), 0..5);
    prop_oneof![
        headers
            .clone()
            .prop_map(|block_headers| { Payload::BlockHeaders(BlockHeaders { block_headers }) }),
        (headers, any::<u32>()).prop_map(|(chunk, level)| {
            Payload::PruningPointProofChunk(PruningPointProofChunk { chunk, level })
        }),
        vec(any_ghostdag(), 0..5).prop_map(|colours| {
            let of = |colour| DaaBlockV4 { header: Some(header(1)), ghostdag_data: Some(colour) };
            Payload::TrustedDataChunk(TrustedDataChunk {
                headers: colours.into_iter().map(of).collect(),
            })
        }),
    ]
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let empty = select(vec![Payload::Verack, Payload::Ready, Payload::TrustedDataChunksEnd]);
    let hashes = vec(any_hash(), 0..20);
    let two = (option::of(any_hash()), option::of(any_hash()));
    let blocks = (any_block(), vec(any::<u64>(), 0..9), vec(any::<u64>(), 0..9));
    prop_oneof![
        empty,
        any_version(),
        any_state(),
        any_headers(),
        any::<u64>().prop_map(|nonce| Payload::Ping(Ping { nonce })),
        ".{0,99}".prop_map(|reason| Payload::Reject(Reject { reason })),
        option::of(any_hash()).prop_map(|hash| Payload::InvRelayBlock(InvRelayBlock { hash })),
        hashes.clone().prop_map(|ids| Payload::InvTransactions(InvTransactions { ids })),
        hashes.prop_map(|hashes| Payload::BlockLocator(BlockLocator { hashes })),
        two.prop_map(|(low_hash, high_hash)| {
            Payload::RequestHeaders(RequestHeaders { low_hash, high_hash })
        }),
        any::<bool>().prop_map(|include_all_subnetworks| {
            let subnetwork_id = Some(SubnetworkId::COINBASE);
            Payload::RequestAddresses(RequestAddresses { include_all_subnetworks, subnetwork_id })
        }),
        vec((any::<[u8; 4]>(), any::<u16>()), 0..50).prop_map(|addresses| {
            let addresses = addresses.into_iter().map(|it| std::net::SocketAddr::from(it).into());
            Payload::Addresses(Addresses { addresses: addresses.collect() })
        }),
        any_block().prop_map(|block| Payload::Block(Box::new(block))),
        blocks.prop_map(|(block, daa_window_indices, ghostdag_data_indices)| {
            Payload::BlockWithTrustedDataV4(Box::new(BlockWithTrustedDataV4 {
                block: Some(block),
                daa_window_indices,
                ghostdag_data_indices,
            }))
        }),
        (68..100_u32, any_bytes(99)).prop_map(|(number, body)| Payload::Unknown { number, body }),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    (any_payload(), any::<u32>(), any::<u32>())
        .prop_map(|(payload, request_id, response_id)| Message { request_id, response_id, payload })
}

/// What was decoded encodes to what decodes to the same.
fn is_stable(bytes: Bytes) -> Result<(), TestCaseError> {
    let _ = Kind::peek(&bytes);
    if let Ok(message) = Message::decode(bytes) {
        let again = encoded(&message);
        prop_assert_eq!(Message::decode(again), Ok(message.clone()));
        let shown = format!("{message:?}");
        prop_assert!(shown.len() < 5_000, "{}", shown);
        if let Payload::Block(block) = &message.payload {
            let _ = block.header.as_ref().map(|header| header.hash());
            block.transactions.iter().for_each(|tx| _ = (tx.id(), tx.hash()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn decoding_undoes_encoding(message in any_message()) {
        let bytes = encoded(&message);
        prop_assert_eq!(Kind::peek(&bytes), Peek::Kind(message.kind()));
        prop_assert_eq!(Message::decode(bytes), Ok(message.clone()));
        prop_assert_eq!(message.detach(), message);
    }

    #[test]
    fn a_message_that_ends_early_is_never_a_panic(message in any_message()) {
        let bytes = encoded(&message);
        for len in 0..bytes.len().min(700) {
            is_stable(bytes.slice(..len))?;
        }
    }

    #[test]
    fn damage_is_never_a_panic(
        message in any_message(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&message).to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        is_stable(bytes.into())?;
    }

    #[test]
    fn no_bytes_are_ever_a_panic(kind in select(Kind::ALL), body in vec(any::<u8>(), 0..300)) {
        is_stable(body.clone().into())?;
        is_stable(encoded(&Payload::Unknown { number: kind.number(), body: body.into() }.into()))?;
    }
}
