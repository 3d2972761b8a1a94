//! The cursor that every decoder of the workspace reads through.
//!
//! A whole payload is always at hand (the frame told its length), so decoding is a walk over a
//! slice: nothing waits, nothing is copied, and a short payload is an error and never a panic.

use crate::Malformed;

/// A cursor over one payload.
///
/// ```
/// use peerage_wire::{Malformed, Reader};
///
/// let mut reader = Reader::new(&[1, 0, 0, 0, 9]);
/// assert_eq!(reader.u32(), Ok(1));
/// assert_eq!(reader.clone().u32(), Err(Malformed::Truncated));
/// assert_eq!(reader.finish(), Err(Malformed::TrailingBytes { count: 1 }));
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `payload`.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, len: payload.len() }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if fewer are left; so do all the readers below.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little endian.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// Two bytes, big endian: ports are written so.
    #[inline]
    pub fn u16_be(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, little endian.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// Four bytes, little endian, signed.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    /// Eight bytes, little endian.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes, little endian, signed.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    /// A CompactSize.
    ///
    /// # Errors
    /// [`Malformed::NonCanonicalSize`] if a shorter form exists.
    #[inline]
    pub fn compact(&mut self) -> Result<u64, Malformed> {
        let (value, smallest) = match self.u8()? {
            0xff => (self.u64()?, 0x1_0000_0000),
            0xfe => (u64::from(self.u32()?), 0x1_0000),
            0xfd => (u64::from(self.u16()?), 0xfd),
            small => return Ok(u64::from(small)),
        };
        if value < smallest { Err(Malformed::NonCanonicalSize) } else { Ok(value) }
    }

    /// A CompactSize that counts items of at least `min_size` bytes each, which must all fit into
    /// what is left. Whoever allocates for the items may therefore trust the result.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above `max`, [`Malformed::Truncated`] if the items cannot be there.
    #[inline]
    pub fn count(
        &mut self,
        what: &'static str,
        max: usize,
        min_size: usize,
    ) -> Result<usize, Malformed> {
        let count = self.compact()?;
        let in_range = usize::try_from(count).ok().filter(|count| *count <= max);
        let count = in_range.ok_or(Malformed::TooMany { what, count, max: max as u64 })?;
        match count.checked_mul(min_size) {
            Some(size) if size <= self.remaining() => Ok(count),
            _ => Err(Malformed::Truncated),
        }
    }

    /// Bytes behind their CompactSize length.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] if the length is above `max` bytes.
    #[inline]
    pub fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], Malformed> {
        let len = self.count(what, max, 1)?;
        self.take(len)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Malformed::TrailingBytes`] if something is left.
    pub const fn finish(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(Malformed::TrailingBytes { count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_checked_against_what_is_there() {
        let two_of_four_bytes = [2, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Reader::new(&two_of_four_bytes).count("items", 10, 4), Ok(2));
        assert_eq!(
            Reader::new(&two_of_four_bytes).count("items", 10, 5),
            Err(Malformed::Truncated)
        );
        assert_eq!(
            Reader::new(&two_of_four_bytes).count("items", 1, 4),
            Err(Malformed::TooMany { what: "items", count: 2, max: 1 })
        );
    }

    #[test]
    fn a_count_that_overflows_is_an_error() {
        let claim = [0xff; 9];
        assert!(matches!(
            Reader::new(&claim).count("items", usize::MAX, 36),
            Err(Malformed::Truncated)
        ));
    }
}
