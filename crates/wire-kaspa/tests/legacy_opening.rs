//! The opening, and what the engine is told about what comes after it.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_wire::{
    Command, Direction, FramedKind as _, Kind as _, Malformed, Message as _, Now, Offence,
    Opening as _, Patience, Protocol as _, Refusal, Remote as _, Rng, Role, Step, Violation,
};
use peerage_wire_kaspa::legacy::message::{
    FilterAdd, GetBlockInvs, Inventory, Ping, Pong, Reject, RejectCode, Transaction, Tx, Version,
};
use peerage_wire_kaspa::legacy::types::{
    Hash, InventoryItem, InventoryType, PeerAddress, Services, SubnetworkId, TimestampUnit,
    UserAgent,
};
use peerage_wire_kaspa::legacy::{Identity, KaspaLegacy, Kind, Message, Network, Opening, Remote};

const NOW: Now = Now { mono: Duration::ZERO, unix: 1_600_000_000 };
const OURS: SubnetworkId = SubnetworkId::from_bytes([7; 20]);
const OTHER: SubnetworkId = SubnetworkId::from_bytes([8; 20]);

fn identity() -> Identity {
    Identity { services: Services::NETWORK, ..Identity::new(Network::simnet()) }
}

/// An identity on a network that has partial nodes.
fn among_partial_nodes(subnetwork: Option<SubnetworkId>) -> Identity {
    let network = Network { partial_nodes: true, ..Network::simnet() };
    Identity { subnetwork, ..Identity::new(network) }
}

fn start(direction: Direction, ours: Identity) -> (Opening, Vec<Message>) {
    let seed = [u8::from(direction == Direction::Inbound); 32];
    Opening::start(direction, &Arc::new(ours), &mut Rng::from_seed(seed), NOW)
}

fn version() -> Version {
    Version {
        version: 1,
        services: Services::BLOOM,
        timestamp: NOW.unix - 40,
        subnetwork: None,
        addr_recv: PeerAddress::UNSPECIFIED,
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: 77,
        user_agent: UserAgent::default(),
        selected_tip: Hash::of(b"their tip"),
        relay: true,
    }
}

/// How a peer of these properties, on this side, takes `theirs`.
fn answer(direction: Direction, ours: Identity, theirs: Version) -> Step<KaspaLegacy, Opening> {
    start(direction, ours).0.on_message(&Message::Version(Box::new(theirs)), NOW)
}

#[track_caller]
fn done(step: Step<KaspaLegacy, Opening>) -> (Remote, Vec<Message>) {
    match step {
        Step::Done { remote, send } => (remote, send),
        other => panic!("not done: {other:?}"),
    }
}

#[track_caller]
fn violation(step: Step<KaspaLegacy, Opening>) -> Violation {
    match step {
        Step::Failed(violation) => violation,
        other => panic!("no violation: {other:?}"),
    }
}

#[test]
fn who_dials_speaks_first_and_a_version_is_all_that_is_awaited() {
    let ours = Identity { selected_tip: Hash::of(b"our tip"), ..identity() };
    let (opening, said) = start(Direction::Outbound, ours.clone());
    let [Message::Version(introduction)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(introduction.version, 1);
    assert_eq!(introduction.timestamp, NOW.unix);
    assert_eq!(introduction.selected_tip, ours.selected_tip);
    assert_eq!(introduction.addr_from.services, Services::NETWORK);
    assert_eq!(
        (introduction.addr_recv, introduction.addr_from.port),
        (PeerAddress::UNSPECIFIED, 0)
    );

    let step = opening.on_message(&Message::Version(Box::new(version())), NOW);
    let (remote, send) = done(step);
    assert_eq!(send, [Message::Verack]);
    assert_eq!((remote.agreed, remote.version, remote.time_offset), (1, 1, -40));
    assert_eq!((remote.services, remote.our_services), (Services::BLOOM, Services::NETWORK));
    assert_eq!(remote.selected_tip, Hash::of(b"their tip"));
    assert_eq!((remote.height(), remote.answers_ping()), (0, true));

    let (opening, said) = start(Direction::Inbound, ours);
    assert!(said.is_empty());
    let (_, send) = done(opening.on_message(&Message::Version(Box::new(version())), NOW));
    assert!(matches!(&send[..], [Message::Version(_), Message::Verack]), "{send:?}");
}

#[test]
fn timestamps_are_in_the_networks_unit() {
    let network = Network { timestamps: TimestampUnit::Millis, ..Network::simnet() };
    let ours = Identity::new(network);
    let (_, said) = start(Direction::Outbound, ours.clone());
    let [Message::Version(introduction)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(introduction.timestamp, NOW.unix * 1_000);
    let theirs = Version { timestamp: (NOW.unix + 7) * 1_000 + 999, ..version() };
    assert_eq!(done(answer(Direction::Inbound, ours.clone(), theirs)).0.time_offset, 7);
    let theirs = Version { timestamp: i64::MIN, ..version() };
    assert!(done(answer(Direction::Inbound, ours, theirs)).0.time_offset < 0);
}

#[test]
fn only_a_version_may_come_first() {
    for message in [
        Message::Ping(Ping { nonce: 1 }),
        Message::Verack,
        Message::Unknown { command: Command::new("hello"), payload: Bytes::new() },
    ] {
        let command = message.kind().into();
        let unexpected = Violation::Unexpected { command, expected: "version" };
        assert_eq!(
            violation(start(Direction::Inbound, identity()).0.on_message(&message, NOW)),
            unexpected
        );
        // Strangers are told that much, and nothing more.
        let words = KaspaLegacy::farewell(None, &Offence::Violation(&unexpected));
        let Some(Message::Reject(reject)) = words else { panic!("{words:?}") };
        assert_eq!((reject.command().into(), reject.code()), (command, RejectCode::MALFORMED));
    }
    let malformed = Offence::Malformed(&Malformed::Truncated);
    assert_eq!(KaspaLegacy::farewell(None, &malformed), None);
}

#[test]
fn versions_are_compared_as_signed_numbers() {
    for (theirs, agreed) in [(1, Some(1)), (2, Some(1)), (99, Some(1)), (0, None), (-1, None)] {
        let step = answer(Direction::Inbound, identity(), Version { version: theirs, ..version() });
        match agreed {
            Some(agreed) => assert_eq!(done(step).0.agreed, agreed),
            None => {
                let obsolete = Violation::Obsolete { version: theirs, minimum: 1 };
                assert_eq!(violation(step), obsolete);
                assert_eq!(KaspaLegacy::farewell(None, &Offence::Violation(&obsolete)), None);
            }
        }
    }
}

#[test]
fn we_do_not_talk_to_ourselves() {
    let ours = identity();
    let (_opening, said) = start(Direction::Outbound, ours.clone());
    let [Message::Version(introduction)] = &said[..] else { panic!("{said:?}") };
    let step = answer(Direction::Inbound, ours.clone(), (**introduction).clone());
    assert!(matches!(step, Step::SelfConnection), "{step:?}");
    let allowed = Identity { allow_self_connections: true, ..ours };
    done(answer(Direction::Inbound, allowed, (**introduction).clone()));
    done(answer(Direction::Inbound, identity(), (**introduction).clone()));
}

#[test]
fn subnetworks_must_fit() {
    let (full, ours, other) = (None, Some(OURS), Some(OTHER));
    for (direction, we, they, fits) in [
        (Direction::Inbound, full, full, true),
        (Direction::Inbound, full, other, true),
        (Direction::Inbound, ours, full, true),
        (Direction::Inbound, ours, ours, true),
        (Direction::Inbound, ours, other, false),
        (Direction::Outbound, full, other, false),
        (Direction::Outbound, ours, full, true),
        (Direction::Outbound, ours, ours, true),
        (Direction::Outbound, ours, other, false),
    ] {
        let theirs = Version { subnetwork: they, ..version() };
        match answer(direction, among_partial_nodes(we), theirs) {
            Step::Done { remote, .. } => {
                assert!(fits, "{direction} {we:?} {they:?}");
                assert_eq!(remote.subnetwork, they);
            }
            Step::Failed(Violation::Incompatible { .. }) => {
                assert!(!fits, "{direction} {we:?} {they:?}");
            }
            step => panic!("{step:?}"),
        }
    }
    let theirs = Version { subnetwork: Some(OURS), ..version() };
    let refused = violation(answer(Direction::Inbound, identity(), theirs));
    assert_eq!(refused.to_string(), "incompatible: partial nodes are not allowed");
}

/// What a peer that offers `services` does about `message`.
fn role(services: Services, message: &Message) -> Role {
    let ours = Identity { services, ..identity() };
    let (remote, _) = done(answer(Direction::Inbound, ours, version()));
    message.role(&remote)
}

#[test]
fn bloom_commands_are_for_those_who_offer_it() {
    let add = Message::FilterAdd(FilterAdd::new(vec![1]).unwrap());
    for message in [Message::FilterClear, add] {
        let forbidden = Violation::Forbidden { command: message.kind().into() };
        assert_eq!(role(Services::NETWORK, &message), Role::Forbidden(forbidden));
        assert_eq!(role(Services::BLOOM, &message), Role::Other);
    }
}

#[test]
fn a_second_version_ends_it_and_a_second_verack_does_not() {
    let again = Message::Version(Box::new(version()));
    let command = Kind::Version.into();
    let duplicate = Role::Forbidden(Violation::Duplicate { command });
    assert_eq!(role(Services::NONE, &again), duplicate);
    assert_eq!(role(Services::NONE, &Message::Verack), Role::Other);
    let command = Command::new("getheaders");
    let unknown = Message::Unknown { command, payload: Bytes::new() };
    assert!(matches!(role(Services::NONE, &unknown), Role::Forbidden(_)));
    assert_eq!(role(Services::NONE, &Message::Ping(Ping { nonce: 5 })), Role::Ping(5));
    assert_eq!(role(Services::NONE, &Message::Pong(Pong { nonce: 6 })), Role::Pong(6));
}

#[test]
fn offenders_are_told_what_they_did() {
    let (remote, _) = done(answer(Direction::Inbound, identity(), version()));
    let told = |offence: &Offence<'_>| match KaspaLegacy::farewell(Some(&remote), offence) {
        Some(Message::Reject(reject)) => (reject.command().to_string(), reject.code()),
        other => panic!("{other:?}"),
    };
    let malformed = "malformed".to_owned();
    let (version, ping) = (Kind::Version.command(), Kind::Ping.command());
    for (violation, expected) in [
        (
            Violation::Duplicate { command: version.into() },
            ("version".into(), RejectCode::DUPLICATE),
        ),
        (Violation::Forbidden { command: ping.into() }, ("ping".into(), RejectCode::INVALID)),
        (
            Violation::Unexpected { command: ping.into(), expected: "" },
            (malformed.clone(), RejectCode::MALFORMED),
        ),
    ] {
        assert_eq!(told(&Offence::Violation(&violation)), expected);
    }
    let error = Malformed::BadChecksum { command: ping.into() };
    assert_eq!(told(&Offence::Malformed(&error)), (malformed, RejectCode::MALFORMED));
    let refusal = Refusal::new("no");
    let refused = told(&Offence::Refused(&refusal));
    assert_eq!(refused, ("version".into(), RejectCode::NONSTANDARD));
}

#[test]
fn announcements_and_what_they_prove_known() {
    let (remote, _) = done(answer(Direction::Inbound, identity(), version()));
    let hash = Hash::of(b"block");
    let kinds = [InventoryType::TX, InventoryType::BLOCK, InventoryType::SYNC_BLOCK];
    let items: Vec<_> = kinds.map(|kind| InventoryItem { kind, hash }).into();
    let inv = Message::Inv(Inventory::new(&items).unwrap());
    let mut known = Vec::new();
    inv.items(&remote, None, &mut |item| known.push(item));
    assert_eq!(known, items[..2], "sync blocks are an answer");
    assert_eq!(items.iter().filter(|item| KaspaLegacy::is_urgent(item)).count(), 1);

    let tx = Tx::try_from(&Transaction::default()).unwrap();
    let mut known = Vec::new();
    Message::Tx(tx.clone()).items(&remote, None, &mut |item| known.push(item));
    assert_eq!(known, [InventoryItem::tx(tx.id())]);

    let too_many = vec![items[0]; Inventory::MAX + 1];
    let Message::Inv(inv) = Message::announce(&too_many) else { panic!("no inv") };
    assert_eq!(inv.len(), Inventory::MAX);
    assert!(Inventory::new(&too_many).is_err());
}

#[test]
fn requests_say_what_they_wait_for() {
    let expect = |kind: Kind| kind.policy().expect.as_ref();
    let getdata = expect(Kind::GetData).unwrap();
    assert_eq!(getdata.within, Duration::from_secs(30));
    assert_eq!(getdata.patience, Patience::Strict);
    assert_eq!(getdata.answers, [Kind::Block, Kind::MerkleBlock, Kind::Tx, Kind::NotFound]);
    assert_eq!(expect(Kind::GetSelTip).unwrap().answers, [Kind::SelectedTip]);
    assert_eq!(expect(Kind::GetLocator).unwrap().patience, Patience::Lenient);
    assert!(expect(Kind::Ping).is_none() && expect(Kind::GetAddr).is_none());

    let two = Inventory::new(&[InventoryItem::tx(Hash::ZERO); 2]).unwrap();
    assert_eq!(Message::GetData(two.clone()).asks(), 2);
    assert_eq!(Message::NotFound(two).settles(), 2);
    let invs = Message::GetBlockInvs(GetBlockInvs { low: Hash::ZERO, high: Hash::ZERO });
    assert_eq!((invs.asks(), invs.settles()), (1, 1));
}

#[test]
fn rejects_are_cut_and_carry_a_hash_where_one_is_due() {
    let tx = Command::new("tx");
    let reject = Reject::new(tx, RejectCode::DUST, &"ä".repeat(300)).with_hash(Hash::of(b"tx"));
    assert_eq!(reject.reason().to_string(), "?".repeat(250));
    assert_eq!(reject.hash(), Some(Hash::of(b"tx")));
    let ping = Reject::new(Command::new("ping"), RejectCode(0x77), "").with_hash(Hash::ZERO);
    assert_eq!((ping.hash(), ping.code().to_string().as_str()), (None, "0x77"));
    for (code, name) in [
        (RejectCode::NOT_REQUESTED, "REJECT_NOTREQUESTED"),
        (RejectCode::FINALITY, "REJECT_FINALITY"),
        (RejectCode::DIFFICULTY, "REJECT_DIFFICULTY"),
    ] {
        assert_eq!(code.to_string(), name);
    }
}
