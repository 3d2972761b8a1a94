//! `peerage follow`, and what the command takes of blocks that others announce.

use peerage::kaspa::types::Hash;
use peerage::kaspa::{self, Config, Event, Payload};
use tokio::runtime::Runtime;

use crate::kaspa::{connect, follow, serving};
use crate::scripted::{Scripted, blocks, inv, last};
use crate::support::{LIMIT, interrupt, peerage};

#[test]
fn blocks_are_followed_in_the_order_of_their_announcement() {
    let (blocks, hashes) = blocks(40);
    let announced = hashes.clone();
    let node = Scripted::start(Config::simnet(), move |peer, mut events| {
        let (blocks, announced) = (blocks.clone(), announced.clone());
        async move {
            for hash in announced.iter().flat_map(|hash| [hash, hash]) {
                peer.send(&inv(*hash)).await.unwrap();
            }
            while let Ok(message) = events.message().await {
                if let Payload::RequestRelayBlocks(request) = &message.payload {
                    let place = announced.iter().position(|it| *it == request.hashes[0]).unwrap();
                    let block = Payload::Block(Box::new(blocks[place].clone()));
                    peer.send(&message.answer(block)).await.unwrap();
                }
            }
        }
    });
    let run = follow(&node.address, &["--json", "--count", "40"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let shown = run.named("block");
    let shown: Vec<&str> = shown.iter().map(|block| block["hash"].as_str().unwrap()).collect();
    assert_eq!(shown, hashes.iter().map(Hash::to_string).collect::<Vec<_>>());
    // Each was announced twice and asked for once.
    assert_eq!(run.named("closed")[0]["sent"]["requestRelayBlocks"]["messages"], 40);
    assert_eq!(run.named("addresses")[0]["total"], 0);
}

#[test]
fn a_block_that_is_another_or_changed_is_a_failure() {
    let (blocks, hashes) = blocks(2);
    for (place, why) in [(1, "not the one that was asked for"), (0, "merkle root")] {
        let mut block = blocks[place].clone();
        if place == 0 {
            block.transactions[0].lock_time += 1;
        }
        let announced = hashes[0];
        let node = Scripted::start(Config::simnet(), move |peer, mut events| {
            let block = block.clone();
            async move {
                peer.send(&inv(announced)).await.unwrap();
                while let Ok(message) = events.message().await {
                    if let Payload::RequestRelayBlocks(_) = &message.payload {
                        let block = Payload::Block(Box::new(block.clone()));
                        peer.send(&message.answer(block)).await.unwrap();
                    }
                }
            }
        });
        let run = follow(&node.address, &["--json", "--count", "1"]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains(why), "{run:?}");
        let fetch = connect(&node.address, &["--request", &format!("block:{announced}")]);
        assert_eq!(fetch.code, Some(1), "{fetch:?}");
        assert!(fetch.stderr.contains(why), "{fetch:?}");
    }
}

#[test]
fn ctrl_c_ends_following_orderly() {
    let server = serving("3");
    let url = format!("kaspa://{}", server.address);
    let mut command = peerage(&["follow", &url, "--network", "kaspa-simnet", "--json"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    server.expect("message");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("we disconnected"));
    let (status, stderr) = server.interrupt();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_strangers_announce_is_taken_in_only_if_it_verifies() {
    let server = serving("3");
    let runtime = Runtime::new().unwrap();
    // The fourth, on three that the server has.
    let (mut block, hash) = last(blocks(4));
    block.transactions[0].lock_time += 1;
    runtime.block_on(async {
        let (peer, mut events) =
            kaspa::connect(server.address.as_str(), &Config::simnet()).await.unwrap();
        peer.send(&inv(hash)).await.unwrap();
        let reason = loop {
            let event = tokio::time::timeout(LIMIT, events.next()).await;
            match event.expect("the server asks and then goes").unwrap() {
                Event::Message(message) => {
                    if let Payload::RequestRelayBlocks(_) = message.payload {
                        let block = Payload::Block(Box::new(block.clone()));
                        peer.send(&message.answer(block)).await.unwrap();
                    }
                }
                Event::Disconnected(reason) => break reason,
                _ => {}
            }
        };
        assert_eq!(reason, kaspa::DisconnectReason::RemoteClosed);
    });
    let (_, stderr) = server.interrupt();
    assert!(stderr.contains(&hash.to_string()) && stderr.contains("transactions"), "{stderr}");
}
