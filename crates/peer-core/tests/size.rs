//! Events are small: they are moved through queues one by one.
#![allow(missing_docs)]

use peerage_peer_core::Event;
use peerage_wire_bitcoin::Bitcoin;

#[test]
fn an_event_fits_into_two_cache_lines() {
    assert!(size_of::<Event<Bitcoin>>() <= 128, "{} bytes", size_of::<Event<Bitcoin>>());
}
