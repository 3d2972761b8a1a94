//! Requests of today's Kaspa that wait for their answers while events wait for their reader.

use std::time::Duration;

use peerage::kaspa::message::{
    Addresses, InvRelayBlock, InvTransactions, RequestAddresses, RequestHeaders,
};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{self, Config, Events, Payload, Peer};
use tokio::time::timeout;

/// Long enough for everything that is not stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two ends that are connected by a pipe.
async fn pair() -> ((Peer, Events), (Peer, Events)) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (alice, bob) = (Config::simnet(), Config::simnet());
    let (dialled, accepted) =
        tokio::join!(kaspa::initiate(ours, &alice), kaspa::accept(theirs, &bob));
    (dialled.expect("a connection"), accepted.expect("a connection"))
}

/// Whoever takes an announcement may ask before he takes the next event, however large it was.
#[tokio::test]
async fn a_request_is_answered_while_a_large_event_is_in_hand() {
    let ((alice, mut events), (bob, _heard)) = pair().await;
    let ids = (0..131_072_u32).map(|i| {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&i.to_le_bytes());
        Hash::from_bytes(bytes)
    });
    let inv = InvTransactions { ids: ids.collect() };
    // Something else comes in the same read or behind it.
    bob.send(&Payload::InvTransactions(inv).into()).await.expect("connected");
    bob.send(&Payload::InvRelayBlock(InvRelayBlock::default()).into()).await.expect("connected");

    let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("connected");
    assert!(matches!(&message.payload, Payload::InvTransactions(inv) if inv.ids.len() == 131_072));
    let answer = timeout(PATIENCE, alice.request(RequestAddresses::default())).await;
    assert_eq!(answer.expect("in time"), Ok(Addresses::default()));
}

/// Small events are charged for what they hold: a long answer is not stopped by the announcements
/// of a busy node meanwhile.
#[tokio::test]
async fn an_answer_comes_through_a_thousand_unread_announcements() {
    let ((alice, _events), (bob, mut heard)) = pair().await;
    let answering = tokio::spawn(async move {
        let request = loop {
            let message = heard.message().await.expect("connected");
            if matches!(message.payload, Payload::RequestHeaders(_)) {
                break message;
            }
        };
        for i in 0..1_000_u16 {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&i.to_le_bytes());
            let inv = InvRelayBlock { hash: Some(bytes.into()) };
            let receipt = bob.send_tracked(&Payload::InvRelayBlock(inv).into()).await;
            // One by one, so that each is read by itself.
            receipt.expect("connected").await.expect("written");
        }
        bob.send(&request.answer(Payload::DoneHeaders)).await.expect("connected");
        bob
    });
    let range = RequestHeaders { low_hash: Some(Hash::ZERO), high_hash: Some(Hash::ZERO) };
    let headers = alice.request(range).await.expect("connected").all(1);
    assert_eq!(timeout(PATIENCE, headers).await.expect("in time"), Ok(Vec::new()));
    drop(answering.await.expect("no panic"));
}
