//! Senders that wait for room: each gets it, in the order in which they came, or is told of the end.

use std::future::poll_fn;

use loom::thread::{self, JoinHandle};

use super::*;
use crate::error::{SendError, TrySendError};

type Sending = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send>>;

/// One frame fills it.
const NARROW: usize = 1;

/// A connection whose outbox is full with the frame 0.
struct Full {
    budget: Budget,
    shared: Arc<Shared<Toy>>,
    peer: PeerHandle<Toy>,
}

impl Full {
    fn new() -> Self {
        let budget = Budget::default();
        let shared = connection(&budget, NARROW);
        let peer = PeerHandle::owning(shared.clone());
        peer.try_send(&Numbered(0)).expect("an empty outbox takes a frame");
        Self { budget, shared, peer }
    }

    fn send(&self, number: u8) -> Sending {
        let peer = self.peer.clone();
        Box::pin(async move { peer.send(&Numbered(number)).await })
    }

    /// A sender that has come and waits.
    fn waiting(&self, number: u8) -> Sending {
        let mut sending = self.send(number);
        assert!(poll_once(&mut sending).is_pending());
        sending
    }

    /// Writes until so many frames are written.
    fn write(&self, frames: usize, gives_back: GivesBack) -> Vec<u8> {
        let mut driver = Driver { gives_back, ..Driver::new(&self.shared) };
        block_on(driver.run(|driver| driver.written.len() == frames));
        assert_eq!(self.budget.used(), 0);
        driver.written
    }
}

fn spawn(sending: Sending) -> JoinHandle<Result<(), SendError>> {
    thread::spawn(move || block_on(sending))
}

#[test]
fn each_sender_that_waits_gets_room() {
    explore(2, || {
        let full = Full::new();
        let senders = [1, 2].map(|number| spawn(full.send(number)));
        let written = full.write(3, GivesBack::AtTheEnd);
        join(senders).into_iter().for_each(|sent| sent.unwrap());
        assert!(written == [0, 1, 2] || written == [0, 2, 1]);
    });
}

#[test]
fn senders_get_room_in_the_order_in_which_they_came() {
    explore(2, || {
        let full = Full::new();
        let senders = [full.waiting(1), full.waiting(2)].map(spawn);
        assert_eq!(full.write(3, GivesBack::AtTheEnd), [0, 1, 2]);
        join(senders).into_iter().for_each(|sent| sent.unwrap());
    });
}

/// As when one task awaits several sends; it polls the latest first.
#[test]
fn sends_of_one_task_keep_their_order() {
    for gives_back in [GivesBack::AtTheEnd, GivesBack::FrameByFrame, GivesBack::Late] {
        explore(2, move || {
            let full = Full::new();
            let mut sends = [1, 2, 3].map(|number| Some(full.waiting(number)));
            let task = thread::spawn(move || {
                block_on(poll_fn(|cx| {
                    for send in sends.iter_mut().rev() {
                        if send.as_mut().is_some_and(|send| send.as_mut().poll(cx).is_ready()) {
                            *send = None;
                        }
                    }
                    if sends.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(()) }
                }));
            });
            assert_eq!(full.write(4, gives_back), [0, 1, 2, 3]);
            task.join().unwrap();
        });
    }
}

#[test]
fn whoever_gives_up_passes_the_room_on() {
    explore(3, || {
        let full = Full::new();
        let (first, second) = (full.waiting(1), full.waiting(2));
        let quitter = thread::spawn(move || drop(first));
        let sender = spawn(second);
        assert_eq!(full.write(2, GivesBack::AtTheEnd), [0, 2]);
        quitter.join().unwrap();
        sender.join().unwrap().unwrap();
    });
}

#[test]
fn the_second_may_give_up_as_well() {
    explore(3, || {
        let full = Full::new();
        let (first, second) = (full.waiting(1), full.waiting(2));
        let quitter = thread::spawn(move || drop(second));
        let sender = spawn(first);
        assert_eq!(full.write(2, GivesBack::AtTheEnd), [0, 1]);
        quitter.join().unwrap();
        sender.join().unwrap().unwrap();
        assert_eq!(full.peer.try_send(&Numbered(3)), Ok(()), "nobody waits any more");
    });
}

#[test]
fn nobody_overtakes_whoever_waits() {
    explore(3, || {
        let full = Full::new();
        let sender = spawn(full.waiting(1));
        let newcomer = thread::spawn({
            let peer = full.peer.clone();
            move || peer.try_send(&Numbered(2))
        });
        let mut driver = Driver::new(&full.shared);
        block_on(driver.run(|driver| driver.written.len() == 2));
        sender.join().unwrap().unwrap();
        let accepted = newcomer.join().unwrap();
        driver.transmit();
        match accepted {
            Ok(()) => assert_eq!(driver.written, [0, 1, 2]),
            Err(error) => {
                assert_eq!(error, TrySendError::Full);
                assert_eq!(driver.written, [0, 1]);
            }
        }
    });
}

#[test]
fn whoever_was_refused_is_told_of_room_though_the_others_give_up() {
    explore(3, || {
        let full = Full::new();
        let first = full.waiting(1);
        let quitter = thread::spawn(move || drop(first));
        let told = Arc::new(Thread(loom::sync::Notify::new()));
        let newcomer = thread::spawn({
            let (peer, told) = (full.peer.clone(), told.clone());
            move || {
                while peer.try_send(&Numbered(2)) == Err(TrySendError::Full) {
                    told.0.wait();
                }
            }
        });
        let on_room = Box::new(move || told.0.notify());
        let mut driver = Driver { on_room, ..Driver::new(&full.shared) };
        block_on(driver.run(|driver| driver.written == [0, 2]));
        quitter.join().unwrap();
        newcomer.join().unwrap();
    });
}

/// A handler that is told of room while others are first must not keep the task from waiting.
#[test]
fn a_handler_that_sends_when_told_of_room_lets_others_go_first() {
    explore(2, || {
        let full = Full::new();
        let sender = spawn(full.waiting(1));
        let peer = full.peer.clone();
        let mut left = Some(Numbered(2));
        let on_room = Box::new(move || {
            left.take_if(|message| peer.try_send(message).is_ok());
        });
        let mut driver = Driver { on_room, ..Driver::new(&full.shared) };
        block_on(driver.run(|driver| driver.written.len() == 3));
        assert_eq!(driver.written, [0, 1, 2]);
        sender.join().unwrap().unwrap();
    });
}

/// Nor must one that is told of room while the budget is short.
#[test]
fn a_handler_is_not_told_of_room_that_the_budget_refuses() {
    explore(None, || {
        let shared = connection(&Budget::new(1), 1 << 20);
        let peer = PeerHandle::owning(shared.clone());
        peer.try_send(&Numbered(0)).unwrap();
        let newcomer = thread::spawn({
            let peer = peer.clone();
            move || peer.try_send(&Numbered(1))
        });
        let mut left = Some(Numbered(2));
        let on_room = Box::new(move || {
            left.take_if(|message| peer.try_send(message).is_ok());
        });
        let gives_back = GivesBack::Late;
        let mut driver = Driver { gives_back, on_room, ..Driver::new(&shared) };
        block_on(driver.run(|driver| driver.written.len() == 2));
        let accepted = newcomer.join().unwrap().is_ok();
        assert_eq!(driver.written, if accepted { [0, 1] } else { [0, 2] });
    });
}

#[test]
fn the_end_is_told_to_whoever_waits() {
    explore(3, || {
        let full = Full::new();
        let senders = [full.waiting(1), full.waiting(2)].map(spawn);
        full.shared.end(REQUESTED);
        for sender in senders {
            assert_eq!(sender.join().unwrap(), Err(SendError::Closed(REQUESTED)));
        }
        assert_eq!(full.budget.used(), 0);
    });
}

#[test]
fn room_or_the_end_comes_to_whoever_waits() {
    explore(3, || {
        let full = Full::new();
        let sender = spawn(full.waiting(1));
        let closer = thread::spawn({
            let peer = full.peer.clone();
            move || peer.disconnect()
        });
        let written = block_on(Driver::new(&full.shared).run_to_end());
        let sent = sender.join().unwrap();
        closer.join().unwrap();
        assert!(sent == Ok(()) || sent == Err(SendError::Closed(REQUESTED)));
        assert!(sent == Ok(()) || !written.contains(&1));
        assert_eq!(full.budget.used(), 0);
    });
}

#[test]
fn a_budget_that_others_hold_stops_nobody_for_ever() {
    explore(2, || {
        let budget = Budget::new(1);
        let [ours, others] = [(); 2].map(|()| connection(&budget, 1 << 20));
        let peer = PeerHandle::owning(ours.clone());
        peer.try_send(&Numbered(0)).unwrap();
        let sender = thread::spawn(move || block_on(peer.send(&Numbered(1))));
        let other = thread::spawn({
            let peer = PeerHandle::internal(others.clone());
            move || peer.try_send(&Numbered(2))
        });
        let mut driver = Driver::new(&ours);
        block_on(driver.run(|driver| driver.written.len() == 2));
        sender.join().unwrap().unwrap();
        other.join().unwrap().unwrap();
        assert_eq!(driver.written, [0, 1]);
        assert_eq!(budget.used(), others.outbox_stats().0);
        others.end(REQUESTED);
        assert_eq!(budget.used(), 0);
    });
}
