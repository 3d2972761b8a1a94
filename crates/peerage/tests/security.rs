//! SECURITY.md promises bounds and names the tests that show them. Here are the bounds that no other
//! test shows, and a test that every name in its table is that of a test.
#![allow(missing_docs, clippy::unwrap_used)] // helpers of tests may fail loudly

mod world;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use peerage::bitcoin::{Command, Message, V2};
use peerage_testkit::version;
use world::{PIPE, config, scripted, stuff, unknown};

#[tokio::test(start_paused = true)]
async fn statistics_do_not_grow_with_the_names_of_commands() {
    const NAMES: u64 = 300;
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    for number in 0..NAMES {
        let command = Command::new(&format!("novelty{number}"));
        remote.say(&Message::Unknown { command, payload: Bytes::new() }).await;
        end.message().await;
    }
    let stats = end.peer.stats();
    let received = &stats.received;
    assert!(received.iter().count() <= 64, "{}", received.iter().count());
    let total = received.total().messages;
    assert!((NAMES..NAMES + 10).contains(&total), "each is counted: {total}");
}

#[tokio::test(start_paused = true)]
async fn little_is_written_ahead_for_who_takes_nothing() {
    const LEN: usize = 10_000;
    for v2 in [V2::Off, V2::Required] {
        let (end, _remote) = scripted(&config(v2), version(70_016)).await;
        let accepted = stuff(&end.peer, &unknown(LEN)).await * LEN;
        // What the pipe holds, what is sealed, and the outbox, each with one message above it.
        let bound = PIPE + (256 << 10) + (1 << 20) + 3 * LEN;
        assert!(accepted <= bound, "{accepted} bytes wait");
        assert!(accepted >= 1 << 20, "the outbox is not used: {accepted}");
        assert!(end.peer.stats().outbox_bytes <= (1 << 20) + LEN + 100);
    }
}

/// The cells of the table's rows, without its head.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// A file that the table names, from the root or from `crates`.
fn named_file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("crates").join(name), root.join(name)];
    places.into_iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("{name} is not there"))
}

#[test]
fn every_row_of_the_threat_model_names_a_bound_and_tests_that_exist() {
    let text = std::fs::read_to_string(named_file("SECURITY.md")).unwrap();
    let rows = rows(&text);
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "an empty cell: {row:?}");
        let (mut source, mut tests) = (String::new(), 0);
        // In backticks: a file, then the tests in it.
        for name in row[3].split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                source = std::fs::read_to_string(named_file(name)).unwrap();
            } else {
                assert!(source.contains(&format!("fn {name}(")), "{name} is no test: {row:?}");
                tests += 1;
            }
        }
        assert!(tests > 0, "no test: {row:?}");
    }
}
