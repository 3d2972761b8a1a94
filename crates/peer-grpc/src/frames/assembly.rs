//! One message that is arriving.

use bytes::Bytes;
use peerage_wire::{Command, Envelope, Malformed, PEEK, Peek};

use super::input::Input;
use super::{packed_bound, too_large};
use crate::gunzip::Gunzip;

/// The least room that is made for a message, in bytes.
const LEAST: usize = 256;

/// A message whose length is known, and what has come of it.
#[derive(Debug)]
pub(super) struct Assembly<K> {
    /// Its length on the wire, without the bytes before it.
    pub(super) wire_len: usize,
    /// How many bytes of that were not taken yet.
    left: usize,
    kind: Option<K>,
    /// The largest envelope that it may be: at first any, then one of its kind.
    cap: usize,
    gunzip: Option<Gunzip>,
    out: Vec<u8>,
    blocked: bool,
}

impl<K: Envelope> Assembly<K> {
    pub(super) fn new(wire_len: usize, max: usize, packed: bool) -> Self {
        let gunzip = packed.then(Gunzip::new);
        Self {
            wire_len,
            left: wire_len,
            kind: None,
            cap: max,
            gunzip,
            out: Vec::new(),
            blocked: false,
        }
    }

    /// How many bytes it may come to hold.
    pub(super) fn limit(&self) -> usize {
        // One more than the cap: it shows that the message would be larger.
        if self.gunzip.is_some() { self.cap + 1 } else { self.wire_len }
    }

    /// Whether it holds all that was granted, and there is more.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.out.capacity()
    }

    /// Takes what is there; returns the message when it is whole.
    pub(super) fn advance(
        &mut self,
        input: &mut Input,
        granted: usize,
    ) -> Result<Option<(K, Bytes)>, Malformed> {
        if self.gunzip.is_some() {
            return self.unpack(input, granted);
        }
        if self.kind.is_none() {
            let mut prefix = [0; PEEK];
            let len = input.peek(&mut prefix[..PEEK.min(self.left)]);
            self.name(&prefix[..len], len == self.left)?;
        }
        let Some(kind) = self.kind else { return Ok(None) };
        if self.out.is_empty() && input.front().len() >= self.left {
            return Ok(Some((kind, input.split(self.left))));
        }
        self.copy(input, granted);
        Ok((self.left == 0).then(|| (kind, std::mem::take(&mut self.out).into())))
    }

    /// Learns which message it is, as soon as `prefix` tells; `whole` if nothing more will come.
    fn name(&mut self, prefix: &[u8], whole: bool) -> Result<(), Malformed> {
        let kind = match K::peek(prefix) {
            Peek::Kind(kind) => kind,
            Peek::Malformed(malformed) => return Err(malformed),
            Peek::More if whole => return Err(Malformed::Truncated),
            Peek::More if prefix.len() >= PEEK => {
                return Err(Malformed::Invalid {
                    what: "envelope: its kind is not where it begins",
                });
            }
            Peek::More => return Ok(()),
        };
        self.kind = Some(kind);
        self.cap = self.cap.min(kind.policy().cap);
        let bound = if self.gunzip.is_some() { packed_bound(self.cap) } else { self.cap };
        if self.wire_len > bound {
            return Err(too_large(kind.name(), self.wire_len, bound));
        }
        Ok(())
    }

    fn copy(&mut self, input: &mut Input, granted: usize) {
        let limit = self.limit().min(granted);
        while self.left > 0 && input.len > 0 {
            if self.out.len() >= limit {
                self.blocked = true;
                return;
            }
            self.make_room(input.len, limit);
            let front = input.front();
            let room = self.out.capacity().min(limit) - self.out.len();
            let part = front.len().min(room).min(self.left);
            self.out.extend_from_slice(&front[..part]);
            self.left -= part;
            input.consume(part);
        }
        self.blocked = false;
    }

    /// Room for what is there, or as much again as is held already.
    fn make_room(&mut self, there: usize, limit: usize) {
        let held = self.out.len();
        if self.out.capacity() == held {
            let target = (held + there.max(held).max(LEAST)).min(limit);
            self.out.reserve_exact(target - held);
        }
    }

    fn unpack(
        &mut self,
        input: &mut Input,
        granted: usize,
    ) -> Result<Option<(K, Bytes)>, Malformed> {
        let limit = self.limit().min(granted);
        loop {
            let there = input.len.min(self.left);
            self.make_room(there * 4, limit);
            let Some(gunzip) = &mut self.gunzip else { return Ok(None) };
            let before = self.out.len();
            let front = input.front();
            let front = &front[..front.len().min(self.left)];
            let taken = gunzip.push(front, &mut self.out)?;
            let done = gunzip.is_done();
            self.left -= taken;
            input.consume(taken);
            self.look_inside(done)?;
            if done {
                return self.unpacked().map(Some);
            }
            if self.out.len() == self.out.capacity() && self.out.len() >= limit {
                // It cannot be seen whether there is more; the end of the package will tell.
                self.blocked = true;
                return Ok(None);
            }
            if taken == 0 && self.out.len() == before {
                self.blocked = false;
                return if self.left == 0 { Err(Malformed::Truncated) } else { Ok(None) };
            }
        }
    }

    /// What the unpacked bytes tell so far: the kind, and whether they are too many.
    fn look_inside(&mut self, done: bool) -> Result<(), Malformed> {
        if self.kind.is_none() && (done || !self.out.is_empty()) {
            let out = std::mem::take(&mut self.out);
            let prefix = &out[..out.len().min(PEEK)];
            self.name(prefix, done && prefix.len() == out.len())?;
            self.out = out;
        }
        if self.out.len() > self.cap {
            let name = self.kind.map_or_else(|| Command::default().into(), |kind| kind.name());
            return Err(too_large(name, self.out.len(), self.cap));
        }
        Ok(())
    }

    fn unpacked(&mut self) -> Result<(K, Bytes), Malformed> {
        if self.left > 0 {
            return Err(Malformed::TrailingBytes { count: self.left });
        }
        let kind = self.kind.ok_or(Malformed::Truncated)?;
        Ok((kind, std::mem::take(&mut self.out).into()))
    }
}
