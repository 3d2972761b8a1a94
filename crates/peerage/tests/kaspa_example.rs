//! Runs the example of today's Kaspa against a peer of this library.
#![allow(missing_docs)]
// Helpers fail a test as the tests themselves do.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // this example never listens
mod process;

use peerage::kaspa::message::{Block, BlockHeader};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{self, AddressAnswers, Config, DisconnectReason, Item, Payload};
use process::{in_time, run};
use tokio::net::TcpListener;

#[tokio::test]
async fn it_asks_for_addresses_and_follows_blocks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let example = run("kaspa", &[&address, "2"]);
    let blocks = [block(7), block(8)];
    let node = async {
        let mut config = Config::simnet();
        config.addresses = AddressAnswers::from_fn(|_| vec![([10, 0, 0, 1], 16_511).into(); 3]);
        let stream = listener.accept().await.unwrap().0;
        let (peer, mut events) = kaspa::accept(stream, &config).await.unwrap();
        peer.announce(&blocks.clone().map(|block| Item::Block(hash(&block))));
        loop {
            let message = match in_time(events.message()).await {
                Ok(message) => message,
                Err(reason) => break reason,
            };
            if let Payload::RequestRelayBlocks(request) = &message.payload {
                let asked = request.hashes[0];
                let block = blocks.iter().find(|block| hash(block) == asked).unwrap().clone();
                peer.send(&message.answer(Payload::Block(Box::new(block)))).await.unwrap();
            }
        }
    };
    let (output, reason) = tokio::join!(example, node);
    assert_eq!(reason, DisconnectReason::RemoteClosed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    let [node, known, first, second, ended] = lines[..] else { panic!("{shown}") };
    assert!(node.starts_with("/peerage:") && node.ends_with(" speaks version 10"), "{node}");
    assert_eq!(known, "it knows 3 addresses");
    for (line, block) in [first, second].into_iter().zip(&blocks) {
        let score = block.header.as_ref().unwrap().daa_score;
        assert_eq!(line, format!("block {} at {score} with 0 transactions", hash(block)));
    }
    assert_eq!(ended, "ended: we disconnected");
}

/// A block with nothing but what its hash needs.
fn block(daa_score: u64) -> Block {
    let zero = Some(Hash::ZERO);
    let header = BlockHeader {
        daa_score,
        hash_merkle_root: zero,
        accepted_id_merkle_root: zero,
        utxo_commitment: zero,
        pruning_point: zero,
        ..BlockHeader::default()
    };
    Block { header: Some(header), transactions: Vec::new() }
}

fn hash(block: &Block) -> Hash {
    block.header.as_ref().unwrap().hash().unwrap()
}
