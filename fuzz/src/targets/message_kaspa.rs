//! Every decoder of today's Kaspa, its envelope, and every hash.

use std::net::SocketAddr;

use bytes::Bytes;
use peerage_wire::{Envelope as _, Kind as _, Message as _, Payload as Sent, Peek, Prepared};
use peerage_wire_kaspa::proto::message::{BlockHeader, Transaction};
use peerage_wire_kaspa::proto::{Kaspa, Kind, Message, Payload};

use crate::meter::Meter;

/// Decodes a message. What is accepted encodes to what is read again as the same, and has not taken
/// more memory than eight times its bytes.
pub fn message_kaspa(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let mut meter = Meter::within(8, 4 << 10);
    meter.received(bytes.len());
    let peeked = meter.run(|| Kind::peek(&bytes));
    for len in 0..bytes.len().min(48) {
        // More bytes make it known, and never something else.
        assert!(Kind::peek(&bytes[..len]) == Peek::More || Kind::peek(&bytes[..len]) == peeked);
    }
    let result = meter.run(|| Message::decode(bytes.clone()));
    let Ok(message) = result else { return };
    let kind = message.kind();
    assert!(bytes.len() <= kind.policy().cap);

    let encoded = encode(&message);
    assert_eq!(encoded.len(), message.encoded_len());
    assert_eq!(Kind::peek(&encoded), Peek::Kind(kind));
    let again = Message::decode(encoded.clone());
    // Written once, what came in pieces or with unknown parts is shorter, and may be too light.
    if encoded.len() >= bytes.len() {
        assert_eq!(again.as_ref(), Ok(&message));
    }
    if let Ok(again) = again {
        assert_eq!(again, message);
        assert_eq!(encode(&again), encoded);
    }
    sends(&message, &encoded);
    assert_eq!(message.detach(), message);
    let shown = format!("{message:?}");
    assert!(shown.len() < 5_000, "{shown}");
    look(&message.payload);
}

/// The ways to send it give the same bytes.
fn sends(message: &Message, encoded: &Bytes) {
    let mut scratch = vec![0xaa; 9];
    let payload = Sent::encode::<Kaspa>(message, 11, &mut scratch);
    assert_eq!(payload.as_slice(), encoded);
    let prepared = Prepared::<Kaspa>::new(message).expect("no encoding depends on the version");
    assert_eq!(prepared.payload(), encoded);
    assert_eq!((prepared.kind(), prepared.asks()), (message.kind(), message.asks()));
}

fn look(payload: &Payload) {
    match payload {
        Payload::Block(block) | Payload::IbdBlock(block) => {
            block.header.iter().for_each(hash);
            block.transactions.iter().for_each(name);
        }
        Payload::BlockHeaders(headers) => headers.block_headers.iter().for_each(hash),
        Payload::Transaction(tx) => name(tx),
        Payload::BlockBody(body) => body.transactions.iter().for_each(name),
        Payload::Addresses(addresses) => {
            for address in &addresses.addresses {
                let Ok(read) = SocketAddr::try_from(address) else { continue };
                assert_eq!(SocketAddr::try_from(&read.into()), Ok(read));
            }
        }
        _ => {}
    }
}

fn hash(header: &BlockHeader) {
    let changed = BlockHeader { nonce: !header.nonce, ..header.clone() };
    assert!(header.hash().is_err() || header.hash() != changed.hash());
}

fn name(tx: &Transaction) {
    let changed = Transaction { lock_time: !tx.lock_time, ..tx.clone() };
    assert!(tx.id().is_err() || tx.id() != changed.id());
    assert!(tx.hash().is_err() || tx.id().is_ok_and(|id| Ok(id) != tx.hash()));
}

fn encode(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(&mut out);
    out.into()
}
