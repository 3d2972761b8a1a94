//! A method for every message.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use peerage::kaspa_legacy::message::{
    Addr, Block, FeeFilter, FilterAdd, FilterFlags, FilterLoad, GetAddr, GetBlockInvs, GetLocator,
    Header, Inventory, Locator, MerkleBlock, Ping, Pong, Reject, RejectCode, SelectedTip,
    Transaction, Tx,
};
use peerage::kaspa_legacy::types::{Hash, InventoryItem, Subnetworks};
use peerage::kaspa_legacy::{
    Command, DisconnectReason, Kind, Listener, Malformed, Message, Peer, State,
};

use crate::remote::{Remote, node};

/// Notes which method was called.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    kinds: Vec<Kind>,
    messages: Vec<Kind>,
    states: Vec<State>,
    read: Vec<(Option<Kind>, usize)>,
    written: Vec<(Kind, usize)>,
    errors: usize,
}

impl Recorder {
    fn note(&self, kind: Kind) {
        self.0.lock().unwrap().kinds.push(kind);
    }
}

macro_rules! notes {
    ($($method:ident($kind:ident $(, $body:ty)?);)*) => {
        impl Listener for Recorder {
            const WIRE: bool = true;

            $(fn $method(&mut self, peer: &Peer $(, _message: $body)?) {
                // Nothing that a listener may call waits.
                let _ = (peer.stats(), peer.announce(&[]));
                self.note(Kind::$kind);
            })*

            fn on_message(&mut self, _peer: &Peer, message: &Message) {
                self.0.lock().unwrap().messages.push(message.kind());
            }

            fn on_state(&mut self, _peer: &Peer, state: State) {
                self.0.lock().unwrap().states.push(state);
            }

            fn on_read(&mut self, kind: Option<Kind>, bytes: usize, error: Option<&Malformed>) {
                let mut notes = self.0.lock().unwrap();
                notes.read.push((kind, bytes));
                notes.errors += usize::from(error.is_some());
            }

            fn on_write(&mut self, kind: Kind, bytes: usize) {
                self.0.lock().unwrap().written.push((kind, bytes));
            }
        }
    };
}

notes! {
    on_verack(Verack);
    on_getaddr(GetAddr, GetAddr);
    on_addr(Addr, Addr);
    on_ping(Ping, Ping);
    on_pong(Pong, Pong);
    on_inv(Inv, Inventory);
    on_getdata(GetData, Inventory);
    on_notfound(NotFound, Inventory);
    on_getblockinvs(GetBlockInvs, GetBlockInvs);
    on_getlocator(GetLocator, GetLocator);
    on_locator(Locator, Locator);
    on_getseltip(GetSelTip);
    on_selectedtip(SelectedTip, SelectedTip);
    on_block(Block, Block);
    on_tx(Tx, Tx);
    on_merkleblock(MerkleBlock, MerkleBlock);
    on_feefilter(FeeFilter, FeeFilter);
    on_filterload(FilterLoad, FilterLoad);
    on_filteradd(FilterAdd, FilterAdd);
    on_filterclear(FilterClear);
    on_reject(Reject, Reject);
}

/// One of each kind but `version`.
fn every_message() -> Vec<Message> {
    let hash = Hash::of(b"block");
    let items = Inventory::new(&[InventoryItem::tx(hash)]).unwrap();
    let header = Header::default();
    let reject = Reject::new(Command::new("tx"), RejectCode::DUST, "dust");
    vec![
        Message::Verack,
        Message::GetAddr(GetAddr { subnetworks: Subnetworks::All }),
        Message::Addr(Addr::new(Subnetworks::All, &[]).unwrap()),
        Message::Pong(Pong { nonce: 1 }),
        Message::Inv(items.clone()),
        Message::GetData(items.clone()),
        Message::NotFound(items),
        Message::GetBlockInvs(GetBlockInvs { low: hash, high: hash }),
        Message::GetLocator(GetLocator { high: hash, low: hash }),
        Message::Locator(Locator::new(&[hash]).unwrap()),
        Message::GetSelTip,
        Message::SelectedTip(SelectedTip { hash }),
        Message::Block(Block::new(&header, []).unwrap()),
        Message::Tx(Tx::try_from(&Transaction::default()).unwrap()),
        Message::MerkleBlock(MerkleBlock::new(&header, 0, &[], &[]).unwrap()),
        Message::FeeFilter(FeeFilter { min_fee: 5 }),
        Message::FilterLoad(FilterLoad::new(vec![1], 1, 0, FilterFlags::ALL).unwrap()),
        Message::FilterAdd(FilterAdd::new(vec![1]).unwrap()),
        Message::FilterClear,
        Message::Reject(Box::new(reject)),
        Message::Ping(Ping { nonce: 1 }),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_message_has_its_method() {
    let recorder = Recorder::default();
    let (peer, mut remote) = Remote::heard_by(&node(), recorder.clone()).await;
    let messages = every_message();
    let kinds: Vec<Kind> = messages.iter().map(Message::kind).collect();
    let distinct: HashSet<Kind> = kinds.iter().copied().collect();
    assert_eq!(distinct.len(), Kind::ALL.len() - 1, "all but version, which on_version tells");
    for message in &messages {
        remote.say(message).await;
    }
    remote.expect(Kind::Pong).await;
    {
        let notes = recorder.0.lock().unwrap();
        assert_eq!(notes.kinds, kinds);
        assert_eq!(notes.messages, kinds);
        assert_eq!(notes.states, [State::Established]);
    }
    assert_eq!(peer.stats().fee_filter, Some(5));
    assert_eq!(peer.stats().selected_tip, Hash::of(b"block"));

    // What cannot be read is noted as well, before the end.
    remote.say_frame(Kind::Inv.into(), &[9]).await;
    assert_eq!(remote.expect_reject().await, ("malformed".into(), 0x01));
    remote.expect_end().await;
    let reason = peer.closed().await;
    assert_eq!(reason, DisconnectReason::Malformed(Malformed::Truncated));
    let notes = recorder.0.lock().unwrap();
    assert_eq!(notes.states[1..], [State::Disconnected(reason)]);
    assert_eq!(notes.errors, 1);
    assert_eq!(notes.read.len(), 1 + messages.len() + 1);
    assert_eq!(notes.read[0].0, Some(Kind::Version));
    let written: Vec<Kind> = notes.written.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(written, [Kind::Version, Kind::Verack, Kind::Pong, Kind::Reject]);
    let sent: usize = notes.written.iter().map(|(_, bytes)| bytes).sum();
    assert!(sent > 4 * 24);
}
