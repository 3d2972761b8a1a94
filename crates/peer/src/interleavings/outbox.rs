//! Callers and a task that falls asleep: whatever is queued wakes it, and nothing is left behind.

use loom::thread;

use super::*;
use crate::error::TrySendError;

const WIDE: usize = 1 << 20;

#[test]
fn a_frame_wakes_a_task_that_falls_asleep() {
    explore(3, || {
        let budget = Budget::default();
        let shared = connection(&budget, WIDE);
        let senders = [1, 2].map(|number| {
            let shared = shared.clone();
            thread::spawn(move || push(&shared, number).unwrap())
        });
        let mut driver = Driver::new(&shared);
        block_on(driver.run(|driver| driver.written.len() == 2));
        join(senders);
        assert!(driver.written == [1, 2] || driver.written == [2, 1]);
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn items_wake_a_task_that_falls_asleep() {
    explore(None, || {
        let shared = connection(&Budget::default(), WIDE);
        let caller = thread::spawn({
            let shared = shared.clone();
            move || {
                assert_eq!(shared.announce(&[7]), 1);
                shared.add_known(&[8]);
            }
        });
        let mut driver = Driver::new(&shared);
        block_on(driver.run(|driver| driver.announced == [7] && driver.known == [8]));
        caller.join().unwrap();
    });
}

#[test]
fn an_answer_wakes_a_task_that_falls_asleep() {
    explore(None, || {
        let shared = connection(&Budget::default(), WIDE);
        let answerer = thread::spawn({
            let peer = PeerHandle::internal(shared.clone());
            move || peer.pong(1)
        });
        let mut driver = Driver::new(&shared);
        block_on(driver.run(|driver| driver.written == [1]));
        answerer.join().unwrap();
    });
}

#[test]
fn a_task_is_woken_where_it_was_polled_last() {
    explore(None, || {
        let shared = connection(&Budget::default(), WIDE);
        let sender = thread::spawn({
            let shared = shared.clone();
            move || push(&shared, 1).unwrap()
        });
        let mut work = Box::pin(shared.work(true));
        if poll_once(&mut work).is_pending() {
            block_on(work);
        }
        assert!(shared.outbox_stats().0 > 0);
        sender.join().unwrap();
    });
}

#[test]
fn a_request_to_close_wakes_a_task_that_wants_no_frames() {
    explore(None, || {
        let shared = connection(&Budget::default(), WIDE);
        let callers = [Caller::Sends, Caller::Closes].map(|caller| caller.spawn(&shared));
        block_on(shared.work(false));
        assert_eq!(shared.awake(), Some(REQUESTED));
        let _ = join(callers);
    });
}

#[test]
fn the_end_frees_what_is_queued_meanwhile() {
    explore(None, || {
        let budget = Budget::default();
        let shared = connection(&budget, WIDE);
        let callers = [Caller::Sends, Caller::Closes].map(|caller| caller.spawn(&shared));
        let written = block_on(Driver::new(&shared).run_to_end());
        let [sent, _] = join(callers);
        assert!(sent == Ok(()) || sent == Err(TrySendError::Closed(REQUESTED)));
        assert!(sent == Ok(()) || written.is_empty());
        assert_eq!(shared.outbox_stats().0, 0);
        assert_eq!(budget.used(), 0);
        assert_eq!(push(&shared, 2), Err(TrySendError::Closed(REQUESTED)));
    });
}

#[test]
fn the_first_reason_stays() {
    explore(3, || {
        let shared = connection(&Budget::default(), WIDE);
        let callers = [Local::Requested, Local::NotReading].map(|reason| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.close(reason.into());
                shared.awake()
            })
        });
        block_on(Driver::new(&shared).run_to_end());
        let seen = join(callers);
        assert_eq!(seen, [shared.ended_now(), shared.ended_now()]);
    });
}

#[test]
fn the_last_handle_that_is_dropped_ends_the_connection() {
    explore(3, || {
        let shared = connection(&Budget::default(), WIDE);
        let peer = PeerHandle::owning(shared.clone());
        let handles = [peer.clone(), peer].map(|peer| {
            thread::spawn(move || {
                peer.try_send(&Numbered(1)).unwrap();
            })
        });
        let written = block_on(Driver::new(&shared).run_to_end());
        join(handles);
        assert!(written.len() <= 2);
        assert_eq!(shared.ended_now(), Some(Local::HandleDropped.into()));
    });
}

enum Caller {
    Sends,
    Closes,
}

impl Caller {
    fn spawn(self, shared: &Arc<Shared<Toy>>) -> thread::JoinHandle<Result<(), TrySendError>> {
        let shared = shared.clone();
        thread::spawn(move || match self {
            Self::Sends => push(&shared, 1),
            Self::Closes => {
                shared.close(REQUESTED);
                Ok(())
            }
        })
    }
}

fn push(shared: &Shared<Toy>, number: u8) -> Result<(), TrySendError> {
    shared.encode(&Numbered(number), |frame| shared.push(frame, &mut None, Place::Queue))
}
