//! The envelope of a message: a payload and two numbers.
//!
//! ```text
//!   payload 1..=67, one of them    101 response id    102 request id
//! ```
//!
//! Encoders write the fields in this order and leave out zeros. Decoders take any order, and as
//! protobuf demands it, of several payloads the last; pieces of one, with no other in between, are
//! put together. A payload of a number that is not known is kept as it is if there is no known one:
//! later versions of the protocol add kinds, and whoever passes messages on needs to know nothing
//! of them. Other unknown fields are dropped.

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Kind as _, Malformed};

use super::fields::{Fields, Value, invalid};
use super::table::{REQUEST_ID, RESPONSE_ID};
use super::{Kind, Payload};

/// A message.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// What an answer has to name; 0 if this is no request, or one that is answered by kind.
    pub request_id: u32,
    /// The request that this answers; 0 for none.
    pub response_id: u32,
    /// What it says.
    pub payload: Payload,
}

impl Message {
    /// Which message it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.payload.kind()
    }

    /// The message that answers this one with `payload`: it names the request, where the request has
    /// a number.
    #[must_use]
    pub const fn answer(&self, payload: Payload) -> Self {
        Self { request_id: 0, response_id: self.request_id, payload }
    }

    /// Reads a message that is all of these bytes. Byte fields are slices of them.
    ///
    /// # Errors
    /// If they are no message, or one that is longer than its kind's cap, or that would take much more
    /// memory than it has bytes.
    pub fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let (mut request_id, mut response_id) = (0, 0);
        let (mut known, mut unknown): (Option<Found<'_>>, Option<Found<'_>>) = (None, None);
        let mut fields = Fields::new(&bytes);
        let mut at = 0;
        while let Some((number, value)) = fields.next()? {
            let kind = Kind::from_number(number);
            match (number, value) {
                (REQUEST_ID, Value::Varint(id)) => request_id = truncated(id),
                (RESPONSE_ID, Value::Varint(id)) => response_id = truncated(id),
                (REQUEST_ID | RESPONSE_ID, _) => return Err(invalid("id")),
                (_, Value::Bytes(body)) if kind.is_known() => match &mut known {
                    Some(found) if found.kind == kind => found.pieces += 1,
                    _ => known = Some(Found { kind, body, pieces: 1, at }),
                },
                (_, Value::Bytes(body)) => unknown = Some(Found { kind, body, pieces: 1, at }),
                _ if kind.is_known() => return Err(invalid("protobuf wire type")),
                _ => {}
            }
            at = bytes.len() - fields.left();
        }
        let found = known.or(unknown).ok_or(invalid("message: it has no payload"))?;
        let payload = found.decode(&bytes)?;
        Ok(Self { request_id, response_id, payload })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        self.payload.encode(out);
        for (number, id) in self.ids() {
            prost::encoding::uint32::encode(number, &id, out);
        }
    }

    /// How many bytes [`Self::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let ids = self.ids().map(|(number, id)| prost::encoding::uint32::encoded_len(number, &id));
        self.payload.encoded_len() + ids.sum::<usize>()
    }

    /// The same message in memory of its own, for whoever keeps it: a few of its bytes may otherwise
    /// hold on to a buffer of many.
    #[must_use]
    pub fn detach(&self) -> Self {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        // What was never received may be more than a stranger may send: then it is no slice either.
        Self::decode(bytes.into()).unwrap_or_else(|_| self.clone())
    }

    fn ids(&self) -> impl Iterator<Item = (u32, u32)> {
        let ids = [(RESPONSE_ID, self.response_id), (REQUEST_ID, self.request_id)];
        ids.into_iter().filter(|(_, id)| *id != 0)
    }
}

impl From<Payload> for Message {
    /// A message without ids.
    fn from(payload: Payload) -> Self {
        Self { request_id: 0, response_id: 0, payload }
    }
}

/// Names the kind and, unless it is long, what it says.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.payload)?;
        for (number, id) in self.ids() {
            let which = if number == REQUEST_ID { "request" } else { "response" };
            write!(f, " {which} {id}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match (self.body(), self.encoded_len()) {
            (None, _) => write!(f, "{kind}"),
            (Some(body), 0..=SHOWN) => write!(f, "{kind}({body:?})"),
            (Some(_), len) => write!(f, "{kind}({len} bytes)"),
        }
    }
}

/// Up to how many bytes a payload is shown whole.
const SHOWN: usize = 200;

/// A payload among the fields.
struct Found<'a> {
    kind: Kind,
    /// Its first piece.
    body: &'a [u8],
    pieces: usize,
    /// Where the field of its first piece begins.
    at: usize,
}

impl Found<'_> {
    fn decode(&self, bytes: &Bytes) -> Result<Payload, Malformed> {
        let (len, max) = (bytes.len() as u64, self.kind.policy().cap as u64);
        if len > max {
            return Err(Malformed::TooLarge { command: self.kind.into(), len, max });
        }
        let body = if self.pieces == 1 { bytes.slice_ref(self.body) } else { self.join(bytes)? };
        Payload::decode(self.kind, body)
    }

    /// The pieces, which are all fields of this number from the first on.
    fn join(&self, bytes: &[u8]) -> Result<Bytes, Malformed> {
        let rest = &bytes[self.at..];
        let mut joined = Vec::with_capacity(rest.len());
        let mut fields = Fields::new(rest);
        while let Some((number, value)) = fields.next()? {
            if let (true, Value::Bytes(piece)) = (number == self.kind.number(), value) {
                joined.extend_from_slice(piece);
            }
        }
        Ok(joined.into())
    }
}

/// As protobuf reads a number that is too long for its field.
#[allow(clippy::cast_possible_truncation)] // that is what it is for
const fn truncated(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_small_whatever_it_carries() {
        assert!(size_of::<Message>() <= 80, "{}", size_of::<Message>());
    }
}
