//! Our messages against those of the crate `bitcoin` 0.32, through whole frames.
//!
//! `bitcoin` does not mind bytes behind a message and other forms of the same, so its answer counts
//! as a yes only if writing the message again gives the same frame.

use bitcoin::consensus;
use bitcoin::p2p::Address;
use bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use bitcoin::p2p::message_bloom::BloomFlags;
use bitcoin::p2p::message_compact_blocks as compact;
use bytes::Bytes;
use peerage_wire::{FrameHeader, FramedKind as _, Message as _, Protocol as _, checksum};
use peerage_wire_bitcoin::types::{PeerAddress, TimedAddress};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message, Network};

use crate::input::Input;

/// Both read a payload, or both refuse it, and both read the same from it.
pub fn differential_bitcoin(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.kind();
    let payload = input.rest();
    let ours = Message::decode(kind, Bytes::copy_from_slice(payload), Bitcoin::VERSION);
    match (ours, theirs(kind, payload)) {
        (Ok(ours), Some(theirs)) => compare(&ours, &theirs),
        (Err(error), Some(theirs)) => {
            assert!(we_are_stricter(&theirs), "only bitcoin reads {kind}: {error}, {theirs:?}");
        }
        (Ok(ours), None) => assert!(they_are_stricter(&ours), "only we read {ours:?}"),
        (Err(_), None) => {}
    }
}

fn theirs(kind: Kind, payload: &[u8]) -> Option<NetworkMessage> {
    let magic = Network::mainnet().magic;
    let len = u32::try_from(payload.len()).expect("an input is small");
    let header = FrameHeader { magic, command: kind.command(), len, checksum: checksum(payload) };
    let frame = [&header.to_bytes()[..], payload].concat();
    let message: RawNetworkMessage = consensus::deserialize(&frame).ok()?;
    (consensus::serialize(&message) == frame).then(|| message.payload().clone())
}

/// What we refuse although `bitcoin` reads it: limits of ours, and what means nothing.
fn we_are_stricter(theirs: &NetworkMessage) -> bool {
    match theirs {
        NetworkMessage::Version(version) => version.user_agent.len() > 256,
        NetworkMessage::Addr(list) => list.len() > 1_000,
        NetworkMessage::AddrV2(list) => list.len() > 1_000,
        NetworkMessage::GetHeaders(request) => request.locator_hashes.len() > 500,
        NetworkMessage::GetBlocks(request) => request.locator_hashes.len() > 500,
        NetworkMessage::FilterLoad(load) => load.filter.len() > 36_000 || load.hash_funcs > 50,
        NetworkMessage::FilterAdd(add) => add.data.len() > 520,
        // A hash where the command has none, and a command that is no command.
        NetworkMessage::Reject(reject) => {
            !matches!(&*reject.message, "tx" | "block") || reject.reason.len() > 1_024
        }
        NetworkMessage::CmpctBlock(block) => {
            let block = &block.compact_block;
            let gaps = block.prefilled_txs.iter().map(|tx| usize::from(tx.idx) + 1).sum::<usize>();
            let transactions = block.short_ids.len() + block.prefilled_txs.len();
            gaps > transactions || transactions > 65_535
        }
        NetworkMessage::GetBlockTxn(request) => {
            request.txs_request.indexes.iter().any(|index| *index > 65_535)
        }
        // Messages of later BIPs, whose contents `bitcoin` does not look at.
        NetworkMessage::Unknown { .. } => true,
        _ => false,
    }
}

/// What we read although `bitcoin` refuses it.
fn they_are_stricter(ours: &Message) -> bool {
    match ours {
        // Later versions may add fields, earlier ones have fewer, and no text need be UTF-8.
        Message::Version(_) | Message::Reject(_) => true,
        // Entries that mean nothing are skipped one by one.
        Message::AddrV2(_) => true,
        // Flags that nobody has defined yet.
        Message::FilterLoad(load) => load.flags().0 > 2,
        // More than there is money, or less than nothing.
        Message::FeeFilter(filter) => !(0..=2_100_000_000_000_000).contains(&filter.rate),
        // They are not read.
        Message::Alert(_) => true,
        _ => false,
    }
}

fn compare(ours: &Message, theirs: &NetworkMessage) {
    use NetworkMessage as Their;
    match (ours, theirs) {
        (Message::Inv(ours), Their::Inv(theirs))
        | (Message::GetData(ours), Their::GetData(theirs))
        | (Message::NotFound(ours), Their::NotFound(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::Headers(ours), Their::Headers(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::Block(ours), Their::Block(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::Tx(ours), Their::Tx(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::MerkleBlock(ours), Their::MerkleBlock(theirs)) => {
            assert_eq!(&ours.decode(), theirs);
        }
        (Message::CmpctBlock(ours), Their::CmpctBlock(theirs)) => {
            assert_eq!(&compact::CmpctBlock { compact_block: ours.decode() }, theirs);
        }
        (Message::GetBlockTxn(ours), Their::GetBlockTxn(theirs)) => {
            assert_eq!(&compact::GetBlockTxn { txs_request: ours.decode() }, theirs);
        }
        (Message::BlockTxn(ours), Their::BlockTxn(theirs)) => {
            assert_eq!(&compact::BlockTxn { transactions: ours.decode() }, theirs);
        }
        (Message::CFilter(ours), Their::CFilter(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::CFHeaders(ours), Their::CFHeaders(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::CFCheckpt(ours), Their::CFCheckpt(theirs)) => assert_eq!(&ours.decode(), theirs),
        (Message::GetHeaders(ours), Their::GetHeaders(theirs)) => {
            assert_eq!(&ours.decode(), theirs)
        }
        (Message::GetBlocks(ours), Their::GetBlocks(theirs)) => {
            assert_eq!(&ours.decode_getblocks(), theirs);
        }
        _ => compare_small(ours, theirs),
    }
}

fn compare_small(ours: &Message, theirs: &NetworkMessage) {
    use NetworkMessage as Their;
    match (ours, theirs) {
        (Message::Version(ours), Their::Version(theirs)) => {
            assert_eq!(ours.version.cast_unsigned(), theirs.version);
            assert_eq!(ours.services.to_bits(), theirs.services.to_u64());
            assert_eq!((ours.timestamp, ours.nonce), (theirs.timestamp, theirs.nonce));
            assert_eq!(ours.user_agent.as_text().as_bytes(), theirs.user_agent.as_bytes());
            assert_eq!((ours.start_height, ours.relay), (theirs.start_height, theirs.relay));
            compare_address(&ours.addr_recv, &theirs.receiver);
            compare_address(&ours.addr_from, &theirs.sender);
        }
        (Message::Addr(ours), Their::Addr(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            for (TimedAddress { time, peer }, (their_time, address)) in ours.iter().zip(theirs) {
                assert_eq!(time, *their_time);
                compare_address(&peer, address);
            }
        }
        (Message::AddrV2(ours), Their::AddrV2(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            assert!(ours.iter().count() <= theirs.len());
        }
        (Message::Ping(ours), Their::Ping(nonce)) => assert_eq!(ours.nonce, Some(*nonce)),
        (Message::Pong(ours), Their::Pong(nonce)) => assert_eq!(ours.nonce, *nonce),
        (Message::FeeFilter(ours), Their::FeeFilter(rate)) => assert_eq!(ours.rate, *rate),
        (Message::SendCmpct(ours), Their::SendCmpct(theirs)) => {
            assert_eq!((ours.announce, ours.version), (theirs.send_compact, theirs.version));
        }
        (Message::FilterAdd(ours), Their::FilterAdd(theirs)) => {
            assert_eq!(*ours.data(), theirs.data)
        }
        (Message::FilterLoad(ours), Their::FilterLoad(theirs)) => {
            let flags = match theirs.flags {
                BloomFlags::None => 0,
                BloomFlags::All => 1,
                BloomFlags::PubkeyOnly => 2,
            };
            assert_eq!((ours.flags().0, *ours.filter() == theirs.filter), (flags, true));
            assert_eq!((ours.hash_funcs(), ours.tweak()), (theirs.hash_funcs, theirs.tweak));
        }
        (Message::GetCFilters(ours), Their::GetCFilters(theirs)) => {
            assert_eq!(
                (ours.filter_type, ours.start_height),
                (theirs.filter_type, theirs.start_height)
            );
            assert_eq!(ours.stop_hash, theirs.stop_hash);
        }
        (Message::GetCFHeaders(ours), Their::GetCFHeaders(theirs)) => {
            assert_eq!(
                (ours.filter_type, ours.start_height),
                (theirs.filter_type, theirs.start_height)
            );
            assert_eq!(ours.stop_hash, theirs.stop_hash);
        }
        (Message::GetCFCheckpt(ours), Their::GetCFCheckpt(theirs)) => {
            assert_eq!((ours.filter_type, ours.stop_hash), (theirs.filter_type, theirs.stop_hash));
        }
        (Message::Reject(ours), Their::Reject(theirs)) => {
            assert_eq!(ours.reason().as_bytes(), theirs.reason.as_bytes());
        }
        // Without contents, or not understood by one of the two.
        _ => assert_eq!(
            ours.kind().command().as_str(),
            theirs
                .cmd()
                .to_owned()
                .trim_end_matches('\0')
                .replace("unknown", ours.kind().command().as_str())
        ),
    }
}

fn compare_address(ours: &PeerAddress, theirs: &Address) {
    assert_eq!((ours.services.to_bits(), ours.port), (theirs.services.to_u64(), theirs.port));
    let words = theirs.address.map(u16::to_be_bytes);
    assert_eq!(
        ours.address.to_legacy().as_ref().map(|bytes| &bytes[..]),
        Some(words.as_flattened())
    );
}
