//! v1 or v2, the fall-back, the admission of strangers' v2, and proxies.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use peerage::bitcoin::types::{PeerAddress, Services};
use peerage::bitcoin::{
    Admit, Config, Direction, DisconnectReason, Event, Events, Fault, Kind, Listener, Message,
    Negotiated, Network, OpenError, Peer, Permit, Retry, Socks5, SocksAuth, SocksError, State,
    Target, V2, accept, connect, connect_with, initiate,
};
use peerage_testkit::{Script, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;
use world::{Log, PIPE, config, script, settle};

type Opened = Result<(Peer, Events), OpenError>;

/// A listener on loopback, and its address.
async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts everything that comes: who it is, at once, and then what became of it.
struct Serving {
    target: SocketAddr,
    comers: UnboundedReceiver<SocketAddr>,
    accepted: UnboundedReceiver<Opened>,
}

async fn serve(config: Config) -> Serving {
    let (listener, target) = listen().await;
    let (comer, comers) = unbounded_channel();
    let (opened, accepted) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, from)) = listener.accept().await {
            let _ = comer.send(from);
            let (opened, config) = (opened.clone(), config.clone());
            tokio::spawn(async move { opened.send(accept(socket, &config).await) });
        }
    });
    Serving { target, comers, accepted }
}

fn ended(result: &Opened) -> (&DisconnectReason, Retry) {
    match result {
        Err(OpenError::Ended { reason, retry }) => (reason, *retry),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_policy_meets_every_policy() {
    let v1 = Negotiated::V1 { after_v2: false };
    for ours in [V2::Required, V2::Preferred, V2::Off] {
        for theirs in [V2::Required, V2::Preferred, V2::Off] {
            let mut serving = serve(config(theirs)).await;
            let dialled = connect(serving.target, &config(ours)).await;
            let first = serving.accepted.recv().await.unwrap();
            let transport = dialled.as_ref().ok().map(|(peer, _)| peer.stats().transport);
            match (ours, theirs) {
                (V2::Off, V2::Required) => {
                    let (reason, retry) = ended(&dialled);
                    assert_eq!((reason.fault(), retry), (Fault::Nobody, Retry::Later));
                    let (reason, _) = ended(&first);
                    assert!(matches!(reason, DisconnectReason::NoCommonTransport(_)));
                    assert_eq!((reason.fault(), reason.retry()), (Fault::Nobody, Retry::Never));
                }
                (V2::Required, V2::Off) => {
                    assert_eq!(ended(&dialled).0.fault(), Fault::Nobody);
                    // Never again in plain text: the next to come is somebody else.
                    let marker = TcpStream::connect(serving.target).await.unwrap();
                    serving.comers.recv().await.unwrap();
                    let next = serving.comers.recv().await.unwrap();
                    assert_eq!(next, marker.local_addr().unwrap());
                }
                (V2::Off, _) => assert_eq!(transport, Some(v1)),
                (V2::Preferred, V2::Off) => {
                    assert_eq!(transport, Some(Negotiated::V1 { after_v2: true }));
                    assert!(first.is_err());
                    let (second, _events) = serving.accepted.recv().await.unwrap().unwrap();
                    assert_eq!(second.stats().transport, v1, "they know of no first attempt");
                }
                (_, _) => {
                    let Some(Negotiated::V2 { session_id }) = transport else { panic!() };
                    let other = first.unwrap().0.stats().transport;
                    assert_eq!(other, Negotiated::V2 { session_id }, "the same on both ends");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_service_bit_follows_the_policy() {
    for (v2, bit) in [(V2::Required, true), (V2::Preferred, true), (V2::Off, false)] {
        for said in [Services::NETWORK, Services::NETWORK | Services::P2P_V2] {
            let mut ours = config(v2);
            ours.identity.services = said;
            let (ours, theirs) = {
                let (a, b) = duplex(PIPE);
                let other = config(if bit { V2::Preferred } else { V2::Off });
                tokio::join!(initiate(a, &ours), accept(b, &other))
            };
            let seen = theirs.unwrap().0.remote().services;
            assert_eq!(seen.contains(Services::P2P_V2), bit, "{v2:?}");
            assert!(seen.contains(Services::NETWORK));
            drop(ours);
        }
    }
}

#[tokio::test]
async fn a_remote_that_hangs_up_on_our_key_is_dialled_again_with_v1() {
    let (listener, target) = listen().await;
    let ours = config(V2::Preferred);
    let serve = async {
        let (mut first, _) = listener.accept().await.unwrap();
        first.read_exact(&mut [0; 64]).await.unwrap();
        // It ends like a peer that saw no magic: at once, and having read what was there.
        let _ = first.shutdown().await;
        drop(first);
        let (second, _) = listener.accept().await.unwrap();
        let mut remote = Script::v1(second, Direction::Inbound, &Network::regtest());
        let heard = remote.open(version(70_016), &[]).await;
        (remote, heard)
    };
    let (dialled, (_remote, heard)) = tokio::join!(connect(target, &ours), serve);
    let (peer, _events) = dialled.unwrap();
    assert_eq!(peer.stats().transport, Negotiated::V1 { after_v2: true });
    assert!(heard.version.services.contains(Services::P2P_V2), "we still speak it");
}

#[tokio::test]
async fn one_byte_of_the_remote_rules_the_fall_back_out() {
    let (listener, target) = listen().await;
    let attempts = AtomicUsize::new(0);
    let serve = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            attempts.fetch_add(1, Ordering::Relaxed);
            socket.read_exact(&mut [0; 64]).await.unwrap();
            socket.write_all(&[7]).await.unwrap();
            let _ = socket.shutdown().await;
            // All that we said is read, so that the end is no reset.
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    };
    let ours = config(V2::Preferred);
    let dialled = tokio::select! {
        () = serve => unreachable!("it serves for ever"),
        dialled = connect(target, &ours) => dialled,
    };
    assert_eq!(ended(&dialled), (&DisconnectReason::RemoteClosed, Retry::Later));
    assert_eq!(attempts.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_byte_that_was_waiting_rules_the_fall_back_out_although_writing_failed() {
    // The pipe is too small for our key: we are still writing when the remote answers and leaves.
    let (ours, mut theirs) = duplex(32);
    let ours_config = config(V2::Preferred);
    let opening = initiate(ours, &ours_config);
    let talk = async {
        theirs.read_exact(&mut [0; 30]).await.unwrap();
        theirs.write_all(&[7]).await.unwrap();
        drop(theirs);
    };
    let result = tokio::join!(opening, talk).0;
    assert_eq!(ended(&result).1, Retry::Later);
}

#[tokio::test(start_paused = true)]
async fn hanging_up_before_24_bytes_of_ours_says_nothing_of_v2() {
    for (read, retry) in [(0, Retry::Later), (8, Retry::WithV1)] {
        // The pipe takes 16 bytes ahead of what is read.
        let (ours, mut theirs) = duplex(16);
        let config = config(V2::Preferred);
        let talk = async {
            settle().await;
            theirs.read_exact(&mut vec![0; read]).await.unwrap();
            settle().await;
            drop(theirs);
        };
        let result = tokio::join!(initiate(ours, &config), talk).0;
        assert_eq!(ended(&result).1, retry, "{} bytes were sent", 16 + read);
    }
}

#[tokio::test]
async fn both_attempts_share_one_deadline_and_the_second_is_the_last() {
    let (listener, target) = listen().await;
    let attempts = AtomicUsize::new(0);
    let serve = async {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                socket.read_exact(&mut [0; 64]).await.unwrap();
            } else {
                // Says nothing, and stays.
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
        }
    };
    let mut ours = config(V2::Preferred);
    ours.engine.opening_timeout = Duration::from_millis(600);
    let start = Instant::now();
    let dialled = tokio::select! {
        () = serve => unreachable!("it serves for ever"),
        dialled = connect(target, &ours) => dialled,
    };
    let error = dialled.map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::TimedOut), "{error:?}");
    assert_eq!((error.fault(), error.retry()), (Fault::Slowness, Retry::Later));
    let took = start.elapsed();
    assert!((600..1_050).contains(&took.as_millis()), "{took:?}");
    assert_eq!(attempts.into_inner(), 2);
}

#[tokio::test]
async fn the_second_attempt_has_a_listener_of_its_own() {
    struct Numbered(usize, Log<(usize, State)>);
    impl Listener for Numbered {
        fn on_state(&mut self, _peer: &Peer, state: State) {
            self.1.push((self.0, state));
        }
    }
    let serving = serve(config(V2::Off)).await;
    let log = Log::default();
    let mut made = 0;
    let listener = || {
        made += 1;
        Numbered(made, log.clone())
    };
    let _peer = connect_with(serving.target, &config(V2::Preferred), listener).await.unwrap();
    let told = log.take();
    let [(1, State::Disconnected(reason)), (2, State::Established)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(reason.fault(), Fault::Nobody);
}

// T19: there is no list of addresses to downgrade; `initiate` says what its caller may do.
#[tokio::test(start_paused = true)]
async fn t19_on_a_stream_of_the_callers_the_error_says_what_to_do() {
    let (ours, mut theirs) = duplex(PIPE);
    let preferring = config(V2::Preferred);
    let talk = async {
        theirs.read_exact(&mut [0; 64]).await.unwrap();
        drop(theirs);
    };
    let error = tokio::join!(initiate(ours, &preferring), talk).0.map(|_| ()).unwrap_err();
    assert_eq!((error.retry(), error.fault()), (Retry::WithV1, Fault::Nobody));
    let (ours, theirs) = duplex(PIPE);
    let plain = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &plain);
    tokio::join!(initiate(ours, &plain), remote.open(version(70_016), &[])).0.unwrap();

    // Whoever requires v2 is not advised to do without.
    let (ours, mut theirs) = duplex(PIPE);
    let requiring = config(V2::Required);
    let talk = async {
        theirs.read_exact(&mut [0; 64]).await.unwrap();
        drop(theirs);
    };
    let error = tokio::join!(initiate(ours, &requiring), talk).0.map(|_| ()).unwrap_err();
    assert_ne!(error.retry(), Retry::WithV1);
}

#[tokio::test]
async fn nobody_listening_is_nobodys_fault() {
    let (listener, target) = listen().await;
    drop(listener);
    let error = connect(target, &config(V2::Preferred)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    assert_eq!((error.fault(), error.retry()), (Fault::Nobody, Retry::Later));
    let error = connect("no port", &config(V2::Preferred)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::InvalidTarget(_)), "{error:?}");
    assert_eq!((error.fault(), error.retry()), (Fault::Local, Retry::Never));
}

/// An admission hook that allows so many operations and counts what is asked and held.
#[derive(Clone, Default)]
struct Gate {
    asked: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
}

struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    fn admit(&self, allowed: usize) -> Admit {
        let gate = self.clone();
        Arc::new(move || {
            assert_eq!(gate.held.load(Ordering::Relaxed), 0, "held during one operation only");
            (gate.asked.fetch_add(1, Ordering::Relaxed) < allowed).then(|| {
                gate.held.fetch_add(1, Ordering::Relaxed);
                Box::new(Held(gate.held.clone())) as Permit
            })
        })
    }

    fn counts(&self) -> (usize, usize) {
        (self.asked.load(Ordering::Relaxed), self.held.load(Ordering::Relaxed))
    }
}

// T17
#[tokio::test(start_paused = true)]
async fn t17_the_responder_asks_for_admission_exactly_twice() {
    let (outbound, inbound) = (Gate::default(), Gate::default());
    let (mut ours, mut theirs) = (config(V2::Required), config(V2::Preferred));
    ours.admit = Some(outbound.admit(0));
    theirs.admit = Some(inbound.admit(2));
    let (a, b) = duplex(PIPE);
    let (ours, theirs) = tokio::join!(initiate(a, &ours), accept(b, &theirs));
    assert!(ours.is_ok() && theirs.is_ok());
    assert_eq!((outbound.counts(), inbound.counts()), ((0, 0), (2, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_admission_says_nothing_and_is_our_own_choice() {
    for (allowed, said) in [(0, false), (1, true)] {
        let gate = Gate::default();
        let mut config = config(V2::Preferred);
        config.admit = Some(gate.admit(allowed));
        let (ours, mut theirs) = duplex(PIPE);
        let talk = async {
            theirs.write_all(&[0x55]).await.unwrap(); // no v1 header begins so
            settle().await;
            let _ = theirs.write_all(&[0x55; 63]).await; // refused already, perhaps
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (result, answer) = tokio::join!(accept(ours, &config), talk);
        let (reason, retry) = ended(&result);
        assert_eq!(*reason, DisconnectReason::NotAdmitted);
        assert_eq!((reason.fault(), retry), (Fault::Local, Retry::Later));
        assert_eq!(!answer.is_empty(), said);
        assert_eq!(gate.counts(), (allowed + 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn v1_needs_no_admission() {
    let gate = Gate::default();
    let mut serving = config(V2::Preferred);
    serving.admit = Some(gate.admit(0));
    let (a, b) = duplex(PIPE);
    let dialling = config(V2::Off);
    let (ours, theirs) = tokio::join!(initiate(a, &dialling), accept(b, &serving));
    assert!(ours.is_ok() && theirs.is_ok());
    assert_eq!(gate.counts(), (0, 0));
}

/// What a proxy was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    credentials: Option<(Vec<u8>, Vec<u8>)>,
    name: Vec<u8>,
    port: u16,
}

/// A SOCKS5 proxy that takes names and leads everywhere to `peer`.
async fn proxy(listener: TcpListener, peer: SocketAddr, log: Log<Asked>, reply: u8) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let log = log.clone();
        tokio::spawn(async move {
            let mut head = [0; 2];
            client.read_exact(&mut head).await.unwrap();
            let mut methods = vec![0; head[1].into()];
            client.read_exact(&mut methods).await.unwrap();
            let with_password = methods.contains(&2);
            client.write_all(&[5, if with_password { 2 } else { 0 }]).await.unwrap();
            let mut credentials = None;
            if with_password {
                assert_eq!(client.read_u8().await.unwrap(), 1);
                let name = text(&mut client).await;
                credentials = Some((name, text(&mut client).await));
                client.write_all(&[1, 0]).await.unwrap();
            }
            let mut request = [0; 4];
            client.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [5, 1, 0, 3], "a name, as it is");
            let name = text(&mut client).await;
            let port = client.read_u16().await.unwrap();
            log.push(Asked { credentials, name, port });
            client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if reply == 0 {
                let mut onward = TcpStream::connect(peer).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut onward).await;
            }
        });
    }
}

async fn text(stream: &mut TcpStream) -> Vec<u8> {
    let mut text = vec![0; stream.read_u8().await.unwrap().into()];
    stream.read_exact(&mut text).await.unwrap();
    text
}

// T5
#[tokio::test]
async fn t5_names_go_to_the_proxy_and_each_connection_is_isolated() {
    let ((peers, peer), (proxies, proxy_addr)) = (listen().await, listen().await);
    let asked = Log::default();
    tokio::spawn(proxy(proxies, peer, asked.clone(), 0));
    // Nobody could resolve this name.
    let target = "explorer.invalid:8333";
    let mut seen = Vec::new();
    for auth in [SocksAuth::Isolated, SocksAuth::Isolated, SocksAuth::None] {
        let mut ours = config(V2::Preferred);
        let mut socks = Socks5::new(proxy_addr);
        socks.auth = auth;
        ours.proxy = Some(socks);
        let theirs = config(V2::Preferred);
        let inbound = async { accept(peers.accept().await.unwrap().0, &theirs).await };
        let (dialled, accepted) = tokio::join!(connect(target, &ours), inbound);
        let ((peer, _events), (other, _other_events)) = (dialled.unwrap(), accepted.unwrap());
        assert_eq!(peer.remote_addr(), Some(&Target::Name("explorer.invalid".into(), 8333)));
        assert_eq!(peer.stats().local_addr, None, "the way to the proxy is nobody's business");
        assert_eq!(other.remote().addr_recv, PeerAddress::UNSPECIFIED, "nor is the proxy's place");
        seen.extend(asked.take());
    }
    let [first, second, plain] = &seen[..] else { panic!("{seen:?}") };
    for asked in &seen {
        assert_eq!((&asked.name[..], asked.port), (&b"explorer.invalid"[..], 8333));
    }
    assert!(first.credentials.is_some() && first.credentials != second.credentials);
    assert_eq!(plain.credentials, None);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_the_reason() {
    let (proxies, proxy_addr) = listen().await;
    tokio::spawn(proxy(proxies, proxy_addr, Log::default(), 4));
    let mut ours = config(V2::Preferred);
    ours.proxy = Some(Socks5::isolated(proxy_addr));
    let error = connect("explorer.invalid:8333", &ours).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Proxy(SocksError::Refused(4))), "{error:?}");
    assert_eq!((error.fault(), error.retry()), (Fault::Nobody, Retry::Later));
    assert!(error.to_string().contains("host unreachable"), "{error}");
}

#[tokio::test]
async fn the_fall_back_goes_through_the_proxy_as_well() {
    let ((peers, peer), (proxies, proxy_addr)) = (listen().await, listen().await);
    let asked = Log::default();
    tokio::spawn(proxy(proxies, peer, asked.clone(), 0));
    let mut ours = config(V2::Preferred);
    ours.proxy = Some(Socks5::isolated(proxy_addr));
    let theirs = config(V2::Off);
    let inbound = async {
        assert!(accept(peers.accept().await.unwrap().0, &theirs).await.is_err());
        accept(peers.accept().await.unwrap().0, &theirs).await
    };
    let (dialled, accepted) = tokio::join!(connect("explorer.invalid:8333", &ours), inbound);
    let ((peer, _events), (_other, mut events)) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!(peer.stats().transport, Negotiated::V1 { after_v2: true });
    let seen = asked.take();
    assert!(seen.len() == 2 && seen[0].credentials != seen[1].credentials);
    peer.send(&Message::GetAddr).await.unwrap();
    assert!(matches!(events.next().await, Some(Event::Message(Message::GetAddr))));
}

#[tokio::test]
async fn a_direct_peer_is_told_its_address_and_where_it_sees_us() {
    let (listener, target) = listen().await;
    let (ours, theirs) = (config(V2::Off), config(V2::Off));
    let inbound = async { accept(listener.accept().await.unwrap().0, &theirs).await };
    let (dialled, accepted) = tokio::join!(connect(target, &ours), inbound);
    let ((peer, _a), (other, _b)) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!(other.remote().addr_recv, PeerAddress::from(target));
    let local = peer.stats().local_addr.unwrap();
    assert_eq!(peer.remote().addr_recv, PeerAddress::from(local));
    assert_eq!(other.remote_addr(), Some(&Target::Address(local)));
    assert_eq!(peer.remote_addr(), Some(&Target::Address(target)));
    assert_eq!(peer.remote().addr_from.address, PeerAddress::UNSPECIFIED.address);
}

#[tokio::test(start_paused = true)]
async fn decoys_are_passed_over_at_any_time() {
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Required);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let talk = async {
        remote.say_decoy(&[1; 500]).await;
        remote.open(version(70_016), &[]).await;
        remote.say_decoy(&[2; 5_000]).await;
        remote.say(&Message::GetAddr).await;
    };
    let (opened, ()) = tokio::join!(initiate(ours, &config), talk);
    let (peer, mut events) = opened.unwrap();
    assert!(matches!(events.next().await, Some(Event::Message(Message::GetAddr))));
    assert_eq!(peer.stats().bytes_received, remote.sent(), "decoys are bytes as well");
    assert_eq!(peer.stats().received.get(Kind::GetAddr).messages, 1);
}
