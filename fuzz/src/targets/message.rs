//! Every decoder, in every protocol version.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use peerage_wire::{
    Direction, Kind as _, Malformed, Message as _, Now, Opening as _, Payload, Prepared,
    Protocol as _, Rng, Step, checksum, payload_hash,
};
use peerage_wire_bitcoin::{Bitcoin, Identity, Kind, Message, Network, Opening, Remote};

use crate::input::Input;
use crate::meter::Meter;

/// Versions around which something changes, and two that nobody has.
const VERSIONS: [u32; 16] = [
    0,
    106,
    208,
    209,
    31_401,
    31_402,
    60_000,
    60_001,
    60_002,
    70_001,
    70_002,
    70_012,
    70_014,
    70_016,
    Bitcoin::VERSION,
    u32::MAX,
];

/// Decodes a payload as any kind in any version. What is accepted encodes to the bytes that it came
/// from, detaches to its equal, and is read again by peers of every other version.
pub fn message(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, version, other) = (input.kind(), input.choose(&VERSIONS), input.choose(&VERSIONS));
    if input.clone().rest().len() > kind.policy().cap {
        return; // the transport lets nothing like it pass
    }
    let mut meter = Meter::default();
    meter.received(input.clone().rest().len());
    let payload = meter.run(|| Bytes::copy_from_slice(input.rest()));
    let result = meter.run(|| Message::decode(kind, payload.clone(), version));
    let since = kind.since();
    if version < since {
        let error = Malformed::TooNew { command: kind.into(), since, agreed: version };
        assert_eq!(result, Err(error));
        return;
    }
    let Ok(message) = result else { return };
    assert_eq!(message.kind(), kind);
    assert!(message.settles() > 0 || kind == Kind::NotFound);

    let encoded = encode(&message, version);
    if kind == Kind::Version {
        // What may follow or be missing is lost, and with it nothing that it said.
        let again = Message::decode(kind, encoded.clone(), version).expect("we wrote it");
        assert_eq!(encode(&again, version), encoded);
    } else {
        assert_eq!(encoded, payload, "{message:?} has two encodings");
    }
    sends(&message, version, &encoded);

    let detached = message.detach();
    assert_eq!(detached, message);
    assert_eq!(encode(&detached, version), encoded);
    let shown = format!("{message:?}");
    assert!(shown.len() < 2_000, "{shown}");
    items(&message, &payload);

    if other >= since {
        let sent = encode(&message, other);
        if let Err(error) = Message::decode(kind, sent, other) {
            panic!("{message:?} as it is sent to version {other} is refused: {error}");
        }
    }
}

/// Whoever sent it has the same items, whether or not the transport has hashed the payload.
fn items(message: &Message, payload: &[u8]) {
    for theirs in remotes() {
        let (mut hashed, mut told) = (Vec::new(), Vec::new());
        message.items(theirs, None, &mut |item| hashed.push(item));
        message.items(theirs, Some(&payload_hash(payload)), &mut |item| told.push(item));
        assert_eq!(hashed, told);
        assert!(hashed.iter().all(|item| !format!("{item}").is_empty()));
    }
}

/// One that wants transactions by wtxid, and one that does not.
fn remotes() -> &'static [Remote; 2] {
    static REMOTES: OnceLock<[Remote; 2]> = OnceLock::new();
    REMOTES.get_or_init(|| {
        let ours = Identity { allow_self_connections: true, ..Identity::new(Network::regtest()) };
        let (ours, now) = (Arc::new(ours), Now::default());
        let mut rng = Rng::from_seed([0; 32]);
        let said = Opening::start(Direction::Outbound, &ours, &mut rng, now).1;
        let opening = Opening::start(Direction::Inbound, &ours, &mut rng, now).0;
        match opening.on_message(&said[0], now) {
            Step::More { heard: Some(remote), .. } => {
                [Remote { wtxid_relay: true, ..remote.clone() }, remote]
            }
            other => panic!("{other:?}"),
        }
    })
}

/// The three ways to send it give the same bytes.
fn sends(message: &Message, version: u32, encoded: &Bytes) {
    if let Some(shared) = message.shared() {
        assert_eq!(shared, encoded);
    }
    let mut scratch = vec![0xaa; 9];
    let payload = Payload::encode::<Bitcoin>(message, version, &mut scratch);
    assert_eq!(payload.as_slice(), encoded);
    match Prepared::<Bitcoin>::new(message) {
        Some(prepared) => {
            assert_eq!(prepared.payload(), encoded);
            assert_eq!(prepared.checksum(), checksum(encoded));
            assert_eq!((prepared.kind(), prepared.asks()), (message.kind(), message.asks()));
        }
        None => assert!(message.kind().policy().versioned),
    }
}

fn encode(message: &Message, version: u32) -> Bytes {
    let mut out = Vec::new();
    message.encode(version, &mut out);
    out.into()
}
