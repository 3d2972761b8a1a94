//! `peerage demo`, as a user runs it.

use std::process::Stdio;

use crate::support::{interrupt, peerage, run};

#[test]
fn everything_arrives_everywhere() {
    let demo = run(&["demo", "--blocks", "120", "--peers", "3", "--duration", "1.2"]);
    assert_eq!(demo.code, Some(0), "{demo:?}");
    assert_eq!(demo.stderr, "");
    let has = |text: &str| assert!(demo.stdout.contains(text), "{text}: {}", demo.stdout);
    has("mined 120 blocks");
    has("connected over v2");
    has("connected over v1");
    for peer in ["peer 1", "peer 2", "peer 3"] {
        has(&format!("{peer}    120 headers follow each other"));
        has(&format!("{peer}    all 120 blocks verified"));
        has(&format!("{peer}    verified block 121"));
    }
    has("peer 1    announces transaction");
    has("verified by each of 3 peers: 122 blocks");
}

#[test]
fn the_table_agrees_at_both_ends() {
    let demo = run(&["demo", "--blocks", "110", "--peers", "2", "--duration", "0"]);
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let row = |end: &str| -> Vec<String> {
        let row = demo.stdout.lines().find(|line| line.starts_with(end)).unwrap();
        row[end.len()..].split_whitespace().map(str::to_owned).collect()
    };
    // direction, v2, session, opening, messages and bytes in and out, ping, blocks, transactions
    let (peer, node) = (row("peer 1"), row("node, 1"));
    assert_eq!((&peer[0], &node[0]), (&"outbound".into(), &"inbound".into()));
    assert_eq!(peer[1..3], node[1..3]);
    assert_eq!(peer[4..6], node[6..8]);
    assert_eq!(peer[6..8], node[4..6]);
    assert_eq!(peer[9..], ["110", "0"]);
    assert_eq!(row("peer 2")[1], "v1");
}

#[test]
fn kaspas_nodes_have_everything_too() {
    let demo = run(&["demo", "--network", "kaspa-simnet", "--blocks", "130", "--duration", "1.2"]);
    assert_eq!(demo.code, Some(0), "{demo:?}");
    assert_eq!(demo.stderr, "");
    let has = |text: &str| assert!(demo.stdout.contains(text), "{text}: {}", demo.stdout);
    has("made 130 blocks");
    has("connected over gRPC");
    for peer in ["peer 1", "peer 2", "peer 3"] {
        has(&format!("{peer}    130 headers in 3 batches stand on each other"));
        has(&format!("{peer}    all 130 blocks verified"));
    }
    // Two that did not know each other, and one on both.
    has("peer 3    made a block with");
    has("node      made a block with");
    has(" transactions on 2: ");
    has("peer 1    announces transaction");
    has("verified by each of 3 peers: 133 blocks");
    has("and 20 addresses; the node has 3 of theirs");
    assert!(demo.stdout.trim_end().ends_with("of theirs"), "{}", demo.stdout);
}

#[test]
fn kaspas_table_agrees_at_both_ends() {
    let args = ["demo", "--network", "kaspa-simnet", "--blocks", "110", "--peers", "2"];
    let demo = run(&[&args[..], &["--duration", "0"]].concat());
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let row = |end: &str| -> Vec<String> {
        let row = demo.stdout.lines().find(|line| line.starts_with(end)).unwrap();
        row[end.len()..].split_whitespace().map(str::to_owned).collect()
    };
    // direction, transport, opening, messages and bytes in and out, ping, results
    for number in [1, 2] {
        let (peer, node) = (row(&format!("peer {number}")), row(&format!("node, {number}")));
        assert_eq!((&peer[0], &node[0]), (&"outbound".into(), &"inbound".into()));
        assert_eq!((&peer[1], &peer[3], &peer[5]), (&node[1], &node[5], &node[3]));
        assert_eq!(peer[8..], ["110", "0", "20"]);
        // Headers are asked for and acknowledged, blocks come in two requests, and none of them is
        // announced back.
        assert!(peer[5].parse::<u32>().unwrap() < 20, "{peer:?}");
    }
}

#[test]
fn senseless_options_are_usage_errors() {
    for args in [
        &["demo", "--blocks", "109"][..],
        &["demo", "--peers", "0"],
        &["demo", "--duration", "-1"],
        &["demo", "--duration", "long"],
        &["demo", "extra"],
    ] {
        let demo = run(args);
        assert_eq!((demo.code, demo.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(demo.stderr.contains("--help"), "{demo:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut command = peerage(&["demo", "--duration", "60"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn an_interrupted_demonstration_is_no_success() {
    let mut command = peerage(&["demo", "--duration", "60"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    interrupt(&child);
    std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
