//! The closing table: what each end of each connection has measured.

use peerage::bitcoin::{Negotiated, Stats};

use super::Report;
use crate::output::line;
use crate::show::millis;

/// Prints the peers' side of the connections, then the node's.
pub(super) fn print(reports: &[Report], inbound: &[Stats]) {
    line(format_args!(
        "{:<10} {:<9} {:<14} {:>10} {:>9} {:>12} {:>9} {:>12} {:>9} {:>7} {:>5}",
        "end",
        "direction",
        "transport",
        "opening ms",
        "in msgs",
        "in bytes",
        "out msgs",
        "out bytes",
        "ping ms",
        "blocks",
        "txs",
    ));
    for Report { name, standing, stats } in reports {
        row(name, stats, &standing.blocks.to_string(), &standing.transactions.to_string());
    }
    for (stats, number) in inbound.iter().zip(1..) {
        row(&format!("node, {number}"), stats, "", "");
    }
}

fn row(end: &str, stats: &Stats, blocks: &str, transactions: &str) {
    let ping = stats.ping.min.map_or_else(|| "-".into(), |ping| format!("{:.3}", millis(ping)));
    let (received, sent) = (stats.received.total(), stats.sent.total());
    let row = format!(
        "{end:<10} {:<9} {:<14} {:>10.3} {:>9} {:>12} {:>9} {:>12} {ping:>9} {blocks:>7} {transactions:>5}",
        stats.direction.to_string(),
        session(&stats.transport),
        millis(stats.opening_took),
        received.messages,
        stats.bytes_received,
        sent.messages,
        stats.bytes_sent,
    );
    line(row.trim_end());
}

/// The transport, and the beginning of a v2 session's id, which is the same at both ends.
fn session(negotiated: &Negotiated) -> String {
    match negotiated {
        Negotiated::V2 { session_id: [a, b, c, d, ..] } => {
            format!("{negotiated} {a:02x}{b:02x}{c:02x}{d:02x}")
        }
        _ => negotiated.to_string(),
    }
}
