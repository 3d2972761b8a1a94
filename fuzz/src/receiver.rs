//! A transport that receives in pieces, with everything asserted that its contract promises.

use bytes::BytesMut;
use peerage_transport::{Arriving, Transport, TransportError};
use peerage_wire::{HEADER_LEN, Kind as _, MAX_PAYLOAD};
use peerage_wire_bitcoin::Kind;

use crate::input::Pieces;
use crate::meter::Meter;

/// Bytes of a packet's length, which v2 takes from the input before the rest is there.
const V2_LENGTH: usize = 3;

/// A frame, copied out of the buffer that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which message.
    pub kind: Kind,
    /// What it carries.
    pub payload: Vec<u8>,
    /// What it took on the wire.
    pub wire_len: usize,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver {
    /// The transport under test.
    pub transport: Transport<Kind>,
    /// What it said by itself.
    pub said: Vec<u8>,
    /// What came.
    pub frames: Vec<Received>,
    /// Why nothing comes any more.
    pub error: Option<TransportError>,
    /// After so many frames the opening counts as done.
    open_after: usize,
    input: BytesMut,
    meter: Meter,
    fed: usize,
    taken: usize,
    arriving: Option<Arriving<Kind>>,
}

impl Receiver {
    /// Makes the transport, and lifts the limit for strangers after `open_after` frames.
    pub fn new(make: impl FnOnce() -> Transport<Kind>, open_after: usize) -> Self {
        let mut meter = Meter::default();
        let transport = meter.run(make);
        let mut receiver = Self {
            transport,
            said: Vec::new(),
            frames: Vec::new(),
            error: None,
            open_after,
            input: BytesMut::new(),
            meter,
            fed: 0,
            taken: 0,
            arriving: None,
        };
        receiver.listen();
        receiver
    }

    /// These bytes arrive.
    pub fn feed(&mut self, bytes: &[u8], pieces: &mut Pieces) {
        let mut rest = bytes;
        while !rest.is_empty() && self.error.is_none() {
            let piece = pieces.cut(&mut rest, bytes.len());
            self.fed += piece.len();
            self.meter.received(piece.len());
            self.meter.run(|| self.input.extend_from_slice(piece));
            while self.take() {}
            self.listen();
        }
    }

    /// Takes a frame; whether there was one.
    fn take(&mut self) -> bool {
        if self.frames.len() >= self.open_after {
            self.transport.set_max_payload(MAX_PAYLOAD);
        }
        let Self { transport, input, meter, .. } = self;
        let result = meter.run(|| transport.next_frame(input));
        assert!(transport.received_any());
        match result {
            Ok(Some(frame)) => {
                assert!(frame.payload.len() <= frame.kind.policy().cap, "{frame:?}");
                if let Some(arriving) = self.arriving.take() {
                    assert_eq!(
                        arriving.wire_len, frame.wire_len,
                        "what was announced is what comes"
                    );
                    assert!(arriving.kind.is_none_or(|kind| kind == frame.kind));
                }
                let payload = frame.payload.to_vec();
                self.taken += frame.wire_len;
                self.frames.push(Received { kind: frame.kind, payload, wire_len: frame.wire_len });
                self.meter.run(|| drop(frame));
                true
            }
            Ok(None) => {
                self.rest();
                false
            }
            Err(error) => {
                assert_eq!(transport.next_frame(input), Err(error.clone()), "an error is final");
                self.error = Some(error);
                false
            }
        }
    }

    /// Nothing can be taken: everything that came is accounted for, and more is needed.
    fn rest(&mut self) {
        let transport = &self.transport;
        assert!(transport.need() > self.input.len(), "it waits for what is there");
        assert!(transport.need() <= MAX_PAYLOAD + 64, "it waits for more than a frame can have");
        self.arriving = transport.arriving();
        let begun = match self.arriving {
            Some(Arriving { kind: Some(_), .. }) => HEADER_LEN,
            Some(Arriving { kind: None, .. }) => V2_LENGTH,
            None => 0,
        };
        let overhead = usize::try_from(transport.overhead_received()).expect("inputs are small");
        assert_eq!(self.taken + overhead + begun + self.input.len(), self.fed, "every byte counts");
    }

    fn listen(&mut self) {
        let Self { transport, said, meter, .. } = self;
        let before = said.len();
        meter.run(|| transport.take_handshake(said));
        assert!(said.len() <= 64 + 4_094 + 16 + 20, "{} bytes more", said.len() - before);
    }
}
