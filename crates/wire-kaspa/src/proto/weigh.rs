//! What a message would take in memory, known before it is decoded.
//!
//! Two bytes can be an empty message, which becomes a structure of a hundred and more; a message of
//! a megabyte could thus become one of fifty. So its bytes are looked through first, along a table
//! of shapes (which fields are messages and lists, and how large an element is in memory), adding up
//! what the decoder will allocate. Beyond [`FACTOR`] times the message's own length it is refused.
//!
//! Nothing is allocated here, and the table bounds the nesting: what it does not name is passed
//! over. On the way two things are refused that the decoder would let pass: a hash or a subnetwork
//! that is not as long as it has to be, and a field for one message that comes twice, which would
//! make lists grow where the count begins anew.

use peerage_wire::Malformed;

use super::fields::{Fields, Value, invalid};

/// How many times its own length a message may take in memory.
///
/// What honest peers send takes up to six times: a `Vec` begins with room for four elements and
/// doubles, and a transaction of one input and one output has two of them in 190 bytes.
pub(crate) const FACTOR: usize = 8;

/// What a message may take besides, in bytes: small ones are not worth a refusal.
pub(crate) const SLACK: usize = 4 << 10;

/// The most lists that a message has beside each other.
pub(crate) const LISTS: usize = 3;

/// A message that can be weighed.
pub(crate) trait Shaped: prost::Message + Default {
    /// Its shape.
    const SHAPE: &'static Shape;

    /// Makes room for as many elements in each of its lists, so that they do not grow.
    fn reserve(&mut self, _counts: &[usize]) {}
}

impl Shaped for () {
    const SHAPE: &'static Shape = &Shape::of(&[]);
}

impl<T: Shaped> Shaped for Box<T> {
    const SHAPE: &'static Shape = T::SHAPE;

    fn reserve(&mut self, counts: &[usize]) {
        T::reserve(self, counts);
    }
}

/// What of a message matters here.
pub(crate) enum Shape {
    /// A message of ours: so many bytes in its field 1, and they must be there.
    Bytes(usize),
    /// Any other, by those of its fields that are lists or messages.
    Fields(&'static [Field]),
}

impl Shape {
    pub(crate) const fn fixed(len: usize) -> Self {
        Self::Bytes(len)
    }

    pub(crate) const fn of(fields: &'static [Field]) -> Self {
        Self::Fields(fields)
    }
}

/// A field that is a list or a message.
pub(crate) struct Field {
    number: u32,
    /// Bytes of an element in memory; none if it is not a list.
    element: Option<usize>,
    /// The shape of a message; none for numbers.
    shape: Option<&'static Shape>,
}

impl Field {
    /// One message.
    pub(crate) const fn one(number: u32, shape: &'static Shape) -> Self {
        Self { number, element: None, shape: Some(shape) }
    }

    /// A list of messages, each of so many bytes in memory.
    pub(crate) const fn list(number: u32, element: usize, shape: &'static Shape) -> Self {
        Self { number, element: Some(element), shape: Some(shape) }
    }

    /// A list of 64-bit numbers.
    pub(crate) const fn numbers(number: u32) -> Self {
        Self { number, element: Some(size_of::<u64>()), shape: None }
    }
}

/// Counts the elements of the message's own lists, in the order of their fields.
///
/// # Errors
/// If it would take too much memory, or is no protobuf message as far as it was looked at.
pub(crate) fn weigh<T: Shaped>(body: &[u8]) -> Result<[usize; LISTS], Malformed> {
    let limit = body.len().saturating_mul(FACTOR).saturating_add(SLACK);
    Scale { limit, held: BODY, growing: 0 }.message(T::SHAPE, body, true)
}

/// What the decoder will have allocated so far.
struct Scale {
    limit: usize,
    /// Bytes of what stays.
    held: usize,
    /// Bytes of the largest list that was copied because it had to grow: while that lasts, they are
    /// held twice.
    growing: usize,
}

impl Scale {
    /// `whole` for the message itself, whose lists get exactly the room that they need.
    fn message(
        &mut self,
        shape: &Shape,
        body: &[u8],
        whole: bool,
    ) -> Result<[usize; LISTS], Malformed> {
        let mut counts = [0; LISTS];
        let known = match shape {
            Shape::Bytes(len) => return fixed(*len, body).map(|()| counts),
            Shape::Fields(known) => *known,
        };
        let (mut fields, mut seen) = (Fields::new(body), 0_u32);
        while let Some((number, value)) = fields.next()? {
            let Some(place) = known.iter().position(|field| field.number == number) else {
                continue;
            };
            let field = &known[place];
            if let Some(element) = field.element {
                let list = known[..place].iter().filter(|field| field.element.is_some()).count();
                let more = if field.shape.is_some() { 1 } else { numbers(value)? };
                self.add(counts[list], more, element, whole)?;
                counts[list] += more;
            } else if seen & (1 << place) != 0 {
                return Err(invalid("message: a part that comes once came twice"));
            }
            seen |= 1 << place;
            match (field.shape, value) {
                (Some(shape), Value::Bytes(part)) => _ = self.message(shape, part, false)?,
                (Some(_), _) => return Err(invalid("protobuf wire type")),
                (None, _) => {}
            }
        }
        Ok(counts)
    }

    /// Adds elements to a list that has `count`.
    fn add(
        &mut self,
        count: usize,
        more: usize,
        element: usize,
        exactly: bool,
    ) -> Result<(), Malformed> {
        let (before, after) = match exactly {
            true => (count, count + more),
            false => (capacity(count), capacity(count + more)),
        };
        self.held += (after - before) * element;
        if !exactly && after > before && after > 4 {
            self.growing = self.growing.max(after / 2 * element);
        }
        let weight = self.held + self.growing;
        if weight > self.limit {
            let (count, max) = (weight as u64, self.limit as u64);
            return Err(Malformed::TooMany { what: "bytes in memory", count, max });
        }
        Ok(())
    }
}

/// The room that a `Vec` has after so many pushes.
fn capacity(count: usize) -> usize {
    if count == 0 { 0 } else { count.next_power_of_two().max(4) }
}

/// How many numbers are in a field: packed, each ends with a byte below 0x80. One that does not end
/// there is refused: the decoder would look for its end behind the field.
fn numbers(value: Value<'_>) -> Result<usize, Malformed> {
    match value {
        Value::Bytes(packed) if packed.last().is_some_and(|byte| *byte >= 0x80) => {
            Err(invalid("varint"))
        }
        Value::Bytes(packed) => Ok(packed.iter().filter(|byte| **byte < 0x80).count()),
        Value::Varint(_) | Value::Fixed => Ok(1),
    }
}

fn fixed(len: usize, body: &[u8]) -> Result<(), Malformed> {
    let (mut fields, mut found) = (Fields::new(body), false);
    while let Some((number, value)) = fields.next()? {
        match value {
            Value::Bytes(bytes) if number == 1 && bytes.len() == len => found = true,
            _ if number == 1 => found = false,
            _ => continue,
        }
        if !found {
            break;
        }
    }
    if found { Ok(()) } else { Err(invalid("length of a hash or subnetwork")) }
}

/// The body itself, where it is boxed, and what owns its bytes: more than any takes.
const BODY: usize = 1 << 10;
