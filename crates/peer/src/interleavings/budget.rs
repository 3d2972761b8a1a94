//! The budget that connections share: whoever waits for it is woken, and its count is exact.

use std::future::poll_fn;

use loom::thread;

use super::*;
use crate::budget::Charge;

/// Takes so many bytes as soon as it can, and holds them.
fn take(budget: &Budget, bytes: usize) -> Charge {
    let mut charge = Charge::new(budget.clone());
    block_on(poll_fn(|cx| charge.poll_raise(cx, bytes)));
    charge
}

#[test]
fn whoever_waits_is_woken_when_it_is_given_back() {
    explore(2, || {
        let budget = Budget::new(1);
        let held = take(&budget, 1);
        let takers = [1, 1].map(|bytes| {
            let budget = budget.clone();
            thread::spawn(move || drop(take(&budget, bytes)))
        });
        drop(held);
        join(takers);
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn parts_given_back_by_several_wake_whoever_waits() {
    explore(3, || {
        let budget = Budget::new(2);
        budget.add(3);
        let taker = thread::spawn({
            let budget = budget.clone();
            move || drop(take(&budget, 1))
        });
        let giver = thread::spawn({
            let budget = budget.clone();
            move || budget.sub(1)
        });
        budget.sub(2);
        taker.join().unwrap();
        giver.join().unwrap();
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn a_sender_that_adds_meanwhile_takes_no_wake_up_away() {
    explore(3, || {
        let budget = Budget::new(1);
        budget.add(1);
        let taker = thread::spawn({
            let budget = budget.clone();
            move || drop(take(&budget, 1))
        });
        let sender = thread::spawn({
            let budget = budget.clone();
            move || {
                budget.add(1);
                budget.sub(1);
            }
        });
        budget.sub(1);
        taker.join().unwrap();
        sender.join().unwrap();
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn whoever_gives_up_takes_no_wake_up_away() {
    explore(None, || {
        let budget = Budget::new(1);
        let held = take(&budget, 1);
        let mut quitter = Charge::new(budget.clone());
        let cx = &Context::from_waker(Waker::noop());
        assert!(quitter.poll_raise(cx, 1).is_pending());
        let quitter = thread::spawn(move || drop(quitter));
        let taker = thread::spawn({
            let budget = budget.clone();
            move || drop(take(&budget, 1))
        });
        drop(held);
        quitter.join().unwrap();
        taker.join().unwrap();
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn only_one_taker_exceeds_it() {
    explore(3, || {
        let budget = Budget::new(10);
        let takers = [10, 10].map(|bytes| {
            let budget = budget.clone();
            thread::spawn(move || drop(take(&budget, bytes)))
        });
        assert!(budget.used() < 10 + 10);
        join(takers);
        assert_eq!(budget.used(), 0);
    });
}
