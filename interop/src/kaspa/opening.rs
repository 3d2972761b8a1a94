//! Openings that succeed: introductions, versions, compression.

use anyhow::{Context as _, Result, ensure};
use peerage::kaspa::message::RequestAddresses;
use peerage::kaspa::{
    AddressAnswers, Config, Direction, DisconnectReason, Kind, Negotiated, OpenError, Retry, Stats,
};

use super::{DIRECTIONS, Node, Pair, Talk, config_with, open, try_open, words};
use crate::checks::until;
use crate::daemon::Programs;

/// What each says of itself, as the other hears it.
pub(crate) async fn introductions(programs: &Programs, direction: Direction) -> Result<String> {
    let ours = config_with(|config| {
        config.identity.address = Some(([203, 0, 113, 9], 16_511).into());
        config.identity.disable_relay_tx = true;
    });
    let its_id = "00112233445566778899aabbccddeeff";
    let options = ["--id", its_id, "--address", "198.51.100.7:16511", "--user-agent", "/some:1/"];
    let Pair { node, talk } = open(programs, direction, &options, &ours).await?;
    let remote = talk.peer.remote();
    ensure!(remote.id.to_string().replace('-', "") == its_id, "its id is {}", remote.id);
    ensure!(remote.user_agent.to_string() == "/some:1/", "it is {}", remote.user_agent);
    ensure!(remote.address == Some(([198, 51, 100, 7], 16_511).into()), "{:?}", remote.address);
    ensure!(remote.network == "kaspa-simnet" && remote.subnetwork.is_none(), "{remote:?}");
    ensure!(remote.time_offset.abs() <= 2, "time offset {} s", remote.time_offset);
    ensure!(talk.peer.direction() == direction, "the direction is {}", talk.peer.direction());

    let heard = node.event(0, "version", |_| true).await?;
    ensure!(heard["id"] == remote.our_id.to_string(), "it heard {heard}");
    ensure!(heard["user_agent"] == ours.identity.user_agent.to_string(), "it heard {heard}");
    ensure!(heard["address"] == "203.0.113.9:16511", "it heard {heard}");
    ensure!(heard["disable_relay_tx"] == true && heard["subnetwork"] == false, "heard {heard}");
    let offset = heard["time_offset"].as_i64().context("an offset in ms")?;
    ensure!(offset.abs() <= 2_000, "it says that our clock is {offset} ms off");
    Ok(format!("ids, names, addresses and clocks ({offset} ms apart) are told both ways"))
}

/// Versions 10 and 11, and 12 that nobody speaks yet: what is agreed on.
pub(crate) async fn versions(programs: &Programs, direction: Direction) -> Result<String> {
    let mut seen = Vec::new();
    for (ours, theirs) in [(10, 10), (10, 11), (11, 10), (11, 11), (11, 12)] {
        let config = config_with(|config| config.identity.version = ours);
        let agreed = agreed(programs, direction, &config, (ours, theirs)).await?;
        ensure!(agreed == ours.min(theirs), "{ours} and {theirs} make {agreed}");
        seen.push(format!("{ours}/{theirs}: {agreed}"));
    }
    Ok(seen.join(", "))
}

/// We say what it says.
pub(crate) async fn mirror(programs: &Programs) -> Result<String> {
    let mut seen = Vec::new();
    for (theirs, mirrored) in [(10, 10), (11, 11), (12, 11)] {
        let config = config_with(|config| {
            config.identity.version = 10;
            config.identity.mirror = true;
        });
        let agreed = agreed(programs, Direction::Outbound, &config, (mirrored, theirs)).await?;
        ensure!(agreed == mirrored, "{theirs} was mirrored, and {agreed} agreed");
        seen.push(format!("to its {theirs} we say {mirrored}"));
    }
    Ok(seen.join(", "))
}

async fn agreed(
    programs: &Programs,
    direction: Direction,
    config: &Config,
    (ours, theirs): (u32, u32),
) -> Result<u32> {
    let options = ["--version", &theirs.to_string()];
    let Pair { node, mut talk } = open(programs, direction, &options, config).await?;
    let remote = talk.peer.remote().clone();
    ensure!(remote.version == theirs, "it offered {theirs}, we heard {}", remote.version);
    let heard = node.event(0, "version", |_| true).await?;
    ensure!(heard["protocol_version"] == ours, "we offered {ours}, it heard {heard}");
    let told = node.event(0, "established", |_| true).await?;
    ensure!(told["protocol_version"] == remote.agreed, "we agreed on {}, {told}", remote.agreed);
    talk.fence().await?;
    Ok(remote.agreed)
}

/// Compression: whether we take it and whether we use it, told by the bytes that travel.
pub(crate) async fn gzip(programs: &Programs) -> Result<String> {
    let mut seen = Vec::new();
    for direction in DIRECTIONS {
        for (accept, send) in [(false, false), (false, true), (true, false), (true, true)] {
            let config = config_with(|config| {
                (config.gzip.accept, config.gzip.send) = (accept, send);
                config.addresses = AddressAnswers::from_fn(|_| super::addresses::ours(1_000));
            });
            if direction == Direction::Inbound && !accept {
                refused(programs, &config).await?;
                continue;
            }
            let Pair { node, talk } = open(programs, direction, &[], &config).await?;
            // A client says that it unpacks, its server does not: for that we pack nothing.
            let knows = direction == Direction::Inbound;
            let transport = talk.peer.stats().transport;
            ensure!(transport == (Negotiated::Grpc { gzip: knows }), "we know {transport:?}");
            let (to_us, to_it) = packed(&node, &talk).await?;
            let due = (accept, send && knows);
            ensure!((to_us, to_it) == due, "{}: {to_us}, {to_it}, not {due:?}", words(direction));
            seen.push(format!("{}{}", u8::from(accept), u8::from(send)));
        }
    }
    Ok(format!(
        "as we accept and send: {}; to its server never, its client insists",
        seen.join(" ")
    ))
}

/// Its client packs without asking: whoever takes nothing packed cannot be dialled by it.
async fn refused(programs: &Programs, config: &Config) -> Result<()> {
    let (_node, opened) = try_open(programs, Direction::Inbound, &[], config).await?;
    let error = opened.err().context("it opened, though its messages are packed")?;
    let ended = matches!(
        &error,
        OpenError::Ended { reason: DisconnectReason::NoCommonTransport(_), retry: Retry::Never }
    );
    ensure!(ended, "{error:?}");
    Ok(())
}

/// Whether it packed for us, and we for it.
async fn packed(node: &Node, talk: &Talk) -> Result<(bool, bool)> {
    node.say("addresses 1000").await?;
    // Its answer tells that it has heard the line before.
    node.prepare("headers 0").await?;
    let list = talk.peer.request(RequestAddresses::default()).await?.addresses;
    ensure!(list.len() == 1_000, "{} addresses", list.len());
    let plain = |event: &serde_json::Value| event["bytes"].as_u64().context("a size in bytes");
    let from_it = plain(&node.sent_all(0, "Addresses", 1).await?[0])?;
    let from_us = plain(&node.got(0, "Addresses").await?)?;
    let counts = |stats: &Stats| [&stats.received, &stats.sent].map(|it| it.get(Kind::Addresses));
    // They are noted when a round of work is over, of which the answer was a part.
    until("both are counted", async || {
        Ok(counts(&talk.peer.stats()).iter().all(|count| count.messages == 1))
    })
    .await?;
    let stats = talk.peer.stats();
    let [read, written] = counts(&stats);
    // Before a message there are five bytes.
    let is_packed = |bytes, plain| {
        ensure!(bytes <= plain + 5, "{bytes} bytes for {plain}");
        Ok(bytes < plain + 5)
    };
    // Its short ones are packed as well, which makes them longer.
    let verack = stats.received.get(Kind::Verack).bytes;
    let to_us = is_packed(read.bytes, from_it)?;
    ensure!((verack > 8) == to_us, "a verack of {verack} bytes");
    Ok((to_us, is_packed(written.bytes, from_us)?))
}
