//! Who does not read, or not enough; who does not finish; and who makes us do the same.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use peerage::bitcoin::message::{Ping, Tx};
use peerage::bitcoin::{
    Budget, Config, Direction, DisconnectReason, Fault, Kind, Local, Message, V2, accept, connect,
};
use peerage_testkit::{Script, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::arena::{MIB, Service, Siege, alone, impatient, settle};
use crate::flood::{block, frame, header, items};

const STALLED: DisconnectReason = DisconnectReason::WriteStalled { while_not_reading: false };

#[test]
fn slow_loris_in_bodies() {
    Siege::new("slow loris in bodies", 6 * MIB).run(async |arena| {
        let mut attackers = JoinSet::new();
        for _ in 0..50 {
            let mut stream = arena.open(V2::Off).await.into_io();
            let claim = header(Kind::Block, 4_000_000, [0; 4]);
            attackers.spawn(async move {
                stream.write_all(&claim).await.unwrap();
                while stream.write_all(&[0]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        for reason in arena.ended(50).await {
            assert_eq!(reason, DisconnectReason::Idle);
        }
        while attackers.join_next().await.is_some() {}
    });
}

#[test]
fn silence_after_the_opening() {
    Siege::new("silence", 4 * MIB).run(async |arena| {
        let mut silent = Vec::new();
        for number in 0..50 {
            silent.push(arena.open(if number % 2 == 0 { V2::Off } else { V2::Required }).await);
        }
        for reason in arena.ended(50).await {
            assert_eq!(reason, DisconnectReason::Idle);
        }
    });
}

#[test]
fn never_reading() {
    Siege::new("never reading", 16 * MIB).run(async |arena| {
        let mut attackers = JoinSet::new();
        for _ in 0..8 {
            let mut stream = arena.open(V2::Off).await.into_io();
            let pings = frame(&Message::Ping(Ping { nonce: Some(1) })).repeat(500);
            attackers.spawn(async move { while stream.write_all(&pings).await.is_ok() {} });
        }
        for reason in arena.ended(8).await {
            assert_eq!(reason, STALLED);
        }
        while attackers.join_next().await.is_some() {}
    });
}

#[test]
fn reading_byte_by_byte() {
    let mut siege = Siege::new("reading byte by byte", 6 * MIB);
    siege.service = Service::Blocks(block(MIB));
    siege.run(async |arena| {
        let mut attackers = JoinSet::new();
        for _ in 0..4 {
            let mut stream = arena.open(V2::Off).await.into_io();
            for _ in 0..20 {
                stream.write_all(&frame(&Message::GetData(items(1, 0)))).await.unwrap();
            }
            attackers.spawn(async move {
                // What the kernel still holds after the end is not for us to wait for.
                for _ in 0..200 {
                    let _ = stream.read_u8().await;
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            });
        }
        for reason in arena.ended(4).await {
            assert_eq!(reason, STALLED);
        }
        while attackers.join_next().await.is_some() {}
    });
}

#[test]
#[ignore = "half a minute in a debug build"]
fn five_hundred_blocks_that_lack_one_byte() {
    const BUDGET: usize = 64 * MIB;
    // Each connection may hold 64 KiB outside the budget, and who grows holds old and new for a
    // moment.
    const OUTSIDE: usize = 500 * (64 << 10) + 500 * (24 << 10) + 12 * MIB;
    let mut siege = Siege::new("500 unfinished blocks", BUDGET + OUTSIDE);
    siege.config.budget = Budget::new(BUDGET);
    siege.config.engine.memory_patience = Duration::from_secs(5);
    siege.run(async |arena| {
        static ZEROS: [u8; 4_000_000] = [0; 4_000_000];
        let mut attackers = JoinSet::new();
        for _ in 0..500 {
            let mut stream = arena.open(V2::Off).await.into_io();
            let claim = header(Kind::Block, 4_000_000, [0; 4]);
            attackers.spawn(async move {
                let _ = stream.write_all(&claim).await;
                let _ = stream.write_all(&ZEROS[1..]).await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
        let mut most = 0;
        while !attackers.is_empty() {
            most = most.max(arena.config.budget.used());
            let next = attackers.join_next();
            let _ = tokio::time::timeout(Duration::from_millis(1), next).await;
        }
        assert!(most <= BUDGET + 4 * MIB, "{most} bytes in use");
        assert!(most >= BUDGET / 2, "the attack was none: {most}");
        let reasons = arena.ended(500).await;
        let starved = DisconnectReason::Local(Local::NoMemory);
        let count = reasons.iter().filter(|reason| **reason == starved).count();
        eprintln!("500 unfinished blocks: {count} found no memory");
        for reason in reasons {
            let fair = matches!(
                reason,
                DisconnectReason::Idle
                    | DisconnectReason::RemoteClosed
                    | DisconnectReason::Local(Local::NoMemory)
            );
            assert!(fair, "{reason}");
        }
    });
}

/// 20,000 transactions come, together 4.6 MB on the wire; of each `share` one is kept.
fn keep(name: &'static str, memory: usize, share: usize, keep: fn(Message) -> Message) {
    let mut siege = Siege::new(name, memory);
    siege.config.engine.idle_timeout = Duration::from_secs(60);
    siege.run(async |arena| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
        let tx = frame(&Message::Tx(Tx::try_from(&genesis.txdata.remove(0)).unwrap()));
        let network = arena.config.identity.network.clone();
        let talking = tokio::spawn(async move {
            let io = listener.accept().await.unwrap().0;
            let mut script = Script::v1(io, Direction::Inbound, &network);
            script.open(version(70_016), &[]).await;
            let many = tx.repeat(500);
            for _ in 0..40 {
                script.say_bytes(&many).await;
            }
            script.close().await;
        });
        let mut config = impatient();
        config.v2 = V2::Off;
        let (_peer, mut events) = connect(address, &config).await.unwrap();
        let (mut kept, mut count) = (Vec::new(), 0);
        while let Ok(message) = events.message().await {
            if count % share == 0 {
                kept.push(keep(message));
            }
            count += 1;
        }
        assert_eq!((count, kept.len()), (20_000, 20_000 / share));
        talking.await.unwrap();
    });
}

#[test]
fn messages_that_are_kept_hold_little_more_than_themselves() {
    keep("kept messages", 12 * MIB, 1, |message| message);
}

#[test]
fn messages_that_are_detached_do_not_hold_what_came_with_them() {
    // One of each read, at most: as views they would hold all the reads, 4.6 MB.
    keep("detached messages", 2 * MIB, 200, |message| message.detach());
}

#[test]
fn a_stream_that_nobody_reads() {
    let mut siege = Siege::new("unread stream", 10 * MIB);
    siege.service = Service::Unread;
    siege.run(async |arena| {
        let mut attackers = JoinSet::new();
        for _ in 0..4 {
            let mut stream = arena.open(V2::Off).await.into_io();
            let inventory = frame(&Message::Inv(items(1_000, 0)));
            attackers.spawn(async move { while stream.write_all(&inventory).await.is_ok() {} });
        }
        for reason in arena.ended(4).await {
            assert_eq!(reason, DisconnectReason::Local(Local::NotReading));
        }
        while attackers.join_next().await.is_some() {}
    });
}

#[test]
fn two_peers_that_both_stop_reading() {
    Siege::new("both stop reading", 20 * MIB).run(async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = (impatient(), impatient());
        let inbound = async { accept(listener.accept().await.unwrap().0, &theirs).await };
        let (dialled, accepted) = tokio::join!(connect(address, &ours), inbound);
        let (ours, theirs) = (dialled.unwrap(), accepted.unwrap());
        let message = Message::Block(block(MIB));
        let talk = async |peer: &peerage::bitcoin::Peer| {
            while peer.send(&message).await.is_ok() {}
            peer.closed().await
        };
        let (first, second) = tokio::join!(talk(&ours.0), talk(&theirs.0));
        for reason in [first, second] {
            // Neither may blame the other for what it does itself.
            assert!(matches!(reason.fault(), Fault::Local | Fault::Nobody), "{reason:?}");
        }
    });
}

#[test]
fn a_handler_that_never_returns() {
    let (release, stuck) = mpsc::channel();
    let mut siege = Siege::new("stuck handler", 64 * MIB);
    siege.service = Service::Stuck(Arc::new(Mutex::new(stuck)));
    siege.threads = 3;
    siege.run(async |arena| {
        let mut script = arena.open(V2::Off).await;
        script.say(&Message::MemPool).await;
        // While it is stuck, its remote may say what it wants, and others go on.
        for _ in 0..100 {
            script.say(&Message::Ping(Ping { nonce: Some(1) })).await;
        }
        let others = Config::regtest();
        for _ in 0..20 {
            let (peer, _events) = connect(arena.address, &others).await.unwrap();
            peer.send_tracked(&Message::GetAddr).await.unwrap().await.unwrap();
        }
        let stuck = arena
            .peers()
            .into_iter()
            .min_by_key(|peer| peer.stats().received.get(Kind::Ping).messages);
        assert_eq!(stuck.unwrap().close_reason(), None);
        release.send(()).unwrap();
        script.skip_to(Kind::Pong).await;
        script.close().await;
        settle(|| arena.peers().len() <= 2, "it has ended").await;
    });
}

#[test]
fn an_honest_remote_may_send_equal_blocks_slowly() {
    let _alone = alone(); // no siege, but a runtime has descriptors
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let mut config = Config::regtest();
        config.v2 = V2::Off;
        let mut remote = Script::v1(theirs, Direction::Inbound, &config.identity.network);
        remote.set_patience(Duration::from_secs(100_000));
        let opening = peerage::bitcoin::initiate(ours, &config);
        let (opened, _) = tokio::join!(opening, remote.open(version(70_016), &[]));
        let (peer, mut events) = opened.unwrap();
        let two = frame(&Message::Block(block(3_900_000))).repeat(2);
        // 10 kB a second count as progress; the second begins in the read that ends the first.
        let talking = tokio::spawn(async move {
            for piece in two.chunks(30_000) {
                remote.say_bytes(piece).await;
                tokio::time::sleep(Duration::from_millis(2_900)).await;
            }
            remote
        });
        for number in 0..2 {
            let message = events.message().await;
            assert!(matches!(message, Ok(Message::Block(_))), "{number}: {:?}", message.err());
        }
        let _remote = talking.await.unwrap();
        assert_eq!(peer.close_reason(), None);
    });
}
