//! Who comes only to leave.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use peerage::bitcoin::{Config, DisconnectReason, Fault, OpenError, V2, connect, initiate};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::arena::{Arena, MIB, Siege, settle};

/// A socket that ends after so many bytes were written to it.
struct Cut {
    io: TcpStream,
    left: usize,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.left);
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &bytes[..count]))?;
        self.left -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Connects and leaves, after another number of bytes each time, and every third time with a reset.
async fn cycle(arena: &Arena, number: usize, v2: V2) {
    let io = arena.dial().await;
    if number.is_multiple_of(3) {
        SockRef::from(&io).set_linger(Some(Duration::ZERO)).unwrap();
    }
    let mut config = Config::regtest();
    config.v2 = v2;
    // All of v1's opening is 250 bytes; v2's garbage has up to 4,094.
    let reach = if v2 == V2::Off { 300 } else { 5_000 };
    let stream = Cut { io, left: number * 37 % reach };
    if let Ok((peer, _events)) = initiate(stream, &config).await {
        peer.disconnect();
        peer.closed().await;
    }
}

#[test]
fn ten_thousand_openings_cut_at_any_byte() {
    const CYCLES: usize = 10_000;
    Siege::new("10,000 cycles", 8 * MIB).run(async |arena| {
        for v2 in [V2::Off, V2::Required] {
            for number in 0..CYCLES / 2 {
                cycle(arena, number, v2).await;
            }
        }
        settle(|| arena.peers().len() <= 2, "connections go on").await;
        let failed = arena.take_failed();
        assert!(failed.len() > CYCLES / 4, "{} openings failed", failed.len());
        for error in failed {
            // Whoever leaves is nobody's fault; what he wrote last was right.
            assert_eq!(error.fault(), Fault::Nobody, "{error}");
            assert!(matches!(error, OpenError::Ended { .. }));
        }
    });
}

#[test]
fn dials_dropped_at_any_step() {
    Siege::new("dropped dials", 16 * MIB).run(async |arena| {
        let config = Config::regtest();
        for count in 0..200 {
            let steps = async {
                for _ in 0..count {
                    tokio::task::yield_now().await;
                }
            };
            // Not polled at all the first time, and to its end the last times.
            tokio::select! {
                biased;
                () = steps => {}
                dialled = connect(arena.address, &config) => drop(dialled),
            }
        }
        settle(|| arena.peers().len() <= 2, "connections go on").await;
        for error in arena.take_failed() {
            assert_eq!(error.fault(), Fault::Nobody, "{error}");
        }
    });
}

#[test]
fn storm_of_resets() {
    Siege::new("reset storm", 8 * MIB).run(async |arena| {
        for number in 0..500_usize {
            let mut stream = match number % 10 {
                0 => arena.open(V2::Off).await.into_io(),
                5 => arena.open(V2::Required).await.into_io(),
                _ => arena.dial().await,
            };
            let _ = stream.write_all(&[0xfa; 100][..number % 100]).await;
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            drop(stream);
        }
        arena.all_failed(400).await;
        for reason in arena.ended(100).await {
            let fair = matches!(
                reason,
                DisconnectReason::RemoteClosed
                    | DisconnectReason::Io(_)
                    | DisconnectReason::Malformed(_)
            );
            assert!(fair, "{reason}");
        }
    });
}

#[test]
fn two_thousand_at_once() {
    // Both ends are in this process: 4,000 connections, and what their tasks hold.
    Siege::new("2,000 at once", 128 * MIB).run(async |arena| {
        let mut dialling = JoinSet::new();
        for _ in 0..2_000 {
            let address = arena.address;
            dialling.spawn(async move {
                let mut config = Config::regtest();
                config.v2 = V2::Off;
                config.engine.opening_timeout = Duration::from_secs(60);
                connect(address, &config).await
            });
        }
        let mut peers = Vec::new();
        while let Some(dialled) = dialling.join_next().await {
            peers.push(dialled.unwrap().unwrap());
        }
        assert_eq!(peers.len(), 2_000);
        drop(peers);
        arena.ended(2_000).await;
    });
}
