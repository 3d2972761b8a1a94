//! Today's Kaspa peers, against remotes scripted by hand: kaspad's probes, openings, requests,
//! chores, announcements, statistics, and remotes that mean harm.
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

#[path = "kaspa/bad_input.rs"]
mod bad_input;
#[path = "kaspa/chores.rs"]
mod chores;
#[path = "kaspa/deadlines.rs"]
mod deadlines;
#[path = "kaspa/given_up.rs"]
mod given_up;
#[path = "kaspa/http2.rs"]
mod http2;
#[path = "kaspa/inventory.rs"]
mod inventory;
#[path = "kaspa/opening.rs"]
mod opening;
#[path = "kaspa/probes.rs"]
mod probes;
#[path = "kaspa/raw.rs"]
mod raw;
#[path = "kaspa/remote.rs"]
mod remote;
#[path = "kaspa/requests.rs"]
mod requests;
#[path = "kaspa/said.rs"]
mod said;
#[path = "kaspa/sieges.rs"]
mod sieges;
#[path = "kaspa/statistics.rs"]
mod statistics;
#[path = "kaspa/streams.rs"]
mod streams;
