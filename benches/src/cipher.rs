//! What BIP324 costs without a socket, ours beside crate `bip324` 0.11: a whole handshake, both ends,
//! and packets sealed and opened.
//!
//! Both send 2,047 bytes of garbage, which is the mean of ours. bip324 is given buffers that are
//! large enough and kept, as its documentation advises.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bip324::{
    CipherSession, GarbageResult, Handshake, Initialized, OutboundCipher, PacketType, ReceivedKey,
    Role, VersionResult,
};
use bytes::BytesMut;
use peerage::bitcoin::{Kind, Network};
use peerage_transport::Transport as Framing;

use crate::codec::{measure, pair_of};
use crate::messages::block;
use crate::report::{Bench, Transport};

const THEIRS: &str = "bip324-0.11";

/// bip324's packets, and ours: the id in front of the contents, and the kind that has it.
const PACKETS: [(&str, u8, Kind); 2] = [("ping", 18, Kind::Ping), ("block", 2, Kind::Block)];

pub(crate) fn run(bench: &Bench) {
    let wants = |case: &str| bench.wants("codec", case, Transport::V2);
    if wants("v2/handshake") {
        let mut seed = 0;
        measure(bench, ("ours", "v2/handshake", Transport::V2), |ops| {
            timed(ops, || {
                seed += 1;
                pair_of(Transport::V2, seed)
            })
        });
        let garbage = vec![7; 2_047];
        measure(bench, (THEIRS, "v2/handshake", Transport::V2), |ops| {
            timed(ops, || shake_hands(&garbage))
        });
    }
    for (name, id, kind) in PACKETS {
        let payload = if name == "block" { block().to_vec() } else { vec![1; 8] };
        let case = format!("v2/seal-{name}");
        if wants(&case) {
            let (mut sealing, _) = pair_of(Transport::V2, 1);
            let mut out = Vec::new();
            measure(bench, ("ours", &case, Transport::V2), |ops| {
                timed(ops, || seal(&mut sealing, kind, black_box(&payload), &mut out))
            });
            let (mut ours, _) = shake_hands(&[]);
            let contents = [&[id][..], &payload].concat();
            let mut out = vec![0; OutboundCipher::encryption_buffer_len(contents.len())];
            measure(bench, (THEIRS, &case, Transport::V2), |ops| {
                timed(ops, || encrypt(&mut ours, black_box(&contents), &mut out))
            });
        }
        let case = format!("v2/open-{name}");
        if wants(&case) {
            measure_opening(bench, &case, id, kind, &payload);
        }
    }
}

fn measure_opening(bench: &Bench, case: &str, id: u8, kind: Kind, payload: &[u8]) {
    let (mut sealing, mut opening) = pair_of(Transport::V2, 1);
    let (mut out, mut input) = (Vec::new(), BytesMut::new());
    measure(bench, ("ours", case, Transport::V2), |ops| {
        each(ops, |clock| {
            seal(&mut sealing, kind, payload, &mut out);
            input.extend_from_slice(&out);
            clock.start();
            let frame = opening.next_frame(&mut input).expect("we sealed it");
            drop(black_box(frame.expect("all of it is there")));
            clock.stop();
        })
    });
    let (mut ours, mut theirs) = shake_hands(&[]);
    let contents = [&[id][..], payload].concat();
    let mut packet = vec![0; OutboundCipher::encryption_buffer_len(contents.len())];
    measure(bench, (THEIRS, case, Transport::V2), |ops| {
        each(ops, |clock| {
            encrypt(&mut ours, &contents, &mut packet);
            clock.start();
            let (length, rest) = packet.split_first_chunk_mut::<3>().expect("it has a length");
            let len = theirs.inbound().decrypt_packet_len(*length);
            let opened = theirs.inbound().decrypt_in_place(&mut rest[..len], None);
            black_box(opened.expect("we sealed it"));
            clock.stop();
        })
    });
}

fn seal(framing: &mut Framing<Kind>, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    out.clear();
    framing.seal(kind, payload, None, out);
    black_box(out);
}

fn encrypt(session: &mut CipherSession, contents: &[u8], out: &mut [u8]) {
    let sealed = session.outbound().encrypt(contents, out, PacketType::Genuine, None);
    sealed.expect("there is room");
    black_box(out);
}

fn timed<T>(ops: u64, mut run: impl FnMut() -> T) -> Duration {
    let began = Instant::now();
    (0..ops).for_each(|_| drop(black_box(run())));
    began.elapsed()
}

/// Time that counts.
struct Clock {
    began: Instant,
    total: Duration,
}

impl Clock {
    fn start(&mut self) {
        self.began = Instant::now();
    }

    fn stop(&mut self) {
        self.total += self.began.elapsed();
    }
}

/// Does something so many times; only what is between start and stop counts.
fn each(ops: u64, mut run: impl FnMut(&mut Clock)) -> Duration {
    let mut clock = Clock { began: Instant::now(), total: Duration::ZERO };
    (0..ops).for_each(|_| run(&mut clock));
    clock.total
}

/// Both ends of bip324's handshake, in the order in which a connection does it.
fn shake_hands(garbage: &[u8]) -> (CipherSession, CipherSession) {
    let magic = Network::regtest().magic;
    let begin = |role| {
        let mut sent = vec![0; Handshake::<Initialized>::send_key_len(Some(garbage))];
        let begun = Handshake::<Initialized>::new(magic, role).expect("randomness");
        (begun.send_key(Some(garbage), &mut sent).expect("there is room"), sent)
    };
    let ((a, from_a), (b, from_b)) = (begin(Role::Initiator), begin(Role::Responder));
    let key = |sent: &[u8]| *sent.first_chunk::<64>().expect("a key");
    let a = a.receive_key(key(&from_b)).expect("any key will do");
    let b = b.receive_key(key(&from_a)).expect("any key will do");
    let version = |state: Handshake<ReceivedKey<'_>>, mut sent: Vec<u8>| {
        let mut more = vec![0; Handshake::<ReceivedKey<'_>>::send_version_len(None)];
        let state = state.send_version(&mut more, None).expect("there is room");
        sent.extend(more);
        (state, sent)
    };
    let ((a, from_a), (b, from_b)) = (version(a, from_a), version(b, from_b));
    let finish = |state: Handshake<_>, received: &[u8]| {
        let found = Handshake::receive_garbage(state, &received[64..]).expect("a terminator");
        let GarbageResult::FoundGarbage { mut handshake, consumed_bytes } = found else {
            panic!("all of it is there")
        };
        let (length, rest) =
            received[64 + consumed_bytes..].split_first_chunk::<3>().expect("a packet");
        let len = handshake.decrypt_packet_len(*length).expect("a length");
        match handshake.receive_version(&mut rest[..len].to_vec()).expect("a version packet") {
            VersionResult::Complete { cipher } => cipher,
            VersionResult::Decoy(_) => panic!("there are no decoys"),
        }
    };
    (finish(a, &from_b), finish(b, &from_a))
}
