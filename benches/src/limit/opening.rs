//! Openings with the fewest writes, on threads that block. v2 does the curve's work and the first
//! packets; the keys of its ciphers are not derived, which is less than 3 % of it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use secp256k1::{All, Secp256k1, SecretKey};
use socket2::SockRef;

use super::wire::{Input, Message, V1, V2, Wire};
use crate::report::{Bench, Meter, Row, Timed, Transport};

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for (case, at_once) in [("opening/sequential", 1), ("opening/64-at-once", 64)] {
            if bench.wants("limit", case, transport) {
                let timed = several(transport, at_once, bench.seconds(2.0));
                Row::rate("limit", case, transport, timed, "openings/s").print();
            }
        }
    }
}

fn several(transport: Transport, at_once: usize, time: Duration) -> Timed {
    let talk = Talk::new();
    let until = Instant::now() + time;
    let meter = Meter::start();
    let pairs: Vec<_> = (0..at_once)
        .map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            let server = thread::spawn(move || serve(&listener, transport, talk));
            (thread::spawn(move || dial(address, transport, talk, until)), server)
        })
        .collect();
    let mut count = 0;
    for (client, server) in pairs {
        count += client.join().expect("no panic");
        server.join().expect("no panic");
    }
    meter.stop(count)
}

/// What is said.
#[derive(Clone, Copy)]
struct Talk {
    version: &'static Message,
    sendaddrv2: &'static Message,
    verack: &'static Message,
    /// v2's version packet, which has no contents.
    packet: &'static Message,
}

impl Talk {
    fn new() -> Self {
        Self {
            version: Message::leak("version", 0, vec![3; 102]),
            sendaddrv2: Message::leak("sendaddrv2", 0, vec![]),
            verack: Message::leak("verack", 0, vec![]),
            packet: Message::leak("", 0, vec![]),
        }
    }
}

fn dial(address: SocketAddr, transport: Transport, talk: Talk, until: Instant) -> u64 {
    let curve = Secp256k1::new();
    let mut count = 0;
    while Instant::now() < until {
        let mut stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_nodelay(true).expect("a socket");
        match transport {
            Transport::V1 => ask(&mut stream, (V1, V1), Begun::v1(), talk),
            Transport::V2 => {
                let mut seal = V2::new();
                let begun = keys(&mut stream, &curve, ElligatorSwiftParty::A, &mut seal, talk);
                ask(&mut stream, (seal, V2::new()), begun, talk);
            }
        }
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        count += 1;
    }
    // One more connection, without a word, ends the server.
    drop(TcpStream::connect(address));
    count
}

fn serve(listener: &TcpListener, transport: Transport, talk: Talk) {
    let curve = Secp256k1::new();
    loop {
        let (mut stream, _) = listener.accept().expect("somebody dials");
        stream.set_nodelay(true).expect("a socket");
        if stream.peek(&mut [0]).unwrap_or(0) == 0 {
            return;
        }
        match transport {
            Transport::V1 => answer(&mut stream, (V1, V1), Begun::v1(), talk),
            Transport::V2 => {
                let mut seal = V2::new();
                let begun = keys(&mut stream, &curve, ElligatorSwiftParty::B, &mut seal, talk);
                answer(&mut stream, (seal, V2::new()), begun, talk);
            }
        }
    }
}

/// A connection on which frames may be sent.
struct Begun {
    input: Input,
    /// What is still to be sent before the first frame.
    output: Vec<u8>,
    /// How many frames the other end sends before its messages.
    before: u64,
}

impl Begun {
    fn v1() -> Self {
        Self { input: Input::new(4_096), output: Vec::with_capacity(512), before: 0 }
    }
}

/// v2's beginning: both keys, the shared secret, terminators and version packets. No garbage.
fn keys(
    stream: &mut TcpStream,
    curve: &Secp256k1<All>,
    party: ElligatorSwiftParty,
    seal: &mut V2,
    talk: Talk,
) -> Begun {
    let mut begun = Begun { before: 1, ..Begun::v1() };
    let Begun { input, output, .. } = &mut begun;
    let secret = SecretKey::from_slice(&[7; 32]).expect("below the order");
    let dialled = matches!(party, ElligatorSwiftParty::A);
    let key = || ElligatorSwift::from_seckey(curve, secret, Some([9; 32]));
    let mut ours = None;
    if dialled {
        let key = ours.insert(key());
        stream.write_all(&key.to_array()).expect("somebody reads");
    }
    let theirs = input.take(stream, 64).expect("a key");
    let theirs = ElligatorSwift::from_array(theirs.try_into().expect("64 bytes"));
    let ours = ours.unwrap_or_else(key);
    let (a, b) = if dialled { (ours, theirs) } else { (theirs, ours) };
    std::hint::black_box(ElligatorSwift::shared_secret(a, b, secret, party, None));
    if !dialled {
        output.extend_from_slice(&ours.to_array());
    }
    output.extend_from_slice(&[5; 16]);
    seal.seal(output, talk.packet);
    if !dialled {
        stream.write_all(output).expect("somebody reads");
        output.clear();
    }
    input.take(stream, 16).expect("a terminator");
    begun
}

/// Who dials: version; then the other's three; then the rest.
fn ask(
    stream: &mut TcpStream,
    (mut seal, mut open): (impl Wire, impl Wire),
    begun: Begun,
    talk: Talk,
) {
    let Begun { mut input, mut output, before } = begun;
    seal.seal(&mut output, talk.version);
    stream.write_all(&output).expect("somebody reads");
    assert_eq!(receive(stream, &mut input, &mut open, before + 3), before + 3);
    output.clear();
    seal.seal(&mut output, talk.sendaddrv2);
    seal.seal(&mut output, talk.verack);
    stream.write_all(&output).expect("somebody reads");
    // The other end hangs up when it has them.
    let _ = input.read(stream);
}

/// Who is dialled: all three, as soon as the other's version is there.
fn answer(
    stream: &mut TcpStream,
    (mut seal, mut open): (impl Wire, impl Wire),
    begun: Begun,
    talk: Talk,
) {
    let Begun { mut input, mut output, before } = begun;
    let seen = receive(stream, &mut input, &mut open, before + 1);
    for message in [talk.version, talk.sendaddrv2, talk.verack] {
        seal.seal(&mut output, message);
    }
    stream.write_all(&output).expect("somebody reads");
    let rest = before + 3 - seen;
    assert_eq!(receive(stream, &mut input, &mut open, rest), rest);
}

/// Waits for so many frames; returns how many there were.
fn receive(stream: &mut TcpStream, input: &mut Input, open: &mut impl Wire, wanted: u64) -> u64 {
    let mut count = 0;
    while count < wanted {
        count += input.frames(open, |payload| assert!(payload.len() < 1_000));
        if count < wanted && !input.read(stream).unwrap_or(false) {
            return count;
        }
    }
    count
}
