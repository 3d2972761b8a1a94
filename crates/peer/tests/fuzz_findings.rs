//! What the fuzzer has found, each kept as a test (docs/fuzzing.md).
#![allow(missing_docs)]

use peerage_peer::Target;

/// A number with a sign is no port, and an address is no name, however its port is written.
#[test]
fn an_address_is_never_read_as_a_name() {
    for text in ["1.2.3.4:+333", "peer.example:+333", "[::1]:+333", "+1.2.3.4:333"] {
        assert!(text.parse::<Target>().is_err(), "{text}");
        assert!(Target::with_default_port(text, 8333).is_err(), "{text}");
    }
    for text in ["1.2.3.4:333", "1.2.3.4:0333", "1.2.3.4:00000333"] {
        if let Ok(target) = text.parse::<Target>() {
            assert_eq!(target, Target::Address(([1, 2, 3, 4], 333).into()), "{text}");
        }
    }
}
