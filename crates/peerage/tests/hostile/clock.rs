//! Clocks that nobody can trust: the remote's, and our own.
#![cfg_attr(not(all(target_os = "linux", target_env = "gnu")), allow(dead_code))] // one test is left out

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use peerage::bitcoin::message::{Ping, Version};
use peerage::bitcoin::{DisconnectReason, Kind, Message, V2};
use peerage_testkit::version;
use tokio::time::Instant;

use crate::arena::{MIB, Siege, alone};

#[test]
fn a_remotes_clock_may_say_anything() {
    Siege::new("clocks of remotes", 4 * MIB).run(async |arena| {
        for v2 in [V2::Off, V2::Required] {
            for timestamp in [i64::MIN, -1, 0, 1 << 32, i64::MAX] {
                let introduction = Version { timestamp, ..version(70_016) };
                let mut script = arena.open_as(v2, introduction).await;
                script.say(&Message::Ping(Ping { nonce: Some(1) })).await;
                script.skip_to(Kind::Pong).await;
                let peers = arena.peers();
                let said = |peer: &peerage::bitcoin::Peer| peer.remote().timestamp == timestamp;
                let peer = peers.iter().find(|peer| said(peer)).expect("it is open");
                assert_eq!(peer.remote().time_offset > 0, timestamp > 1 << 31);
                script.close().await;
                assert_eq!(arena.ended(1).await, [DisconnectReason::RemoteClosed]);
            }
        }
    });
}

/// Tells this test that it runs under a clock that jumps.
const JUMPS: &str = "PEERAGE_CLOCK_JUMPS";

/// A machine has one wall clock, which is not ours to set: the test runs itself once more, in a
/// process whose C library has another.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn steps_of_the_wall_clock() {
    if std::env::var_os(JUMPS).is_some() {
        return under_a_clock_that_jumps();
    }
    let _alone = alone();
    let Some(library) = clock_that_jumps() else {
        assert!(std::env::var_os("CI").is_none(), "there is no C compiler");
        return eprintln!("skipped: there is no C compiler");
    };
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["clock::steps_of_the_wall_clock", "--exact", "--nocapture"])
        .env(JUMPS, "1")
        .env("LD_PRELOAD", &library)
        .output();
    std::fs::remove_file(&library).unwrap();
    let again = again.unwrap();
    let said = [again.stdout, again.stderr].concat();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Compiles it; `None` if this machine has no C compiler.
fn clock_that_jumps() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/clock.c");
    let library = format!("clock-{}.so", std::process::id());
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(library);
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
    let compiled = compiler.status().ok()?;
    assert!(compiled.success(), "{compiler:?}");
    Some(library)
}

fn under_a_clock_that_jumps() {
    #[allow(clippy::disallowed_methods)] // this is about that clock
    let looks = [(); 8].map(|()| std::time::SystemTime::now());
    assert!(!looks.is_sorted(), "the clock does not jump: {looks:?}");
    Siege::new("steps of the wall clock", 4 * MIB).run(async |arena| {
        let idle = arena.config.engine.idle_timeout;
        // A connection looks at the wall clock when it begins and then once a second. Honest ones
        // live through all of it, and who says nothing has the same time as ever.
        for _ in 0..3 {
            let (begun, mut silent) = (Instant::now(), Vec::new());
            for number in 0..20 {
                silent.push(arena.open(if number % 2 == 0 { V2::Off } else { V2::Required }).await);
            }
            for peer in arena.peers() {
                let stats = peer.stats();
                assert!(stats.ping.last.is_none_or(|time| time < Duration::from_secs(60)));
            }
            for reason in arena.ended(20).await {
                assert_eq!(reason, DisconnectReason::Idle);
            }
            assert!(begun.elapsed() >= idle, "{:?}", begun.elapsed());
        }
    });
}
