//! The opening, message by message.

use std::sync::Arc;

use bytes::Bytes;
use peerage_wire::{
    Command, Direction, Malformed, Message as _, Now, Offence, Opening as _, Protocol as _,
    Refusal, Remote as _, Rng, Step, Violation,
};
use peerage_wire_bitcoin::message::{
    Feature, Inventory, Reject, RejectCode, SendCmpct, SendTxRcncl, Version,
};
use peerage_wire_bitcoin::types::{PeerAddress, Services, UserAgent};
use peerage_wire_bitcoin::{Bitcoin, Identity, Message, Network, Opening, Remote};

const NOW: Now = Now { mono: std::time::Duration::ZERO, unix: 1_700_000_000 };

fn identity() -> Identity {
    Identity { services: Services::NETWORK, height: 5, ..Identity::new(Network::regtest()) }
}

fn start(direction: Direction, ours: Identity) -> (Opening, Vec<Message>) {
    let seed = [u8::from(direction == Direction::Inbound); 32];
    Opening::start(direction, &Arc::new(ours), &mut Rng::from_seed(seed), NOW)
}

fn inbound(ours: Identity) -> Opening {
    start(Direction::Inbound, ours).0
}

/// What a peer of this protocol version says first.
fn version(version: i32) -> Version {
    Version {
        version,
        services: Services::WITNESS,
        timestamp: NOW.unix - 40,
        addr_recv: "1.2.3.4:8333".parse().expect("an address"),
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: 77,
        user_agent: UserAgent::default(),
        start_height: 9,
        relay: true,
    }
}

fn introduction(number: i32) -> Message {
    Message::Version(Box::new(version(number)))
}

type Opened = Step<Bitcoin, Opening>;

#[track_caller]
fn more(step: Opened) -> (Opening, Vec<Message>, Option<Remote>) {
    match step {
        Step::More { state, send, heard } => (state, send, heard),
        other => panic!("it does not go on: {other:?}"),
    }
}

#[track_caller]
fn violation(step: Opened) -> Violation {
    match step {
        Step::Failed(violation) => violation,
        other => panic!("no violation: {other:?}"),
    }
}

/// Says `messages` in turn to a peer that has been introduced to; returns what is agreed.
#[track_caller]
fn agree(opening: Opening, number: i32, messages: &[Message]) -> Remote {
    let mut opening = more(opening.on_message(&introduction(number), NOW)).0;
    for message in messages {
        let (next, send, heard) = more(opening.on_message(message, NOW));
        assert!(send.is_empty() && heard.is_none(), "{message:?}");
        opening = next;
    }
    match opening.on_message(&Message::Verack, NOW) {
        Step::Done { remote, send } if send.is_empty() => remote,
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn inbound_waits_and_then_says_everything_at_once() {
    let (opening, send) = start(Direction::Inbound, identity());
    assert!(send.is_empty());
    let (_, send, heard) = more(opening.on_message(&introduction(70_017), NOW));
    let [Message::Version(ours), Message::WtxidRelay, Message::SendAddrV2, Message::Verack] =
        &send[..]
    else {
        panic!("{send:?}")
    };
    assert_eq!((ours.version, ours.services, ours.start_height), (70_017, Services::NETWORK, 5));
    assert_eq!((ours.timestamp, ours.relay), (NOW.unix, true));
    assert_eq!(ours.user_agent, UserAgent::default());
    assert_eq!(ours.addr_from.services, Services::NETWORK);

    let heard = heard.unwrap();
    assert_eq!((heard.version, heard.agreed, heard.height), (70_017, 70_017, 9));
    assert_eq!((heard.services, heard.relay, heard.nonce), (Services::WITNESS, true, 77));
    assert_eq!((heard.time_offset(), heard.timestamp), (-40, NOW.unix - 40));
    assert_eq!(heard.addr_recv.to_string(), "1.2.3.4:8333");
}

#[test]
fn outbound_begins() {
    let (opening, send) = start(Direction::Outbound, identity());
    assert!(matches!(&send[..], [Message::Version(_)]));
    let (_, send, heard) = more(opening.on_message(&introduction(70_017), NOW));
    assert_eq!(send, [Message::WtxidRelay, Message::SendAddrV2, Message::Verack]);
    assert!(heard.is_some());
}

#[test]
fn features_go_only_to_those_who_know_them() {
    let features = vec![Feature::new("BIP9999", Bytes::new()).unwrap()];
    let feature = Message::Feature(features[0].clone());
    let ours = Identity { txrcncl: Some(1), features, ..identity() };
    for (number, expected) in [
        (70_015, vec!["verack"]),
        (70_016, vec!["wtxidrelay", "sendaddrv2", "sendtxrcncl", "verack"]),
        (70_017, vec!["wtxidrelay", "sendaddrv2", "sendtxrcncl", "feature", "verack"]),
        (80_000, vec!["wtxidrelay", "sendaddrv2", "sendtxrcncl", "feature", "verack"]),
    ] {
        let opening = start(Direction::Outbound, ours.clone()).0;
        let (_, send, heard) = more(opening.on_message(&introduction(number), NOW));
        let names: Vec<String> = send.iter().map(|message| message.kind().to_string()).collect();
        assert_eq!(names, expected);
        assert_eq!(send.contains(&feature), number >= 70_017);
        let offer = heard.unwrap().sent_txrcncl;
        assert_eq!(offer.is_some(), number >= 70_016);
        assert!(offer.is_none_or(|offer| send.contains(&Message::SendTxRcncl(offer))));
    }
    let nothing = Identity { wtxid_relay: false, addrv2: false, features: vec![], ..ours };
    let opening = start(Direction::Outbound, nothing).0;
    let (_, send, _) = more(opening.on_message(&introduction(70_017), NOW));
    assert_eq!(send, [Message::Verack]);
}

#[test]
fn reconciliation_is_offered_only_where_transactions_are_relayed() {
    let ours = Identity { txrcncl: Some(1), ..identity() };
    let silent = Message::Version(Box::new(Version { relay: false, ..version(70_016) }));
    let (_, _, heard) = more(inbound(ours.clone()).on_message(&silent, NOW));
    assert_eq!(heard.unwrap().sent_txrcncl, None);
    let quiet = Identity { relay: false, ..ours };
    let (_, _, heard) = more(inbound(quiet).on_message(&introduction(70_016), NOW));
    assert_eq!(heard.unwrap().sent_txrcncl, None);
}

#[test]
fn what_they_announce_is_noted() {
    let offer = SendTxRcncl { version: 1, salt: 3 };
    let feature = Feature::new("BIP9999", &b"x"[..]).unwrap();
    let unknown = Message::Unknown { command: Command::new("sendfoo"), payload: Bytes::new() };
    let all = [
        Message::WtxidRelay,
        Message::SendAddrV2,
        Message::SendTxRcncl(offer),
        Message::Feature(feature.clone()),
        Message::WtxidRelay,
        unknown,
        Message::Alert(Bytes::new()),
    ];
    let remote = agree(inbound(identity()), 70_017, &all);
    assert!(remote.wtxid_relay && remote.wants_addrv2);
    assert_eq!((remote.txrcncl, remote.features), (Some(offer), vec![feature]));

    let nothing = agree(inbound(identity()), 70_017, &[]);
    assert!(!nothing.wtxid_relay && !nothing.wants_addrv2 && nothing.features.is_empty());

    let without_wtxid = agree(inbound(identity()), 70_017, &all[2..4]);
    assert_eq!(without_wtxid.txrcncl, None);

    let ours = Identity { wtxid_relay: false, ..identity() };
    assert!(!agree(inbound(ours), 70_017, &all).wtxid_relay);

    // What was announced below the version that has it counts for nothing.
    let old = agree(inbound(identity()), 70_015, &all);
    assert!(!old.wtxid_relay && !old.wants_addrv2 && old.features.is_empty());
    assert_eq!(old.txrcncl, None);
}

#[test]
fn the_lower_version_is_agreed() {
    for (ours, theirs, agreed) in [
        (70_017, 70_015, 70_015),
        (70_015, 70_017, 70_015),
        (70_017, i32::MAX, 70_017),
        (u32::MAX, i32::MAX, 70_017), // we speak no more than that
        (70_017, 209, 209),
    ] {
        let ours = Identity { version: ours, ..identity() };
        let remote = agree(inbound(ours), theirs, &[]);
        assert_eq!((remote.version, remote.version()), (theirs, agreed));
        assert_eq!(remote.answers_ping(), agreed > 60_000);
    }
}

#[test]
fn obsolete_and_negative_versions_are_refused() {
    for (version, minimum) in [(208, 209), (-1, 209), (i32::MIN, 209), (-1, 0), (70_015, 70_016)] {
        let ours = Identity { min_version: minimum, ..identity() };
        let step = inbound(ours).on_message(&introduction(version), NOW);
        assert_eq!(violation(step), Violation::Obsolete { version, minimum });
    }
}

#[test]
fn anything_before_version_is_a_violation() {
    let unknown = Message::Unknown { command: Command::new("foo"), payload: Bytes::new() };
    for message in [Message::Verack, Message::ping(1), Message::WtxidRelay, unknown] {
        let error = violation(inbound(identity()).on_message(&message, NOW));
        let command = message.kind().into();
        assert_eq!(error, Violation::Unexpected { command, expected: "version" });
    }
}

#[test]
fn known_messages_and_a_second_version_before_verack_are_violations() {
    let reject = Reject::new(Command::new("version"), RejectCode::OBSOLETE, "old");
    for message in [
        Message::ping(1),
        Message::GetAddr,
        Message::SendHeaders,
        Message::SendCmpct(SendCmpct { announce: false, version: 2 }),
        Message::Inv(Inventory::new(&[]).unwrap()),
        Message::Reject(Box::new(reject)),
    ] {
        let (opening, ..) = more(inbound(identity()).on_message(&introduction(70_016), NOW));
        let error = violation(opening.on_message(&message, NOW));
        let command = message.kind().into();
        assert_eq!(error, Violation::Unexpected { command, expected: "verack" });
    }
    let (opening, ..) = more(inbound(identity()).on_message(&introduction(70_016), NOW));
    let error = violation(opening.on_message(&introduction(70_016), NOW));
    assert_eq!(error, Violation::Duplicate { command: Command::new("version").into() });
}

#[test]
fn we_recognise_ourselves_while_we_are_dialling() {
    let ours = identity();
    let (dialling, send) = start(Direction::Outbound, ours.clone());
    let Message::Version(said) = &send[0] else { panic!("{send:?}") };
    assert!(said.nonce != 0 && ours.nonces.contains(said.nonce));

    let step = inbound(ours.clone()).on_message(&send[0], NOW);
    assert!(matches!(step, Step::SelfConnection));
    let stranger = inbound(identity()).on_message(&send[0], NOW);
    assert!(matches!(stranger, Step::More { .. }), "nonces that are not shared say nothing");
    let allowed = Identity { allow_self_connections: true, ..ours.clone() };
    assert!(matches!(inbound(allowed).on_message(&send[0], NOW), Step::More { .. }));

    // The check comes before that of the version.
    let old = Message::Version(Box::new(Version { version: -1, ..(**said).clone() }));
    assert!(matches!(inbound(ours.clone()).on_message(&old, NOW), Step::SelfConnection));

    drop(dialling);
    assert!(!ours.nonces.contains(said.nonce));
    assert!(matches!(inbound(ours).on_message(&send[0], NOW), Step::More { .. }));
}

#[test]
fn nonces_differ_from_connection_to_connection() {
    let nonce = |seed| {
        let ours = Arc::new(identity());
        let rng = &mut Rng::from_seed([seed; 32]);
        match &Opening::start(Direction::Outbound, &ours, rng, NOW).1[..] {
            [Message::Version(version)] => version.nonce,
            other => panic!("{other:?}"),
        }
    };
    assert_ne!(nonce(1), nonce(2));
    assert_eq!(nonce(1), nonce(1));
}

#[test]
fn a_farewell_is_said_from_70002_to_70015() {
    let agreed = |number| agree(inbound(identity()), number, &[]);
    let refusal = Refusal::new("no room");
    let offence = Offence::Refused(&refusal);
    for number in [209, 70_001, 70_016, 70_017] {
        assert_eq!(Bitcoin::farewell(Some(&agreed(number)), &offence), None);
    }
    assert_eq!(Bitcoin::farewell(None, &offence), None);

    let remote = agreed(70_015);
    assert!(Bitcoin::farewell(Some(&agreed(70_002)), &offence).is_some());
    let said = |offence| match Bitcoin::farewell(Some(&remote), &offence) {
        Some(Message::Reject(reject)) => *reject,
        other => panic!("{other:?}"),
    };
    let version = Command::new("version");
    assert_eq!(said(offence), Reject::new(version, RejectCode::NONSTANDARD, "no room"));

    let duplicate = Violation::Duplicate { command: version.into() };
    let reject = said(Offence::Violation(&duplicate));
    assert_eq!((reject.command(), reject.code()), (version, RejectCode::DUPLICATE));

    let checksum = Malformed::BadChecksum { command: Command::new("tx").into() };
    let reject = said(Offence::Malformed(&checksum));
    assert_eq!((reject.command(), reject.code()), (Command::new("tx"), RejectCode::MALFORMED));
    assert_eq!(reject.hash(), Some([0; 32]));

    let reject = said(Offence::Malformed(&Malformed::Truncated));
    assert_eq!(reject.command(), Command::new("malformed"));
    assert_eq!(reject.reason().to_string(), Malformed::Truncated.to_string());
}
