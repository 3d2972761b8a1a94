//! From nothing to a connection, and messages both ways.

mod toy;

use peerage_peer::{DisconnectReason, Negotiated, Target};
use peerage_peer_grpc::connect;
use peerage_wire::Direction;
use tokio::net::TcpListener;

use toy::{LARGE, Said, Terms, Toy, Which, ended, message};

#[tokio::test(start_paused = true)]
async fn two_of_ours_talk() {
    let [(dialler, mut dialled), (listener, mut listened)] = Terms::default().pair().await;
    for len in [0, 1, 1_000, 5_000, 20_000, 1 << 20, LARGE - 1] {
        let said = Said::new(Which::Large, len);
        dialler.send(&said).await.unwrap();
        assert!(message(&mut listened).await == said, "{len} bytes to who listened");
        listener.send(&said).await.unwrap();
        assert!(message(&mut dialled).await == said, "{len} bytes to who dialled");
    }
    assert_eq!(dialler.stats().transport, Negotiated::Grpc { gzip: true });
    assert_eq!(listener.stats().transport, Negotiated::Grpc { gzip: true });
    drop(dialler);
    assert_eq!(ended(&mut listened).await, DisconnectReason::RemoteClosed);
}

#[tokio::test]
async fn over_tcp_with_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let terms = Terms::default();
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        terms.open(stream, Direction::Inbound).await.unwrap()
    };
    let (events, handler) = peerage_peer::event_stream::<Toy>(&terms.config);
    let session = terms.session(Direction::Inbound);
    let dialling = connect(Target::Address(address), None, session, &terms.options, handler);
    let (theirs, ours) = tokio::join!(accepting, dialling);
    let ((theirs, mut heard), ours) = (theirs, ours.unwrap());
    assert_eq!(ours.direction(), Direction::Outbound);
    assert_eq!(ours.remote_addr(), Some(&Target::Address(address)));
    let said = Said::new(Which::Large, 300_000);
    ours.send_tracked(&said).await.unwrap().await.unwrap();
    assert!(message(&mut heard).await == said);
    let stats = (ours.stats(), theirs.stats());
    assert_eq!(stats.0.bytes_sent, stats.1.bytes_received);
    drop((ours, events));
    assert_eq!(ended(&mut heard).await, DisconnectReason::RemoteClosed);
}
