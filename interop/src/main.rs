//! Conversations of `peerage` with real nodes, all on loopback.
//!
//! `interop/run` installs the nodes, builds this program and starts it; the README tells what is
//! checked with whom.

mod bcoin;
mod bitcoind;
mod bloom;
mod btcd;
mod btcd_peer;
mod checks;
mod daemon;
mod kaspa;
mod kaspa_p2p;
mod mint;
mod report;
mod talk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Error, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::daemon::Programs;
use crate::report::Report;

const USAGE: &str = "\
usage: peerage-interop --programs FILE [--json FILE] [NAME...]

  NAME             bitcoind, btcd, btcd-peer, bcoin or kaspa-p2p; all of them if none is
                   named
  --programs FILE  where they are: the output of `interop/install --paths`
  --json FILE      writes a summary

Exit codes: 0 all checks passed, 1 one failed, 2 wrong usage.";

const NAMES: [&str; 5] = ["btcd-peer", "btcd", "bcoin", "bitcoind", "kaspa-p2p"];

struct Arguments {
    programs: PathBuf,
    json: Option<PathBuf>,
    names: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Whichever signal ends the run, the counterparts are dropped with it, and killed.
    let result = tokio::select! {
        code = run(&arguments) => code,
        signal = interrupted() => Err(signal),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn interrupted() -> Error {
    let mut terminated = match signal(SignalKind::terminate()) {
        Ok(terminated) => terminated,
        Err(error) => return error.into(),
    };
    tokio::select! {
        _ = terminated.recv() => Error::msg("terminated"),
        _ = tokio::signal::ctrl_c() => Error::msg("interrupted"),
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let text = std::fs::read_to_string(&arguments.programs)
        .with_context(|| format!("cannot read {}", arguments.programs.display()))?;
    let programs = Programs::parse(&text);
    let mut report = Report::default();
    for name in &arguments.names {
        report.add(match name.as_str() {
            "bitcoind" => bitcoind::run(&programs).await,
            "btcd" => btcd::run(&programs).await,
            "btcd-peer" => btcd_peer::run(&programs).await,
            "kaspa-p2p" => kaspa_p2p::run(&programs).await,
            _ => bcoin::run(&programs).await,
        });
    }
    println!("{}", report.table());
    if let Some(path) = &arguments.json {
        report.save(path)?;
    }
    println!("{} passed, {} failed", report.passed(), report.failed());
    Ok(ExitCode::from(u8::from(report.failed() > 0)))
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let (mut programs, mut json, mut names) = (None, None, Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--programs" => {
                programs = Some(words.next().context("--programs wants a file")?.into())
            }
            "--json" => json = Some(words.next().context("--json wants a file")?.into()),
            name if NAMES.contains(&name) => names.push(word),
            other => bail!("unknown argument {other:?}"),
        }
    }
    if names.is_empty() {
        names = NAMES.map(str::to_owned).to_vec();
    }
    Ok(Arguments { programs: programs.context("--programs is missing")?, json, names })
}
