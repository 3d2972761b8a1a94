//! Memory and processor time of connections on which nothing happens, both ends in processes of
//! their own and each measured: the one that accepts has another HTTP/2 role than the one that dials.

use std::time::Duration;

use crate::coin::Kaspa;
use crate::idle::{client, number, server};
use crate::report::{Bench, Row};
use crate::world::Process;

const COUNT: u32 = 1_000;
const SECONDS: f64 = 10.0;

pub(crate) fn run(bench: &Bench) {
    if let Some(case) = bench.wants_ours(&format!("idle/{COUNT}"), Kaspa::Plain) {
        measure(bench, &case);
    }
}

fn measure(bench: &Bench, case: &str) {
    let mut server = server(Kaspa::Plain, "0");
    let line = server.line();
    let address = line.rsplit(' ').next().expect("an address");
    // What is allocated once is no part of a peer: a process with one is what the others add to.
    let mut first = dial(address, 1);
    let empty = [memory(&mut server), memory(&mut first)];
    let mut client = dial(address, COUNT);
    let full = [memory(&mut server), memory(&mut client)];
    let seconds = bench.seconds(SECONDS);
    let before = [cpu(&mut server), cpu(&mut client)];
    std::thread::sleep(seconds);
    let after = [cpu(&mut server), cpu(&mut client)];
    for (end, name) in ["accepting end", "dialling end"].into_iter().enumerate() {
        let case = format!("{case}/{name}");
        let row = |metric, value, unit| {
            Row::new("ours", &case, Kaspa::Plain, metric, value, unit)
                .with("peers", f64::from(COUNT))
                .with("seconds", seconds.as_secs_f64())
                .print();
        };
        row("memory", (full[end] - empty[end]) / f64::from(COUNT), "kB/peer");
        row("process memory", full[end] / 1e3, "MB");
        row("cpu", (after[end] - before[end]) / seconds.as_secs_f64() * 100.0, "% of a core");
    }
}

/// So many connections, and the time in which their openings are forgotten.
fn dial(address: &str, count: u32) -> Process {
    let mut client = client(Kaspa::Plain, address, &count.to_string(), "0");
    client.line();
    std::thread::sleep(Duration::from_millis(1_000 + u64::from(count) / 4));
    client
}

/// In kB.
fn memory(process: &mut Process) -> f64 {
    number(&process.ask("memory")["rss_kb"])
}

/// In seconds, until now.
fn cpu(process: &mut Process) -> f64 {
    number(&process.ask("cpu")["cpu_s"])
}
