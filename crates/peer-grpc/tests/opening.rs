//! From nothing to a connection, with ours and with remotes scripted by hand.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod toy;

use std::time::Duration;

use peerage_peer::{DisconnectReason, Negotiated, OpenError, Target};
use peerage_peer_grpc::connect;
use peerage_wire::{Direction, Malformed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::Instant;
use toy::{Client, LARGE, Said, Server, Terms, Toy, Which, ended, message, within};

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
    // The direction is set by whoever dials.
    let session = terms.session(Direction::Inbound);
    let dialling = connect(Target::Address(address), None, session, &terms.options, handler);
    let ((theirs, mut heard), ours) = tokio::join!(accepting, dialling);
    let ours = ours.unwrap();
    assert_eq!(ours.direction(), Direction::Outbound);
    assert_eq!(ours.remote_addr(), Some(&Target::Address(address)));
    assert!(theirs.remote_addr().is_some(), "told by the stream");
    let said = Said::new(Which::Large, 300_000);
    ours.send_tracked(&said).await.unwrap().await.unwrap();
    assert!(message(&mut heard).await == said);
    drop((ours, events));
    assert_eq!(ended(&mut heard).await, DisconnectReason::RemoteClosed);
}

#[tokio::test(start_paused = true)]
async fn a_client_says_what_servers_ask_for() {
    let (ours, theirs) = duplex(64 << 10);
    let terms = Terms::options(|options| options.send_gzip = true);
    let opening = tokio::spawn(async move { terms.open(ours, Direction::Outbound).await });
    let mut remote = within(Server::default().answer(theirs)).await;
    let header = |name| remote.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("te"), Some("trailers"));
    assert_eq!(header("content-type"), Some("application/grpc"));
    assert_eq!(header("grpc-encoding"), Some("gzip"));
    assert_eq!(header("grpc-accept-encoding"), Some("gzip"));
    assert!(header("user-agent").unwrap().starts_with("peerage/"));
    let hello = Said::new(Which::Hello, 20);
    assert_eq!(remote.hear_message().await.unwrap(), hello.envelope);
    remote.say_message(&hello);
    let (peer, _events) = within(opening).await.unwrap().unwrap();
    assert_eq!(peer.stats().transport, Negotiated::Grpc { gzip: false }, "they did not offer it");
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_before_the_first_message() {
    let (ours, theirs) = duplex(64 << 10);
    let terms = Terms::default();
    let opening = tokio::spawn(async move { terms.open(ours, Direction::Inbound).await });
    let call = Client::default().header("grpc-accept-encoding", "identity, gzip").call(theirs);
    let mut remote = within(call).await.unwrap();
    assert_eq!(remote.headers["content-type"], "application/grpc");
    assert_eq!(remote.headers["grpc-accept-encoding"], "gzip");
    assert!(!remote.headers.contains_key("grpc-encoding"), "nothing is packed");
    let hello = Said::new(Which::Hello, 20);
    // Ours speaks first, too.
    assert_eq!(remote.hear_message().await.unwrap(), hello.envelope);
    remote.say_message(&hello);
    let (peer, events) = within(opening).await.unwrap().unwrap();
    assert_eq!(peer.stats().transport, Negotiated::Grpc { gzip: true });
    drop((peer, events));
    assert_eq!(remote.hear().await, None);
    let trailers = within(remote.receive.trailers()).await.unwrap().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_not_welcome() {
    let client = Client::default;
    let with = |change: fn(&mut http::Request<()>)| {
        let mut client = client();
        change(&mut client.request);
        client
    };
    let cases = [
        (
            with(|call| *call.uri_mut() = "http://localhost/toy.Toy/Other".parse().unwrap()),
            200,
            Some("12"),
            "the remote asked for another service",
        ),
        (
            with(|call| *call.method_mut() = http::Method::GET),
            405,
            None,
            "the remote asked by another method than POST",
        ),
        (client().header("content-type", "text/html"), 415, None, "the remote does not speak gRPC"),
        (
            client().header("grpc-encoding", "zstd"),
            200,
            Some("12"),
            "the remote packs messages in a way that was not offered",
        ),
    ];
    for (client, status, code, why) in cases {
        let (ours, theirs) = duplex(64 << 10);
        let opening =
            tokio::spawn(async move { Terms::default().open(ours, Direction::Inbound).await });
        let (mut calls, connection) =
            client.builder.handshake::<_, bytes::Bytes>(theirs).await.unwrap();
        let work = tokio::spawn(connection);
        let (response, _send) = calls.send_request(client.request, false).unwrap();
        let response = within(response).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{why}");
        let told = response.headers().get("grpc-status").map(|value| value.to_str().unwrap());
        assert_eq!(told, code, "{why}");
        let error = within(opening).await.unwrap().unwrap_err();
        assert_eq!(error_of(error), DisconnectReason::NoCommonTransport(why));
        let _ = within(work).await;
    }
}

#[tokio::test(start_paused = true)]
async fn responses_that_are_none() {
    let with = |status: u16, header: Option<(&'static str, &'static str)>| {
        let mut server = Server::default();
        *server.response.status_mut() = status.try_into().unwrap();
        match header {
            Some((name, value)) => server.header(name, value),
            None => server,
        }
    };
    let closed = DisconnectReason::RemoteClosed;
    let none = DisconnectReason::NoCommonTransport;
    let cases = [
        (with(404, None), none("the remote refused the request")),
        (with(503, None), closed.clone()),
        (with(200, Some(("content-type", "text/html"))), none("the remote does not speak gRPC")),
        // It has no place for us.
        (with(200, Some(("grpc-status", "8"))), closed),
        (with(200, Some(("grpc-status", "12"))), none("the remote does not offer this service")),
    ];
    for (server, reason) in cases {
        let (ours, theirs) = duplex(64 << 10);
        let opening =
            tokio::spawn(async move { Terms::default().open(ours, Direction::Outbound).await });
        let mut connection = server.builder.handshake::<_, bytes::Bytes>(theirs).await.unwrap();
        let (_request, mut respond) = within(connection.accept()).await.unwrap().unwrap();
        respond.send_response(server.response, true).unwrap();
        let work = tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let error = within(opening).await.unwrap().unwrap_err();
        assert_eq!(error_of(error), reason);
        within(work).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_an_opening_that_takes_too_long() {
    for direction in [Direction::Outbound, Direction::Inbound] {
        let (ours, _theirs) = duplex(64 << 10);
        let began = Instant::now();
        let error = Terms::default().open(ours, direction).await.unwrap_err();
        assert_eq!(error_of(error), DisconnectReason::OpeningTimeout);
        assert_eq!(began.elapsed().as_secs(), 30);
    }
    // A call that is taken, and not answered.
    let (ours, theirs) = duplex(64 << 10);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Outbound).await });
    let mut connection = h2::server::handshake(theirs).await.unwrap();
    let _call = within(connection.accept()).await.unwrap().unwrap();
    let work = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let error = within(opening).await.unwrap().unwrap_err();
    assert_eq!(error_of(error), DisconnectReason::OpeningTimeout);
    work.abort();
}

#[tokio::test]
async fn dialling_counts_towards_the_time() {
    // It listens, and accepts nobody.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::Address(listener.local_addr().unwrap());
    let terms = Terms::config(|config| config.opening_timeout = Duration::from_millis(200));
    let (_events, handler) = peerage_peer::event_stream::<Toy>(&terms.config);
    let session = terms.session(Direction::Outbound);
    let error = within(connect(target, None, session, &terms.options, handler)).await.unwrap_err();
    let timed_out = matches!(error, OpenError::TimedOut)
        || matches!(error, OpenError::Ended { reason: DisconnectReason::OpeningTimeout, .. });
    assert!(timed_out, "{error}");
}

/// What the remote does in place of an opening.
async fn against(direction: Direction, remote: impl AsyncFnOnce(DuplexStream)) -> DisconnectReason {
    let (ours, theirs) = duplex(64 << 10);
    let opening = tokio::spawn(async move { Terms::default().open(ours, direction).await });
    remote(theirs).await;
    error_of(within(opening).await.unwrap().unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_or_speaks_something_else() {
    let http2: DisconnectReason = Malformed::Invalid { what: "HTTP/2" }.into();
    // Which is seen first, that nothing is to come or that nothing can be sent, is chance.
    let hung_up = |reason| {
        let broken = DisconnectReason::Io(std::io::ErrorKind::BrokenPipe);
        reason == DisconnectReason::RemoteClosed || reason == broken
    };
    for direction in [Direction::Outbound, Direction::Inbound] {
        assert!(hung_up(against(direction, async |io| drop(io)).await), "{direction}");
        let reason = against(direction, async |mut io| {
            io.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.unwrap();
            let _ = io.read_to_end(&mut Vec::new()).await;
        })
        .await;
        assert_eq!(reason, http2, "{direction}");
    }
    let half_a_preface = async |mut io: DuplexStream| io.write_all(b"PRI * HTTP/2").await.unwrap();
    assert!(hung_up(against(Direction::Inbound, half_a_preface).await));
}

fn error_of(error: OpenError) -> DisconnectReason {
    match error {
        OpenError::Ended { reason, .. } => reason,
        other => panic!("{other}"),
    }
}
