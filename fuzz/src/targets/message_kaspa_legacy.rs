//! Every decoder of legacy Kaspa, and every view that it gives.

use std::sync::Arc;

use bytes::Bytes;
use peerage_wire::{
    Direction, Kind as _, Message as _, Now, Opening as _, Payload, Prepared, Rng, Step, checksum,
};
use peerage_wire_kaspa::legacy::message::{Addr, Block, Entry, List, MerkleBlock, Tx, TxRef};
use peerage_wire_kaspa::legacy::{Identity, KaspaLegacy, Kind, Message, Network, Opening, Remote};

use crate::input::Input;
use crate::meter::Meter;

/// Decodes a payload as any kind. What is accepted encodes to the beginning of the bytes that it
/// came from (booleans become 0 or 1, what follows is cut off), is read again as the same, and its
/// parts make the same whole.
pub fn message_kaspa_legacy(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.choose(Kind::ALL);
    if input.clone().rest().len() > kind.policy().cap {
        return; // the transport lets nothing like it pass
    }
    let mut meter = Meter::default();
    meter.received(input.clone().rest().len());
    let payload = meter.run(|| Bytes::copy_from_slice(input.rest()));
    let result = meter.run(|| Message::decode(kind, payload.clone(), 1));
    let Ok(message) = result else { return };
    assert_eq!(message.kind(), kind);
    assert!(message.settles() > 0 || kind == Kind::NotFound);

    let encoded = encode(&message);
    assert!(encoded.len() <= payload.len());
    if !matches!(kind, Kind::Version | Kind::GetAddr | Kind::Addr) {
        assert_eq!(encoded, payload[..encoded.len()], "{message:?} has two encodings");
    }
    assert_eq!(Message::decode(kind, encoded.clone(), 1), Ok(message.clone()));
    sends(&message, &encoded);

    let detached = message.detach();
    assert_eq!(detached, message);
    assert_eq!(encode(&detached), encoded);
    let shown = format!("{message:?}");
    assert!(shown.len() < 2_000, "{shown}");
    message.items(&remote(), None, &mut |item| assert!(!format!("{item}").is_empty()));
    look(&message);
}

/// The three ways to send it give the same bytes.
fn sends(message: &Message, encoded: &Bytes) {
    if let Some(shared) = message.shared() {
        assert_eq!(shared, encoded);
    }
    let mut scratch = vec![0xaa; 9];
    let payload = Payload::encode::<KaspaLegacy>(message, 1, &mut scratch);
    assert_eq!(payload.as_slice(), encoded);
    let prepared = Prepared::<KaspaLegacy>::new(message).expect("there is one version");
    assert_eq!((prepared.payload(), prepared.checksum()), (encoded, checksum(encoded)));
    assert_eq!((prepared.kind(), prepared.asks()), (message.kind(), message.asks()));
}

/// Takes the views apart and puts them together again.
fn look(message: &Message) {
    match message {
        Message::Inv(list) | Message::GetData(list) | Message::NotFound(list) => check_list(list),
        Message::Locator(list) => check_list(list),
        Message::Addr(addr) => {
            check_list(addr.entries());
            let again = Addr::new(addr.subnetworks(), &addr.decode());
            assert_eq!(again.as_ref(), Ok(addr));
        }
        Message::Tx(tx) => check_tx(tx.view()),
        Message::Block(block) => check_block(block),
        Message::MerkleBlock(block) => {
            let hashes: Vec<_> = block.hashes().collect();
            let header = block.header().decode();
            let again =
                MerkleBlock::new(&header, block.total_transactions(), &hashes, block.flags());
            assert_eq!(again.as_ref(), Ok(block));
        }
        _ => {}
    }
}

fn check_list<T: Entry + PartialEq>(list: &List<T>) {
    let entries = list.decode();
    assert_eq!((entries.len(), entries.is_empty()), (list.len(), list.is_empty()));
    assert!(list.iter().rev().eq(entries.iter().rev().copied()));
    assert_eq!(list.get(list.len()), None);
    assert_eq!(List::new(&entries).as_ref(), Ok(list));
}

fn check_block(block: &Block) {
    let header = block.header();
    assert_eq!(header.bytes().len(), 121 + 32 * header.parents().len());
    let views: Vec<TxRef<'_>> = block.transactions().collect();
    assert!(block.transactions().rev().eq(views.iter().rev().copied()));
    views.iter().for_each(|tx| check_tx(*tx));
    assert_eq!(Block::new(&header.decode(), views).as_ref(), Ok(block));
}

fn check_tx(tx: TxRef<'_>) {
    assert_eq!(tx.to_tx().view(), tx);
    let parts = tx.decode();
    // What kaspad reads and does not write (gas in a built-in subnetwork) cannot be made.
    if let Ok(again) = Tx::try_from(&parts) {
        assert_eq!(again.view(), tx);
        assert_eq!((again.id(), again.hash()), (tx.id(), tx.hash()));
    } else {
        assert!(parts.gas != 0 && parts.subnetwork.is_built_in(), "{parts:?}");
    }
}

/// Somebody who has introduced himself.
fn remote() -> Remote {
    let identity = Identity { allow_self_connections: true, ..Identity::new(Network::simnet()) };
    let (ours, mut rng, now) = (Arc::new(identity), Rng::from_seed([0; 32]), Now::default());
    let said = Opening::start(Direction::Outbound, &ours, &mut rng, now).1;
    let opening = Opening::start(Direction::Inbound, &ours, &mut rng, now).0;
    match opening.on_message(&said[0], now) {
        Step::Done { remote, .. } => remote,
        other => panic!("{other:?}"),
    }
}

fn encode(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(1, &mut out);
    out.into()
}
