//! Many remotes at once that want our memory, over real sockets. What all allocate together, the
//! attackers included, is counted; afterwards nothing is left, and the budget is given back.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use peerage::kaspa::message::{InvTransactions, Ping, Version};
use peerage::kaspa::{
    Budget, Config, DisconnectReason, Events, Fault, Kind, Message, Payload, Peer, accept,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};

use crate::raw;
use crate::remote::{Caller, Remote, framed, framed_message, version};
use crate::requests::hash;

const MIB: usize = 1 << 20;

/// Runs this on one thread and gives the most bytes that were allocated at once.
fn most_allocated(config: &Config, siege: impl AsyncFnOnce(TcpListener)) -> usize {
    let measured = allocation_counter::measure(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let limit = Duration::from_secs(120);
            tokio::time::timeout(limit, siege(listener)).await.expect("it is bounded");
            let mut left = usize::MAX;
            for _ in 0..500 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                left = Handle::current().metrics().num_alive_tasks();
                if left == 0 {
                    break;
                }
            }
            assert_eq!(left, 0, "tasks are left");
        });
    });
    assert_eq!(config.budget.used(), 0, "the budget is given back");
    usize::try_from(measured.bytes_max).unwrap()
}

/// One more remote, after the opening, which lets us send what we like.
async fn besiege(listener: &TcpListener, config: &Config) -> (Peer, Events, Remote) {
    let address = listener.local_addr().unwrap();
    let theirs = async {
        let io = TcpStream::connect(address).await.unwrap();
        let mut remote = Remote::call(io, true).await;
        remote.introduce(Version { protocol_version: 11, ..version() }).await;
        remote
    };
    let ours = async { accept(listener.accept().await.unwrap().0, config).await };
    let (opened, remote) = tokio::join!(ours, theirs);
    let (peer, events) = opened.unwrap();
    (peer, events, remote)
}

/// A message whose payload of this kind unpacks to so many zeros, or close to it.
fn bomb(kind: Kind, len: usize) -> Bytes {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let mut head = Vec::new();
    for mut number in [u64::from(kind.number()) << 3 | 2, len as u64] {
        while number >= 0x80 {
            head.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        head.push(number.to_le_bytes()[0]);
    }
    packer.write_all(&head).unwrap();
    for _ in 0..len >> 16 {
        packer.write_all(&[0; 1 << 16]).unwrap();
    }
    framed(1, &packer.finish().unwrap()).into()
}

/// A proof may have 256 MiB, so these bombs are below its cap: what they unpack to is taken from the
/// budget, and who gets none in time is let go for want of memory. Others live.
#[test]
fn bombs_get_no_more_than_the_budget() {
    const BOMBS: usize = 16;
    let mut config = Config::simnet();
    config.budget = Budget::new(16 * MIB);
    config.engine.memory_patience = Duration::from_millis(300);
    let bomb = bomb(Kind::PruningPointProof, 200 * MIB);
    assert!(bomb.len() < MIB, "{} bytes on the wire", bomb.len());
    let peak = most_allocated(&config, async |listener| {
        let (honest, events, mut remote) = besiege(&listener, &config).await;
        let mut sieges = Vec::new();
        for _ in 0..BOMBS {
            let (peer, events, mut remote) = besiege(&listener, &config).await;
            remote.say_bytes(bomb.clone());
            sieges.push((peer, events, remote));
        }
        for (peer, ..) in &sieges {
            let reason = peer.closed().await;
            let fits = match &reason {
                DisconnectReason::Local(_) => true,
                other => other.fault() == Fault::Remote,
            };
            assert!(fits, "{reason}");
        }
        drop(events);
        remote.expect_alive(1).await;
        assert_eq!(honest.close_reason(), None);
        drop(honest);
        while remote.hear().await.is_ok() {}
    });
    // Each connection, with the attacker's half, may hold what it has received.
    let bound = 16 * MIB + (BOMBS + 1) * 2 * MIB;
    assert!(peak < bound, "{peak} of {bound} bytes");
}

/// Bombs above the cap of their kind cost no more than that cap.
#[test]
fn bombs_get_no_more_than_their_kind() {
    let config = Config::simnet();
    let bomb = bomb(Kind::Unknown(999), 200 * MIB);
    let peak = most_allocated(&config, async |listener| {
        for _ in 0..8 {
            let (peer, _events, mut remote) = besiege(&listener, &config).await;
            remote.say_bytes(bomb.clone());
            let reason = peer.closed().await;
            assert!(matches!(reason, DisconnectReason::Malformed(_)), "{reason}");
            remote.expect_end(Caller::Remote).await;
        }
    });
    assert!(peak < 6 * MIB, "{peak} bytes");
}

/// Events that nobody reads stop who sends them: each connection holds what it may hold.
#[test]
fn unread_events_stop_the_remote() {
    const REMOTES: usize = 6;
    let config = Config::simnet();
    let ids = (0..2_000).map(hash).collect();
    let inv = Bytes::from(framed_message(Payload::InvTransactions(InvTransactions { ids })));
    let peak = most_allocated(&config, async |listener| {
        let mut sieges = Vec::new();
        for _ in 0..REMOTES {
            let (peer, events, mut remote) = besiege(&listener, &config).await;
            // 70 MB each; the pieces share their bytes.
            for _ in 0..1_000 {
                remote.say_bytes(inv.clone());
            }
            sieges.push((peer, events, remote));
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        for (peer, ..) in &sieges {
            let came = usize::try_from(peer.stats().bytes_received).unwrap();
            assert!((MIB..3 * MIB).contains(&came), "{came} bytes came");
            assert_eq!(peer.close_reason(), None);
        }
    });
    assert!(peak < REMOTES * 5 * MIB, "{peak} bytes");
}

/// Who does not heed what he may send is let go as soon as what he could say before is read, and no
/// more of it is kept than he might have sent.
#[test]
fn credit_is_a_limit() {
    let config = Config::simnet();
    let peak = most_allocated(&config, async |listener| {
        for _ in 0..4 {
            let mut io = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            io.write_all(&raw::opening()).await.unwrap();
            let (peer, mut events) =
                accept(listener.accept().await.unwrap().0, &config).await.unwrap();
            let ping = framed_message(Payload::Ping(Ping { nonce: 1 }));
            let piece = raw::frame(0, 0, 1, &ping.repeat(16_000 / ping.len()));
            let flood = async {
                // 64 MB, whatever we answer.
                for _ in 0..4_000 {
                    if io.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            };
            let taken = tokio::time::timeout(Duration::from_secs(1), flood).await;
            assert!(taken.is_err(), "64 MB were taken, most of them to be thrown away");
            let mut heard = 0;
            let reason = loop {
                match events.message().await {
                    Ok(_) => heard += 1,
                    Err(reason) => break reason,
                }
            };
            assert_eq!(reason.fault(), Fault::Remote, "{reason}");
            assert_eq!(peer.close_reason(), Some(reason));
            let bytes = heard * ping.len();
            assert!((1..=2 * MIB).contains(&bytes), "{bytes} bytes of messages");
        }
    });
    assert!(peak < 4 * MIB, "{peak} bytes");
}

/// Each byte in a frame of its own: either that is borne, or it is the end; it costs no memory.
#[test]
fn frames_of_one_byte() {
    let config = Config::simnet();
    let peak = most_allocated(&config, async |listener| {
        let mut io = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        io.write_all(&raw::opening()).await.unwrap();
        let (peer, mut events) = accept(listener.accept().await.unwrap().0, &config).await.unwrap();
        let body = Bytes::from(vec![7; 50_000]);
        let message = Message::from(Payload::Unknown { number: 999, body });
        let (mut reading, mut writing) = io.split();
        let script = async {
            for piece in framed_message(message.clone()).chunks(1_000) {
                let frames: Vec<u8> =
                    piece.iter().flat_map(|byte| raw::frame(0, 0, 1, &[*byte])).collect();
                if writing.write_all(&frames).await.is_err() {
                    return;
                }
            }
        };
        let mut rest = [0; 4_096];
        let drain = async { while reading.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
        let talk = async {
            tokio::join!(script, async {
                match events.message().await {
                    Ok(heard) => assert_eq!(heard, message),
                    Err(reason) => assert_eq!(reason.fault(), Fault::Remote, "{reason}"),
                }
            });
        };
        tokio::select! {
            () = talk => {}
            () = drain => {}
        }
        drop(peer);
    });
    assert!(peak < 4 * MIB, "{peak} bytes");
}

/// Strangers who say nothing, or begin and stop, cost little until their time is over.
#[test]
fn strangers_cost_little() {
    const STRANGERS: usize = 90;
    let mut config = Config::simnet();
    config.engine.opening_timeout = Duration::from_millis(1_500);
    let peak = most_allocated(&config, async |listener| {
        let mut waiting = Vec::new();
        for n in 0..STRANGERS {
            let mut io = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let mut said = [raw::PREFACE, &raw::settings(), &raw::call(1)].concat();
            said.extend(raw::frame(0, 0, 1, &framed(0, &[0xa2, 0x01, 0xff, 0x1f])[..9]));
            // Nothing, a preface, a call, or the beginning of a large introduction as well.
            let len = [0, raw::PREFACE.len(), said.len() - 18, said.len()][n % 4];
            io.write_all(&said[..len]).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let config = config.clone();
            waiting.push((io, tokio::spawn(async move { accept(stream, &config).await })));
        }
        for (_io, waiting) in waiting {
            assert!(waiting.await.unwrap().is_err());
        }
    });
    assert!(peak < STRANGERS * (128 << 10), "{} bytes each", peak / STRANGERS);
}
