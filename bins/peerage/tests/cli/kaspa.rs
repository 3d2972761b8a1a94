//! The commands with `kaspa://`, against `peerage listen kaspa://…` on loopback.

use std::collections::HashSet;
use std::net::TcpListener;

use peerage::kaspa::message::{Block, BodyTrait as _, Reject};
use peerage::kaspa::{self, Config, Payload, UserAgent};
use serde_json::Value;

use crate::scripted::Scripted;
use crate::support::{Finished, Listening, peerage, run};

pub(crate) fn serving(blocks: &str) -> Listening {
    listening(&["--network", "kaspa-simnet", "--serve", blocks])
}

fn listening(args: &[&str]) -> Listening {
    Listening::spawn(peerage(&[&["listen", "kaspa://127.0.0.1:0", "--json"], args].concat()))
}

fn on_simnet(command: &str, address: &str, args: &[&str]) -> Finished {
    let url = format!("kaspa://{address}");
    run(&[&[command, &url, "--network", "kaspa-simnet"], args].concat())
}

pub(crate) fn connect(address: &str, args: &[&str]) -> Finished {
    on_simnet("connect", address, args)
}

pub(crate) fn follow(address: &str, args: &[&str]) -> Finished {
    on_simnet("follow", address, args)
}

/// The answers to a request, which must have succeeded.
fn ask(server: &Listening, request: &str) -> Vec<Value> {
    let run = connect(&server.address, &["--json", "--request", request]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.named("answer")
}

/// The block with which the server's DAG ends: it is announced to whoever connects.
fn tip(server: &Listening) -> String {
    let run = follow(&server.address, &["--count", "1", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.named("block")[0]["hash"].as_str().unwrap().to_owned()
}

#[test]
fn the_negotiation_is_shown() {
    let server = serving("5");
    let run = connect(&server.address, &["--timeout", "0.7", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let [opened] = &run.named("opened")[..] else { panic!("{run:?}") };
    assert_eq!((&opened["transport"], &opened["gzip"]), (&"grpc".into(), &true.into()));
    assert_eq!((&opened["network"], &opened["agreed"]), (&"kaspa-simnet".into(), &10.into()));
    assert!(opened["user_agent"].as_str().unwrap().starts_with("/peerage:"));
    let theirs = server.expect("opened");
    assert_eq!((&opened["id"], &opened["our_id"]), (&theirs["our_id"], &theirs["id"]));
    // What kaspad says first is said here too: its tip, and whether we know addresses.
    let commands: HashSet<_> =
        run.named("message").iter().map(|it| it["command"].to_string()).collect();
    assert_eq!(
        commands,
        HashSet::from(["\"invRelayBlock\"", "\"requestAddresses\""].map(Into::into))
    );
    let (ours, theirs) = (&run.named("closed")[0], server.expect("closed"));
    assert_eq!(ours["sent"], theirs["received"]);
    assert_eq!(ours["received"], theirs["sent"]);
    assert_eq!(ours["sent"]["addresses"]["messages"], 1);
    assert_eq!((&ours["fault"], &theirs["fault"]), (&"local".into(), &"nobody".into()));
}

#[test]
fn each_request_is_answered() {
    let server = serving("151");
    assert!(ask(&server, "ping")[0]["round_trip_ms"].as_f64().unwrap() > 0.0);
    let addresses = ask(&server, "addresses");
    assert_eq!((addresses.len(), &addresses[20]["total"]), (21, &20.into()));
    assert_eq!(addresses[0]["address"], "203.0.113.1:16511");

    let (tip, genesis) = (tip(&server), kaspa::Network::simnet().genesis.unwrap().to_string());
    let locator = ask(&server, &format!("locator:{tip}"));
    let named = |place: usize| locator[place]["hash"].as_str().unwrap();
    assert_eq!((named(0), named(locator.len() - 2)), (tip.as_str(), genesis.as_str()));

    // Batches of 64, of which each was acknowledged.
    let headers = ask(&server, &format!("headers:{genesis}..{tip}"));
    let total = headers.last().unwrap();
    assert_eq!((headers.len(), &total["total"], &total["batches"]), (152, &151.into(), &3.into()));
    let mut known = HashSet::from([genesis.as_str()]);
    for header in &headers[..151] {
        let parents = header["parents"].as_array().unwrap();
        assert!(parents.iter().all(|parent| known.contains(parent.as_str().unwrap())));
        known.insert(header["hash"].as_str().unwrap());
    }
    let rest = ask(&server, &format!("headers:{}..{tip}", named(1)));
    assert!((2..10).contains(&rest.len()), "{rest:?}");
    assert_eq!(ask(&server, &format!("headers:{tip}..{tip}"))[0]["total"], 0);
}

#[test]
fn a_block_is_fetched_verified_and_saved() {
    let server = serving("7");
    let hash = tip(&server);
    let file = std::env::temp_dir().join(format!("peerage-kaspa-block-{}", std::process::id()));
    let request = format!("block:{hash}");
    let args = ["--json", "--request", &request, "--save", file.to_str().unwrap()];
    let run = connect(&server.address, &args);
    assert_eq!(run.code, Some(0), "{run:?}");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let block = Block::decode(&bytes[..]).unwrap();
    assert_eq!(block.header.unwrap().hash().unwrap().to_string(), hash);
    let [facts, saved] = &run.named("answer")[..] else { panic!("{run:?}") };
    assert_eq!((&facts["hash"], &facts["merkle_root_ok"]), (&hash.into(), &true.into()));
    assert_eq!(facts["txids"][0], block.transactions[0].id().unwrap().to_string());
    assert_eq!((&facts["bytes"], &saved["bytes"]), (&bytes.len().into(), &bytes.len().into()));
    let text = connect(&server.address, &["--request", &request]).stdout;
    assert!(text.contains("hash, merkle root: verified"), "{text}");
}

#[test]
fn every_key_of_the_json_is_documented() {
    let server = serving("3");
    let tip = tip(&server);
    let documented = |command: &str| -> HashSet<String> {
        let help = run(&[command, "--help"]).stdout;
        let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.map(str::to_owned).collect()
    };
    let check = |run: &Finished, documented: &HashSet<String>| {
        assert_eq!(run.code, Some(0), "{run:?}");
        for event in run.events() {
            for key in event.as_object().unwrap().keys() {
                assert!(documented.contains(key), "{key} of {event}");
            }
            assert!(documented.contains(event["event"].as_str().unwrap()));
        }
    };
    let connects = documented("connect");
    let (block, locator) = (format!("block:{tip}"), format!("locator:{tip}"));
    let headers = format!("headers:{tip}..{tip}");
    for request in ["ping", "addresses", &block, &locator, &headers] {
        check(&connect(&server.address, &["--json", "--request", request]), &connects);
    }
    let mut follows = documented("follow");
    check(&follow(&server.address, &["--json", "--count", "1"]), {
        // It refers to the help of the other for these.
        follows.extend(connects);
        &follows
    });
}

#[test]
fn what_is_not_there_is_a_failure() {
    let server = serving("3");
    let nowhere = "00".repeat(32);
    for request in ["block:", "locator:", &format!("headers:{nowhere}..")] {
        let run = connect(&server.address, &["--request", &format!("{request}{nowhere}")]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("the node refused: ") && run.stderr.contains("not here"));
        assert!(run.stdout.contains("disconnected"), "the figures are shown all the same");
    }
}

#[test]
fn usage_errors_have_code_2() {
    let hash = "00".repeat(32);
    let block = format!("block:{hash}");
    for (args, why) in [
        (&["connect", "kaspa://127.0.0.1", "--v1"][..], "gRPC"),
        (&["connect", "kaspa://127.0.0.1", "--v2"], "gRPC"),
        (&["connect", "127.0.0.1", "--network", "kaspa-simnet", "--v2"], "gRPC"),
        (&["listen", "kaspa://127.0.0.1:0", "--v1"], "gRPC"),
        (&["connect", "kaspa://127.0.0.1", "--network", "regtest"], "regtest is Bitcoin's"),
        (&["connect", "kaspa://127.0.0.1", "--request", "getaddr"], "Kaspa"),
        (&["connect", "127.0.0.1", "--request", "addresses"], "Bitcoin"),
        (&["connect", "kaspa://127.0.0.1", "--request", "headers:1..2"], "64 hexadecimal"),
        (&["connect", "kaspa://127.0.0.1", "--request", "ping", "--save", "f"], "--save needs"),
        (&["connect", "kaspa://a b", "--request", &block], "host:port"),
        (&["connect", "kaspa://", "--request", &block], "host:port"),
        (&["follow", "127.0.0.1"], "kaspa://"),
        (&["follow", "kaspa://127.0.0.1", "--network", "signet"], "signet is Bitcoin's"),
        (&["follow", "kaspa://127.0.0.1", "--count", "0"], "--count"),
        (&["listen", "kaspa://127.0.0.1", "--network", "kaspa-mainnet", "--serve", "5"], "--serve"),
        (&["demo", "--network", "kaspa-mainnet"], "kaspa-simnet"),
    ] {
        let run = run(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}: {run:?}");
        assert!(run.stderr.contains(why), "{args:?}: {run:?}");
    }
}

#[test]
fn failures_have_the_codes_of_bitcoin() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = socket.local_addr().unwrap().to_string();
    assert_eq!(connect(&closed, &[]).code, Some(3));
    assert_eq!(connect("node.invalid", &["--proxy", &closed]).code, Some(3));
    assert_eq!(follow(&closed, &[]).code, Some(3));

    let hangs_up = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hangs_up.local_addr().unwrap().to_string();
    std::thread::spawn(move || hangs_up.incoming().for_each(drop));
    assert_eq!(connect(&address, &[]).code, Some(4));

    // The system accepts for it, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    assert_eq!(connect(&address, &["--timeout", "0.3"]).code, Some(5));

    let server = serving("1");
    let few = follow(&server.address, &["--count", "2", "--timeout", "0.7"]);
    assert_eq!(few.code, Some(5), "{few:?}");
    assert_eq!(follow(&server.address, &["--timeout", "0.7"]).code, Some(0));
}

#[test]
fn networks_are_told_apart_by_their_names() {
    let server = listening(&["--network", "kaspa-other"]);
    let url = format!("kaspa://{}", server.address);
    let same = run(&["connect", &url, "--network", "kaspa-other", "--request", "ping"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    // Whoever names a network of Kaspa need not say it twice.
    let plain = ["connect", &server.address, "--network", "kaspa-other", "--request", "ping"];
    assert_eq!(run(&plain).code, Some(0));
    let main = run(&["connect", &url, "--request", "ping"]);
    assert_eq!(main.code, Some(4), "{main:?}");
    assert!(main.stderr.contains("--network"), "{main:?}");
}

#[test]
fn a_proxy_is_told_the_name() {
    let server = serving("1");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap().to_string();
    let target = server.address.clone();
    let asked = std::thread::spawn(move || crate::connect::serve_socks(&proxy, &target));
    let run = connect("node.invalid", &["--proxy", &address, "--request", "ping"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(asked.join().unwrap(), (b"node.invalid".to_vec(), 16_511));
}

#[test]
fn text_of_the_remote_cannot_reach_the_terminal() {
    let mut config = Config::simnet();
    let agent = format!("\x1b[2J{}", "\n".repeat(200));
    config.identity.user_agent = UserAgent::from_raw(agent).unwrap();
    let node = Scripted::start(config, |peer, mut events| async move {
        let reject = Reject { reason: "bad\x1b[31m\r\n".into() };
        peer.send(&Payload::Reject(reject).into()).await.unwrap();
        while events.next().await.is_some() {}
    });
    for command in ["connect", "follow"] {
        for json in [&[][..], &["--json"]] {
            let shown = on_simnet(command, &node.address, &[&["--timeout", "1"], json].concat());
            assert_eq!(shown.code, Some(0), "{shown:?}");
            let text = shown.stdout.replace(r"\\", r"\");
            for expected in [r"\x1b[2J\x0a\x0a", r"bad\x1b[31m\x0d\x0a"] {
                assert!(text.contains(expected), "{text}");
            }
            assert!(!shown.stdout.bytes().any(|byte| byte < 0x20 && byte != b'\n'));
        }
    }
}
