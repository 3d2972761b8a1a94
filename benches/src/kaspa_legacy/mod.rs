//! Legacy Kaspa: the cases of Bitcoin's v1 that it has too, to show that they cost the same.

mod messages;

use crate::coin::KaspaLegacy;
use crate::report::Bench;
use crate::{flood, idle, opening, ping};

pub(crate) fn run(bench: &Bench) {
    opening::run(bench, KaspaLegacy);
    ping::one(bench, KaspaLegacy);
    for name in messages::FLOODED {
        flood::both(bench, KaspaLegacy, name, || messages::flooded(name));
    }
    idle::ours(bench, KaspaLegacy);
}
