//! HTTP/2, made by hand: for what its library would not say.

use peerage::kaspa::Payload;

use crate::remote::{framed_message, version};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&len[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

pub(crate) fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

/// GOAWAY for all calls above `last`, with this code.
pub(crate) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// A call of Kaspa's service.
pub(crate) fn call(stream: u32) -> Vec<u8> {
    let text = |text: &[u8]| [&[u8::try_from(text.len()).unwrap()], text].concat();
    // POST, http; a path, a host and a type by the numbers of their names; `te` by its name.
    let head = [
        &[0x83, 0x86, 0x04][..],
        &text(b"/protowire.P2P/MessageStream"),
        &[0x01],
        &text(b"x"),
        &[0x0f, 31 - 15],
        &text(b"application/grpc"),
        &[0x00],
        &text(b"te"),
        &text(b"trailers"),
    ];
    frame(1, 4, stream, &head.concat())
}

/// A call, and all that the caller says in an opening.
pub(crate) fn opening() -> Vec<u8> {
    let mut said = [PREFACE, &settings(), &call(1)].concat();
    for payload in [Payload::Version(Box::new(version())), Payload::Verack, Payload::Ready] {
        said.extend(frame(0, 0, 1, &framed_message(payload)));
    }
    said
}
