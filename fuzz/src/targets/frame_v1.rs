//! The v1 framer, fed in arbitrary pieces.

use peerage_transport::{Transport, TransportError, V2};
use peerage_wire::{
    Direction, FrameHeader, FramedKind as _, HEADER_LEN, Kind as _, MAX_OPENING_PAYLOAD, Rng,
    checksum,
};
use peerage_wire_bitcoin::{Kind, Network};

use crate::input::{Input, Pieces};
use crate::receiver::Receiver;

/// Good frames, damaged headers and noise, as one stream: in pieces it means the same as at once,
/// good frames arrive as they were sent, and every frame that was read is sealed to the same bytes.
pub fn frame_v1(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut pieces = Pieces::new(input.u8());
    let open_after = usize::from(input.u8());
    let magic = Network::regtest().magic;
    let stream = Stream::read(&mut input, magic);

    let mut whole = Receiver::new(|| transport(mode, magic), open_after);
    whole.feed(&stream.bytes, &mut Pieces::whole());
    let mut in_pieces = Receiver::new(|| transport(mode, magic), open_after);
    in_pieces.feed(&stream.bytes, &mut pieces);
    assert_eq!(whole.frames, in_pieces.frames);
    assert_eq!(whole.error, in_pieces.error);
    assert!(whole.said.is_empty() || mode % 4 > 1, "v1 says nothing by itself");

    if whole.error == Some(TransportError::V1Refused)
        || !whole.transport.is_open()
        || !whole.said.is_empty()
    {
        assert_eq!(whole.frames, [], "nothing is read before it is decided how");
        return;
    }
    let readable = stream.good.iter().enumerate().take_while(|(place, (_, payload))| {
        *place >= open_after || payload.len() <= MAX_OPENING_PAYLOAD
    });
    for ((_, (kind, payload)), frame) in readable.zip(&whole.frames) {
        assert_eq!((kind, payload), (&frame.kind, &frame.payload));
    }
    let expected = stream.good.iter().enumerate().take_while(|(place, (_, payload))| {
        *place >= open_after || payload.len() <= MAX_OPENING_PAYLOAD
    });
    assert!(whole.frames.len() >= expected.count(), "a good frame is missing: {:?}", whole.error);

    let mut sealed = Vec::new();
    for frame in &whole.frames {
        let len = whole.transport.seal(frame.kind, &frame.payload, None, &mut sealed);
        assert_eq!(len, frame.wire_len);
        assert_eq!(len, whole.transport.wire_len(frame.kind, frame.payload.len()));
    }
    assert!(stream.bytes.starts_with(&sealed), "what was read is not what is written");
}

fn transport(mode: u8, magic: [u8; 4]) -> Transport<Kind> {
    let rng = Rng::from_seed([mode; 32]);
    match mode % 4 {
        0 => Transport::new(Direction::Outbound, magic, V2::Off, None, rng),
        1 => Transport::downgraded(magic),
        2 => Transport::new(Direction::Inbound, magic, V2::Preferred, None, rng),
        _ => Transport::new(Direction::Inbound, magic, V2::Required, None, rng),
    }
}

/// What is sent, and the good frames at its beginning.
struct Stream {
    bytes: Vec<u8>,
    good: Vec<(Kind, Vec<u8>)>,
}

impl Stream {
    fn read(input: &mut Input<'_>, magic: [u8; 4]) -> Self {
        let (mut bytes, mut good) = (Vec::new(), Vec::new());
        let mut all_good = true;
        while !input.is_empty() && bytes.len() < 9_000_000 {
            match input.u8() % 4 {
                0 | 1 => {
                    let (kind, payload) = (input.kind(), input.padded_block());
                    let len = u32::try_from(payload.len()).expect("a padded block is below 9 MB");
                    let header = FrameHeader {
                        magic,
                        command: kind.command(),
                        len,
                        checksum: checksum(&payload),
                    };
                    bytes.extend_from_slice(&header.to_bytes());
                    bytes.extend_from_slice(&payload);
                    all_good &= payload.len() <= kind.policy().cap;
                    if all_good {
                        good.push((kind, payload));
                    }
                }
                2 => {
                    let mut header = [0; HEADER_LEN];
                    header[..4].copy_from_slice(&magic);
                    header[4..].copy_from_slice(&input.array::<20>());
                    bytes.extend_from_slice(&header);
                    all_good = false;
                }
                _ => {
                    bytes.extend_from_slice(input.block());
                    all_good = false;
                }
            }
        }
        Self { bytes, good }
    }
}
