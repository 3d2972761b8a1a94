//! The first thing that must work: two peers of ours over loopback.
#![allow(missing_docs, clippy::unwrap_used)] // helpers of tests may fail loudly

use peerage::bitcoin::{self, Config, DisconnectReason, Event, Local, Message, Negotiated, V2};

async fn pair(v2: V2) -> ((bitcoin::Peer, bitcoin::Events), (bitcoin::Peer, bitcoin::Events)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut theirs = Config::regtest();
    theirs.v2 = v2;
    let mut ours = Config::regtest();
    ours.v2 = v2;
    let inbound = async { bitcoin::accept(listener.accept().await.unwrap().0, &theirs).await };
    let (ours, theirs) = tokio::join!(bitcoin::connect(address, &ours), inbound);
    (ours.unwrap(), theirs.unwrap())
}

#[tokio::test]
async fn two_peers_talk() {
    for v2 in [V2::Off, V2::Preferred] {
        let ((a, _ae), (b, mut be)) = pair(v2).await;
        a.send(&Message::MemPool).await.unwrap();
        let event = be.next().await.unwrap();
        assert!(matches!(event, Event::Message(Message::MemPool)));
        a.send_tracked(&Message::GetAddr).await.unwrap().await.unwrap();
        let stats = a.stats();
        assert_eq!(matches!(stats.transport, Negotiated::V2 { .. }), v2 != V2::Off);
        a.disconnect();
        assert_eq!(a.closed().await, Local::Requested.into());
        assert_eq!(b.closed().await, DisconnectReason::RemoteClosed);
    }
}
