//! The command line: what may be said, and what it means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use peerage::bitcoin::{Network, V2};
use tokio::time::Instant;

use crate::asked::Asked;
use crate::failure::Failure;
use crate::help::{CONNECT_EXAMPLES, EXIT_CODES, FOLLOW_EXAMPLES, LISTEN_EXAMPLES};
use crate::whom::{AnyNetwork, Endpoint, network};

/// Talk to Bitcoin and Kaspa nodes, wait for them, or watch some talk to each other.
#[derive(Debug, Parser)]
#[command(name = "peerage", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole protocol at work on this machine; needs no network
    ///
    /// Mines a regtest chain, serves it from a node on loopback TCP, and lets peers connect, shake
    /// hands over v2 (BIP324) and v1, fetch all headers and blocks, relay transactions and hear of
    /// new blocks. Everything that arrives is verified: links and proof of work of headers, merkle
    /// roots, witness commitments, hashes of transactions.
    ///
    /// With --network kaspa-simnet the same with Kaspa nodes: a DAG of blocks (without proof of
    /// work) is synced in batches of headers and blocks, all nodes make blocks and transactions,
    /// and addresses are exchanged. Verified are hashes, parents, merkle roots and ids.
    Demo(DemoArgs),
    /// Open a connection to a node, show what it says, and ask it things
    ///
    /// Shows what was negotiated and what the node says of itself. Then, with --request, asks and
    /// prints the answer; otherwise shows the node's messages until Ctrl-C or --timeout.
    #[command(after_long_help = CONNECT_EXAMPLES)]
    Connect(ConnectArgs),
    /// Show the blocks that a Kaspa node announces
    ///
    /// Fetches each announced block, checks that its hash is the announced one and that its
    /// transactions are those of its merkle root, and shows its header. Asks for addresses once, at
    /// the start, and answers the node when it does; until Ctrl-C, --count or --timeout.
    #[command(after_long_help = FOLLOW_EXAMPLES)]
    Follow(FollowArgs),
    /// Wait for nodes that connect, and show what they say
    ///
    /// Shows each connection as `peerage connect` does, until Ctrl-C. With --serve it is also a
    /// small regtest node that others can fetch from, or one of kaspa-simnet.
    #[command(after_long_help = LISTEN_EXAMPLES)]
    Listen(ListenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Whose nodes: regtest for Bitcoin's, kaspa-simnet for Kaspa's
    #[arg(long, value_name = "N", default_value = "regtest", value_parser = ["regtest", "kaspa-simnet"])]
    pub(crate) network: String,
    /// How many peers connect to the node
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) peers: u16,
    /// How many blocks are made at the start; Bitcoin's coins can be spent 100 blocks later, so
    /// there are at least 110
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(110..=100_000))]
    pub(crate) blocks: u32,
    /// How long transactions and blocks are made and relayed live, in seconds
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    pub(crate) duration: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The node: a name, an IPv4 or [IPv6] address; the port is the network's unless given. With
    /// kaspa:// in front it is a Kaspa node
    #[arg(value_name = "[kaspa://]HOST[:PORT]")]
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Dial through this SOCKS5 proxy, such as Tor's 127.0.0.1:9050; it also resolves the name
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) proxy: Option<String>,
    /// Give up after so many seconds. Without --request this is how long messages are shown, and
    /// no failure [default: 60 with --request, else none]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Ask for this and print the answer. Bitcoin: ping, getaddr, headers (those after the first
    /// block), block:HASH, mempool, or filters (BIP157, those of the first blocks). Kaspa: ping,
    /// addresses, headers:LOW..HIGH (what HIGH has in its past and LOW has not, and HIGH),
    /// block:HASH, or locator:HASH (blocks of its past at growing distances)
    #[arg(long, value_name = "WHAT")]
    pub(crate) request: Option<Asked>,
    /// Write the block that was asked for to this file: Bitcoin's as it came, Kaspa's as the
    /// protobuf message `BlockMessage`
    #[arg(long, value_name = "FILE", requires = "request")]
    pub(crate) save: Option<PathBuf>,
}

impl ConnectArgs {
    /// When to give up, if ever.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        /// How long an answer may take unless the command line says otherwise: longer than an
        /// honest node takes for anything that can be asked.
        const ANSWER: Duration = Duration::from_secs(60);
        let timeout = self.timeout.or_else(|| self.request.as_ref().map(|_| ANSWER));
        timeout.map(|timeout| Instant::now() + timeout)
    }
}

#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    /// The node: a name, an IPv4 or [IPv6] address; the port is the network's unless given
    #[arg(value_name = "kaspa://HOST[:PORT]")]
    pub(crate) host: String,
    /// As with `peerage connect`: one of Kaspa's networks [default: kaspa-mainnet]
    #[arg(long, value_name = "N", value_parser = network)]
    pub(crate) network: Option<AnyNetwork>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Dial through this SOCKS5 proxy, such as Tor's 127.0.0.1:9050; it also resolves the name
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) proxy: Option<String>,
    /// End after so many blocks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after so many seconds: a failure only if --count blocks were wanted and have not come
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// Where to listen; the port is the network's unless given, 0 takes a free one. With kaspa://
    /// in front it is for Kaspa nodes
    #[arg(value_name = "[kaspa://]ADDR[:PORT]", default_value = "127.0.0.1")]
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// How many connections are open at the same time; others wait in the system's queue
    #[arg(long, value_name = "N", default_value_t = 125, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max: u16,
    /// Mine so many blocks on regtest, which is the network then, and serve them, with their
    /// filters, a few transactions and addresses; or make so many on kaspa-simnet, without proof of
    /// work, and serve those
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) serve: Option<u32>,
}

/// What connecting and listening have in common.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// mainnet, testnet3, testnet4, signet, signet:CHALLENGE (in hexadecimal), regtest or simnet
    /// [default: mainnet]; for Kaspa kaspa-mainnet, kaspa-testnet-10, kaspa-testnet-12,
    /// kaspa-simnet, kaspa-devnet or kaspa-NAME for any other, with mainnet's port, or a testnet's,
    /// unless one is given [default: kaspa-mainnet]
    #[arg(long, value_name = "N", value_parser = network)]
    pub(crate) network: Option<AnyNetwork>,
    /// Speak only v1, the plain-text transport of Bitcoin
    #[arg(long, conflicts_with = "v2")]
    pub(crate) v1: bool,
    /// Speak only v2, the encrypted transport of Bitcoin (BIP324)
    #[arg(long)]
    pub(crate) v2: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl CommonArgs {
    pub(crate) const fn transport(&self) -> V2 {
        match (self.v1, self.v2) {
            (true, _) => V2::Off,
            (_, true) => V2::Required,
            _ => V2::Preferred,
        }
    }

    /// The network of a Bitcoin connection, if one is named.
    pub(crate) fn bitcoin(&self) -> Option<Network> {
        match &self.network {
            Some(AnyNetwork::Bitcoin(network)) => Some(network.clone()),
            _ => None,
        }
    }

    /// Whether `host` is one of Kaspa: then its network, and the host without `kaspa://`.
    pub(crate) fn kaspa<'a>(&self, host: &'a str) -> Result<Option<Endpoint<'a>>, Failure> {
        let endpoint = Endpoint::new(host, self.network.as_ref())?;
        if endpoint.is_some() && (self.v1 || self.v2) {
            return Err(Failure::usage(
                "--v1 and --v2 choose between Bitcoin's transports; Kaspa has one, gRPC",
            ));
        }
        Ok(endpoint)
    }
}

/// Seconds, perhaps with a fraction. A year is as good as for ever.
fn seconds(text: &str) -> Result<Duration, String> {
    const YEAR: f64 = 366.0 * 86_400.0;
    let seconds: f64 = text.parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    if (0.0..=YEAR).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("it must be between 0 and a year".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
