//! What holds for every message: decoding undoes encoding, and no bytes whatever cause a panic.

mod arbitrary;

use bytes::Bytes;
use peerage_wire::{Kind as _, Malformed, Message as _, Protocol as _};
use peerage_wire_bitcoin::{Bitcoin, Kind, Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NEWEST: u32 = Bitcoin::VERSION;

fn encoded(message: &Message, version: u32) -> Bytes {
    let mut out = Vec::new();
    message.encode(version, &mut out);
    out.into()
}

/// What was decoded encodes to the bytes that it came from: there is one encoding of everything.
fn is_canonical(kind: Kind, payload: Bytes, version: u32) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::decode(kind, payload.clone(), version) {
        // What may follow or be missing in `version` is lost.
        if kind != Kind::Version {
            prop_assert_eq!(encoded(&message, version), payload);
        }
        prop_assert_eq!(message.kind(), kind);
        let shown = format!("{message:?}");
        prop_assert!(shown.len() < 2_000, "{}", shown);
        prop_assert_eq!(message.detach(), message);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn decoding_undoes_encoding(message in prop_oneof![
        20 => arbitrary::message(),
        1 => arbitrary::opaque(),
    ]) {
        let payload = encoded(&message, NEWEST);
        let kind = message.kind();
        prop_assert!(payload.len() <= kind.policy().cap, "{:?}", message);
        prop_assert_eq!(Message::decode(kind, payload.clone(), NEWEST), Ok(message.clone()));
        if let Some(shared) = message.shared() {
            prop_assert_eq!(shared, &payload);
        }
    }

    #[test]
    fn a_payload_that_ends_early_is_refused(message in arbitrary::message()) {
        let kind = message.kind();
        let payload = encoded(&message, NEWEST);
        for len in 0..payload.len() {
            match (kind, Message::decode(kind, payload.slice(..len), NEWEST)) {
                // Everything after the receiver's address may be missing, field by field.
                (Kind::Version, Ok(_)) => prop_assert!(len >= 46),
                // So may the hash at the end of a reject.
                (Kind::Reject, Ok(_)) => prop_assert_eq!(len, payload.len() - 32),
                (_, result) => prop_assert_eq!(result, Err(Malformed::Truncated)),
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused(message in arbitrary::message(), more in 1..9_usize) {
        let kind = message.kind();
        let mut payload = encoded(&message, NEWEST).to_vec();
        payload.resize(payload.len() + more, 0);
        let result = Message::decode(kind, payload.into(), NEWEST);
        match &message {
            Message::Version(version) if version.version >= 70_001 => {
                prop_assert_eq!(result, Ok(message));
            }
            Message::Version(_) => prop_assert!(result.is_ok()),
            _ => prop_assert_eq!(result, Err(Malformed::TrailingBytes { count: more })),
        }
    }

    #[test]
    fn damage_is_never_a_panic(
        message in arbitrary::message(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = encoded(&message, NEWEST).to_vec();
        for (place, byte) in changes {
            if !payload.is_empty() {
                let place = place.index(payload.len());
                payload[place] = byte;
            }
        }
        is_canonical(message.kind(), payload.into(), NEWEST)?;
    }

    #[test]
    fn no_bytes_are_ever_a_panic(
        kind in select(Kind::ALL),
        version in select(vec![0, 209, 31_402, 60_000, 60_001, 70_001, NEWEST]),
        payload in vec(any::<u8>(), 0..200),
    ) {
        is_canonical(kind, payload.into(), version)?;
    }

    #[test]
    fn what_a_peer_of_any_version_is_sent_it_can_read(
        message in arbitrary::message(),
        version in 0..NEWEST + 2,
    ) {
        let kind = message.kind();
        let decoded = Message::decode(kind, encoded(&message, version), version);
        if version < kind.since() {
            let error =
                Malformed::TooNew { command: kind.into(), since: kind.since(), agreed: version };
            prop_assert_eq!(decoded, Err(error));
        } else {
            prop_assert!(decoded.is_ok(), "{:?}", decoded);
        }
    }
}
