//! The opening, and what the engine is told about what comes after it.
#![cfg(feature = "proto")]
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod proto;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_wire::{
    Direction, Kind as _, Malformed, Message as _, Name, Now, Offence, Opening as _, Patience,
    Protocol as _, Refusal, Remote as _, Rng, Role, Step, UserAgent, Violation,
};
use peerage_wire_kaspa::proto::message::{
    Block, InvRelayBlock, InvTransactions, NetAddress, Ping, Pong, Reject, RequestAntipast,
    RequestTransactions, SmtMetadata, Transaction, Version,
};
use peerage_wire_kaspa::proto::types::SubnetworkId;
use peerage_wire_kaspa::proto::{
    Identity, Item, Kaspa, Kind, Message, Network, NodeId, Opening, OurId, Payload, Remote,
};
use proto::{hash, header, transaction};

const NOW: Now = Now { mono: Duration::ZERO, unix: 1_700_000_000 };

fn identity() -> Identity {
    Identity::new(Network::simnet())
}

fn start(ours: Identity) -> (Opening, Vec<Message>) {
    Opening::start(Direction::Outbound, &Arc::new(ours), &mut Rng::from_seed([1; 32]), NOW)
}

fn version() -> Version {
    Version {
        protocol_version: 11,
        timestamp: NOW.unix * 1_000 - 39_500,
        address: Some("10.0.0.1:16511".parse::<std::net::SocketAddr>().unwrap().into()),
        id: vec![9; 16].into(),
        user_agent: "/kaspad:2.1.0/".into(),
        network: "kaspa-simnet".into(),
        ..Version::default()
    }
}

fn introduction(version: Version) -> Message {
    Payload::Version(Box::new(version)).into()
}

#[track_caller]
fn more(step: Step<Kaspa, Opening>) -> (Opening, Vec<Message>, Option<Remote>) {
    match step {
        Step::More { state, send, heard } => (state, send, heard),
        other => panic!("it is over: {other:?}"),
    }
}

#[track_caller]
fn done(step: Step<Kaspa, Opening>) -> (Remote, Vec<Message>) {
    match step {
        Step::Done { remote, send } => (remote, send),
        other => panic!("not done: {other:?}"),
    }
}

#[track_caller]
fn violation(step: Step<Kaspa, Opening>) -> Violation {
    match step {
        Step::Failed(violation) => violation,
        other => panic!("no violation: {other:?}"),
    }
}

/// What a peer of this identity makes of a first message.
fn answer(ours: Identity, theirs: Version) -> Step<Kaspa, Opening> {
    start(ours).0.on_message(&introduction(theirs), NOW)
}

fn remote() -> Remote {
    let (opening, ..) = more(answer(identity(), version()));
    let (opening, ..) = more(opening.on_message(&Payload::Verack.into(), NOW));
    done(opening.on_message(&Payload::Ready.into(), NOW)).0
}

#[test]
fn both_introduce_themselves_acknowledge_and_are_ready() {
    let ours = Identity {
        version: 99,
        address: Some("[2001:db8::1]:16511".parse().unwrap()),
        user_agent: UserAgent::new("explorer", "2.1", &[]).unwrap(),
        subnetwork: Some(SubnetworkId::COINBASE),
        disable_relay_tx: true,
        services: 4,
        ..identity()
    };
    let (opening, said) = start(ours);
    let [Message { payload: Payload::Version(said), .. }] = &said[..] else { panic!("{said:?}") };
    assert_eq!(said.protocol_version, 11, "never one that we do not speak");
    assert_eq!((said.services, said.disable_relay_tx), (4, true));
    assert_eq!((said.timestamp, &*said.network), (1_700_000_000_000, "kaspa-simnet"));
    assert!(said.user_agent.starts_with("/peerage:") && said.user_agent.ends_with("explorer:2.1/"));
    assert_eq!(said.subnetwork_id, Some(SubnetworkId::COINBASE));
    assert_eq!(said.address.as_ref().unwrap().ip.len(), 16);
    assert_eq!(said.id.len(), 16);

    let (first, four) = opening.step().unwrap();
    assert_eq!(four, Duration::from_secs(4));
    let (opening, send, heard) = more(opening.on_message(&introduction(version()), NOW));
    assert_eq!(send, [Payload::Verack.into()]);
    let remote = heard.unwrap();
    assert_eq!((remote.version, remote.agreed, remote.time_offset), (11, 11, -40));
    assert_eq!(remote.id, NodeId::from_bytes([9; 16]));
    assert_eq!(&remote.our_id.to_bytes()[..], &said.id[..]);
    assert_eq!(remote.address, Some("10.0.0.1:16511".parse().unwrap()));
    assert_eq!(
        (remote.user_agent.to_string(), &*remote.network),
        ("/kaspad:2.1.0/".into(), "kaspa-simnet")
    );
    assert_eq!((remote.height(), remote.answers_ping()), (0, true));
    assert_eq!(opening.version(), 11);

    let (second, four) = opening.step().unwrap();
    assert_eq!(four, Duration::from_secs(4));
    let (opening, send, heard) = more(opening.on_message(&Payload::Verack.into(), NOW));
    assert_eq!((send, heard), (vec![Payload::Ready.into()], None));
    let (third, eight) = opening.step().unwrap();
    assert_eq!(eight, Duration::from_secs(8));
    assert!(first < second && second < third);
    let (agreed, send) = done(opening.on_message(&Payload::Ready.into(), NOW));
    assert_eq!((agreed, send), (remote, vec![]));
}

#[test]
fn the_order_of_the_three_does_not_matter_and_each_comes_once() {
    let three = [introduction(version()), Payload::Verack.into(), Payload::Ready.into()];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (mut opening, _) = start(identity());
        let mut sent = Vec::new();
        for place in &order[..2] {
            let (next, send, _) = more(opening.on_message(&three[*place], NOW));
            opening = next;
            sent.extend(send);
        }
        sent.extend(done(opening.on_message(&three[order[2]], NOW)).1);
        assert_eq!(sent, [Payload::Verack.into(), Payload::Ready.into()], "{order:?}");
    }
    for message in three {
        let (opening, ..) = more(start(identity()).0.on_message(&message, NOW));
        let twice = violation(opening.on_message(&message, NOW));
        assert_eq!(twice, Violation::Duplicate { command: message.kind().into() });
    }
}

#[test]
fn only_the_three_open_a_connection() {
    let ping = violation(start(identity()).0.on_message(&Message::ping(1), NOW));
    assert!(matches!(ping, Violation::Unexpected { command: Name::Field("ping"), .. }));
    assert_eq!(Kaspa::farewell(None, &Offence::Violation(&ping)), None, "kaspad says nothing");
    // What later versions may add goes by.
    let unknown = Payload::Unknown { number: 99, body: Bytes::new() }.into();
    let (opening, send, heard) = more(start(identity()).0.on_message(&unknown, NOW));
    assert_eq!((send, heard), (vec![], None));
    more(opening.on_message(&introduction(version()), NOW));
}

#[test]
fn who_is_rejected_is_told_why() {
    let reason = "é".repeat(1_000);
    let reject = Payload::Reject(Reject { reason: reason.clone() }).into();
    let step = start(identity()).0.on_message(&reject, NOW);
    let Step::Rejected(why) = step else { panic!("{step:?}") };
    assert_eq!(why.to_string_lossy(), reason[..1_024], "in whole characters");
}

#[test]
fn versions_are_compared_and_the_lower_is_spoken() {
    let at = |version, min_version, mirror| Identity { version, min_version, mirror, ..identity() };
    for (ours, theirs, agreed) in [
        (at(10, 10, false), 10, Some(10)),
        (at(10, 10, false), 11, Some(10)),
        (at(11, 10, false), 10, Some(10)),
        (at(12, 10, false), 12, Some(11)),
        (at(10, 10, false), 9, None),
        (at(10, 5, false), 5, Some(5)),
        (at(10, 10, true), 11, Some(11)),
        (at(10, 10, true), u32::MAX, Some(11)),
        (at(11, 7, true), 7, Some(7)),
        (at(11, 10, true), 0, None),
    ] {
        let minimum = ours.min_version;
        let step = answer(ours, Version { protocol_version: theirs, ..version() });
        match agreed {
            Some(agreed) => assert_eq!(more(step).2.unwrap().agreed, agreed),
            None => {
                let obsolete = violation(step);
                let version = i32::try_from(theirs).unwrap();
                assert_eq!(obsolete, Violation::Obsolete { version, minimum });
                // It is told, as kaspad does it.
                let words = Kaspa::farewell(None, &Offence::Violation(&obsolete)).unwrap();
                let Payload::Reject(reject) = words.payload else { panic!("{words:?}") };
                assert!(reject.reason.contains(&minimum.to_string()), "{}", reject.reason);
            }
        }
    }
}

#[test]
fn who_mirrors_waits_and_says_what_they_said() {
    let ours = Identity { mirror: true, ..identity() };
    let (opening, said) = start(ours.clone());
    assert!(said.is_empty());
    let (_, send, _) = more(opening.on_message(&introduction(version()), NOW));
    let [first, second] = &send[..] else { panic!("{send:?}") };
    let Payload::Version(said) = &first.payload else { panic!("{first:?}") };
    assert_eq!((said.protocol_version, &second.payload), (11, &Payload::Verack));
    // Nothing has been said that could be acknowledged.
    let early = start(ours).0.on_message(&Payload::Verack.into(), NOW);
    assert!(matches!(violation(early), Violation::Unexpected { .. }));
}

#[test]
fn we_do_not_talk_to_ourselves() {
    for id in [OurId::PerNode, OurId::PerConnection, OurId::Fixed(NodeId::from_bytes([3; 16]))] {
        let ours = Identity { id, ..identity() };
        let (_dialling, said) = start(ours.clone());
        let listening = start(ours.clone()).0.on_message(&said[0], NOW);
        assert!(matches!(listening, Step::SelfConnection), "{listening:?}");
        let allowed = Identity { allow_self_connections: true, ..ours };
        more(start(allowed).0.on_message(&said[0], NOW));
    }
    let other = start(Identity { id: OurId::PerConnection, ..identity() }).1;
    let ours = Identity { id: OurId::Fixed(NodeId::from_bytes([3; 16])), ..identity() };
    more(start(ours).0.on_message(&other[0], NOW));
}

#[test]
fn other_networks_and_ids_do_not_fit() {
    let network = Version { network: "kaspa-mainnet".into(), ..version() };
    let id = Version { id: vec![1; 15].into(), ..version() };
    for theirs in [network, id] {
        let violation = violation(answer(identity(), theirs));
        assert!(matches!(violation, Violation::Incompatible { .. }));
        assert!(Kaspa::farewell(None, &Offence::Violation(&violation)).is_some());
    }
}

#[test]
fn what_they_say_is_cut_and_believed_only_where_it_can_be() {
    let theirs = Version {
        user_agent: "ä".repeat(1_000),
        address: Some(NetAddress { timestamp: 0, ip: vec![1; 5].into(), port: 1 }),
        timestamp: i64::MIN,
        ..version()
    };
    let remote = more(answer(identity(), theirs)).2.unwrap();
    assert_eq!(remote.user_agent.as_text().to_string_lossy(), "ä".repeat(128));
    assert_eq!(remote.address, None);
    assert!(remote.time_offset < -1_700_000_000);
    let odd = Version { user_agent: format!("x{}", "ä".repeat(1_000)), ..version() };
    let agent = more(answer(identity(), odd)).2.unwrap().user_agent;
    assert_eq!(agent.as_text().len(), 255);
}

#[test]
fn after_the_opening_the_three_end_the_connection() {
    let remote = remote();
    for message in [introduction(version()), Payload::Verack.into(), Payload::Ready.into()] {
        let duplicate = Violation::Duplicate { command: message.kind().into() };
        assert_eq!(message.role(&remote), Role::Forbidden(duplicate.clone()));
        assert_eq!(Kaspa::farewell(Some(&remote), &Offence::Violation(&duplicate)), None);
    }
    assert_eq!(Message::ping(5).role(&remote), Role::Ping(5));
    assert_eq!(Message::pong(6).role(&remote), Role::Pong(6));
    assert_eq!(Message::ping(5).payload, Payload::Ping(Ping { nonce: 5 }));
    assert_eq!(Message::pong(6).payload, Payload::Pong(Pong { nonce: 6 }));
    let unknown = Message::from(Payload::Unknown { number: 99, body: Bytes::new() });
    assert_eq!(unknown.role(&remote), Role::Other);
    assert!(Kind::Unknown(99).policy().unknown);

    let malformed = Offence::Malformed(&Malformed::Truncated);
    assert_eq!(Kaspa::farewell(Some(&remote), &malformed), None);
    let refusal = Refusal::new("DUPLICATE_CONNECTION");
    let words = Kaspa::farewell(Some(&remote), &Offence::Refused(&refusal)).unwrap();
    assert_eq!(words.payload, Payload::Reject(Reject { reason: refusal.reason }));
}

#[test]
fn announcements_and_what_they_prove_known() {
    let remote = remote();
    let known = |payload: Payload| {
        let (message, mut known) = (Message::from(payload), Vec::new());
        assert_eq!(message.role(&remote), Role::Announce);
        message.items(&remote, None, &mut |item| known.push(item));
        known
    };
    let txs = [Item::Transaction(hash(1)), Item::Transaction(hash(2))];
    let inv = Payload::InvTransactions(InvTransactions { ids: vec![hash(1), hash(2)] });
    assert_eq!(Message::announce(&txs).payload, inv);
    assert_eq!(known(inv), txs);
    let inv = Payload::InvRelayBlock(InvRelayBlock { hash: Some(hash(1)) });
    assert_eq!(Message::announce(&[Item::Block(hash(1))]).payload, inv);
    assert_eq!(known(inv), [Item::Block(hash(1))]);
    assert_eq!(known(Payload::InvRelayBlock(InvRelayBlock { hash: None })), []);

    let tx = transaction(1, 1);
    let id = tx.id().unwrap();
    assert_eq!(known(Payload::Transaction(Box::new(tx))), [Item::Transaction(id)]);
    assert_eq!(known(Payload::Transaction(Box::default())), [], "it has no id");
    let block = Block { header: Some(header(3)), transactions: vec![Transaction::default()] };
    let of_block = Item::Block(header(3).hash().unwrap());
    assert_eq!(known(Payload::Block(Box::new(block))), [of_block]);
    assert_eq!(known(Payload::Block(Box::default())), []);

    assert!(Kaspa::is_urgent(&of_block) && !Kaspa::is_urgent(&txs[0]));
    assert_eq!(Kaspa::MAX_URGENT, 1);
    let most = vec![txs[0]; Kaspa::MAX_ANNOUNCED];
    let message = Message::announce(&most);
    assert!(message.encoded_len() <= Kind::InvTransactions.policy().cap);
}

#[test]
fn requests_say_what_they_wait_for() {
    let expect = |kind: Kind| kind.policy().expect.as_ref();
    let txs = expect(Kind::RequestTransactions).unwrap();
    assert_eq!(txs.answers, [Kind::Transaction, Kind::TransactionNotFound]);
    assert_eq!((txs.within, txs.patience), (Duration::from_secs(120), Patience::Strict));
    assert_eq!(expect(Kind::RequestPruningPointProof).unwrap().within, Duration::from_secs(600));
    assert!(expect(Kind::Ping).is_none() && expect(Kind::Version).is_none());
    let request = RequestTransactions { ids: vec![hash(1); 3] };
    assert_eq!(Message::from(Payload::RequestTransactions(request)).asks(), 3);
    // What ends an answer settles whatever was asked for.
    for (request, end) in [
        (Payload::RequestPruningPointProof, Payload::PruningPointProofChunksEnd),
        (Payload::RequestPruningPointAndItsAnticone, Payload::DoneBlocksWithTrustedData),
        (Payload::RequestNextPruningPointUtxoSetChunk, Payload::DonePruningPointUtxoSetChunks),
        (Payload::RequestAntipast(RequestAntipast::default()), Payload::DoneHeaders),
    ] {
        let (asks, settles) = (Message::from(request).asks(), Message::from(end).settles());
        assert!(1 < asks && asks <= settles, "{asks}, {settles}");
    }
    let lanes = |active_lanes_count| {
        let metadata = SmtMetadata { active_lanes_count, ..SmtMetadata::default() };
        Message::from(Payload::SmtMetadata(metadata)).settles()
    };
    assert_eq!([0, 1, 4_096, 4_097, 36_865, u64::MAX].map(lanes), [11, 10, 10, 9, 1, 1]);
    // Every answer is one that the remote may send us, at the version of its request.
    for kind in Kind::ALL {
        for answer in expect(*kind).map_or(&[][..], |expect| expect.answers) {
            assert!(answer.policy().expect.is_none(), "{kind} is answered by a request, {answer}");
        }
    }
    assert_eq!(Kind::PruningPointProofChunk.since(), 11);
    assert_eq!(
        (Kind::SmtMetadata.since(), Kind::BlockBody.since(), Kind::Block.since()),
        (10, 8, 0)
    );
}

#[test]
fn the_engine_reads_and_writes_whole_messages() {
    let message = Message { request_id: 7, ..Payload::RequestNextHeaders.into() };
    let mut bytes = Vec::new();
    peerage_wire::Message::encode(&message, 11, &mut bytes);
    let decoded =
        <Message as peerage_wire::Message<Kaspa>>::decode(message.kind(), bytes.into(), 11);
    assert_eq!(decoded, Ok(message));
}
