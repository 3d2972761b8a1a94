//! The replies of a SOCKS5 proxy.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use peerage_peer::{Socks5, SocksAuth, SocksError, Target};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::input::{Input, Pieces};
use crate::meter::Meter;

/// A proxy answers anything in any pieces: the handshake ends, and it takes from the stream exactly
/// what is the proxy's.
pub fn socks(data: &[u8]) {
    let mut input = Input::new(data);
    let (auth, pieces) = (auth(&mut input), Pieces::new(input.u8()));
    let has_credentials = auth != SocksAuth::None;
    let target = match input.u8() % 4 {
        0 => Target::Address(([1, 2, 3, 4], 80).into()),
        1 => Target::Address(([0_u16; 8], 0).into()),
        2 => Target::Name("peer.example".into(), 8333),
        _ => Target::Name("x".repeat(usize::from(input.u8()) + 8), 8333),
    };
    let says: Vec<u8> = input.rest().to_vec();
    let mut proxy =
        Proxy { says: says.iter().copied().collect(), pieces, heard: 0, pending: false };
    let socks = Socks5 { proxy: Target::Name("proxy".into(), 9050), auth };
    let mut meter = Meter::default();
    meter.received(says.len());
    let result = meter.run(|| run(socks.handshake(&mut proxy, &target)));

    let taken = says.len() - proxy.says.len();
    match (result, expected(&says, has_credentials)) {
        (Ok(()), Some(len)) => assert_eq!(taken, len, "the peer's first byte comes next"),
        (Ok(()), None) => panic!("this is no consent: {says:02x?}"),
        (Err(SocksError::TooLong(_)), _) => {}
        (Err(error), Some(_)) => panic!("{error} although the proxy agreed: {says:02x?}"),
        (Err(error), None) => assert!(!error.to_string().is_empty()),
    }
    assert!(proxy.heard <= 4 + 3 + 2 * 255 + 4 + 1 + 255 + 2);
}

fn auth(input: &mut Input<'_>) -> SocksAuth {
    match input.u8() % 3 {
        0 => SocksAuth::None,
        1 => SocksAuth::Isolated,
        _ => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            SocksAuth::Password { name: text(input.block()), password: text(input.block()) }
        }
    }
}

/// How many bytes of these replies mean consent, by RFC 1928 and RFC 1929.
fn expected(says: &[u8], has_credentials: bool) -> Option<usize> {
    let mut at = match says.get(..2)? {
        [5, 0] => 2,
        // The version of the answer to credentials is not looked at: proxies differ in it.
        [5, 2] if has_credentials && *says.get(3)? == 0 => 4,
        _ => return None,
    };
    let [5, 0, _, address] = says.get(at..at + 4)? else { return None };
    at +=
        4 + match address {
            1 => 4,
            4 => 16,
            3 => 1 + usize::from(*says.get(at + 4)?),
            _ => return None,
        } + 2;
    says.get(..at).map(<[u8]>::len)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
    }
    panic!("it never ends");
}

/// Says its piece, in pieces, and hears everything; every other call it must be asked again.
struct Proxy {
    says: VecDeque<u8>,
    pieces: Pieces,
    heard: usize,
    pending: bool,
}

impl AsyncRead for Proxy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pending = !self.pending;
        if self.pending {
            return Poll::Pending;
        }
        let this = &mut *self;
        let all = this.says.make_contiguous();
        let mut rest = &all[..all.len().min(out.remaining())];
        let piece = this.pieces.cut(&mut rest, 0);
        out.put_slice(piece);
        let len = piece.len();
        this.says.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = self.pieces.cut(&mut &*bytes, 0).len();
        self.heard += piece;
        Poll::Ready(Ok(piece))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
