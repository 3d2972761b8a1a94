//! What the fuzzer's bytes mean: numbers and pieces, read from front to back.
//!
//! A plain cursor, so that the seeds can be written by hand and a mutation in one place leaves the
//! meaning of the others. Whatever is read behind the end is zero.

use peerage_wire::{Command, FramedKind as _};
use peerage_wire_bitcoin::Kind;

/// Behind 255, makes a padding of up to 8 MB.
pub const MEGABYTES: u8 = 0xa5;

/// A cursor over one input.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// At the start of `data`.
    #[must_use]
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A byte.
    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// One bit of a byte.
    pub fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// One of these, by one byte.
    ///
    /// # Panics
    /// If there are none.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.u8()) % choices.len()]
    }

    /// At most `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// Bytes behind their length: one byte, or 255 and two bytes.
    pub fn block(&mut self) -> &'a [u8] {
        let len = match self.u8() {
            255 => self.u16().into(),
            short => usize::from(short),
        };
        self.bytes(len)
    }

    /// A block and, rarely, zeros behind it: payloads that are larger than any input. Megabytes need
    /// two bytes to be right, or the fuzzer would spend its time on nothing else.
    pub fn padded_block(&mut self) -> Vec<u8> {
        let mut block = self.block().to_vec();
        let padding = match self.u8() {
            255 if self.u8() == MEGABYTES => usize::from(self.u16()) << 7,
            250.. => usize::from(self.u8()) << 6,
            _ => 0,
        };
        block.resize(block.len() + padding, 0);
        block
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    /// Any kind of message; unknown ones have their command in the input.
    pub fn kind(&mut self) -> Kind {
        let choice = usize::from(self.u8());
        match Kind::ALL.get(choice) {
            Some(kind) => *kind,
            None => match Command::from_bytes(self.array()) {
                Ok(command) => Kind::from_command(command),
                Err(_) => Kind::Unknown(Command::new("novelty")),
            },
        }
    }
}

/// The sizes of the pieces in which bytes arrive.
#[derive(Clone, Debug)]
pub struct Pieces {
    largest: usize,
    state: u64,
}

impl Pieces {
    /// Everything at once.
    #[must_use]
    pub fn whole() -> Self {
        Self::new(0)
    }

    /// Sizes that follow from one byte.
    #[must_use]
    pub fn new(choice: u8) -> Self {
        let largest = [usize::MAX, 1, 2, 7, 40, 600, 70_000][usize::from(choice) % 7];
        Self { largest, state: u64::from(choice) + 1 }
    }

    /// Cuts the next piece off `bytes`, of `all` that there were. Never more than about 2,000
    /// pieces, so that large inputs do not take for ever.
    pub fn cut<'a>(&mut self, bytes: &mut &'a [u8], all: usize) -> &'a [u8] {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let largest = self.largest.max(all / 2_000).max(1);
        let draw = usize::try_from(self.state >> 40).expect("24 bits are left");
        let len = if largest == usize::MAX { largest } else { draw % largest + 1 };
        let (piece, rest) = bytes.split_at(len.min(bytes.len()));
        *bytes = rest;
        piece
    }
}
