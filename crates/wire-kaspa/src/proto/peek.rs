//! The kind of a message, from its first bytes.

use peerage_wire::{Envelope, Malformed, Peek};

use super::Kind;
use super::fields::{Fields, WireType, invalid};
use super::table::{REQUEST_ID, RESPONSE_ID};

impl Envelope for Kind {
    const PATH: &'static str = "/protowire.P2P/MessageStream";

    /// The kind of the first payload. A message that has several, which no encoder writes, is of the
    /// last one's kind; decoding checks that one's cap as well. Once all of a message is there and
    /// more would be needed, it has no payload.
    ///
    /// Encoders write the payload first, so two bytes are enough; numbers before it are passed over
    /// as long as they take no more than 32 bytes.
    ///
    /// ```
    /// use peerage_wire::{Envelope as _, Peek};
    /// use peerage_wire_kaspa::proto::Kind;
    ///
    /// assert_eq!(Kind::peek(&[0xa2, 0x01]), Peek::Kind(Kind::Version));
    /// assert_eq!(Kind::peek(&[0xa2]), Peek::More);
    /// assert!(matches!(Kind::peek(&[0x00]), Peek::Malformed(_)));
    /// ```
    fn peek(prefix: &[u8]) -> Peek<Self> {
        let mut fields = Fields::new(prefix);
        while prefix.len() - fields.left() <= FARTHEST {
            let passed = match fields.key() {
                Ok(None) => return Peek::More,
                Ok(Some((RESPONSE_ID | REQUEST_ID, wire_type)))
                    if wire_type != WireType::Varint =>
                {
                    Err(invalid("id"))
                }
                Ok(Some((number, WireType::Bytes))) => {
                    return Peek::Kind(Self::from_number(number));
                }
                Ok(Some((number, _))) if Self::from_number(number).is_known() => {
                    Err(invalid("protobuf wire type"))
                }
                Ok(Some((_, wire_type))) => fields.value(wire_type).map(|_| ()),
                Err(error) => Err(error),
            };
            match passed {
                Ok(()) => {}
                Err(Malformed::Truncated) => return Peek::More,
                Err(error) => return Peek::Malformed(error),
            }
        }
        Peek::Malformed(invalid("message: its payload does not come first"))
    }
}

/// Where the payload begins at the latest. The two ids take 14 bytes if they are written once each,
/// in their shortest form.
const FARTHEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &[u8] = &[0xa8, 0x06, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xb0, 0x06, 0x2a];

    #[test]
    fn ids_are_passed_over() {
        let message = [IDS, &[0x82, 0x01, 0x00]].concat();
        for len in 0..=message.len() {
            let expected = if len < 12 { Peek::More } else { Peek::Kind(Kind::Ping) };
            assert_eq!(Kind::peek(&message[..len]), expected, "{len}");
        }
    }

    #[test]
    fn it_does_not_look_for_ever() {
        assert_eq!(
            Kind::peek(&[&IDS.repeat(3)[..], &[0x82, 0x01]].concat()),
            Peek::Kind(Kind::Ping)
        );
        let late = [&IDS.repeat(4)[..], &[0x82, 0x01]].concat();
        assert!(matches!(Kind::peek(&late), Peek::Malformed(_)));
    }

    #[test]
    fn what_is_no_message_is_known_at_once() {
        // A group, an id of bytes, a number where a body is due, an endless number.
        for bad in [&[0x83, 0x01][..], &[0xaa, 0x06], &[0x80, 0x01], &[0xff; 10]] {
            assert!(matches!(Kind::peek(bad), Peek::Malformed(_)), "{bad:x?}");
        }
        assert_eq!(Kind::peek(&[0xc2, 0x3e]), Peek::Kind(Kind::Unknown(1000)));
    }
}
