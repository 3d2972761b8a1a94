//! `peerage connect` against servers on loopback: requests, answers, exit codes.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use crate::support::{Listening, connect, interrupt, peerage, run};
use peerage::bitcoin::message::{Block, Reject, RejectCode};
use peerage::bitcoin::types::UserAgent;
use peerage::bitcoin::{self, Command, Config, Message};

#[test]
fn the_negotiation_is_shown() {
    let server = Listening::start(&["--serve", "110"]);
    for (flag, transport) in [("--v1", "v1"), ("--v2", "v2")] {
        let run = connect(&server.address, &["--timeout", "0.7", "--json", flag]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let [opened] = &run.named("opened")[..] else { panic!("{run:?}") };
        assert_eq!(opened["transport"], transport);
        assert_eq!(opened["session_id"].is_string(), transport == "v2");
        assert_eq!((&opened["height"], &opened["addrv2"]), (&110.into(), &true.into()));
        assert!(opened["user_agent"].as_str().unwrap().starts_with("/peerage:"));
        let theirs = server.expect("opened");
        assert_eq!(theirs["session_id"], opened["session_id"]);
        // Both ends count the same bytes.
        let (ours, theirs) = (&run.named("closed")[0], server.expect("closed"));
        assert_eq!(ours["bytes_sent"], theirs["bytes_received"]);
        assert_eq!(ours["bytes_received"], theirs["bytes_sent"]);
        assert_eq!((&ours["fault"], &theirs["fault"]), (&"local".into(), &"nobody".into()));
    }
    let text = connect(&server.address, &["--timeout", "0.7"]).stdout;
    for expected in ["connected\n", "  transport            v2\n", "  height               110\n"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn each_request_is_answered() {
    let server = Listening::start(&["--serve", "120"]);
    let ask = |request: &str| {
        let run = connect(&server.address, &["--json", "--request", request]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let answers = run.named("answer");
        assert!(answers.iter().all(|answer| answer["request"] == request), "{run:?}");
        answers
    };
    assert!(ask("ping")[0]["round_trip_ms"].as_f64().unwrap() > 0.0);

    let addresses = ask("getaddr");
    assert_eq!(addresses.last().unwrap()["total"], 20);
    assert!(addresses[0]["address"].as_str().unwrap().starts_with("203.0.113."));

    let headers = ask("headers");
    assert_eq!(headers.last().unwrap()["total"], 120);
    assert_eq!(headers[1]["previous"], headers[0]["hash"]);

    let waiting = ask("mempool");
    assert_eq!((waiting.len(), &waiting[0]["type"]), (4, &"MSG_WTX".into()));

    let filters = ask("filters");
    assert_eq!(filters.last().unwrap()["total"], 121);
    assert_eq!(filters[120]["block"], headers[119]["hash"]);
}

#[test]
fn every_key_of_the_json_is_documented() {
    let server = Listening::start(&["--serve", "105"]);
    let help = run(&["connect", "--help"]).stdout;
    let documented: HashSet<&str> =
        help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let genesis = format!("block:{}", bitcoin::Network::regtest().genesis);
    for request in ["ping", "getaddr", "headers", "mempool", "filters", &genesis] {
        for event in connect(&server.address, &["--json", "--request", request]).events() {
            for key in event.as_object().unwrap().keys() {
                assert!(documented.contains(key.as_str()), "{key} of {request}");
            }
            assert!(documented.contains(event["event"].as_str().unwrap()));
        }
    }
}

#[test]
fn a_block_is_fetched_verified_and_saved() {
    let server = Listening::start(&["--serve", "105"]);
    let headers = connect(&server.address, &["--json", "--request", "headers"]).named("answer");
    // The last header; behind it comes the total.
    let hash = headers[104]["hash"].as_str().unwrap();
    let file = std::env::temp_dir().join(format!("peerage-block-{}", std::process::id()));
    let request = format!("block:{hash}");
    let args = ["--json", "--request", &request, "--save", file.to_str().unwrap()];
    let run = connect(&server.address, &args);
    assert_eq!(run.code, Some(0), "{run:?}");

    let saved = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let block = Block::from_bytes(saved.into()).unwrap();
    assert_eq!(block.hash().to_string(), hash);
    assert!(block.check_merkle_root() && block.check_witness_commitment());
    let [facts, saved] = &run.named("answer")[..] else { panic!("{run:?}") };
    assert_eq!(facts["merkle_root_ok"], true);
    assert_eq!(facts["transactions"], block.tx_count());
    assert_eq!(facts["txids"].as_array().unwrap().len(), block.tx_count());
    assert_eq!(saved["bytes"], block.bytes().len());
}

#[test]
fn what_is_not_there_is_a_failure() {
    let server = Listening::start(&["--serve", "3"]);
    let unknown = format!("block:{}", "00".repeat(32));
    let missing = connect(&server.address, &["--request", &unknown]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains("does not have that block"));

    let plain = Listening::start(&["--network", "regtest"]);
    let filters = connect(&plain.address, &["--request", "filters"]);
    assert_eq!(filters.code, Some(1), "{filters:?}");
    assert!(filters.stderr.contains("COMPACT_FILTERS"));

    let genesis = bitcoin::Network::regtest().genesis;
    let known = format!("block:{genesis}");
    let unwritable = connect(&server.address, &["--request", &known, "--save", "/no/such/file"]);
    assert_eq!(unwritable.code, Some(1), "{unwritable:?}");
    assert!(unwritable.stderr.contains("cannot write /no/such/file"));
}

#[test]
fn usage_errors_have_code_2() {
    let hash = "00".repeat(32);
    for args in [
        &["connect"][..],
        &["connect", "a b"],
        &["connect", "host:port"],
        &["connect", "127.0.0.1", "--network", "dogecoin"],
        &["connect", "127.0.0.1", "--network", "signet:xyz"],
        &["connect", "127.0.0.1", "--v1", "--v2"],
        &["connect", "127.0.0.1", "--request", "everything"],
        &["connect", "127.0.0.1", "--request", "block:12"],
        &["connect", "127.0.0.1", "--timeout", "soon"],
        &["connect", "127.0.0.1", "--save", "file"],
        &["connect", "127.0.0.1", "--save", "file", "--request", "ping"],
        &["listen", "--serve", "5", "--network", "mainnet"],
        &["listen", "--max", "0"],
        &["frobnicate", &hash],
    ] {
        let run = run(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}: {run:?}");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn nobody_there_has_code_3() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = socket.local_addr().unwrap().to_string();
    let direct = connect(&closed, &[]);
    assert_eq!(direct.code, Some(3), "{direct:?}");
    assert!(direct.stderr.contains("cannot reach") && direct.stderr.contains("Check the address"));
    let proxied = connect("node.invalid", &["--proxy", &closed]);
    assert_eq!(proxied.code, Some(3), "{proxied:?}");
    assert!(proxied.stderr.contains("proxy"));
}

#[test]
fn an_opening_that_fails_has_code_4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let hung_up = connect(&address, &[]);
    assert_eq!(hung_up.code, Some(4), "{hung_up:?}");
    assert!(hung_up.stderr.contains("--network"));

    // A node of another network, and one that speaks only the other transport.
    let server = Listening::start(&["--network", "signet:51"]);
    assert_eq!(connect(&server.address, &["--v1"]).code, Some(4));
    assert!(server.expect("failed")["reason"].as_str().unwrap().contains("magic"));
    let server = Listening::start(&["--network", "regtest", "--v2"]);
    assert_eq!(connect(&server.address, &["--v1"]).code, Some(4));
}

#[test]
fn what_takes_too_long_has_code_5() {
    // The system accepts for it, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let opening = connect(&address, &["--timeout", "0.3"]);
    assert_eq!(opening.code, Some(5), "{opening:?}");

    let server = Listening::start(&["--network", "regtest"]);
    let answer = connect(&server.address, &["--request", "getaddr", "--timeout", "0.5"]);
    assert_eq!(answer.code, Some(5), "{answer:?}");
    assert!(answer.stderr.contains("did not come in time"));
    assert!(answer.stdout.contains("disconnected"), "the figures are shown all the same");
}

#[test]
fn a_signet_is_known_by_its_challenge() {
    let server = Listening::start(&["--network", "signet:51"]);
    let args = ["connect", &server.address, "--network", "signet:51", "--request", "ping"];
    assert_eq!(run(&args).code, Some(0));
}

#[test]
fn ctrl_c_ends_the_showing_orderly() {
    let server = Listening::start(&["--network", "regtest"]);
    let mut command = peerage(&["connect", &server.address, "--network", "regtest", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains(r#""event":"opened""#));
    interrupt(&child);
    assert!(lines.next().unwrap().unwrap().contains("we disconnected"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn text_of_the_remote_cannot_reach_the_terminal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    runtime.spawn(async move {
        let mut config = Config::regtest();
        let agent = format!("\x1b[2J{}", "\n".repeat(200));
        config.identity.user_agent = UserAgent::from_raw(agent).unwrap();
        loop {
            let stream = listener.accept().await.unwrap().0;
            let (peer, mut events) = bitcoin::accept(stream, &config).await.unwrap();
            let reject = Reject::new(Command::new("tx"), RejectCode::INVALID, "bad\x1b[31m\r\n");
            peer.send(&Message::Reject(Box::new(reject))).await.unwrap();
            while events.next().await.is_some() {}
        }
    });
    for json in [&[][..], &["--json"]] {
        let args = [&["--timeout", "1"], json].concat();
        let shown = connect(&address, &args);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        let text = shown.stdout.replace(r"\\", r"\");
        assert!(
            text.contains(r"\x1b[2J\x0a\x0a") && text.contains(r"bad\x1b[31m\x0d\x0a"),
            "{text}"
        );
        assert!(!shown.stdout.bytes().any(|byte| byte < 0x20 && byte != b'\n'));
        assert!(!shown.stdout.contains(&r"\x0a".repeat(64)), "it is cut");
    }
}

#[test]
fn a_proxy_is_told_the_name() {
    let server = Listening::start(&["--network", "regtest"]);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap().to_string();
    let target = server.address.clone();
    let asked = std::thread::spawn(move || serve_socks(&proxy, &target));
    let run = connect("node.invalid:4242", &["--proxy", &address, "--request", "ping"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(asked.join().unwrap(), (b"node.invalid".to_vec(), 4242));
}

/// Serves one SOCKS5 client, connects it to `target`, and returns what it asked for.
pub(crate) fn serve_socks(proxy: &TcpListener, target: &str) -> (Vec<u8>, u16) {
    let (mut client, _) = proxy.accept().unwrap();
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    client.write_all(&[5, 0]).unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).unwrap();
    let [5, 1, 0, 3, len] = request else { panic!("{request:?}") };
    let mut name = vec![0; usize::from(len)];
    client.read_exact(&mut name).unwrap();
    let mut port = [0; 2];
    client.read_exact(&mut port).unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let server = TcpStream::connect(target).unwrap();
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let (mut from_server, mut to_client) = (server, client);
    std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
    (name, u16::from_be_bytes(port))
}
