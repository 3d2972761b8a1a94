//! Unpacks one gzip member (RFC 1952) as its bytes come.
//!
//! The caller owns the output and its room: unpacking stops when that is full, however much would
//! still come out of the bytes that are there.

use std::cell::RefCell;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use peerage_wire::Malformed;

/// How many inflaters a thread keeps; each has 43 KiB, of which an idle connection shall hold none.
const KEEP: usize = 4;

thread_local! {
    static IDLE: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) };
}

/// The fixed part of the header, the trailer, and the bits that tell which optional fields follow.
const HEADER: usize = 10;
const TRAILER: usize = 8;
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

const BROKEN: Malformed = Malformed::Invalid { what: "gzip" };

/// One member on its way out of its package.
pub(crate) struct Gunzip {
    step: Step,
    /// Bytes of a step that needs several at once.
    held: [u8; HEADER],
    count: usize,
    /// Optional fields of the header that are still to come.
    flags: u8,
    inflater: Option<Decompress>,
    crc: Crc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Header,
    ExtraLength,
    Extra(usize),
    Name,
    Comment,
    HeaderCrc,
    Deflated,
    Trailer,
    Done,
}

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self {
            step: Step::Header,
            held: [0; HEADER],
            count: 0,
            flags: 0,
            inflater: None,
            crc: Crc::new(),
        }
    }

    /// Whether the member has come to its end, and its sums were right.
    pub(crate) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Unpacks into the spare room of `out`; returns how many bytes of `input` were taken. Fewer
    /// than all means that the room is full, or the member done; but there may be more to come out
    /// of what was taken, if the room is full.
    ///
    /// # Errors
    /// If this is no gzip member.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            match self.step {
                Step::Done => return Ok(taken),
                Step::Deflated => {
                    taken += self.inflate(rest, out)?;
                    if self.step == Step::Deflated {
                        return Ok(taken);
                    }
                }
                _ if rest.is_empty() => return Ok(taken),
                Step::Extra(0) => self.next_field(),
                Step::Extra(left) => {
                    let skipped = left.min(rest.len());
                    self.step = Step::Extra(left - skipped);
                    taken += skipped;
                }
                Step::Name | Step::Comment => {
                    taken += 1;
                    if rest[0] == 0 {
                        self.next_field();
                    }
                }
                Step::Header | Step::ExtraLength | Step::HeaderCrc | Step::Trailer => {
                    self.held[self.count] = rest[0];
                    self.count += 1;
                    taken += 1;
                    self.held_byte()?;
                }
            }
        }
    }

    /// What a byte means that was put to the others of its field.
    fn held_byte(&mut self) -> Result<(), Malformed> {
        match (self.step, self.count) {
            (Step::Header, HEADER) => {
                let [0x1f, 0x8b, 8, flags, ..] = self.held else { return Err(BROKEN) };
                if flags & RESERVED != 0 {
                    return Err(BROKEN);
                }
                self.flags = flags & (HEADER_CRC | EXTRA | NAME | COMMENT);
                self.next_field();
            }
            (Step::ExtraLength, 2) => {
                let [low, high, ..] = self.held;
                self.count = 0;
                self.step = Step::Extra(u16::from_le_bytes([low, high]).into());
            }
            // Over the header only; nothing depends on it.
            (Step::HeaderCrc, 2) => self.next_field(),
            (Step::Trailer, TRAILER) => {
                let [a, b, c, d, e, f, g, h, ..] = self.held;
                let sums = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                if sums != (self.crc.sum(), self.crc.amount()) {
                    return Err(Malformed::Invalid { what: "gzip checksum" });
                }
                self.step = Step::Done;
            }
            _ => {}
        }
        Ok(())
    }

    /// Goes to the next optional field of the header, in their order, or to what is packed.
    fn next_field(&mut self) {
        self.count = 0;
        let fields = [
            (EXTRA, Step::ExtraLength),
            (NAME, Step::Name),
            (COMMENT, Step::Comment),
            (HEADER_CRC, Step::HeaderCrc),
        ];
        let next = fields.into_iter().find(|(flag, _)| self.flags & flag != 0);
        let (flag, step) = next.unwrap_or((0, Step::Deflated));
        self.flags &= !flag;
        self.step = step;
    }

    fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let inflater = self.inflater.get_or_insert_with(|| {
            let idle = IDLE.with_borrow_mut(Vec::pop);
            idle.unwrap_or_else(|| Decompress::new(false))
        });
        let (before, start) = (inflater.total_in(), out.len());
        if out.capacity() == start {
            return Ok(0);
        }
        let status =
            inflater.decompress_vec(input, out, FlushDecompress::None).map_err(|_| BROKEN)?;
        self.crc.update(&out[start..]);
        let taken = usize::try_from(inflater.total_in() - before).unwrap_or(input.len());
        if status == Status::StreamEnd {
            self.step = Step::Trailer;
            self.give_back();
        }
        Ok(taken)
    }

    fn give_back(&mut self) {
        let Some(mut inflater) = self.inflater.take() else { return };
        inflater.reset(false);
        IDLE.with_borrow_mut(|idle| {
            if idle.len() < KEEP {
                idle.push(inflater);
            }
        });
    }
}

impl std::fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gunzip").field("step", &self.step).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn unpack(packed: &[u8], piece: usize, room: usize) -> Result<(Vec<u8>, usize), Malformed> {
        let (mut gunzip, mut all, mut taken) = (Gunzip::new(), Vec::new(), 0);
        loop {
            let end = (taken + piece).min(packed.len());
            let mut out = Vec::with_capacity(room);
            let count = gunzip.push(&packed[taken..end], &mut out)?;
            taken += count;
            assert!(out.len() <= room, "not beyond the room");
            all.extend_from_slice(&out);
            if gunzip.is_done() {
                return Ok((all, taken));
            }
            if count == 0 && out.is_empty() && taken == packed.len() {
                return Err(Malformed::Truncated);
            }
        }
    }

    fn pack(plain: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new().filename("name").comment("comment").extra([7; 300]);
        let mut packer = builder.write(Vec::new(), Compression::fast());
        packer.write_all(plain).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn whatever_the_pieces_the_same_comes_out() {
        let plain: Vec<u8> = (0..5_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let packed = pack(&plain);
        for piece in [1, 2, 7, 300, packed.len()] {
            for room in [1, 33, 1 << 20] {
                assert_eq!(unpack(&packed, piece, room), Ok((plain.clone(), packed.len())));
            }
        }
    }

    #[test]
    fn what_is_damaged_is_told() {
        let packed = pack(b"a message, a message, a message");
        let last = packed.len() - 1;
        let damage = |at: usize| {
            let mut packed = packed.clone();
            packed[at] ^= 0xff;
            unpack(&packed, 9, 100)
        };
        for at in [0, 1, 2, 3] {
            assert_eq!(damage(at), Err(BROKEN), "byte {at}");
        }
        let checksum = Malformed::Invalid { what: "gzip checksum" };
        for at in [last, last - 4] {
            assert_eq!(damage(at), Err(checksum), "byte {at}");
        }
        assert_eq!(unpack(&packed[..last], 9, 100), Err(Malformed::Truncated));
        let mut longer = packed.clone();
        longer.push(1);
        assert_eq!(unpack(&longer, 9, 100).unwrap().1, packed.len(), "the rest is left");
    }
}
