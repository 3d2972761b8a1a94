//! `filterload` and `filteradd`: bloom filters. `filterclear` is empty.
//!
//! What a filter matches is the node's business; here are its limits.

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;

/// When a filter grows with what it matches. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterFlags(pub u8);

impl FilterFlags {
    /// Never.
    pub const NONE: Self = Self(0);
    /// With the outpoint of every matching output.
    pub const ALL: Self = Self(1);
}

/// Asks for the transactions that match a filter.
#[derive(Clone, PartialEq, Eq)]
pub struct FilterLoad {
    filter: Bytes,
    hash_funcs: u32,
    tweak: u32,
    flags: FilterFlags,
}

impl FilterLoad {
    /// The largest filter, in bytes.
    pub const MAX_FILTER_LEN: usize = 36_000;
    /// The most hash functions.
    pub const MAX_HASH_FUNCS: u32 = 50;

    /// This filter, with that many hash functions and their seed.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 36,000 bytes or 50 functions.
    pub fn new(
        filter: impl Into<Bytes>,
        hash_funcs: u32,
        tweak: u32,
        flags: FilterFlags,
    ) -> Result<Self, Malformed> {
        let filter = filter.into();
        at_most(FILTER, filter.len() as u64, Self::MAX_FILTER_LEN as u64)?;
        at_most("hash functions", hash_funcs.into(), Self::MAX_HASH_FUNCS.into())?;
        Ok(Self { filter, hash_funcs, tweak, flags })
    }

    /// The filter's bits, the lowest of each byte first.
    #[must_use]
    pub fn filter(&self) -> &Bytes {
        &self.filter
    }

    /// How many hash functions set bits.
    #[must_use]
    pub fn hash_funcs(&self) -> u32 {
        self.hash_funcs
    }

    /// A random addition to the seeds of the hash functions.
    #[must_use]
    pub fn tweak(&self) -> u32 {
        self.tweak
    }

    /// When the filter grows.
    #[must_use]
    pub fn flags(&self) -> FilterFlags {
        self.flags
    }

    /// The same filter in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { filter: Bytes::copy_from_slice(&self.filter), ..*self }
    }
}

impl fmt::Debug for FilterLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterLoad")
            .field("bytes", &self.filter.len())
            .field("hash_funcs", &self.hash_funcs)
            .field("tweak", &self.tweak)
            .field("flags", &self.flags)
            .finish()
    }
}

impl Body for FilterLoad {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let filter = reader.bytes(FILTER, Self::MAX_FILTER_LEN)?;
        let (hash_funcs, tweak, flags) = (reader.u32()?, reader.u32()?, reader.u8()?);
        Self::new(payload.slice_ref(filter), hash_funcs, tweak, FilterFlags(flags))
    }

    fn put(&self, out: &mut Vec<u8>) {
        compact::put_bytes(out, &self.filter);
        out.extend_from_slice(&self.hash_funcs.to_le_bytes());
        out.extend_from_slice(&self.tweak.to_le_bytes());
        out.push(self.flags.0);
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}

/// Adds something to the filter that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterAdd {
    data: Bytes,
}

impl FilterAdd {
    /// The most data, in bytes: the largest push of a script.
    pub const MAX_LEN: usize = 520;

    /// Adds this.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 520 bytes.
    pub fn new(data: impl Into<Bytes>) -> Result<Self, Malformed> {
        let data = data.into();
        at_most(DATA, data.len() as u64, Self::MAX_LEN as u64)?;
        Ok(Self { data })
    }

    /// What is to be matched.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The same message in memory of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { data: Bytes::copy_from_slice(&self.data) }
    }
}

impl Body for FilterAdd {
    fn parse(payload: Bytes) -> Result<Self, Malformed> {
        let data = Reader::new(&payload).bytes(DATA, Self::MAX_LEN)?;
        Ok(Self { data: payload.slice_ref(data) })
    }

    fn put(&self, out: &mut Vec<u8>) {
        compact::put_bytes(out, &self.data);
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}

const FILTER: &str = "bytes of filter";
const DATA: &str = "bytes of data";

const fn at_most(what: &'static str, count: u64, max: u64) -> Result<(), Malformed> {
    if count > max { Err(Malformed::TooMany { what, count, max }) } else { Ok(()) }
}
