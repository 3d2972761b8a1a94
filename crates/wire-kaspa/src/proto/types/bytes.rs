//! Protobuf messages of one field that holds bytes of one length, as arrays.

use std::fmt;

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, check_wire_type, decode_varint, skip_field};

use super::ParseHexError;

/// Writes the field: `0a`, the length, the bytes. It is written even if it is all zeros.
pub(super) fn put(bytes: &[u8], buf: &mut impl BufMut) {
    prost::encoding::encode_key(1, WireType::LengthDelimited, buf);
    prost::encoding::encode_varint(bytes.len() as u64, buf);
    buf.put_slice(bytes);
}

/// Bytes of what [`put`] writes, for fewer than 128 bytes.
pub(super) const fn put_len(len: usize) -> usize {
    2 + len
}

/// Reads the field into an array of exactly its length.
pub(super) fn merge<const N: usize>(
    bytes: &mut [u8; N],
    tag: u32,
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    if tag != 1 {
        return skip_field(wire_type, tag, buf, ctx);
    }
    check_wire_type(WireType::LengthDelimited, wire_type)?;
    if decode_varint(buf)? != N as u64 {
        return Err(error("not as many bytes as it has to have"));
    }
    buf.try_copy_to_slice(bytes).map_err(|_| error("it ends too early"))
}

/// The bytes that are shown as this text, in the same order.
pub(super) fn parse<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let error = ParseHexError { digits: 2 * N };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(error);
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let [high, low] = digits.map(digit);
        *byte = (high.ok_or(error)? << 4) | low.ok_or(error)?;
    }
    Ok(bytes)
}

pub(super) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[allow(deprecated)] // prost has no other way yet to say that a field's value cannot be
fn error(what: &'static str) -> DecodeError {
    DecodeError::new(what)
}
