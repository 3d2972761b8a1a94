//! The command line: what may be said, and what it means.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::hex::FromHex as _;
use clap::{Args, Parser, Subcommand};
use peerage::bitcoin::{Network, V2};

/// Talk to Bitcoin nodes, wait for them, or watch some talk to each other.
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
    Demo(DemoArgs),
    /// Open a connection to a node, show what it says, and ask it things
    ///
    /// Shows what was negotiated and what the node says of itself. Then, with --request, asks and
    /// prints the answer; otherwise shows the node's messages until Ctrl-C or --timeout.
    #[command(after_long_help = CONNECT_EXAMPLES)]
    Connect(ConnectArgs),
    /// Wait for nodes that connect, and show what they say
    ///
    /// Shows each connection as `peerage connect` does, until Ctrl-C. With --serve it is also a
    /// small regtest node that others can fetch from.
    #[command(after_long_help = LISTEN_EXAMPLES)]
    Listen(ListenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many peers connect to the node
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) peers: u16,
    /// How many blocks are mined at the start; the coins of a block can be spent 100 blocks later,
    /// so there are at least 110
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(110..=100_000))]
    pub(crate) blocks: u32,
    /// How long transactions and blocks are made and relayed live, in seconds
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    pub(crate) duration: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The node: a name, an IPv4 or [IPv6] address; the port is the network's unless given
    #[arg(value_name = "HOST[:PORT]")]
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
    /// Ask for this and print the answer: ping, getaddr, headers (those after the first block),
    /// block:HASH, mempool, or filters (BIP157, those of the first blocks)
    #[arg(long, value_name = "WHAT")]
    pub(crate) request: Option<Request>,
    /// Write the block that was asked for to this file, as it came
    #[arg(long, value_name = "FILE", requires = "request")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// Where to listen; the port is the network's unless given, 0 takes a free one
    #[arg(value_name = "ADDR[:PORT]", default_value = "127.0.0.1")]
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// How many connections are open at the same time; others wait in the system's queue
    #[arg(long, value_name = "N", default_value_t = 125, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max: u16,
    /// Mine so many blocks on regtest, which is the network then, and serve them, with their
    /// filters, a few transactions and addresses
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) serve: Option<u32>,
}

/// What connecting and listening have in common.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// mainnet, testnet3, testnet4, signet, signet:CHALLENGE (in hexadecimal), regtest or simnet
    /// [default: mainnet]
    #[arg(long, value_name = "N", value_parser = network)]
    pub(crate) network: Option<Network>,
    /// Speak only v1, the plain-text transport
    #[arg(long, conflicts_with = "v2")]
    pub(crate) v1: bool,
    /// Speak only v2, the encrypted transport (BIP324)
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
}

/// What a node can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Ping,
    GetAddr,
    Headers,
    Block(BlockHash),
    MemPool,
    Filters,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "ping" => Self::Ping,
            "getaddr" => Self::GetAddr,
            "headers" => Self::Headers,
            "mempool" => Self::MemPool,
            "filters" => Self::Filters,
            _ => {
                let hash = text.strip_prefix("block:").ok_or_else(|| {
                    "it must be ping, getaddr, headers, block:HASH, mempool or filters".to_owned()
                })?;
                let hash = hash.parse().map_err(|_| {
                    "the hash of a block has 64 hexadecimal digits, as explorers show it".to_owned()
                })?;
                Self::Block(hash)
            }
        })
    }
}

fn network(text: &str) -> Result<Network, String> {
    if let Some(challenge) = text.strip_prefix("signet:") {
        let challenge = Vec::from_hex(challenge)
            .map_err(|error| format!("the challenge is no hexadecimal script: {error}"))?;
        return Ok(Network::custom_signet(&challenge));
    }
    Network::from_name(text).ok_or_else(|| {
        "it must be mainnet, testnet3, testnet4, signet, signet:CHALLENGE, regtest or simnet"
            .to_owned()
    })
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

const EXIT_CODES: &str = "\
Exit codes:
  0    done; messages were shown until --timeout or Ctrl-C
  1    the connection ended before the answer came, the answer did not verify, or a file or
       socket of ours failed
  2    the command line cannot be understood
  3    nobody could be reached, or the proxy did not connect us
  4    the connection was made, but its opening failed
  5    it took longer than allowed
  130  interrupted by Ctrl-C before it was done
  141  whoever read the output has closed it

Set RUST_LOG=debug to see the library's log on stderr.";

const CONNECT_EXAMPLES: &str = "\
Examples:
  peerage connect 203.0.113.7
  peerage connect node.example:8333 --request headers --json
  peerage connect [2001:db8::7]:18444 --network regtest --v2 --timeout 10
  peerage connect 127.0.0.1 --network signet --request block:HASH --save block.dat
  peerage connect examplexyz.onion --proxy 127.0.0.1:9050 --request ping

JSON (--json): each line is an object whose key `event` says what it is.
  opened   transport, after_v2, session_id, opening_ms, direction, address, network, agreed,
           version, user_agent, services, services_bits, height, relay, timestamp, time_offset,
           they_see_us, they_see_themselves, wtxid_relay, addrv2, txrcncl, features
  message  time (seconds since the start), command, body
  answer   request, and by request
             ping      round_trip_ms
             getaddr   address, services, services_bits, time
             headers   hash, previous, time, bits
             block     hash, previous, merkle_root, time, bits, nonce, version, bytes,
                       transactions, pow_ok, merkle_root_ok, witness_commitment_ok, txids;
                       a second line with saved, bytes if it was saved
             mempool   type, hash
             filters   height, block, bytes, filter_hash
           lists have a line for each entry, and at their end one with total
  notice   what: something odd that does not end the connection
  closed   reason, fault (remote, slowness, local, nobody), bytes_received, bytes_sent,
           received, sent (messages and bytes by command), ping_ms
Each of them has `peer`, the number of the connection. What does not exist is null. Text of the
remote is escaped and cut to 256 characters.";

const LISTEN_EXAMPLES: &str = "\
Examples:
  peerage listen --network regtest
  peerage listen 0.0.0.0:8333 --json --max 8
  peerage listen 127.0.0.1:0 --serve 200

JSON (--json): as with `peerage connect` (see its --help), and the events
  listening  address, network
  failed     address, reason: an opening that failed
  backoff    wait_ms, reason: accepting has to wait";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn networks_have_names_and_signets_challenges() {
        assert_eq!(network("regtest").unwrap(), Network::regtest());
        assert_eq!(network("signet:51").unwrap(), Network::custom_signet(&[0x51]));
        assert!(network("signet:5").is_err() && network("dogecoin").is_err());
    }

    #[test]
    fn requests_are_read() {
        assert_eq!("ping".parse(), Ok(Request::Ping));
        let genesis = Network::mainnet().genesis;
        assert_eq!(format!("block:{genesis}").parse(), Ok(Request::Block(genesis)));
        assert!("block:12".parse::<Request>().is_err() && "".parse::<Request>().is_err());
    }
}
