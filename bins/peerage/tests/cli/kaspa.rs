//! The commands with `kaspa://`, against `peerage listen kaspa://…` on loopback.

use std::collections::HashSet;
use std::net::TcpListener;

use peerage::kaspa::message::{Block, BodyTrait as _, InvRelayBlock, Reject};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{self, Config, Event, Events, Message, Payload, Peer, UserAgent};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::{Finished, LIMIT, Listening, interrupt, peerage, run};

fn serving(blocks: &str) -> Listening {
    listening(&["--network", "kaspa-simnet", "--serve", blocks])
}

fn listening(args: &[&str]) -> Listening {
    Listening::spawn(peerage(&[&["listen", "kaspa://127.0.0.1:0", "--json"], args].concat()))
}

fn on_simnet(command: &str, address: &str, args: &[&str]) -> Finished {
    let url = format!("kaspa://{address}");
    run(&[&[command, &url, "--network", "kaspa-simnet"], args].concat())
}

fn connect(address: &str, args: &[&str]) -> Finished {
    on_simnet("connect", address, args)
}

fn follow(address: &str, args: &[&str]) -> Finished {
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

/// So many blocks on simnet's first, fetched from the command itself.
fn blocks(count: usize) -> (Vec<Block>, Vec<Hash>) {
    use peerage::kaspa::message::{RequestIbdBlocks, RequestIbdChainBlockLocator};
    let server = serving(&count.to_string());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let (peer, events) =
            kaspa::connect(server.address.as_str(), &Config::simnet()).await.unwrap();
        drop(events);
        let chain = RequestIbdChainBlockLocator { low_hash: None, high_hash: None };
        let chain = peer.request(chain).await.unwrap().block_locator_hashes;
        let (high, low) = (chain[0], *chain.last().unwrap());
        let mut batches = peer.push_get_headers(low, high).await.unwrap();
        let mut hashes = Vec::new();
        while let Some(batch) = batches.next().await {
            hashes.extend(batch.unwrap().iter().map(|header| header.hash().unwrap()));
        }
        let blocks = peer.request(RequestIbdBlocks { hashes: hashes.clone() }).await.unwrap();
        let blocks = blocks.all(count).await.unwrap().into_iter().map(|block| *block).collect();
        (blocks, hashes)
    })
}

fn last((mut blocks, mut hashes): (Vec<Block>, Vec<Hash>)) -> (Block, Hash) {
    (blocks.pop().unwrap(), hashes.pop().unwrap())
}

fn inv(hash: Hash) -> Message {
    Payload::InvRelayBlock(InvRelayBlock { hash: Some(hash) }).into()
}

/// A node that does what the test says, for as long as the test runs.
struct Scripted {
    address: String,
    _runtime: Runtime,
}

impl Scripted {
    fn start<F>(config: Config, script: impl Fn(Peer, Events) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async move {
            loop {
                let stream = listener.accept().await.unwrap().0;
                let (peer, events) = kaspa::accept(stream, &config).await.unwrap();
                tokio::spawn(script(peer, events));
            }
        });
        Self { address, _runtime: runtime }
    }
}
