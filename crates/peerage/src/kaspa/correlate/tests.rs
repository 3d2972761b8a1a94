use peerage_wire_kaspa::proto::message::{
    RequestHeaders, RequestTransactions, TransactionNotFound,
};
use peerage_wire_kaspa::proto::types::Hash;

use super::super::answers::Request as _;
use super::*;

fn not_found(number: u8) -> Message {
    let id = Some(Hash::from_bytes([number; 32]));
    Payload::TransactionNotFound(TransactionNotFound { id }).into()
}

/// What has come: an answer, the end, or nothing yet.
fn answer(ticket: &Ticket) -> Option<Option<Payload>> {
    match ticket.poll_answer(&Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.map(|answer| answer.payload)),
        Poll::Pending => None,
    }
}

#[test]
fn answers_by_kind_go_to_whoever_asked_first_and_still_waits() {
    let correlator = Correlator::new(1 << 20);
    let ask = |numbers: &[u8]| {
        let ids = numbers.iter().map(|number| Hash::from_bytes([*number; 32])).collect();
        correlator.expect(RequestTransactions { ids }.flow())
    };
    let (first, second) = (ask(&[1, 2]), ask(&[3]));
    assert_eq!(first.request_id(), 0);
    // All of them come before anybody reads.
    for number in [1, 2, 3] {
        assert!(correlator.take(not_found(number)).is_ok());
    }
    assert_eq!(correlator.take(not_found(4)), Err(not_found(4)), "nobody asked");
    for (ticket, number) in [(&first, 1), (&first, 2), (&second, 3)] {
        assert_eq!(answer(ticket), Some(Some(not_found(number).payload)));
    }
    assert_eq!((answer(&first), answer(&second)), (None, None));
}

#[test]
fn answers_by_number_go_to_whoever_has_it() {
    let correlator = Correlator::new(1 << 20);
    let ask = || correlator.expect(RequestHeaders::default().flow());
    let (first, second) = (ask(), ask());
    let done = |id| Message { response_id: id, ..Payload::DoneHeaders.into() };
    let id = second.request_id();
    assert!(id >= FIRST_ID && id != first.request_id());
    assert!(correlator.take(done(id)).is_ok());
    assert_eq!(correlator.take(done(id)), Err(done(id)), "it is over");
    assert_eq!(correlator.take(done(0)), Err(done(0)), "it names nobody");
    drop(first);
    assert_eq!(answer(&second), Some(Some(Payload::DoneHeaders)));
    correlator.end();
    assert_eq!(answer(&second), Some(None));
}

#[test]
fn what_nobody_reads_stops_the_reading_until_it_is_given_up() {
    let correlator = Correlator::new(64);
    let cx = Context::from_waker(Waker::noop());
    let ids = vec![Hash::ZERO; 3];
    let ticket = correlator.expect(RequestTransactions { ids }.flow());
    assert!(correlator.poll_room(&cx).is_ready());
    for _ in 0..2 {
        assert!(correlator.take(not_found(0)).is_ok());
    }
    assert!(correlator.poll_room(&cx).is_pending());
    drop(ticket);
    assert!(correlator.poll_room(&cx).is_ready());
    assert_eq!(correlator.lock().bytes, 0);
}
