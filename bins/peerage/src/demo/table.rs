//! The closing table: what each end of each connection has measured.

use std::time::Duration;

use peerage::bitcoin::Count;

use crate::output::line;
use crate::show::millis;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) end: String,
    pub(crate) direction: String,
    pub(crate) transport: String,
    pub(crate) opening: Duration,
    /// Messages, and all bytes of the connection.
    pub(crate) received: Count,
    pub(crate) sent: Count,
    pub(crate) ping: Option<Duration>,
    /// What was verified, by column; none where the end only served.
    pub(crate) results: Vec<usize>,
}

/// Prints these rows, with these names for the columns of results.
pub(crate) fn print(rows: impl IntoIterator<Item = Row>, results: &[&str]) {
    let results: String = results.iter().map(column).collect();
    line(format_args!(
        "{:<10} {:<9} {:<14} {:>10} {:>9} {:>12} {:>9} {:>12} {:>9}{results}",
        "end",
        "direction",
        "transport",
        "opening ms",
        "in msgs",
        "in bytes",
        "out msgs",
        "out bytes",
        "ping ms",
    ));
    rows.into_iter().for_each(|row| print_row(&row));
}

fn print_row(row: &Row) {
    let Row { end, direction, transport, opening, received, sent, ping, results } = row;
    let ping = ping.map_or_else(|| "-".into(), |ping| format!("{:.3}", millis(ping)));
    let results: String = results.iter().map(column).collect();
    line(format_args!(
        "{end:<10} {direction:<9} {transport:<14} {:>10.3} {:>9} {:>12} {:>9} {:>12} {ping:>9}{results}",
        millis(*opening),
        received.messages,
        received.bytes,
        sent.messages,
        sent.bytes,
    ));
}

fn column(value: impl std::fmt::Display) -> String {
    format!(" {value:>7}")
}
