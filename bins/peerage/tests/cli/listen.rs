//! `peerage listen`: what it shows, how it ends, and what it does without descriptors.

use std::net::TcpStream;
use std::process::Command;

use crate::support::{Listening, connect, run};

#[test]
fn connections_are_shown_with_their_numbers() {
    let server = Listening::start(&["--network", "regtest"]);
    for number in [1, 2] {
        assert_eq!(connect(&server.address, &["--request", "ping"]).code, Some(0));
        let opened = server.expect("opened");
        assert_eq!((&opened["peer"], &opened["direction"]), (&number.into(), &"inbound".into()));
        let message = server.expect("message");
        assert_eq!((&message["peer"], &message["command"]), (&number.into(), &"ping".into()));
        assert_eq!(message["body"]["nonce"].as_str().unwrap().len(), 16);
        let closed = server.expect("closed");
        assert_eq!(closed["reason"], "the remote closed the connection");
        assert_eq!(closed["received"]["ping"]["messages"], 1);
    }
}

#[test]
fn ctrl_c_ends_every_connection_with_its_figures() {
    let server = Listening::start(&["--serve", "5"]);
    let address = server.address.clone();
    let client = std::thread::spawn(move || connect(&address, &["--json"]));
    server.expect("opened");
    let (status, stderr) = server.interrupt();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    let client = client.join().unwrap();
    assert_eq!(client.code, Some(1), "its connection was lost: {client:?}");
    assert_eq!(client.named("closed")[0]["reason"], "the remote closed the connection");
}

#[test]
fn only_so_many_are_served_at_once() {
    let server = Listening::start(&["--network", "regtest", "--max", "1"]);
    let waiting = TcpStream::connect(&server.address).unwrap();
    // The only slot is taken by somebody who says nothing.
    let second = connect(&server.address, &["--timeout", "0.5"]);
    assert_eq!(second.code, Some(5), "{second:?}");
    drop(waiting);
    assert_eq!(connect(&server.address, &["--request", "ping"]).code, Some(0));
}

#[test]
fn an_address_in_use_is_told() {
    let server = Listening::start(&["--network", "regtest"]);
    let second = run(&["listen", &server.address]);
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.stderr.contains("cannot listen on"));
}

#[test]
fn without_descriptors_it_waits_and_recovers() {
    let script = r#"ulimit -n 24; exec "$0" listen 127.0.0.1:0 --network regtest --json"#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_peerage")]).env_remove("RUST_LOG");
    let server = Listening::spawn(command);
    let crowd: Vec<_> = (0..30).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    let waits: Vec<_> = (0..3).map(|_| server.expect("backoff")["wait_ms"].clone()).collect();
    assert_eq!(waits, [100, 200, 400]);
    drop(crowd);
    assert_eq!(connect(&server.address, &["--request", "ping"]).code, Some(0));
    let (status, stderr) = server.interrupt();
    assert_eq!(status.code(), Some(0));
    assert!(stderr.contains("ulimit"), "{stderr}");
}
