//! `filterload` and `filteradd`: bloom filters (BIP37). `filterclear` is empty.
//!
//! What a filter matches is the node's business; here are its limits.

use std::fmt;

use bytes::Bytes;
use peerage_wire::{Malformed, Reader, compact};

use super::body::Body;

/// When a filter grows with what it matches.
///
/// Nodes look at the lowest two bits only, so every byte is accepted. (`bitcoin` 0.32 accepts the
/// three named here.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterFlags(pub u8);

impl FilterFlags {
    /// Never.
    pub const NONE: Self = Self(0);
    /// With the outpoint of every matching output.
    pub const ALL: Self = Self(1);
    /// With that of matching outputs that pay to a key or to bare keys.
    pub const PUBKEY_ONLY: Self = Self(2);
}

/// Asks for the transactions that match a filter: from protocol version 70001.
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
        at_most("bytes of filter", filter.len(), Self::MAX_FILTER_LEN)?;
        at_most("hash functions", hash_funcs, Self::MAX_HASH_FUNCS)?;
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
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let filter = reader.bytes("bytes of filter", Self::MAX_FILTER_LEN)?;
        let (hash_funcs, tweak, flags) = (reader.u32()?, reader.u32()?, reader.u8()?);
        reader.finish()?;
        Self::new(payload.slice_ref(filter), hash_funcs, tweak, FilterFlags(flags))
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        compact::put_bytes(out, &self.filter);
        out.extend_from_slice(&self.hash_funcs.to_le_bytes());
        out.extend_from_slice(&self.tweak.to_le_bytes());
        out.push(self.flags.0);
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}

/// Adds something to the filter that was loaded: from protocol version 70001.
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
        at_most("bytes of data", data.len(), Self::MAX_LEN)?;
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
    fn parse(payload: Bytes, _version: u32) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&payload);
        let data = reader.bytes("bytes of data", Self::MAX_LEN)?;
        reader.finish()?;
        Ok(Self { data: payload.slice_ref(data) })
    }

    fn put(&self, _version: u32, out: &mut Vec<u8>) {
        compact::put_bytes(out, &self.data);
    }

    fn detached(&self) -> Self {
        self.detach()
    }
}

fn at_most<N: TryInto<u64>>(what: &'static str, count: N, max: N) -> Result<(), Malformed> {
    let wide = |number: N| number.try_into().unwrap_or(u64::MAX);
    let (count, max) = (wide(count), wide(max));
    if count > max { Err(Malformed::TooMany { what, count, max }) } else { Ok(()) }
}
