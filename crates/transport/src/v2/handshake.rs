//! Our key is out, theirs is awaited.

use std::any::Any;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use peerage_wire::{Direction, Rng};

use super::Session;
use super::key_exchange::{KEY_LEN, KeyExchange};
use crate::TransportError;
use crate::detect::foreign_v1;

/// Asked before each of the two curve operations (about 40 µs each) that a stranger can make us do
/// by dialling us: the drawing of a key, before any byte of ours, and the combining of both keys.
///
/// `None` refuses and ends the connection.
pub type Admit = Arc<dyn Fn() -> Option<Permit> + Send + Sync>;

/// Held during one admitted curve operation and dropped right after it.
pub type Permit = Box<dyn Any + Send>;

/// The most garbage that we send, in bytes. BIP324 allows one more, but btcd's responder looks for
/// the terminator at one place too few and drops whoever sends that.
const MAX_GARBAGE_SENT: usize = 4_094;

/// One side of the key exchange.
pub(crate) struct Handshake {
    exchange: KeyExchange,
    garbage: Vec<u8>,
    admit: Option<Admit>,
}

impl Handshake {
    /// Draws key and garbage and appends them to `out`. `admit` is asked first, if there is one.
    pub(crate) fn start(
        direction: Direction,
        admit: Option<Admit>,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> Result<Self, TransportError> {
        let permit = ask(admit.as_ref())?;
        let exchange = KeyExchange::new(direction, rng);
        drop(permit);
        let mut garbage = vec![0; rng.below(MAX_GARBAGE_SENT + 1)];
        rng.fill(&mut garbage);
        out.extend_from_slice(&exchange.public());
        out.extend_from_slice(&garbage);
        Ok(Self { exchange, garbage, admit })
    }

    /// Takes the remote's key from `input`, if it is there, and appends to `out` what completes our
    /// side: terminator and version packet.
    pub(crate) fn receive_key(
        &mut self,
        magic: [u8; 4],
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Session>, TransportError> {
        if self.exchange.direction() == Direction::Inbound
            && let Some(found) = foreign_v1(input)
        {
            return Err(TransportError::WrongNetworkV1 { found });
        }
        let Some(theirs) = input.first_chunk::<KEY_LEN>() else { return Ok(None) };
        let permit = ask(self.admit.as_ref())?;
        let keys = self.exchange.finish(*theirs, magic);
        drop(permit);
        input.advance(KEY_LEN);
        Ok(Some(Session::start(keys, &self.garbage, out)))
    }

    /// How many bytes must be at the front of the input before there is anything to do.
    pub(crate) fn need(&self) -> usize {
        KEY_LEN
    }
}

fn ask(admit: Option<&Admit>) -> Result<Option<Permit>, TransportError> {
    match admit {
        Some(admit) => admit().ok_or(TransportError::NotAdmitted).map(Some),
        None => Ok(None),
    }
}
