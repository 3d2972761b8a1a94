//! The fields of a protobuf message, one after the other, as they are in its bytes.
//!
//! ```text
//!   key: varint, number << 3 | wire type      0  varint
//!                                             1  8 bytes
//!                                             2  varint length, then as many bytes
//!                                             5  4 bytes
//! ```
//!
//! The wire types 3 and 4 delimit groups, which nothing in Kaspa has ever used: they are refused, so
//! that no nesting is looked for in what is skipped.

use peerage_wire::Malformed;

/// What is left of a message.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// How a value is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Eight,
    Bytes,
    Four,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// Bytes: also strings, messages and packed lists.
    Bytes(&'a [u8]),
    /// A number of four or eight bytes, which no message of Kaspa's has.
    Fixed,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        let Some((number, wire_type)) = self.key()? else { return Ok(None) };
        self.value(wire_type).map(|value| Some((number, value)))
    }

    /// The number and wire type of the next field, whose value must be read next.
    pub(crate) fn key(&mut self) -> Result<Option<(u32, WireType)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(|_| invalid("protobuf key"))?;
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Eight,
            2 => WireType::Bytes,
            5 => WireType::Four,
            _ => return Err(invalid("protobuf wire type")),
        };
        match key >> 3 {
            0 => Err(invalid("protobuf field number")),
            number => Ok(Some((number, wire_type))),
        }
    }

    pub(crate) fn value(&mut self, wire_type: WireType) -> Result<Value<'a>, Malformed> {
        Ok(match wire_type {
            WireType::Varint => Value::Varint(self.varint()?),
            WireType::Bytes => {
                let len = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
                Value::Bytes(self.take(len)?)
            }
            WireType::Four => self.take(4).map(|_| Value::Fixed)?,
            WireType::Eight => self.take(8).map(|_| Value::Fixed)?,
        })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Seven bits a byte, the lowest first; in the tenth byte there is room for one bit.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (place, &byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                if place == 9 && byte > 1 {
                    break;
                }
                self.rest = &self.rest[place + 1..];
                return Ok(number);
            }
        }
        match self.rest.len() {
            0..10 => Err(Malformed::Truncated),
            _ => Err(invalid("varint")),
        }
    }
}

pub(crate) const fn invalid(what: &'static str) -> Malformed {
    Malformed::Invalid { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &[u8]) -> Result<Vec<u32>, Malformed> {
        let (mut fields, mut numbers) = (Fields::new(message), Vec::new());
        while let Some((number, _)) = fields.next()? {
            numbers.push(number);
        }
        Ok(numbers)
    }

    #[test]
    fn every_wire_type_is_passed_over() {
        let message = [8, 0x80, 1, 17, 0, 0, 0, 0, 0, 0, 0, 0, 26, 2, 7, 7, 37, 0, 0, 0, 0, 40, 1];
        assert_eq!(all(&message), Ok(vec![1, 2, 3, 4, 5]));
        let cut = (1..message.len()).filter(|len| all(&message[..*len]).is_ok());
        assert_eq!(cut.collect::<Vec<_>>(), [3, 12, 16, 21]);
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for (bytes, what) in [
            (&[0x0b][..], "protobuf wire type"),
            (&[0x0c], "protobuf wire type"),
            (&[0x06], "protobuf wire type"),
            (&[0x00, 0], "protobuf field number"),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f, 0], "protobuf key"),
            (&[0xff; 11], "varint"),
            (&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], "varint"),
        ] {
            assert_eq!(all(bytes), Err(invalid(what)), "{bytes:x?}");
        }
        assert_eq!(all(&[0xff; 9]), Err(Malformed::Truncated));
        let most = [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert!(matches!(Fields::new(&most).next(), Ok(Some((1, Value::Varint(u64::MAX))))));
    }
}
