//! Sending: order, room, receipts, frames for many peers, pongs, and sockets that take nothing.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use peerage::bitcoin::message::{FeeFilter, Inventory, Ping, Pong};
use peerage::bitcoin::{
    Config, DisconnectReason, Event, Kind, Listener, Local, Message, Peer, PongOrder, Prepared,
    SendError, State, TrySendError, V2, accept, initiate,
};
use peerage_testkit::version;
use tokio::io::{AsyncReadExt as _, duplex};
use tokio::time::{Instant, timeout};
use world::{Log, PIPE, block, config, join, listening, scripted, settle, stuff, tx_item, unknown};

fn fee(rate: i64) -> Message {
    Message::FeeFilter(FeeFilter { rate })
}

fn ping(nonce: u64) -> Message {
    Message::Ping(Ping { nonce: Some(nonce) })
}

/// Whether the future is still pending after it was polled once.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn messages_leave_in_the_order_in_which_they_were_accepted() {
    for v2 in [V2::Off, V2::Required] {
        let (end, mut remote) = scripted(&config(v2), version(70_016)).await;
        let large = Message::Block(block(20_000));
        let prepared = Prepared::new(&large).unwrap();
        let send = async {
            for i in 0..400 {
                match i % 5 {
                    0 => end.peer.send(&fee(i)).await.unwrap(),
                    1 => end.peer.send_prepared(&prepared).await.unwrap(),
                    2 => drop(end.peer.send_tracked(&fee(i)).await.unwrap()),
                    3 => end.peer.send(&large).await.unwrap(),
                    _ => match end.peer.try_send(&fee(i)) {
                        Ok(()) => {}
                        Err(TrySendError::Full) => end.peer.send(&fee(i)).await.unwrap(),
                        Err(error) => panic!("{error}"),
                    },
                }
            }
        };
        let hear = async {
            for i in 0..400 {
                let expected = if matches!(i % 5, 1 | 3) { large.clone() } else { fee(i) };
                assert_eq!(remote.next().await, Some(expected), "{i} {v2:?}");
            }
        };
        tokio::join!(send, hear);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_resolves_when_the_last_byte_was_taken_and_not_before() {
    let (end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let message = Message::Block(block(200_000));
    let Message::Block(block) = &message else { unreachable!() };
    let mut receipt = end.peer.send_tracked(&message).await.unwrap();
    settle().await;
    let mut io = remote.into_io();
    let beyond_the_pipe = 24 + block.bytes().len() - PIPE;
    io.read_exact(&mut vec![0; beyond_the_pipe - 1]).await.unwrap();
    settle().await;
    assert!(is_pending(&mut receipt).await, "one byte is missing");
    io.read_u8().await.unwrap();
    assert_eq!(receipt.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn receipts_of_what_is_never_written_tell_why() {
    let (end, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    let stuck = end.peer.try_send_tracked(&Message::Block(block(200_000))).unwrap();
    let queued = end.peer.try_send_tracked(&Message::GetAddr).unwrap();
    settle().await;
    end.peer.disconnect();
    let reason = DisconnectReason::Local(Local::Requested);
    assert_eq!((stuck.await, queued.await), (Err(reason.clone()), Err(reason.clone())));
    let closed = SendError::Closed(reason);
    assert_eq!(end.peer.send(&Message::GetAddr).await, Err(closed.clone()));
    assert_eq!(end.peer.send_tracked(&Message::GetAddr).await.unwrap_err(), closed);

    let (end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let stuck = end.peer.try_send_tracked(&Message::Block(block(200_000))).unwrap();
    settle().await;
    drop(remote);
    let reason = stuck.await.unwrap_err();
    assert_eq!(reason, end.peer.closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_while_it_waits_has_queued_nothing() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let filler = unknown(10_000);
    let queued = stuff(&end.peer, &filler).await;
    {
        let message = fee(666);
        let mut send = pin!(end.peer.send(&message));
        assert!(is_pending(&mut send).await);
        settle().await;
        assert!(is_pending(&mut send).await);
    }
    for _ in 0..queued {
        remote.expect_message(&filler).await;
    }
    end.peer.send(&Message::GetAddr).await.unwrap();
    remote.expect_message(&Message::GetAddr).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_served_in_the_order_of_coming() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let filler = unknown(10_000);
    let queued = stuff(&end.peer, &filler).await;
    for rate in 0..10 {
        let peer = end.peer.clone();
        tokio::spawn(async move { peer.send(&fee(rate)).await });
        settle().await;
    }
    for _ in 0..queued {
        remote.expect_message(&filler).await;
    }
    for rate in 0..10 {
        remote.expect_message(&fee(rate)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_comes_after_those_who_do_room_or_not() {
    #[derive(Default)]
    struct Pushes(Log<Result<(), TrySendError>>);
    impl Listener for Pushes {
        fn on_getaddr(&mut self, peer: &Peer) {
            while peer.try_send(&unknown(10_000)).is_ok() {}
        }
        fn on_state(&mut self, peer: &Peer, state: State) {
            if state == State::Room {
                self.0.push(peer.try_send(&fee(666)));
            }
        }
    }
    let log = Log::default();
    let (peer, mut remote) =
        listening(&config(V2::Off), version(70_016), Pushes(log.clone())).await;
    stuff(&peer, &unknown(10_000)).await;
    log.take();
    let waiter = peer.clone();
    let waiting = tokio::spawn(async move { waiter.send(&fee(1)).await });
    settle().await;
    let caller = peer.clone();
    let impatient = tokio::spawn(async move {
        // Asks again whenever the connection's task has run.
        while caller.try_send(&fee(2)) == Err(TrySendError::Full) {
            tokio::task::yield_now().await;
        }
    });
    let mut order = Vec::new();
    while order.len() < 2 {
        if let Message::FeeFilter(FeeFilter { rate }) = remote.skip_to(Kind::FeeFilter).await {
            order.extend((rate != 666).then_some(rate));
        }
    }
    assert_eq!(order, [1, 2]);
    waiting.await.unwrap().unwrap();
    impatient.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn room_is_told_though_nothing_else_happens() {
    let mut config = config(V2::Off);
    config.engine.outbox_limit = 100_000;
    let mut other = config.clone();
    other.identity = Config::regtest().identity;
    // All that the outbox holds can be written at once.
    let (ours, theirs) = duplex(1 << 20);
    let (ours, theirs) = tokio::join!(initiate(ours, &config), accept(theirs, &other));
    let ((peer, mut events), _theirs) = (ours.unwrap(), theirs.unwrap());
    settle().await;
    while timeout(Duration::ZERO, events.next()).await.is_ok() {}
    while peer.try_send(&unknown(10_000)).is_ok() {}
    let told = timeout(Duration::from_secs(1), events.next()).await;
    assert!(matches!(told, Ok(Some(Event::Room))), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_says_so_and_tells_of_room_once() {
    let mut config = config(V2::Off);
    config.engine.outbox_limit = 100_000;
    let (mut end, mut remote) = scripted(&config, version(70_016)).await;
    let filler = unknown(10_000);
    let queued = stuff(&end.peer, &filler).await;
    assert_eq!(end.peer.try_send(&fee(1)), Err(TrySendError::Full));
    assert_eq!(
        end.peer.try_send_prepared(&Prepared::new(&filler).unwrap()),
        Err(TrySendError::Full)
    );
    let held = end.peer.stats().outbox_bytes;
    assert!((100_000..=110_100).contains(&held), "one message may exceed the limit: {held}");
    assert!(queued * 10_000 < 100_000 + (256 << 10) + PIPE + 20_000, "{queued}");
    // While the link filled, there was room now and then.
    while let Ok(event) = timeout(Duration::ZERO, end.events.next()).await {
        assert!(matches!(event, Some(Event::Room)), "{event:?}");
    }
    assert_eq!(end.peer.try_send(&fee(1)), Err(TrySendError::Full));
    for _ in 0..queued {
        remote.expect_message(&filler).await;
    }
    assert!(matches!(end.events.next().await, Some(Event::Room)));
    assert!(is_pending(&mut pin!(end.events.next())).await, "told once");
    assert_eq!(end.peer.stats().outbox_bytes, 0);
    end.peer.try_send(&fee(2)).unwrap();
    remote.expect_message(&fee(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_limit_is_accepted_by_an_empty_outbox() {
    let mut config = config(V2::Off);
    config.engine.outbox_limit = 1;
    let (end, mut remote) = scripted(&config, version(70_016)).await;
    let large = Message::Block(block(3_000_000));
    end.peer.try_send(&large).unwrap();
    assert_eq!(end.peer.try_send(&fee(1)), Err(TrySendError::Full));
    remote.expect_message(&large).await;
    end.peer.send(&fee(1)).await.unwrap();
    remote.expect_message(&fee(1)).await;
}

#[tokio::test(start_paused = true)]
async fn one_frame_goes_to_many_peers_over_both_transports() {
    let message = Message::Block(block(100_000));
    let prepared = Prepared::new(&message).unwrap();
    let small = Prepared::new(&fee(7)).unwrap();
    for v2 in [V2::Off, V2::Required, V2::Off, V2::Required] {
        let (end, mut remote) = scripted(&config(v2), version(70_016)).await;
        end.peer.try_send_prepared(&prepared).unwrap();
        end.peer.send_prepared(&small).await.unwrap();
        remote.expect_message(&message).await;
        remote.expect_message(&fee(7)).await;
    }
    assert_eq!(prepared.kind(), Kind::Block);
    assert!(Prepared::new(&ping(1)).is_none(), "old peers know no nonce");
}

#[tokio::test(start_paused = true)]
async fn large_messages_are_shared_and_not_copied() {
    let message = Message::Block(block(3_000_000));
    let prepared = Prepared::new(&message).unwrap();
    let mut ends = Vec::new();
    for _ in 0..20 {
        ends.push(scripted(&config(V2::Off), version(70_016)).await);
    }
    let queued = allocation_counter::measure(|| {
        for (i, (end, _)) in ends.iter().enumerate() {
            match i % 2 {
                0 => end.peer.try_send_prepared(&prepared).unwrap(),
                _ => end.peer.try_send(&message).unwrap(),
            }
        }
    });
    assert!(queued.bytes_total < 100_000, "{queued:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pong_is_behind_the_answers_of_a_stream_reader() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let wanted = Inventory::new(&[tx_item(1)]).unwrap();
    remote.say(&Message::GetData(wanted.clone())).await;
    remote.say(&ping(5)).await;
    remote.expect_silence(Duration::from_secs(10)).await;
    assert!(matches!(end.message().await, Message::GetData(_)));
    remote.expect_silence(Duration::from_secs(10)).await;
    end.peer.send(&Message::NotFound(wanted.clone())).await.unwrap();
    assert_eq!(end.message().await, ping(5));
    assert!(is_pending(&mut pin!(end.events.next())).await);
    remote.expect_message(&Message::NotFound(wanted)).await;
    remote.expect_message(&Message::Pong(Pong { nonce: 5 })).await;
}

struct Answers;

impl Listener for Answers {
    fn on_getdata(&mut self, peer: &Peer, wanted: Inventory) {
        peer.try_send(&Message::NotFound(wanted)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_pong_is_behind_the_answers_of_a_listener() {
    for v2 in [V2::Off, V2::Required] {
        let (_peer, mut remote) = listening(&config(v2), version(70_016), Answers).await;
        let wanted = Inventory::new(&[tx_item(1)]).unwrap();
        for nonce in 0..100 {
            remote.say(&Message::GetData(wanted.clone())).await;
            remote.say(&ping(nonce)).await;
        }
        for nonce in 0..100 {
            remote.expect_message(&Message::NotFound(wanted.clone())).await;
            remote.expect_message(&Message::Pong(Pong { nonce })).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pong_at_once_overtakes_what_is_queued() {
    let mut config = config(V2::Off);
    config.engine.pong = PongOrder::AtOnce;
    let (end, mut remote) = scripted(&config, version(70_016)).await;
    let filler = Message::Block(block(10_000));
    let queued = (0..200).filter(|_| end.peer.try_send(&filler).is_ok()).count();
    settle().await;
    assert!(end.peer.stats().outbox_bytes > 0, "something is left to overtake");
    if end.peer.try_send(&fee(1)).is_err() {
        // Reading stops at a full outbox: make room first.
        remote.expect_message(&filler).await;
    }
    remote.say(&ping(9)).await;
    let mut before = 0;
    while remote.next().await != Some(Message::Pong(Pong { nonce: 9 })) {
        before += 1;
    }
    assert!(before < queued - 10, "{before} of {queued} were before it");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_socket_holds_up_nobody() {
    let (end, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    let start = Instant::now();
    let queued = stuff(&end.peer, &unknown(10_000)).await;
    assert!(queued > 100, "{queued}");
    for _ in 0..1_000 {
        assert_eq!(end.peer.try_send(&fee(1)), Err(TrySendError::Full));
    }
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let peer = end.peer.clone();
            tokio::spawn(async move { peer.send(&fee(1)).await })
        })
        .collect();
    settle().await;
    end.peer.disconnect();
    let reason = end.peer.closed().await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(end.peer.try_send(&fee(1)), Err(TrySendError::Closed(reason.clone())));
    for sender in waiting {
        assert_eq!(sender.await.unwrap(), Err(SendError::Closed(reason.clone())));
    }
    assert_eq!(end.peer.stats().outbox_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn two_peers_that_both_send_much_do_not_wait_for_each_other() {
    for v2 in [V2::Off, V2::Required] {
        let (a, b) = join(&config(v2), &config(v2)).await;
        let large = Message::Block(block(500_000));
        let mut tasks = Vec::new();
        for mut end in [a, b] {
            let peer = end.peer.clone();
            let large = large.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..40 {
                    peer.send(&large).await.unwrap();
                }
            }));
            tasks.push(tokio::spawn(async move {
                for _ in 0..40 {
                    assert!(matches!(end.message().await, Message::Block(_)));
                }
                // Both ends live until both have everything.
                let _ = timeout(Duration::from_secs(1), end.events.next()).await;
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_answers_each_message_with_one_never_meets_full() {
    #[derive(Default)]
    struct Echo(Log<TrySendError>);
    impl Listener for Echo {
        fn on_block(&mut self, peer: &Peer, message: peerage::bitcoin::message::Block) {
            peer.try_send(&Message::Block(message)).unwrap_or_else(|error| self.0.push(error));
        }
    }
    let refused = Log::default();
    let (_peer, remote) = listening(&config(V2::Off), version(70_016), Echo(refused.clone())).await;
    let message = Message::Block(block(50_000));
    let Message::Block(payload) = &message else { unreachable!() };
    let frame = {
        let header = peerage_wire::FrameHeader {
            magic: config(V2::Off).identity.network.magic,
            command: Kind::Block.into(),
            len: u32::try_from(payload.bytes().len()).unwrap(),
            checksum: peerage_wire::checksum(payload.bytes()),
        };
        Bytes::from([&header.to_bytes()[..], payload.bytes()].concat())
    };
    let (mut reader, mut writer) = tokio::io::split(remote.into_io());
    let say = async {
        for _ in 0..100 {
            tokio::io::AsyncWriteExt::write_all(&mut writer, &frame).await.unwrap();
        }
    };
    let hear = async {
        settle().await; // at first it does not read, so that the outbox fills
        let mut echo = vec![0; frame.len()];
        for _ in 0..100 {
            reader.read_exact(&mut echo).await.unwrap();
            assert!(echo == frame);
        }
    };
    tokio::join!(say, hear);
    assert_eq!(refused.take(), []);
}

#[tokio::test(start_paused = true)]
async fn what_a_remote_said_before_it_hung_up_is_heard_while_we_write() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    end.peer.try_send(&Message::Block(block(200_000))).unwrap();
    settle().await; // the pipe is full, and we wait to write on
    let last_words = [fee(41), fee(42)];
    for message in &last_words {
        remote.say(message).await;
    }
    drop(remote);
    for message in last_words {
        assert_eq!(end.message().await, message);
    }
    end.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_told_of_room() {
    struct Fills(Log<State>);
    impl Listener for Fills {
        fn on_getaddr(&mut self, peer: &Peer) {
            while peer.try_send(&unknown(10_000)).is_ok() {}
        }
        fn on_state(&mut self, peer: &Peer, state: State) {
            if state == State::Room {
                peer.try_send(&Message::GetAddr).unwrap();
            }
            self.0.push(state);
        }
    }
    let states = Log::default();
    let (_peer, mut remote) =
        listening(&config(V2::Off), version(70_016), Fills(states.clone())).await;
    remote.say(&Message::GetAddr).await;
    remote.skip_to(Kind::GetAddr).await;
    assert_eq!(states.take(), [State::Established, State::Room]);
}
