//! Legacy Kaspa's peers: the package's promises, kaspad's recorded conversation and its probes.
#![cfg(feature = "kaspa-legacy")]
#![allow(clippy::unwrap_used)] // the helpers of tests are tests
#![allow(dead_code)] // of the shared helpers, a part is used

#[path = "kaspa_legacy/helpers.rs"]
mod helpers;
#[path = "kaspa_legacy/listeners.rs"]
mod listeners;
#[path = "kaspa_legacy/opening.rs"]
mod opening;
#[path = "kaspa_legacy/probes.rs"]
mod probes;
#[path = "kaspa_legacy/remote.rs"]
mod remote;
#[path = "kaspa_legacy/replay.rs"]
mod replay;
#[path = "kaspa_legacy/traffic.rs"]
mod traffic;

#[path = "process/mod.rs"]
mod process;

/// The example runs by itself, and shows the block of its own node.
#[tokio::test]
async fn the_example_fetches_a_block() {
    let output = process::run("kaspa_legacy", &[]).await;
    let (shown, errors) = (str::from_utf8(&output.stdout), str::from_utf8(&output.stderr));
    assert!(output.status.success(), "{errors:?}");
    let lines: Vec<&str> = shown.unwrap().lines().collect();
    let [introduction, block] = lines[..] else { panic!("{lines:?}") };
    let tip = introduction.split(' ').next_back();
    assert!(introduction.starts_with("/peerage:"), "{introduction}");
    assert_eq!(block.strip_prefix("block "), tip);
}
