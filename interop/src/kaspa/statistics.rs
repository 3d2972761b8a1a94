//! What both have counted.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::{Kind, Stats};
use serde_json::Value;

use super::Pair;
use crate::checks::until;

/// Messages by kind and bytes, both ways: equal to ours. Needs a node without other connections.
pub(crate) async fn equal(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    talk.fence().await?;
    let mut last = String::new();
    let same = until("equal counts", async || {
        let mark = node.mark();
        node.say("stats").await?;
        let theirs = node.event(mark, "stats", |_| true).await?;
        let ours = talk.peer.stats();
        let (sent, received) = (counts(&ours, true), counts(&ours, false));
        let peer = &theirs["peers"][0];
        let (bytes_sent, bytes_received) = bytes(&ours);
        last = format!(
            "it says {theirs}, we count {sent:?} and {received:?}, {bytes_sent} and {bytes_received} bytes"
        );
        Ok(told(&peer["received"])? == sent
            && told(&peer["sent"])? == received
            && theirs["bytes_received"] == bytes_sent
            && theirs["bytes_sent"] == bytes_received)
    });
    same.await.with_context(|| last)?;
    let stats = talk.peer.stats();
    let (sent, received) = bytes(&stats);
    // What is not in messages: preface, settings, heads, frames' headers, windows.
    let beyond = [stats.bytes_sent - sent, stats.bytes_received - received];
    for (beyond, messages) in beyond.into_iter().zip([sent, received]) {
        ensure!(beyond < 2_000 + messages / 20, "{beyond} bytes of HTTP/2 around {messages}");
    }
    let kinds = counts(&stats, true).len() + counts(&stats, false).len();
    Ok(format!("{kinds} kinds; {sent} and {received} bytes, HTTP/2 adds {beyond:?}"))
}

/// The bytes of all messages, as they travel.
fn bytes(stats: &Stats) -> (u64, u64) {
    (stats.sent.total().bytes, stats.received.total().bytes)
}

/// Our counts by the lower-case names of kinds, without those of the opening, which it leaves out.
fn counts(stats: &Stats, sent: bool) -> BTreeMap<String, u64> {
    let traffic = if sent { &stats.sent } else { &stats.received };
    let opening = [Kind::Version, Kind::Verack, Kind::Ready];
    traffic
        .iter()
        .filter(|(kind, _)| !opening.contains(kind))
        .map(|(kind, count)| (kind.to_string().to_lowercase(), count.messages))
        .collect()
}

fn told(counts: &Value) -> Result<BTreeMap<String, u64>> {
    let counts = counts.as_object().context("it counts nothing")?;
    let count = |(kind, count): (&String, &Value)| {
        Ok((kind.to_lowercase(), count.as_u64().context("a count is a number")?))
    };
    counts.iter().map(count).collect()
}
