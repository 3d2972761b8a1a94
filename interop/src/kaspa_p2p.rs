//! kaspa-p2p-lib, the peer-to-peer code of kaspad, driven by our program `kaspa-p2p`.

use peerage::kaspa::Direction;

use crate::daemon::Programs;
use crate::kaspa::ending::{self, Theirs};
use crate::kaspa::{
    DIRECTIONS, Pair, addresses, blocks, config_with, headers, open, opening, pings, pruning,
    refused, statistics, transactions, trusted, words,
};
use crate::report::Section;

/// Everything that is checked with it, both ways of dialling.
pub(crate) async fn run(programs: &Programs) -> Section {
    let mut section = Section::new("kaspa-p2p");
    for direction in DIRECTIONS {
        openings(&mut section, programs, direction).await;
    }
    section.check("we mirror its version", 30, opening::mirror(programs)).await;
    section.check("its second dial, refused by us", 30, refused::its_twice(programs)).await;
    section.check("gzip", 30, opening::gzip(programs)).await;
    section.check("pings by themselves", 30, pings::by_themselves(programs)).await;
    section.check("too many addresses", 30, addresses::too_many(programs)).await;
    for direction in DIRECTIONS {
        if let Some(mut pair) = step(&mut section, programs, direction, 11, &[]).await {
            converse(&mut section, &mut pair).await;
        }
        if let Some(mut pair) = step(&mut section, programs, direction, 11, &["--relay"]).await {
            relay(&mut section, &mut pair).await;
        }
        for version in [10, 11] {
            if let Some(mut pair) = step(&mut section, programs, direction, version, &[]).await {
                download(&mut section, &mut pair).await;
            }
        }
        ends(&mut section, programs, direction).await;
    }
    section
}

/// Ways to open a connection, and to fail.
async fn openings(section: &mut Section, programs: &Programs, direction: Direction) {
    let name = |check: &str| format!("{}: {check}", words(direction));
    section.check(name("introductions"), 30, opening::introductions(programs, direction)).await;
    section.check(name("versions"), 30, opening::versions(programs, direction)).await;
    section.check(name("another network"), 30, refused::another_network(programs, direction)).await;
    section.check(name("our version 9"), 30, refused::ours_too_old(programs, direction)).await;
    section.check(name("its version 9"), 30, refused::its_too_old(programs, direction)).await;
    section.check(name("our id twice"), 30, refused::ours_twice(programs, direction)).await;
    section.check(name("one id for both"), 30, refused::loopback(programs, direction)).await;
    section
        .check(name("it asks for addresses"), 30, addresses::answered(programs, direction))
        .await;
}

/// Opens a connection for the checks that follow.
async fn step(
    section: &mut Section,
    programs: &Programs,
    direction: Direction,
    version: u32,
    options: &[&str],
) -> Option<Pair> {
    let config = config_with(|config| config.identity.version = version);
    let opened = async {
        let mut pair = open(programs, direction, options, &config).await?;
        pair.talk.fence().await?;
        let remote = pair.talk.peer.remote().clone();
        let seen = format!("{}, {} agreed of {}", remote.user_agent, remote.agreed, remote.version);
        Ok((pair, seen))
    };
    let name = format!("{} as {version} {}", words(direction), options.join(" "));
    let pair = section.step(name.trim_end().to_owned(), 30, opened).await?;
    let remote = pair.talk.peer.remote();
    section.set_version(format!("{} {}", remote.user_agent, remote.version));
    section.watch(pair.node.daemon.log());
    Some(pair)
}

/// What peers do all day; the node does not ask for what we announce.
async fn converse(section: &mut Section, pair: &mut Pair) {
    let words = words(pair.talk.peer.direction());
    let name = |check: &str| format!("{words}: {check}");
    section.check(name("pings"), 30, pings::both_ways(pair, 500)).await;
    section.check(name("addresses asked for"), 30, addresses::asked(pair)).await;
    section.check(name("blocks followed"), 30, blocks::followed(pair, 40, 30_000)).await;
    section.check(name("large blocks"), 30, blocks::large(pair)).await;
    section.check(name("two requests at once"), 30, blocks::at_once(pair)).await;
    section.check(name("blocks it asks for"), 30, blocks::asked(pair)).await;
    section.check(name("transactions followed"), 30, transactions::followed(pair)).await;
    section.check(name("transactions not found"), 30, transactions::mixed(pair)).await;
    section.check(name("many ids announced to us"), 30, transactions::many_announced(pair)).await;
    section.check(name("many ids announced by us"), 30, transactions::announced_by_us(pair)).await;
    section.check(name("its statistics"), 30, statistics::equal(pair)).await;
}

/// What we announce to a node that asks for it.
async fn relay(section: &mut Section, pair: &mut Pair) {
    let words = words(pair.talk.peer.direction());
    let name = |check: &str| format!("{words}: {check}");
    section.check(name("a block of ours"), 30, blocks::ours(pair, 20_000)).await;
    section.check(name("a large block of ours"), 30, blocks::ours(pair, 1_300_000)).await;
    section.check(name("transactions of ours"), 30, transactions::ours(pair)).await;
    section.check(name("its statistics"), 30, statistics::equal(pair)).await;
}

/// The initial download, asked for and served.
async fn download(section: &mut Section, pair: &mut Pair) {
    let (words, version) = (words(pair.talk.peer.direction()), pair.talk.peer.remote().agreed);
    let name = |check: &str| format!("{words} as {version}: {check}");
    section.check(name("headers"), 30, headers::fetched(pair)).await;
    section.check(name("headers served"), 30, headers::served(pair)).await;
    section.check(name("locators"), 30, headers::locators(pair)).await;
    section.check(name("bodies, blocks"), 30, headers::bodies(pair)).await;
    section.check(name("proof"), 30, trusted::proof(pair)).await;
    section.check(name("anticone"), 30, trusted::anticone(pair)).await;
    section.check(name("both served"), 30, trusted::served(pair)).await;
    section.check(name("unspent outputs"), 60, pruning::utxos(pair)).await;
    section.check(name("outputs served"), 60, pruning::utxos_served(pair)).await;
    section.check(name("lanes"), 60, pruning::lanes(pair)).await;
    section.check(name("lanes served"), 60, pruning::lanes_served(pair)).await;
    section.check(name("its statistics"), 30, statistics::equal(pair)).await;
}

/// Ends, and what it ends a connection for.
async fn ends(section: &mut Section, programs: &Programs, direction: Direction) {
    let name = |check: &str| format!("{}: {check}", words(direction));
    section.check(name("unrouted messages"), 30, ending::unrouted(programs, direction)).await;
    section.check(name("what it refuses"), 30, ending::misbehaved(programs, direction)).await;
    section.check(name("we disconnect"), 30, ending::ours(programs, direction)).await;
    for (how, check) in Theirs::ALL {
        section.check(name(check), 30, ending::theirs(programs, direction, how)).await;
    }
}
