//! Before anything is agreed.

use std::time::Duration;

use peerage::bitcoin::{
    Direction, DisconnectReason, Kind, Malformed, Message, OpenError, V2, Violation,
};
use peerage_testkit::{Script, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::arena::{Arena, MIB, Siege};
use crate::flood::header;
use crate::reference::Reference;

#[test]
fn slow_loris_in_the_opening() {
    Siege::new("slow loris in the opening", 8 * MIB).run(async |arena| {
        let mut attackers = JoinSet::new();
        for number in 0..200_u8 {
            let mut stream = arena.dial().await;
            attackers.spawn(async move {
                // Half of them begin like v1, half like v2; nobody ever says a whole message.
                let hello = match number % 2 {
                    0 => header(Kind::Version, 86, [0; 4]).to_vec(),
                    _ => Reference::new(true, number, 0).hello(),
                };
                for byte in hello {
                    if stream.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
        while attackers.join_next().await.is_some() {}
        arena.all_failed(200).await;
        for error in arena.take_failed() {
            let OpenError::Ended { reason, .. } = &error else { panic!("{error}") };
            let expected = [DisconnectReason::OpeningTimeout, DisconnectReason::RemoteClosed];
            assert!(expected.contains(reason), "{reason}");
        }
    });
}

#[test]
fn half_open_connections() {
    Siege::new("half open", 8 * MIB).run(async |arena| {
        let mut silent = Vec::new();
        for number in 0..300 {
            let mut stream = arena.dial().await;
            match number % 3 {
                0 => {}
                1 => stream.shutdown().await.unwrap(),
                _ => {
                    let hello = Reference::new(true, 1, number % 100).hello();
                    stream.write_all(&hello).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
            silent.push(stream);
        }
        arena.all_failed(300).await;
        let mut timed_out = 0;
        for error in arena.take_failed() {
            match error {
                OpenError::Ended { reason: DisconnectReason::OpeningTimeout, .. } => timed_out += 1,
                OpenError::Ended { reason: DisconnectReason::RemoteClosed, .. } => {}
                other => panic!("{other}"),
            }
        }
        assert_eq!(timed_out, 100, "those who said nothing at all");
    });
}

/// Runs the v2 opening with garbage of this length, as far as our version message.
async fn with_garbage(arena: &Arena, len: usize) -> std::io::Result<()> {
    let mut stream = arena.dial().await;
    let mut remote = Reference::new(true, 9, len);
    stream.write_all(&remote.hello()).await?;
    let mut key = [0; 64];
    stream.read_exact(&mut key).await?;
    remote.receive_key(&key);
    let mut bytes = remote.version(&[], &[]);
    let mut version_message = vec![0];
    version_message.extend(b"version\0\0\0\0\0");
    peerage_wire::Message::encode(
        &Message::Version(Box::new(version(70_016))),
        70_016,
        &mut version_message,
    );
    bytes.extend(remote.packet(&version_message, false));
    bytes.extend(remote.packet(b"\0verack\0\0\0\0\0\0", false));
    stream.write_all(&bytes).await?;
    // Our own version shows that theirs was understood: garbage, terminator and 20 bytes come before.
    let mut heard = Vec::new();
    let terminator = remote.their_terminator();
    loop {
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let found = heard.windows(16).position(|window| window == terminator);
        if found.is_some_and(|at| heard.len() > at + 16 + 20 + 100) {
            return Ok(());
        }
    }
}

#[test]
fn garbage_of_every_length() {
    Siege::new("garbage of every length", 8 * MIB).run(async |arena| {
        let lens: Vec<_> = (0..=4_095).collect();
        for some in lens.chunks(50) {
            for len in some {
                with_garbage(arena, *len).await.unwrap_or_else(|error| panic!("{len}: {error}"));
            }
            arena.ended(some.len()).await;
        }
        assert_eq!(arena.failed(), 0);
        assert!(with_garbage(arena, 4_096).await.is_err());
        arena.all_failed(1).await;
        let refused = arena.take_failed().remove(0);
        let expected = DisconnectReason::Malformed(Malformed::NoGarbageTerminator);
        assert!(matches!(&refused, OpenError::Ended { reason, .. } if *reason == expected));
    });
}

#[test]
fn decoys_without_end_in_the_opening() {
    Siege::new("decoys in the opening", 8 * MIB).run(async |arena| {
        for number in 0..20 {
            let (io, network) = (arena.dial().await, &arena.config.identity.network);
            let mut script = Script::v2(io, Direction::Outbound, network, number);
            script.handshake().await;
            // 16 KiB are allowed.
            for _ in 0..32 {
                script.say_decoy(&[0; 1_000]).await;
                tokio::task::yield_now().await;
            }
            let _keep = script;
            arena.all_failed(usize::from(number) + 1).await;
        }
        for error in arena.take_failed() {
            let OpenError::Ended { reason, .. } = &error else { panic!("{error}") };
            let violation = matches!(
                reason,
                DisconnectReason::Violation(Violation::DecoyFlood { max }) if *max == 16 << 10
            );
            assert!(violation, "{reason}");
        }
    });
}

#[test]
fn claims_above_the_caps() {
    Siege::new("oversized claims", 8 * MIB).run(async |arena| {
        let claims = [
            (Kind::Block, u32::MAX),
            (Kind::Block, 4_000_001),
            (Kind::Ping, 9),
            (Kind::Inv, 1_800_010),
            (Kind::Addr, 30_010),
            (Kind::GetAddr, 1),
        ];
        for before in [true, false] {
            for (kind, claimed) in claims {
                let (mut stream, claim) = if before {
                    (arena.dial().await, header(Kind::Version, claimed.max(1_025), [0; 4]))
                } else {
                    (arena.open(V2::Off).await.into_io(), header(kind, claimed, [0; 4]))
                };
                stream.write_all(&claim).await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
        arena.all_failed(claims.len()).await;
        let mut reasons = arena.ended(claims.len()).await;
        reasons.extend(arena.take_failed().into_iter().map(|error| match error {
            OpenError::Ended { reason, .. } => reason,
            other => panic!("{other}"),
        }));
        for reason in reasons {
            let refused =
                matches!(&reason, DisconnectReason::Malformed(Malformed::TooLarge { .. }));
            assert!(refused, "{reason}");
        }
    });
}
