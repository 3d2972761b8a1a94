//! Today's Kaspa: the cases of interop/kaspa-p2p, which measures kaspad's own library.

mod idle;
mod messages;

use peerage::kaspa::{Message, Payload};

use crate::coin::Kaspa;
use crate::flood::{self, Receiver};
use crate::report::Bench;
use crate::{opening, ping};

pub(crate) fn run(bench: &Bench) {
    // First, as it would be given the memory that another case has left.
    idle::run(bench);
    opening::run(bench, Kaspa::Plain);
    ping::one(bench, Kaspa::Plain);
    ping::in_flight(bench, Kaspa::Plain, 64);
    for count in [1, 1_000] {
        flood::both(bench, Kaspa::Plain, &format!("inv({count})"), || messages::inv(count));
    }
    // Theirs compresses everything; we do if told to.
    for kaspa in [Kaspa::Plain, Kaspa::Gzip] {
        flood::both(bench, kaspa, "block", messages::block);
        if let Some(case) = bench.wants_ours("flood/block-converted", kaspa) {
            flood::measure(bench, &case, kaspa, Receiver::Listener(convert), messages::block());
        }
    }
}

/// What kaspad's flows do with a block first: the hash of its header and the ids of its transactions.
fn convert(message: &Message) {
    let Payload::Block(block) = &message.payload else { return };
    let header = block.header.as_ref().expect("it was sent with one");
    std::hint::black_box(header.hash().expect("it is complete"));
    for transaction in &block.transactions {
        std::hint::black_box(transaction.id().expect("it is complete"));
    }
}
