//! Requests and their answers: which answer is whose, and what is none.

use peerage::kaspa::message::{
    Addresses, Block, BlockBody, BlockHeader, BlockHeaders, BlockLocator, IbdChainBlockLocator,
    NetAddress, RequestAddresses, RequestBlockBodies, RequestBlockLocator, RequestHeaders,
    RequestIbdChainBlockLocator, RequestRelayBlocks, RequestTransactions, Transaction,
    TransactionNotFound,
};
use peerage::kaspa::types::{Hash, SubnetworkId};
use peerage::kaspa::{
    Answers, Config, DisconnectReason, FoundTransaction, Kind, Local, Message, Payload, Peer,
    RequestError,
};

use crate::remote::{BOTH, Caller, Remote, listen, within};

pub(crate) fn hash(n: u32) -> Hash {
    let mut bytes = [0xab; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    Hash::from_bytes(bytes)
}

/// A header of which a hash can be made.
pub(crate) fn header(nonce: u64) -> BlockHeader {
    BlockHeader {
        version: 2,
        hash_merkle_root: Some(hash(1)),
        accepted_id_merkle_root: Some(hash(2)),
        utxo_commitment: Some(hash(3)),
        nonce,
        pruning_point: Some(hash(4)),
        ..BlockHeader::default()
    }
}

pub(crate) fn block(nonce: u64) -> Box<Block> {
    Box::new(Block { header: Some(header(nonce)), transactions: Vec::new() })
}

pub(crate) fn transaction(lock_time: u64) -> Box<Transaction> {
    let subnetwork_id = Some(SubnetworkId::NATIVE);
    Box::new(Transaction { lock_time, subnetwork_id, ..Transaction::default() })
}

pub(crate) fn range(low: u32) -> RequestHeaders {
    RequestHeaders { low_hash: Some(hash(low)), high_hash: Some(hash(low + 1)) }
}

pub(crate) fn headers(nonce: u64) -> Payload {
    Payload::BlockHeaders(BlockHeaders { block_headers: vec![header(nonce)] })
}

pub(crate) async fn nonce(answers: &mut Answers<RequestHeaders>) -> u64 {
    within(answers.next()).await.unwrap().unwrap()[0].nonce
}

pub(crate) async fn opened(caller: Caller) -> (Peer, Remote) {
    let (peer, events, remote) = Remote::open(caller, &Config::simnet()).await;
    listen(events);
    (peer, remote)
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_by_number_in_any_order() {
    for caller in BOTH {
        let (peer, mut remote) = opened(caller).await;
        let mut first = peer.request(range(10)).await.unwrap();
        let mut second = peer.push_get_headers(hash(20), hash(21)).await.unwrap();
        let asked =
            [remote.expect(Kind::RequestHeaders).await, remote.expect(Kind::RequestHeaders).await];
        assert_eq!(asked[1].payload, Payload::RequestHeaders(range(20)));
        assert!(asked.iter().all(|it| it.request_id >= 1 << 31), "ours are the upper half");
        remote.answer_to(&asked[1], headers(21));
        remote.answer_to(&asked[0], headers(11));
        assert_eq!((nonce(&mut first).await, nonce(&mut second).await), (11, 21));
        remote.answer_to(&asked[1], Payload::DoneHeaders);
        assert!(within(second.next()).await.is_none());
        assert!(within(second.next()).await.is_none(), "and stays so");
        remote.answer_to(&asked[0], Payload::DoneHeaders);
        assert!(within(first.next()).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn single_answers() {
    let (peer, mut remote) = opened(Caller::We).await;
    let script = async {
        let asked = remote.expect(Kind::RequestAddresses).await;
        assert_eq!(asked.request_id, 0, "kaspad answers these by kind");
        let addresses = vec![NetAddress::from(std::net::SocketAddr::from(([10, 0, 0, 1], 5)))];
        remote.say(Payload::Addresses(Addresses { addresses }));
        let asked = remote.expect(Kind::RequestBlockLocator).await;
        let locator = BlockLocator { hashes: vec![hash(1), hash(2)] };
        remote.answer_to(&asked, Payload::BlockLocator(locator));
        let asked = remote.expect(Kind::RequestIbdChainBlockLocator).await;
        let locator = IbdChainBlockLocator { block_locator_hashes: vec![hash(3)] };
        remote.answer_to(&asked, Payload::IbdChainBlockLocator(locator));
    };
    let ask = async {
        let known = peer.request(RequestAddresses::default()).await.unwrap();
        assert_eq!(known.addresses[0].port, 5);
        let locator = RequestBlockLocator { high_hash: Some(hash(1)), limit: 9 };
        assert_eq!(peer.request(locator).await.unwrap().hashes, [hash(1), hash(2)]);
        let chain = peer.request(RequestIbdChainBlockLocator::default()).await.unwrap();
        assert_eq!(chain.block_locator_hashes, [hash(3)]);
    };
    within(async { tokio::join!(script, ask) }).await;
}

/// Two who ask for the same at once both get an answer, the first the first, although both answers
/// have come before either is looked at.
#[tokio::test(start_paused = true)]
async fn answers_by_kind_go_to_who_waits_longest() {
    let (peer, mut remote) = opened(Caller::We).await;
    let script = async {
        for _ in 0..2 {
            remote.expect(Kind::RequestAddresses).await;
        }
        let both = [1, 2].map(|port| {
            let address = std::net::SocketAddr::from(([10, 0, 0, 1], port));
            let addresses = vec![address.into()];
            crate::remote::framed_message(Payload::Addresses(Addresses { addresses }))
        });
        remote.say_bytes(both.concat());
    };
    let ask = || peer.request(RequestAddresses::default());
    let (one, two, ()) = within(async { tokio::join!(ask(), ask(), script) }).await;
    let port = |it: Result<Addresses, _>| it.unwrap().addresses[0].port;
    assert_eq!((port(one), port(two)), (1, 2));
}

/// Who has all answers does not take those of others, even if nobody has let go of him.
#[tokio::test(start_paused = true)]
async fn who_is_done_takes_no_more() {
    let (peer, mut remote) = opened(Caller::We).await;
    let ids = [1, 2, 3].map(|n| transaction(n).id().unwrap());
    let mut kept = Vec::new();
    for (n, id) in ids.into_iter().enumerate() {
        let mut found = peer.request(RequestTransactions { ids: vec![id] }).await.unwrap();
        remote.expect(Kind::RequestTransactions).await;
        remote.say(Payload::Transaction(transaction(n as u64 + 1)));
        let answer = within(found.next()).await.unwrap().unwrap();
        assert_eq!(answer, FoundTransaction::Found(transaction(n as u64 + 1)));
        kept.push(found);
    }
}

/// Two lists of transactions asked for at once, and everything answered in one go.
#[tokio::test(start_paused = true)]
async fn each_gets_as_many_transactions_as_it_asked_for() {
    let (peer, mut remote) = opened(Caller::Remote).await;
    let id = |n| transaction(n).id().unwrap();
    let first = peer.request(RequestTransactions { ids: vec![id(1), hash(9)] }).await.unwrap();
    let second = peer.request(RequestTransactions { ids: vec![id(2)] }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(remote.expect(Kind::RequestTransactions).await.request_id, 0);
    }
    remote.say(Payload::Transaction(transaction(1)));
    remote.say(Payload::TransactionNotFound(TransactionNotFound { id: Some(hash(9)) }));
    remote.say(Payload::Transaction(transaction(2)));
    let first = within(first.all(5)).await.unwrap();
    let found = |n| FoundTransaction::Found(transaction(n));
    assert_eq!(first, [found(1), FoundTransaction::NotFound(hash(9))]);
    assert_eq!(within(second.all(5)).await.unwrap(), [found(2)]);
}

#[tokio::test(start_paused = true)]
async fn blocks_come_as_they_were_asked_for_or_not_at_all() {
    let hashes: Vec<Hash> = (1..3).map(|n| header(n).hash().unwrap()).collect();
    for (said, good) in [([1, 2], 2), ([2, 1], 0), ([1, 3], 1)] {
        let (peer, mut remote) = opened(Caller::We).await;
        let request = RequestRelayBlocks { hashes: hashes.clone() };
        let mut blocks = peer.request(request).await.unwrap();
        let asked = remote.expect(Kind::RequestRelayBlocks).await;
        for nonce in said {
            remote.answer_to(&asked, Payload::Block(block(nonce)));
        }
        for nonce in &said[..good] {
            assert_eq!(within(blocks.next()).await.unwrap().unwrap(), block(*nonce));
        }
        if good < 2 {
            let what = "it is not the one that was asked for";
            let wrong = RequestError::WrongAnswer { kind: Kind::Block, what };
            assert_eq!(within(blocks.next()).await.unwrap().unwrap_err(), wrong);
        }
        assert!(within(blocks.next()).await.is_none(), "the stream is over");
        assert_eq!(peer.close_reason(), None, "what becomes of the remote is ours to decide");
    }
}

/// A block whose header is not there cannot be the one that was asked for.
#[tokio::test(start_paused = true)]
async fn a_block_without_a_hash_is_wrong() {
    let (peer, mut remote) = opened(Caller::We).await;
    let request = RequestRelayBlocks { hashes: vec![hash(1)] };
    let mut blocks = peer.request(request).await.unwrap();
    let asked = remote.expect(Kind::RequestRelayBlocks).await;
    remote.answer_to(&asked, Payload::Block(Box::default()));
    assert!(matches!(
        within(blocks.next()).await,
        Some(Err(RequestError::WrongAnswer { kind: Kind::Block, .. }))
    ));
}

/// What is asked for with an empty list has come at once.
#[tokio::test(start_paused = true)]
async fn nothing_is_answered_by_nothing() {
    let (peer, mut remote) = opened(Caller::We).await;
    let mut blocks = peer.request(RequestRelayBlocks::default()).await.unwrap();
    assert!(within(blocks.next()).await.is_none());
    let bodies = peer.request(RequestBlockBodies::default()).await.unwrap();
    assert_eq!(within(bodies.all(0)).await, Ok(Vec::new()));
    remote.expect(Kind::RequestRelayBlocks).await;
    remote.expect(Kind::RequestBlockBodies).await;
    remote.expect_alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn bodies_are_counted() {
    let (peer, mut remote) = opened(Caller::Remote).await;
    let request = RequestBlockBodies { hashes: vec![hash(1), hash(2)] };
    let bodies = peer.request(request).await.unwrap();
    let asked = remote.expect(Kind::RequestBlockBodies).await;
    let body = |n| BlockBody { transactions: vec![*transaction(n)] };
    for n in 1..=2 {
        remote.answer_to(&asked, Payload::BlockBody(body(n)));
    }
    assert_eq!(within(bodies.all(2)).await.unwrap(), [body(1), body(2)]);
}

/// Another kind with the request's number, and the right kind with another number, answer nothing:
/// they are events.
#[tokio::test(start_paused = true)]
async fn what_answers_nothing_is_an_event() {
    for caller in BOTH {
        let (peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        let mut answers = peer.request(range(1)).await.unwrap();
        let asked = remote.expect(Kind::RequestHeaders).await;
        let id = asked.request_id;
        let stray = [
            Message { request_id: 0, response_id: id, payload: Payload::Block(block(1)) },
            Message { request_id: 0, response_id: id + 1, payload: headers(1) },
            Message { request_id: 0, response_id: 0, payload: headers(2) },
            Message { request_id: id, response_id: 0, payload: Payload::DoneHeaders },
        ];
        for message in stray {
            remote.say(message.clone());
            assert_eq!(within(events.message()).await.unwrap(), message);
        }
        remote.answer_to(&asked, headers(3));
        assert_eq!(nonce(&mut answers).await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_ends_the_waiting() {
    for caller in BOTH {
        let (peer, mut remote) = opened(caller).await;
        let mut answers = peer.request(range(1)).await.unwrap();
        let asked = remote.expect(Kind::RequestHeaders).await;
        remote.answer_to(&asked, headers(1));
        remote.expect_alive(1).await;
        let waiting = peer.clone();
        let waiting =
            tokio::spawn(async move { waiting.request(RequestAddresses::default()).await });
        remote.expect(Kind::RequestAddresses).await;
        drop(remote);
        let closed = RequestError::Closed(DisconnectReason::RemoteClosed);
        assert_eq!(within(waiting).await.unwrap(), Err(closed.clone()));
        // What came before the end is still given, although this waited for its reader.
        assert_eq!(nonce(&mut answers).await, 1);
        assert!(matches!(within(answers.next()).await, Some(Err(_))));
        let late = peer.request(RequestAddresses::default()).await;
        assert!(matches!(late, Err(RequestError::NotSent(_))), "{late:?}");
    }
    // The same where it is our doing.
    let (peer, _remote) = opened(Caller::We).await;
    let waiting = peer.request(RequestAddresses::default());
    let quit = async {
        tokio::task::yield_now().await;
        peer.disconnect();
    };
    let (answer, ()) = within(async { tokio::join!(waiting, quit) }).await;
    assert_eq!(answer, Err(RequestError::Closed(Local::Requested.into())));
}
