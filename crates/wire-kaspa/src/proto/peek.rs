//! The kind of a message, from its first bytes.

use peerage_wire::Malformed;

use super::Kind;
use super::fields::{Fields, WireType};
use super::table::{REQUEST_ID, RESPONSE_ID};

/// What the first bytes of a message tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// It is of this kind: at least, its first payload is. A message that has several, which no
    /// encoder writes, is of the last one's kind; decoding checks that one's cap as well.
    Kind(Kind),
    /// More bytes are needed. Once all are there, the message has no payload.
    NeedMore,
    /// It is no message.
    Malformed,
}

/// The kind of the message that begins with these bytes: for its cap, before the rest is read or
/// inflated.
///
/// Encoders write the payload first, so two bytes are enough; numbers before it are passed over as
/// long as they take no more than 32 bytes.
///
/// ```
/// use peerage_wire_kaspa::proto::{Kind, Peek, peek};
///
/// assert_eq!(peek(&[0xa2, 0x01]), Peek::Kind(Kind::Version));
/// assert_eq!(peek(&[0xa2]), Peek::NeedMore);
/// assert_eq!(peek(&[0x00]), Peek::Malformed);
/// ```
#[must_use]
pub fn peek(prefix: &[u8]) -> Peek {
    let mut fields = Fields::new(prefix);
    while prefix.len() - fields.left() <= FARTHEST {
        let passed = match fields.key() {
            Ok(None) => return Peek::NeedMore,
            Ok(Some((RESPONSE_ID | REQUEST_ID, wire_type))) if wire_type != WireType::Varint => {
                return Peek::Malformed;
            }
            Ok(Some((number, WireType::Bytes))) => return Peek::Kind(Kind::from_number(number)),
            Ok(Some((number, _))) if Kind::from_number(number).is_known() => {
                return Peek::Malformed;
            }
            Ok(Some((_, wire_type))) => fields.value(wire_type).map(|_| ()),
            Err(error) => Err(error),
        };
        match passed {
            Ok(()) => {}
            Err(Malformed::Truncated) => return Peek::NeedMore,
            Err(_) => return Peek::Malformed,
        }
    }
    Peek::Malformed
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
            let expected = if len < 12 { Peek::NeedMore } else { Peek::Kind(Kind::Ping) };
            assert_eq!(peek(&message[..len]), expected, "{len}");
        }
    }

    #[test]
    fn it_does_not_look_for_ever() {
        assert_eq!(peek(&[&IDS.repeat(3)[..], &[0x82, 0x01]].concat()), Peek::Kind(Kind::Ping));
        assert_eq!(peek(&[&IDS.repeat(4)[..], &[0x82, 0x01]].concat()), Peek::Malformed);
    }

    #[test]
    fn what_is_no_message_is_known_at_once() {
        // A group, an id of bytes, a number where a body is due, an endless number.
        for bad in [&[0x83, 0x01][..], &[0xaa, 0x06], &[0x80, 0x01], &[0xff; 10]] {
            assert_eq!(peek(bad), Peek::Malformed, "{bad:x?}");
        }
        assert_eq!(peek(&[0xc2, 0x3e]), Peek::Kind(Kind::Unknown(1000)));
    }
}
