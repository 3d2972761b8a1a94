//! `peerage`: a tool for the peer-to-peer networks of Bitcoin and Kaspa.
//!
//! Arguments become a configuration, the configuration runs, the result becomes an exit code. One
//! file a subcommand; Kaspa's have a room of their own.

mod args;
mod asked;
mod chain;
mod connect;
mod demo;
mod describe;
mod failure;
mod help;
mod interrupt;
mod kaspa;
mod listen;
mod node;
mod output;
mod request;
mod show;
mod whom;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    init_log();
    let result = match cli.command {
        Command::Demo(args) if args.network == "kaspa-simnet" => kaspa::demo::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Connect(args) => connect::run(args).await,
        Command::Follow(args) => kaspa::follow::run(args).await,
        Command::Listen(args) => listen::run(args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit_code()
        }
    }
}

/// The library's log goes to stderr if `RUST_LOG` asks for it.
fn init_log() {
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}
