//! Requests that are given up, and their answers, which come nevertheless.

use peerage::kaspa::message::{Addresses, RequestAddresses, RequestTransactions};
use peerage::kaspa::{Config, FoundTransaction, Kind, Payload};

use crate::remote::{Caller, Remote, within};
use crate::requests::{headers, nonce, opened, range, transaction};

#[tokio::test(start_paused = true)]
async fn what_comes_for_who_has_gone_is_an_event() {
    let (peer, mut events, mut remote) = Remote::open(Caller::We, &Config::simnet()).await;
    let mut answers = peer.request(range(1)).await.unwrap();
    let asked = remote.expect(Kind::RequestHeaders).await;
    remote.answer_to(&asked, headers(1));
    assert_eq!(nonce(&mut answers).await, 1);
    drop(answers);
    remote.answer_to(&asked, headers(2));
    let event = within(events.message()).await.unwrap();
    assert_eq!((event.response_id, event.payload), (asked.request_id, headers(2)));

    // A future that is dropped while it waits has gone as well.
    let asking = peer.request(RequestAddresses::default());
    let script = async {
        remote.expect(Kind::RequestAddresses).await;
    };
    tokio::select! {
        biased;
        _ = asking => panic!("nobody has answered"),
        () = script => {}
    }
    remote.say(Payload::Addresses(Addresses::default()));
    assert_eq!(within(events.message()).await.unwrap().kind(), Kind::Addresses);
}

/// Answers by kind that come late, for who has gone, are not taken for those of the next request.
#[tokio::test(start_paused = true)]
async fn late_answers_are_not_those_of_the_next_request() {
    let (peer, mut events, mut remote) = Remote::open(Caller::We, &Config::simnet()).await;
    let id = |n| transaction(n).id().unwrap();
    let given_up = peer.request(RequestTransactions { ids: vec![id(1), id(2)] }).await.unwrap();
    drop(given_up);
    let kept = peer.request(RequestTransactions { ids: vec![id(3)] }).await.unwrap();
    for n in 1..=3 {
        remote.say(Payload::Transaction(transaction(n)));
    }
    for n in 1..=2 {
        let late = within(events.message()).await.unwrap();
        assert_eq!(late.payload, Payload::Transaction(transaction(n)));
    }
    assert_eq!(within(kept.all(1)).await.unwrap(), [FoundTransaction::Found(transaction(3))]);
}

/// What was never sent has no answer, and keeps nobody from his.
#[tokio::test(start_paused = true)]
async fn who_gave_up_before_it_was_sent_has_no_place() {
    let (peer, mut remote) = opened(Caller::Remote).await;
    let filler = Payload::Unknown { number: 999, body: vec![0; 100_000].into() };
    let mut sent = 0;
    while peer.try_send(&filler.clone().into()).is_ok() {
        sent += 1;
    }
    tokio::select! {
        biased;
        answer = peer.request(RequestAddresses::default()) => panic!("{answer:?}"),
        () = std::future::ready(()) => {}
    }
    for _ in 0..sent {
        assert_eq!(remote.expect(Kind::Unknown(999)).await.payload, filler);
    }
    let script = async {
        remote.expect(Kind::RequestAddresses).await;
        remote.say(Payload::Addresses(Addresses::default()));
    };
    let ask = peer.request(RequestAddresses::default());
    let (answer, ()) = within(async { tokio::join!(ask, script) }).await;
    assert_eq!(answer, Ok(Addresses::default()));
}
