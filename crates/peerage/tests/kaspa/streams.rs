//! Answers that come in streams: their ends, their acknowledgements, and readers that do not read.

use std::time::Duration;

use bytes::Bytes;
use peerage::kaspa::message::{
    BlockHeaders, BlockWithTrustedDataV4, PruningPointProof, PruningPointProofChunk,
    PruningPointUtxoSetChunk, PruningPoints, RequestAntipast, RequestHeaders,
    RequestPruningPointSmtState, RequestPruningPointUtxoSet, RequestTransactions, SmtLaneChunk,
    SmtLaneEntry, SmtMetadata, TrustedData, TrustedDataChunk,
};
use peerage::kaspa::{
    Answers, AnticonePart, Config, Kind, Payload, Peer, ProofPart, Request, RequestError,
    RequestPruningPointAndItsAnticone, RequestPruningPointProof, SmtPart,
};

use crate::remote::{BOTH, Caller, Remote, listen, version, within};
use crate::requests::{block, header};

async fn opened(caller: Caller) -> (Peer, Remote) {
    let version = peerage::kaspa::message::Version { protocol_version: 11, ..version() };
    let mut config = Config::simnet();
    config.identity.version = 11;
    let (peer, events, remote) = Remote::open_with(caller, &config, false, version).await;
    listen(events);
    (peer, remote)
}

fn batch(nonces: std::ops::Range<u64>) -> Payload {
    Payload::BlockHeaders(BlockHeaders { block_headers: nonces.map(header).collect() })
}

async fn next<R: Request>(answers: &mut Answers<R>) -> R::Item {
    within(answers.next()).await.expect("one more").unwrap()
}

async fn wrong<R: Request<Item: std::fmt::Debug>>(answers: &mut Answers<R>) -> &'static str {
    match within(answers.next()).await {
        Some(Err(RequestError::WrongAnswer { what, .. })) => what,
        other => panic!("{other:?}"),
    }
}

/// Each batch of headers is acknowledged when the next one is asked for, and not before.
#[tokio::test(start_paused = true)]
async fn each_batch_of_headers_is_acknowledged() {
    for caller in BOTH {
        let (peer, mut remote) = opened(caller).await;
        let mut answers = peer.request(RequestHeaders::default()).await.unwrap();
        let asked = remote.expect(Kind::RequestHeaders).await;
        for round in 0..3 {
            remote.answer_to(&asked, batch(round * 10..round * 10 + 10));
            assert_eq!(next(&mut answers).await.len(), 10);
            remote.expect_alive(round).await;
            let acknowledged = async { remote.expect(Kind::RequestNextHeaders).await };
            tokio::select! {
                biased;
                more = answers.next() => panic!("{more:?}"),
                next = acknowledged => assert_eq!((next.request_id, next.response_id), (0, 0)),
            }
        }
        remote.answer_to(&asked, Payload::DoneHeaders);
        assert!(within(answers.next()).await.is_none());
        remote.expect_alive(9).await;
    }
}

/// A remote that does not wait for its acknowledgement is at fault.
#[tokio::test(start_paused = true)]
async fn more_than_was_acknowledged_is_wrong() {
    let (peer, mut remote) = opened(Caller::We).await;
    let mut answers = peer.request(RequestPruningPointUtxoSet::default()).await.unwrap();
    remote.expect(Kind::RequestPruningPointUtxoSet).await;
    for _ in 0..200 {
        remote.say(Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunk::default()));
    }
    remote.expect_alive(1).await;
    for _ in 0..99 {
        next(&mut answers).await;
    }
    // All 200 had come before the first acknowledgement was due.
    assert_eq!(wrong(&mut answers).await, "more came than was acknowledged");
    assert!(within(answers.next()).await.is_none());
}

/// Antipasts are headers without acknowledgements.
#[tokio::test(start_paused = true)]
async fn antipasts_need_no_acknowledgement() {
    let (peer, mut remote) = opened(Caller::Remote).await;
    let mut answers = peer.request(RequestAntipast::default()).await.unwrap();
    let asked = remote.expect(Kind::RequestAntipast).await;
    for round in 0..3 {
        remote.answer_to(&asked, batch(round..round + 2));
    }
    remote.answer_to(&asked, Payload::DoneHeaders);
    for _ in 0..3 {
        assert_eq!(next(&mut answers).await.len(), 2);
    }
    assert!(within(answers.next()).await.is_none());
    remote.expect_alive(1).await;
}

/// Says `count` of these, each acknowledged after every `window`, and how many acknowledgements of
/// `kind` came.
async fn say_in_windows(
    remote: &mut Remote,
    payload: &Payload,
    count: usize,
    window: usize,
    kind: Kind,
) {
    for n in 1..=count {
        remote.say(payload.clone());
        if n % window == 0 {
            assert_eq!(remote.expect(kind).await.request_id, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_99_chunks_of_outputs_are_acknowledged() {
    for caller in BOTH {
        let (peer, mut remote) = opened(caller).await;
        let mut answers = peer.request(RequestPruningPointUtxoSet::default()).await.unwrap();
        let asked = remote.expect(Kind::RequestPruningPointUtxoSet).await;
        assert_eq!(asked.request_id, 0);
        let read = async {
            let mut count = 0;
            while let Some(chunk) = within(answers.next()).await {
                chunk.unwrap();
                count += 1;
            }
            count
        };
        let script = async {
            let chunk = Payload::PruningPointUtxoSetChunk(PruningPointUtxoSetChunk::default());
            let next = Kind::RequestNextPruningPointUtxoSetChunk;
            say_in_windows(&mut remote, &chunk, 99 * 2 + 5, 99, next).await;
            remote.say(Payload::DonePruningPointUtxoSetChunks);
        };
        let (count, ()) = tokio::join!(read, script);
        assert_eq!(count, 99 * 2 + 5);
        remote.expect_alive(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_remote_may_have_another_pruning_point() {
    let (peer, mut remote) = opened(Caller::We).await;
    let mut outputs = peer.request(RequestPruningPointUtxoSet::default()).await.unwrap();
    remote.expect(Kind::RequestPruningPointUtxoSet).await;
    remote.say(Payload::UnexpectedPruningPoint);
    let other = Err(RequestError::UnexpectedPruningPoint);
    assert_eq!(within(outputs.next()).await, Some(other));
    assert!(within(outputs.next()).await.is_none());
    drop(outputs);
    let lanes = peer.request(RequestPruningPointSmtState::default()).await.unwrap();
    remote.expect(Kind::RequestPruningPointSmtState).await;
    remote.say(Payload::UnexpectedPruningPoint);
    assert_eq!(within(lanes.all(9)).await, Err(RequestError::UnexpectedPruningPoint));
}

#[tokio::test(start_paused = true)]
async fn proofs_come_whole_or_in_chunks() {
    let (peer, mut remote) = opened(Caller::We).await;
    let mut whole = peer.request(RequestPruningPointProof).await.unwrap();
    let asked = remote.expect(Kind::RequestPruningPointProof).await;
    remote.answer_to(&asked, Payload::PruningPointProof(PruningPointProof::default()));
    assert_eq!(next(&mut whole).await, ProofPart::Whole(PruningPointProof::default()));
    assert!(within(whole.next()).await.is_none());

    let mut chunks = peer.request(RequestPruningPointProof).await.unwrap();
    let asked = remote.expect(Kind::RequestPruningPointProof).await;
    let chunk = |level| PruningPointProofChunk { chunk: vec![header(1)], level };
    for level in [2, 1, 0] {
        remote.answer_to(&asked, Payload::PruningPointProofChunk(chunk(level)));
        assert_eq!(next(&mut chunks).await, ProofPart::Chunk(chunk(level)));
    }
    remote.answer_to(&asked, Payload::PruningPointProofChunksEnd);
    assert!(within(chunks.next()).await.is_none());
}

/// The pruning point's anticone as version 10 and 11 give it.
#[tokio::test(start_paused = true)]
async fn an_anticone_in_its_parts() {
    for chunked in [false, true] {
        let (peer, mut remote) = opened(Caller::Remote).await;
        let answers = peer.request(RequestPruningPointAndItsAnticone).await.unwrap();
        let kind = Kind::RequestPruningPointAndItsAnticone;
        let asked = remote.expect(kind).await;
        let script = async {
            remote.answer_to(&asked, Payload::PruningPoints(PruningPoints::default()));
            if chunked {
                let chunk = Payload::TrustedDataChunk(TrustedDataChunk::default());
                remote.answer_to(&asked, chunk);
                remote.answer_to(&asked, Payload::TrustedDataChunksEnd);
            } else {
                remote.answer_to(&asked, Payload::TrustedData(TrustedData::default()));
            }
            let with = BlockWithTrustedDataV4 { block: Some(*block(1)), ..Default::default() };
            for n in 1..=100 {
                remote.answer_to(&asked, Payload::BlockWithTrustedDataV4(Box::new(with.clone())));
                if n == 99 {
                    remote.expect(Kind::RequestNextPruningPointAndItsAnticoneBlocks).await;
                }
            }
            remote.answer_to(&asked, Payload::DoneBlocksWithTrustedData);
        };
        let (parts, ()) = within(async { tokio::join!(answers.all(1_000), script) }).await;
        let parts = parts.unwrap();
        let is_block = |part: &&AnticonePart| matches!(part, AnticonePart::Block(_));
        assert_eq!(parts.iter().filter(is_block).count(), 100);
        assert_eq!(parts.len(), if chunked { 103 } else { 102 });
        assert_eq!(parts[0], AnticonePart::PruningPoints(PruningPoints::default()));
        remote.expect_alive(1).await;
    }
}

fn lanes(count: usize) -> Payload {
    let entry = SmtLaneEntry { data: Bytes::from_static(&[7; 40]), ..SmtLaneEntry::default() };
    Payload::SmtLaneChunk(SmtLaneChunk { entries: vec![entry; count] })
}

fn promise(active_lanes_count: u64) -> Payload {
    Payload::SmtMetadata(SmtMetadata { active_lanes_count, ..SmtMetadata::default() })
}

/// Lanes end when as many have come as were promised; every ten chunks are acknowledged.
#[tokio::test(start_paused = true)]
async fn lanes_end_when_all_have_come() {
    let (peer, mut remote) = opened(Caller::We).await;
    let answers = peer.request(RequestPruningPointSmtState::default()).await.unwrap();
    remote.expect(Kind::RequestPruningPointSmtState).await;
    let script = async {
        remote.say(promise(250));
        let next = Kind::RequestNextPruningPointSmtChunk;
        say_in_windows(&mut remote, &lanes(10), 25, 10, next).await;
    };
    let (parts, ()) = within(async { tokio::join!(answers.all(100), script) }).await;
    let parts = parts.unwrap();
    assert_eq!(parts.len(), 26);
    assert!(matches!(&parts[25], SmtPart::Lanes(chunk) if chunk.entries.len() == 10));
    remote.expect_alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn other_lanes_than_promised_are_wrong() {
    for (said, good, what) in [
        (vec![lanes(1)], 0, "it came out of order"),
        (vec![promise(5), promise(5)], 1, "it came out of order"),
        (vec![promise(5), lanes(6)], 1, "it has other lanes than were promised"),
        (vec![promise(5), lanes(4), lanes(2)], 2, "it has other lanes than were promised"),
        (vec![promise(5), lanes(0)], 1, "it has other lanes than were promised"),
    ] {
        let (peer, mut remote) = opened(Caller::We).await;
        let mut answers = peer.request(RequestPruningPointSmtState::default()).await.unwrap();
        remote.expect(Kind::RequestPruningPointSmtState).await;
        said.into_iter().for_each(|payload| remote.say(payload));
        for _ in 0..good {
            next(&mut answers).await;
        }
        assert_eq!(wrong(&mut answers).await, what);
    }
}

/// More than whoever asked will have are not gathered.
#[tokio::test(start_paused = true)]
async fn all_is_not_more_than_wanted() {
    let (peer, mut remote) = opened(Caller::We).await;
    let answers = peer.request(RequestAntipast::default()).await.unwrap();
    let asked = remote.expect(Kind::RequestAntipast).await;
    for _ in 0..3 {
        remote.answer_to(&asked, batch(0..1));
    }
    let Err(RequestError::WrongAnswer { what, .. }) = within(answers.all(2)).await else {
        panic!("three are more than two")
    };
    assert_eq!(what, "more than were expected");
}

/// An answer that nobody asked for is an event even while others of its kind are waited for by
/// number, and one that is incomplete is wrong.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_not_named_is_wrong() {
    let (peer, mut remote) = opened(Caller::We).await;
    let ids = vec![crate::requests::hash(1)];
    let mut found = peer.request(RequestTransactions { ids }).await.unwrap();
    remote.expect(Kind::RequestTransactions).await;
    remote.say(Payload::TransactionNotFound(Default::default()));
    wrong(&mut found).await;
}

/// Answers that nobody reads stop the remote: it cannot get rid of more than the limit and what is
/// on its way, and goes on when somebody reads.
#[tokio::test(start_paused = true)]
async fn unread_answers_stop_the_remote() {
    const MIB: u64 = 1 << 20;
    for caller in BOTH {
        let (peer, mut remote) = opened(caller).await;
        let mut answers = peer.request(RequestAntipast::default()).await.unwrap();
        let asked = remote.expect(Kind::RequestAntipast).await;
        // 64 MiB in messages of some 100 kB.
        let large = batch(0..700);
        let mut one = Vec::new();
        asked.answer(large.clone()).encode(&mut one);
        let count = (64 << 20) / one.len();
        for _ in 0..count {
            remote.answer_to(&asked, large.clone());
        }
        remote.answer_to(&asked, Payload::DoneHeaders);
        // What is held, a window, and what was being read; pings that go out read on a little.
        tokio::time::sleep(Duration::from_secs(500)).await;
        let came = peer.stats().bytes_received;
        assert!((MIB..5 * MIB / 2).contains(&came), "{came} bytes came");
        let mut read = 0;
        while let Some(headers) = within(answers.next()).await {
            assert_eq!(headers.unwrap().len(), 700);
            read += 1;
        }
        assert_eq!(read, count);
    }
}

/// Dropping answers that are not read lets the rest pass, as events.
#[tokio::test(start_paused = true)]
async fn dropping_unread_answers_lets_the_remote_go_on() {
    let (peer, mut remote) = opened(Caller::Remote).await;
    let answers = peer.request(RequestAntipast::default()).await.unwrap();
    let asked = remote.expect(Kind::RequestAntipast).await;
    for _ in 0..100 {
        remote.answer_to(&asked, batch(0..700));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(peer.stats().received.get(Kind::BlockHeaders).messages < 50);
    drop(answers);
    remote.expect_alive(1).await;
    assert_eq!(peer.stats().received.get(Kind::BlockHeaders).messages, 100);
}
