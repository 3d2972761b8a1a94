//! Measures peerage beside the best simple loops on the same machine, and prints a JSON line for
//! each figure.
//!
//! ```text
//! peerage-benches [ours|limit|codec|btcd|bitcoind]... [--only CASE]... [--transport v1|v2]
//!                 [--seconds SCALE] [--btcd PROGRAM] [--daemon NAME=PROGRAM]... [--list]
//! ```
//!
//! `--only` takes a case or a group of them, such as `flood` or `flood/inv`. `--seconds` stretches
//! every time that is not given by what is measured. `--btcd` measures idle and flooded peers of
//! btcd's library as well, with the program of interop/btcd-bench; `--daemon` tells where the nodes
//! `bitcoind` and `btcd` are, which `served` measures beside us.

mod cipher;
mod codec;
mod coin;
mod fanout;
mod flood;
mod idle;
mod kaspa;
mod kaspa_legacy;
mod latency;
mod limit;
mod memory;
mod messages;
mod opening;
mod ping;
mod report;
mod samples;
mod served;
mod world;

use report::{Bench, Transport};

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    if let Some(role) = args.next_if(|arg| arg.starts_with("child-")) {
        return world::child(&role, &args.collect::<Vec<_>>());
    }
    let bench = Bench::from_args(args).unwrap_or_else(|problem| {
        eprintln!("peerage-benches: {problem}");
        eprintln!("usage: peerage-benches [ours|limit|codec|btcd|bitcoind]... [--only CASE]...");
        eprintln!("           [--transport v1|v2] [--seconds SCALE] [--btcd PROGRAM]");
        eprintln!("           [--daemon NAME=PROGRAM]... [--list]");
        std::process::exit(2);
    });
    world::raise_file_limit();
    // Ours and the limit of one case run close to each other: what changes on the machine then
    // changes for both.
    for transport in Transport::BOTH {
        opening::run(&bench, transport);
    }
    limit::opening::run(&bench);
    for transport in Transport::BOTH {
        ping::run(&bench, transport);
    }
    limit::ping::run(&bench);
    flood::run(&bench);
    limit::flood::run(&bench);
    fanout::run(&bench);
    limit::fanout::run(&bench);
    codec::run(&bench);
    cipher::run(&bench);
    served::run(&bench);
    latency::run(&bench);
    memory::run(&bench);
    idle::run(&bench);
    kaspa::run(&bench);
    kaspa_legacy::run(&bench);
}
