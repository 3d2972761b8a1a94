//! The library against itself: both ends are kaspa-p2p-lib, with no flow but the one that is measured.
//!
//! ```text
//! kaspa-p2p serve 127.0.0.1:PORT
//! kaspa-p2p bench openings|ping|blocks|inv|idle|all [--seconds S] [--count N] [--child]
//! ```
//!
//! Each figure is one JSON line with the keys that our other benchmarks print.

mod end;
mod idle;
mod opening;
mod pair;
mod report;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kaspa_consensus_core::block::Block;
use kaspa_hashes::Hash;
use kaspa_p2p_lib::make_message;
use kaspa_p2p_lib::pb::{
    BlockMessage, InvTransactionsMessage, KaspadMessage, PingMessage, PongMessage,
    kaspad_message::Payload,
};
use prost::Message as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;

use self::end::Opened;
use self::pair::pair;
use self::report::{Meter, Row};
use crate::chain::Chain;
use crate::samples;

pub(crate) use self::idle::client as idle_client;
pub(crate) use self::server::serve;

/// The payload bytes of a block that has 1 MB in all.
pub(crate) const BLOCK_PAYLOAD: usize = 790_000;

/// What is measured, and for how long.
pub(crate) struct Bench {
    pub(crate) seconds: Duration,
    /// How many idle peers.
    pub(crate) count: usize,
    /// Whether the idle peers' other ends are in a process of their own.
    pub(crate) child: bool,
}

impl Bench {
    /// Reads the arguments that follow the case.
    ///
    /// # Errors
    ///
    /// Says which argument is wrong.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut bench = Self { seconds: Duration::from_secs(3), count: 1_000, child: false };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--seconds" => {
                    let seconds =
                        value()?.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
                    bench.seconds = seconds.ok_or("--seconds wants a number")?;
                }
                "--count" => {
                    bench.count = value()?.parse().map_err(|_| "--count wants a number")?
                }
                "--child" => bench.child = true,
                _ => return Err(format!("what is {arg}?")),
            }
        }
        Ok(bench)
    }

    /// Runs one case, or all of them.
    ///
    /// # Errors
    ///
    /// There is no such case, or the library failed.
    pub(crate) async fn run(&self, case: &str) -> Result<(), String> {
        let all = case == "all";
        let known = ["openings", "ping", "blocks", "inv", "idle"].contains(&case);
        if !all && !known {
            return Err(format!("what is {case}?"));
        }
        raise_limit();
        // First, as it would be given the memory that another case has left.
        if all || case == "idle" {
            idle::measure(self).await?;
        }
        if all || case == "openings" {
            opening::measure(self, 1).await?;
            opening::measure(self, 64).await?;
        }
        if all || case == "ping" {
            self.pings(1).await?;
            self.pings(64).await?;
        }
        if all || case == "inv" {
            self.inv(1).await?;
            self.inv(1_000).await?;
        }
        if all || case == "blocks" {
            self.blocks(Taken::Delivered).await?;
            self.blocks(Taken::Converted).await?;
        }
        Ok(())
    }

    /// Round trips with so many pings on their way.
    async fn pings(&self, window: u64) -> Result<(), String> {
        let (_keep, mut near, far) = pair().await?;
        let answering = tokio::spawn(answer_pings(far));
        let name = if window == 1 { "ping".to_owned() } else { format!("ping/{window}-in-flight") };
        round_trips(&mut near, window, self.seconds / 10).await?;
        let meter = Meter::start();
        let count = round_trips(&mut near, window, self.seconds).await?;
        Row::rate(&name, &meter.stop(count), "round trips/s").print();
        near.close().await;
        answering.await.expect("it ends with its connection");
        Ok(())
    }

    /// Announcements of so many transactions each.
    async fn inv(&self, ids: u64) -> Result<(), String> {
        let ids: Vec<_> = (0..ids).map(|number| samples::hash(number, 50).into()).collect();
        let (name, each) = (format!("flood/inv({})", ids.len()), ids.len());
        let message = make_message!(Payload::InvTransactions, InvTransactionsMessage { ids });
        // The route has 4,096 places and drops what does not fit.
        let window = if each == 1 { 2_048 } else { 64 };
        self.flood(&name, &message, window, |_| ()).await
    }

    /// Blocks of 1 MB, none of them asked for.
    async fn blocks(&self, taken: Taken) -> Result<(), String> {
        let chain = Chain::new("kaspa-simnet").with_blocks(1, BLOCK_PAYLOAD);
        let message = make_message!(Payload::Block, BlockMessage::from(chain.tip()));
        match taken {
            Taken::Delivered => self.flood("flood/block", &message, 8, |_| ()).await,
            Taken::Converted => {
                let hash: Hash = chain.tip().hash();
                let convert = move |message: KaspadMessage| {
                    let Some(Payload::Block(block)) = message.payload else { return };
                    let block = Block::try_from(block).expect("it was made from a block");
                    assert_eq!(block.hash(), hash, "it must arrive as it was sent");
                };
                self.flood("flood/block-converted", &message, 8, convert).await
            }
        }
    }

    /// Sends one message over and over, with at most `window` of them on their way.
    async fn flood(
        &self,
        name: &str,
        message: &KaspadMessage,
        window: usize,
        mut take: impl FnMut(KaspadMessage) + Send + 'static,
    ) -> Result<(), String> {
        let (_keep, near, mut far) = pair().await?;
        let credit = Arc::new(Semaphore::new(window));
        let taken = Arc::new(AtomicU64::new(0));
        let (given, counted) = (credit.clone(), taken.clone());
        let taking = tokio::spawn(async move {
            while let Some(message) = far.route.recv().await {
                take(message);
                counted.fetch_add(1, Ordering::Relaxed);
                given.add_permits(1);
            }
        });
        let send = async |seconds: Duration| {
            let until = Instant::now() + seconds;
            let before = taken.load(Ordering::Relaxed);
            while Instant::now() < until {
                credit.acquire().await.expect("it is not closed").forget();
                near.router.enqueue(message.clone()).await.map_err(|error| error.to_string())?;
            }
            // All credit is back when the last one has been taken.
            let all = u32::try_from(window).expect("a small number");
            drop(credit.acquire_many(all).await.expect("it is not closed"));
            Ok::<u64, String>(taken.load(Ordering::Relaxed) - before)
        };
        send(self.seconds / 10).await?;
        let meter = Meter::start();
        let timed = meter.stop(send(self.seconds).await?);
        Row::rate(name, &timed, "messages/s")
            .with("mb_per_s", timed.rate() * message.encoded_len() as f64 / 1e6)
            .with("payload_bytes", message.encoded_len() as f64)
            .print();
        near.close().await;
        taking.await.expect("it ends with its connection");
        Ok(())
    }
}

/// What the receiver does with a block.
#[derive(Clone, Copy)]
enum Taken {
    /// It takes the library's message.
    Delivered,
    /// It makes kaspa's own block of it, with all hashes, as every flow of kaspad does.
    Converted,
}

async fn answer_pings(mut end: Opened) {
    while let Some(message) = end.route.recv().await {
        if let Some(Payload::Ping(ping)) = message.payload {
            let pong = make_message!(Payload::Pong, PongMessage { nonce: ping.nonce });
            // It fails when the connection has ended, which ends this loop as well.
            let _ = end.router.enqueue(pong).await;
        }
    }
}

/// How many round trips there were in this time.
async fn round_trips(end: &mut Opened, window: u64, seconds: Duration) -> Result<u64, String> {
    let until = Instant::now() + seconds;
    let (mut sent, mut back) = (0, 0);
    loop {
        if sent - back < window && Instant::now() < until {
            let ping = make_message!(Payload::Ping, PingMessage { nonce: sent });
            end.router.enqueue(ping).await.map_err(|error| error.to_string())?;
            sent += 1;
            continue;
        }
        if sent == back {
            return Ok(back);
        }
        let message = end.route.recv().await.ok_or("the connection has ended")?;
        let Some(Payload::Pong(pong)) = message.payload else { continue };
        if pong.nonce != back {
            return Err(format!("pong {} in place of {back}", pong.nonce));
        }
        back += 1;
    }
}

/// Lets this process have as many sockets as it may.
fn raise_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // With fewer than that the case that needs them fails, and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
