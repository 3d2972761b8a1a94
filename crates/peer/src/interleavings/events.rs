//! The event stream: the task hands batches over, the reader takes them or leaves.

use std::future::poll_fn;

use loom::thread::{self, JoinHandle};
use peerage_peer_core::Event;

use super::*;
use crate::events::{EventSender, Events};
use crate::handler::Handler as _;

/// What the task tells between two flushes.
#[derive(Clone, Copy)]
enum Tell {
    Message(u8),
    PongDue(u64),
}

/// A stream of an agreed connection that owes at most one batch, and its task's side.
fn stream(shared: &Arc<Shared<Toy>>) -> (Events<Toy>, Writer) {
    let (events, mut sender) = Events::pair(1);
    let peer = PeerHandle::internal(shared.clone());
    sender.handle(&peer, Event::Established(Arc::new(Them)));
    (events, Writer { sender, peer })
}

struct Writer {
    sender: EventSender<Toy>,
    peer: PeerHandle<Toy>,
}

impl Writer {
    /// One read after the other, each when the stream is ready for it.
    fn spawn<const READS: usize>(mut self, reads: [&'static [Tell]; READS]) -> JoinHandle<Self> {
        thread::spawn(move || {
            for read in reads {
                block_on(poll_fn(|cx| self.sender.poll_ready(cx)));
                for tell in read {
                    match *tell {
                        Tell::Message(number) => {
                            self.sender.handle(&self.peer, Event::Message(Numbered(number)));
                        }
                        Tell::PongDue(nonce) => self.sender.pong_due(&self.peer, nonce),
                    }
                }
                self.sender.flush(0);
            }
            self
        })
    }
}

fn next(events: &mut Events<Toy>) -> Option<u8> {
    match block_on(events.next()) {
        Some(Event::Message(Numbered(number))) => Some(number),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

/// The pongs that were sent, in their order.
fn pongs(shared: &Arc<Shared<Toy>>) -> Vec<u8> {
    let mut driver = Driver::new(shared);
    driver.transmit();
    driver.written
}

#[test]
fn every_event_arrives_once_and_in_order() {
    explore(3, || {
        let shared = connection(&Budget::default(), 1);
        let (mut events, writer) = stream(&shared);
        let writer = writer.spawn([
            &[Tell::Message(1), Tell::Message(2)],
            &[Tell::Message(3)],
            &[Tell::PongDue(9), Tell::Message(4)],
        ]);
        for number in 1..=4 {
            assert_eq!(next(&mut events), Some(number));
        }
        assert_eq!(pongs(&shared), [9]);
        let ending = thread::spawn(move || drop(writer.join().unwrap()));
        assert_eq!(next(&mut events), None);
        ending.join().unwrap();
    });
}

#[test]
fn the_last_batch_arrives_though_the_task_is_dropped() {
    explore(None, || {
        let shared = connection(&Budget::default(), 1);
        let (mut events, mut writer) = stream(&shared);
        let ending = thread::spawn(move || {
            writer.sender.handle(&writer.peer, Event::Message(Numbered(1)));
            drop(writer);
        });
        assert_eq!(next(&mut events), Some(1));
        assert_eq!(next(&mut events), None);
        ending.join().unwrap();
    });
}

#[test]
fn a_reader_that_leaves_lets_the_task_go_on() {
    explore(None, || {
        let shared = connection(&Budget::default(), 1);
        let (events, writer) = stream(&shared);
        let writer = writer.spawn([&[Tell::Message(1)], &[Tell::Message(2)], &[Tell::Message(3)]]);
        drop(events);
        writer.join().unwrap();
    });
}

#[test]
fn pings_are_answered_once_and_in_order_when_the_reader_leaves() {
    explore(None, || {
        let shared = connection(&Budget::default(), 1);
        let (events, writer) = stream(&shared);
        let writer = writer.spawn([&[Tell::PongDue(1), Tell::PongDue(2)], &[Tell::PongDue(3)]]);
        drop(events);
        let writer = writer.join().unwrap();
        assert_eq!(pongs(&shared), [1, 2, 3]);
        drop(writer);
    });
}

#[test]
fn pings_are_answered_once_and_in_order_when_the_reader_leaves_late() {
    explore(None, || {
        let shared = connection(&Budget::default(), 1);
        let (mut events, writer) = stream(&shared);
        let writer = writer
            .spawn([&[Tell::PongDue(1), Tell::Message(7), Tell::PongDue(2)], &[Tell::PongDue(3)]]);
        assert_eq!(next(&mut events), Some(7));
        drop(events);
        let writer = writer.join().unwrap();
        assert_eq!(pongs(&shared), [1, 2, 3]);
        drop(writer);
    });
}
