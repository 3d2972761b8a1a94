//! `peerage follow`: the blocks that a node announces, each fetched and verified.
//!
//! What the node says is read all the time: announcements wait here, a few blocks are under way, and
//! they are shown in the order in which they were announced.

use std::collections::{HashSet, VecDeque};

use peerage::kaspa::message::{Block, RequestAddresses, RequestRelayBlocks};
use peerage::kaspa::types::Hash;
use peerage::kaspa::{Config, Event, Events, Payload, Peer, RequestError, Text};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connect::{close, open, rejection};
use super::{describe, merkle, show, unanswered};
use crate::args::FollowArgs;
use crate::connect::sleep_until;
use crate::failure::Failure;
use crate::interrupt::{interrupted, or_interrupted};
use crate::output::{Fields, Output, fields, plain};
use crate::show::Screen;
use crate::whom::Endpoint;

/// How many blocks are asked for ahead of the one that is due: more than a second of the main
/// network, so that no distance holds it up.
const UNDER_WAY: usize = 16;

/// How many announced blocks wait: four minutes of the main network, as in kaspad. Older ones are
/// then passed over.
const WAITING: usize = 2_560;

/// How many announcements are remembered: whatever is announced again comes soon.
const REMEMBERED: usize = 8_192;

/// Follows until the count, the deadline, Ctrl-C or the end.
pub(crate) async fn run(args: FollowArgs) -> Result<(), Failure> {
    let endpoint = Endpoint::new(&args.host, args.network.as_ref())?.ok_or_else(|| {
        Failure::usage("only Kaspa nodes are followed: kaspa://HOST, or --network kaspa-...")
    })?;
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let output = Output::new(args.json);
    let mut config = Config::new(endpoint.network.clone());
    if let Some(timeout) = args.timeout {
        config.engine.opening_timeout = config.engine.opening_timeout.min(timeout);
    }
    let (peer, events) =
        or_interrupted(open(&endpoint, config, args.proxy.as_deref(), &output)).await?;
    let screen = Screen::new(output, peer.id());
    show::opened(&screen, &peer);
    let following = Following::new(&peer, &screen, args.count);
    let result = tokio::select! {
        result = following.run(events) => result,
        () = sleep_until(deadline) => match args.count {
            Some(count) => Err(Failure::timed_out(format!("there were not {count} blocks in time"))),
            None => Ok(()),
        },
        () = interrupted() => Ok(()),
    };
    close(&peer, &screen).await;
    result
}

/// A block on its way.
type Fetch = JoinHandle<Option<Result<Box<Block>, RequestError>>>;

/// One node, followed.
struct Following<'a> {
    peer: &'a Peer,
    screen: &'a Screen,
    /// How many blocks are still wanted, if not all.
    left: Option<u64>,
    announced: Announced,
    under_way: VecDeque<(Hash, Fetch)>,
    rejected: Option<Text>,
}

impl<'a> Following<'a> {
    fn new(peer: &'a Peer, screen: &'a Screen, left: Option<u64>) -> Self {
        let (announced, under_way) = (Announced::default(), VecDeque::new());
        Self { peer, screen, left, announced, under_way, rejected: None }
    }

    async fn run(mut self, mut events: Events) -> Result<(), Failure> {
        let peer = self.peer;
        let asking = peer.request(RequestAddresses::default());
        tokio::pin!(asking);
        let mut asked = true;
        while self.left != Some(0) {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.handle(&event)?,
                    None => return Ok(()),
                },
                known = &mut asking, if asked => {
                    asked = false;
                    let known = known.map_err(|error| self.unanswered(&error))?;
                    self.told(known.addresses.len());
                }
                fetched = first(&mut self.under_way) => self.fetched(fetched)?,
            }
            self.fetch();
        }
        Ok(())
    }

    fn handle(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Message(message) => {
                if let Payload::InvRelayBlock(inv) = &message.payload {
                    self.announce(inv.hash);
                }
                if let Some(said) = rejection(event) {
                    self.screen.notice(&format!("the node rejects: {said}"));
                    self.rejected = Some(said);
                }
            }
            Event::Disconnected(reason) => {
                return Err(super::lost(reason, self.rejected.as_ref()));
            }
            other => show::odd(self.screen, other),
        }
        Ok(())
    }

    fn announce(&mut self, hash: Option<Hash>) {
        match hash {
            Some(hash) => {
                if let Some(lost) = self.announced.add(hash) {
                    self.screen.notice(&format!("too many announcements: {lost} is passed over"));
                }
            }
            None => self.screen.notice("an announcement names no block"),
        }
    }

    /// Asks for what waits, as far as that is allowed.
    fn fetch(&mut self) {
        while self.under_way.len() < UNDER_WAY {
            let Some(hash) = self.announced.next() else { return };
            let peer = self.peer.clone();
            let fetch = tokio::spawn(async move {
                let request = RequestRelayBlocks { hashes: vec![hash] };
                match peer.request(request).await {
                    Ok(mut blocks) => blocks.next().await,
                    Err(error) => Some(Err(error)),
                }
            });
            self.under_way.push_back((hash, fetch));
        }
    }

    fn fetched(&mut self, (hash, block): Fetched) -> Result<(), Failure> {
        let block = match block {
            Some(Ok(block)) => block,
            // The end of the connection is told by the events, with what came before it.
            Some(Err(RequestError::Closed(_) | RequestError::NotSent(_))) | None => return Ok(()),
            Some(Err(error)) => return Err(Failure::other(format!("block {hash}: {error}"))),
        };
        let header = block.header.as_ref();
        let header = header.ok_or_else(|| Failure::other(format!("block {hash} has no header")))?;
        let mut shown = fields([("time", self.screen.time())]);
        shown.extend(describe::block(hash, header, &block));
        self.screen.emit("block", &shown);
        self.screen.text(row(&shown));
        if !merkle::fits(&block) {
            let what = format!("block {hash} does not have the transactions of its merkle root");
            return Err(Failure::other(what));
        }
        self.left = self.left.map(|left| left - 1);
        Ok(())
    }

    fn told(&self, total: usize) {
        self.screen.emit("addresses", &fields([("total", json!(total))]));
        self.screen.text(format_args!("the node told {total} addresses"));
    }

    fn unanswered(&self, error: &RequestError) -> Failure {
        unanswered(error, self.rejected.as_ref())
    }
}

type Fetched = (Hash, Option<Result<Box<Block>, RequestError>>);

/// The block that was asked for first, when it is there. Dropping the future loses nothing.
async fn first(under_way: &mut VecDeque<(Hash, Fetch)>) -> Fetched {
    let Some((hash, fetch)) = under_way.front_mut() else { return std::future::pending().await };
    let hash = *hash;
    // A task that is never aborted fails only with the runtime.
    let block = fetch.await.unwrap_or(None);
    under_way.pop_front();
    (hash, block)
}

fn row(shown: &Fields) -> String {
    format!(
        "{:>9.3}  {}  daa {}, blue {}, {} transactions, time {}, parents {}",
        shown["time"].as_f64().unwrap_or_default(),
        plain(&shown["hash"]),
        shown["daa_score"],
        shown["blue_score"],
        shown["transactions"],
        shown["timestamp"],
        shown["parent_count"],
    )
}

/// Announced blocks: those that wait, and those that need no second look.
#[derive(Debug, Default)]
struct Announced {
    waiting: VecDeque<Hash>,
    known: HashSet<Hash>,
    /// The known ones, the oldest first.
    order: VecDeque<Hash>,
}

impl Announced {
    /// Notes an announcement; returns one that has waited too long for this one to fit.
    fn add(&mut self, hash: Hash) -> Option<Hash> {
        if !self.known.insert(hash) {
            return None;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED {
            self.order.pop_front().inspect(|oldest| _ = self.known.remove(oldest));
        }
        self.waiting.push_back(hash);
        if self.waiting.len() > WAITING { self.waiting.pop_front() } else { None }
    }

    fn next(&mut self) -> Option<Hash> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> Hash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Hash::from_bytes(bytes)
    }

    #[test]
    fn a_block_is_fetched_once() {
        let mut announced = Announced::default();
        for number in [1, 2, 1, 1] {
            assert_eq!(announced.add(hash(number)), None);
        }
        assert_eq!([announced.next(), announced.next()], [Some(hash(1)), Some(hash(2))]);
        announced.add(hash(1));
        assert_eq!(announced.next(), None);
    }

    #[test]
    fn a_flood_of_announcements_is_bounded() {
        let mut announced = Announced::default();
        let lost = (0..20_000).filter_map(|number| announced.add(hash(number))).count();
        assert_eq!((lost, announced.waiting.len()), (20_000 - WAITING, WAITING));
        assert_eq!((announced.known.len(), announced.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(announced.next(), Some(hash(20_000 - WAITING)));
    }
}
