//! The end of a connection, and the receipts of its frames.

use loom::thread;

use super::*;

#[test]
fn the_end_is_told_to_whoever_begins_to_wait() {
    explore(3, || {
        let shared = connection(&Budget::default(), 1);
        let waiters = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || block_on(shared.ended()))
        });
        shared.end(REQUESTED);
        assert_eq!(join(waiters), [REQUESTED, REQUESTED]);
        assert_eq!(block_on(shared.ended()), REQUESTED);
    });
}

#[test]
fn whoever_stops_waiting_takes_no_news_away() {
    explore(3, || {
        let shared = connection(&Budget::default(), 1);
        let quitter = thread::spawn({
            let shared = shared.clone();
            move || poll_once(&mut Box::pin(shared.ended()))
        });
        let waiter = thread::spawn({
            let shared = shared.clone();
            move || block_on(shared.ended())
        });
        shared.end(REQUESTED);
        assert_eq!(waiter.join().unwrap(), REQUESTED);
        assert!(matches!(quitter.join().unwrap(), Poll::Pending | Poll::Ready(REQUESTED)));
    });
}

#[test]
fn a_receipt_tells_what_became_of_its_frame() {
    explore(None, || {
        let budget = Budget::default();
        let shared = connection(&budget, 1);
        let peer = PeerHandle::owning(shared.clone());
        let receipt = peer.try_send_tracked(&Numbered(1)).unwrap();
        let reader = thread::spawn(move || block_on(receipt));
        let closer = thread::spawn(move || peer.disconnect());
        let written = block_on(Driver::new(&shared).run_to_end());
        closer.join().unwrap();
        match reader.join().unwrap() {
            Ok(()) => assert_eq!(written, [1]),
            Err(reason) => {
                assert_eq!(reason, REQUESTED);
                assert!(written.is_empty());
            }
        }
        assert_eq!(budget.used(), 0);
    });
}

/// As when the receiving task moves from one thread to another.
#[test]
fn a_receipt_wakes_whoever_polled_it_last() {
    explore(None, || {
        let shared = connection(&Budget::default(), 1);
        let peer = PeerHandle::owning(shared.clone());
        let mut receipt = peer.try_send_tracked(&Numbered(1)).unwrap();
        let driver = thread::spawn({
            let driver = Driver::new(&shared);
            move || block_on(driver.run_to_end())
        });
        let first = poll_once(&mut receipt);
        peer.disconnect();
        let outcome = match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => block_on(receipt),
        };
        let written = driver.join().unwrap();
        assert_eq!(outcome.is_ok(), written == [1]);
    });
}

#[test]
fn a_receipt_that_is_dropped_changes_nothing() {
    explore(None, || {
        let shared = connection(&Budget::default(), 1);
        let peer = PeerHandle::owning(shared.clone());
        let receipt = peer.try_send_tracked(&Numbered(1)).unwrap();
        let reader = thread::spawn(move || drop(receipt));
        let mut driver = Driver::new(&shared);
        block_on(driver.run(|driver| driver.written == [1]));
        reader.join().unwrap();
    });
}
