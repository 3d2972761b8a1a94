//! What honest applications say and answer.

use std::collections::{HashMap, HashSet};

use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use peerage_peer_core::Event;
use peerage_testkit::{App, EndId, LinkId, Order, world};
use peerage_wire::Rng;
use peerage_wire_bitcoin::message::{
    BASIC_FILTER, CFilter, GetCFCheckpt, Headers, Inventory, Locator,
};
use peerage_wire_bitcoin::types::{InventoryItem, InventoryType};
use peerage_wire_bitcoin::{Bitcoin, Message};

/// A peer of any version and transport that fit the others.
pub(crate) fn some_side(rng: &mut Rng) -> world::Side {
    let (mut identity, mut config, v2) = world::honest();
    let versions = [70_017, 70_017, 70_016, 70_015, 70_012, 60_002, 209];
    identity.version = versions[rng.below(versions.len())];
    identity.wtxid_relay = rng.below(2) == 0;
    identity.addrv2 = rng.below(2) == 0;
    identity.txrcncl = (rng.below(3) == 0).then_some(1);
    if rng.below(4) == 0 {
        config.pong = peerage_peer_core::PongOrder::AtOnce;
    }
    // All speak v2 when they are dialled with it: falling back is the driver's business.
    (identity, config, v2)
}

pub(crate) fn tx(number: u32) -> InventoryItem {
    InventoryItem { kind: InventoryType::TX, hash: hash(number) }
}

fn hash(number: u32) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_le_bytes());
    hash
}

/// A message that differs from all others, of at least so many bytes.
pub(crate) fn numbered(number: u32, len: usize) -> Message {
    let filter = vec![0; len];
    let block = BlockHash::from_byte_array(hash(number));
    Message::CFilter(CFilter::new(BASIC_FILTER, block, &filter).unwrap())
}

/// One of the requests that need an answer.
pub(crate) fn request(rng: &mut Rng, number: u32) -> Message {
    let zero = BlockHash::all_zeros();
    match rng.below(4) {
        0 => Message::GetData(Inventory::new(&[tx(number), tx(number + 1)]).unwrap()),
        1 => {
            let locator = Locator::new(70_016, &[BlockHash::from_byte_array(hash(number))], zero);
            Message::GetHeaders(locator.unwrap())
        }
        2 => Message::GetData(Inventory::new(&[]).unwrap()),
        _ => Message::GetCFCheckpt(GetCFCheckpt { filter_type: BASIC_FILTER, stop_hash: zero }),
    }
}

/// Answers what it is asked, but not filter checkpoints, which it does not have.
#[derive(Debug, Default)]
pub(crate) struct Honest {
    /// Every so many requests remain without an answer; zero: none.
    pub(crate) ignore_every: u64,
    asked: u64,
}

impl App for Honest {
    fn on_event(&mut self, end: EndId, event: &Event<Bitcoin>, orders: &mut Vec<(EndId, Order)>) {
        let Event::Message(message) = event else { return };
        let answer = match message {
            Message::GetData(items) => Message::NotFound(items.clone()),
            Message::GetHeaders(_) => Message::Headers(Headers::new(&[]).unwrap()),
            _ => return,
        };
        self.asked += 1;
        if self.ignore_every == 0 || !self.asked.is_multiple_of(self.ignore_every) {
            orders.push((end, Order::Send(answer)));
        }
    }
}

/// Nodes that tell each other what they hear.
#[derive(Debug)]
pub(crate) struct Gossip {
    known: Vec<HashSet<InventoryItem>>,
    places: HashMap<LinkId, (usize, usize)>,
    links: Vec<Vec<EndId>>,
}

impl Gossip {
    pub(crate) fn new(nodes: usize) -> Self {
        let (known, links) = (vec![HashSet::new(); nodes], vec![Vec::new(); nodes]);
        Self { known, places: HashMap::new(), links }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn place(&mut self, link: LinkId, dialler: usize, dialled: usize) {
        self.places.insert(link, (dialler, dialled));
        self.links[dialler].push(link.dialler());
        self.links[dialled].push(link.dialled());
    }

    pub(crate) fn ends(&self, link: LinkId) -> (usize, usize) {
        self.places[&link]
    }

    pub(crate) fn known(&self, node: usize) -> usize {
        self.known[node].len()
    }

    /// A node comes to know an item: it tells all others, whoever told it included, since it is the
    /// engine's business to leave that one out.
    pub(crate) fn invent(&mut self, node: usize, item: InventoryItem) -> Vec<(EndId, Order)> {
        if !self.known[node].insert(item) {
            return Vec::new();
        }
        self.links[node].iter().map(|end| (*end, Order::Announce(vec![item]))).collect()
    }
}

impl App for Gossip {
    fn on_event(&mut self, end: EndId, event: &Event<Bitcoin>, orders: &mut Vec<(EndId, Order)>) {
        let Event::Message(Message::Inv(items)) = event else { return };
        let (dialler, dialled) = self.places[&end.link];
        let node = if end == end.link.dialler() { dialler } else { dialled };
        for item in items.iter() {
            orders.extend(self.invent(node, item));
        }
    }
}
