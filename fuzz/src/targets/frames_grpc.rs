//! The messages in a gRPC stream, cut anywhere, plain and packed.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use peerage_peer_grpc::Frames;
use peerage_wire::{Kind as _, Malformed};
use peerage_wire_kaspa::proto::Kind;

use crate::input::Input;
use crate::meter::Meter;

/// What a stream came to: its messages, and the error that ended it.
type Outcome = (Vec<(Kind, Bytes)>, Option<Malformed>);

/// How much memory a message is granted at most, in bytes: more is waited for in vain.
const GRANTED: usize = 128 << 10;

/// Reads a stream in pieces and as a whole, which must come to the same.
pub fn frames_grpc(data: &[u8]) {
    let mut input = Input::new(data);
    let (mode, piece) = (input.u8(), usize::from(input.u8()));
    let rest = input.bytes(data.len());
    let stream = if mode & 1 == 0 { Bytes::copy_from_slice(rest) } else { packed(rest) };
    let (gzip, max) = (mode & 2 != 0, if mode & 4 != 0 { 4 << 10 } else { 32 << 20 });
    let whole = read(&stream, stream.len(), gzip, max);
    let pieces = read(&stream, piece, gzip, max);
    // A message that is too large for its kind may be seen to be so by its length, or by its end.
    assert_eq!(whole.0, pieces.0);
    assert_eq!(whole.1.is_some(), pieces.1.is_some());
    for (kind, payload) in &whole.0 {
        assert!(payload.len() <= kind.policy().cap.min(max));
    }
}

/// The bytes as one packed message: what a fuzzer would hardly come upon.
fn packed(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("a vector takes everything");
    let body = encoder.finish().expect("a vector takes everything");
    let len = u32::try_from(body.len()).expect("inputs are small").to_be_bytes();
    [&[1][..], &len, &body].concat().into()
}

fn read(stream: &Bytes, piece: usize, gzip: bool, max: usize) -> Outcome {
    let mut meter = Meter::within(3, (256 << 10) + GRANTED);
    meter.received(stream.len());
    let mut frames = meter.run(|| Frames::<Kind>::new(max));
    if gzip {
        frames.accept_gzip();
    }
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        match meter.run(|| frames.next_frame()) {
            Ok(Some(frame)) => found.push((frame.kind, frame.payload)),
            Ok(None) => match frames.wants() {
                Some(bytes) if bytes <= GRANTED => frames.grant(bytes),
                Some(_) => return (found, None),
                None if at == stream.len() => return (found, None),
                None => {
                    let end = stream.len().min(at + piece.max(1));
                    let chunk = stream.slice(at..end);
                    meter.run(|| frames.push(chunk));
                    at = end;
                }
            },
            Err(error) => {
                assert_eq!(frames.next_frame().map(|_| ()), Err(error), "the error is final");
                return (found, Some(error));
            }
        }
    }
}
