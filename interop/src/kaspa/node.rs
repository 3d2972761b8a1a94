//! The counterpart: our program around kaspa-p2p-lib.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use peerage::kaspa::types::Hash;
use serde_json::Value;
use tokio::process::Command;

use super::hash_of;
use crate::daemon::{Daemon, Programs, free_address};

/// A process of it.
pub(crate) struct Node {
    pub(crate) daemon: Daemon,
    /// Where it listens, or whom it dials.
    pub(crate) address: SocketAddr,
}

/// What it serves after it was told to make up a chain.
pub(crate) struct Prepared {
    pub(crate) genesis: Hash,
    pub(crate) tip: Hash,
}

impl Node {
    /// Starts one that listens.
    pub(crate) async fn listen(programs: &Programs, options: &[&str]) -> Result<Self> {
        let node = Self::start(programs, "listen", free_address()?, options)?;
        node.event(0, "listening", |_| true).await?;
        Ok(node)
    }

    /// Starts one that dials us.
    pub(crate) fn dial(programs: &Programs, us: SocketAddr, options: &[&str]) -> Result<Self> {
        Self::start(programs, "dial", us, options)
    }

    fn start(
        programs: &Programs,
        mode: &str,
        address: SocketAddr,
        options: &[&str],
    ) -> Result<Self> {
        let mut command = Command::new(programs.get("kaspa-p2p")?);
        command.arg(mode).arg(address.to_string()).args(options);
        Ok(Self { daemon: Daemon::start("kaspa-p2p", &mut command)?, address })
    }

    /// Says a line to it.
    pub(crate) async fn say(&self, line: &str) -> Result<()> {
        self.daemon.say(line).await
    }

    /// What it prints from now on comes after this mark.
    pub(crate) fn mark(&self) -> usize {
        self.daemon.log().len()
    }

    /// Waits for an event of it.
    pub(crate) async fn event(
        &self,
        mark: usize,
        name: &str,
        pick: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.daemon.event(mark, name, pick).await
    }

    /// Waits until it reports a message of this type that came from us.
    pub(crate) async fn got(&self, mark: usize, kind: &str) -> Result<Value> {
        let event = self.event(mark, "message", |event| event["type"] == kind).await;
        event.with_context(|| format!("a {kind} of ours"))
    }

    /// Waits until it reports so many messages of this type that came from us.
    pub(crate) async fn got_all(
        &self,
        mark: usize,
        kind: &str,
        count: usize,
    ) -> Result<Vec<Value>> {
        self.daemon.events(mark, "message", count, |event| event["type"] == kind).await
    }

    /// The same of messages that it has sent.
    pub(crate) async fn sent_all(
        &self,
        mark: usize,
        kind: &str,
        count: usize,
    ) -> Result<Vec<Value>> {
        self.daemon.events(mark, "sent", count, |event| event["type"] == kind).await
    }

    /// How many messages of this type it has reported to have come from us.
    pub(crate) fn count(&self, mark: usize, kind: &str) -> usize {
        let of = |line: &str| {
            serde_json::from_str::<Value>(line)
                .is_ok_and(|event| event["event"] == "message" && event["type"] == kind)
        };
        self.daemon.log().count(mark, of)
    }

    /// Makes up something to serve, by this command.
    pub(crate) async fn prepare(&self, line: &str) -> Result<Prepared> {
        let mark = self.mark();
        self.say(line).await?;
        let event = self.event(mark, "prepared", |event| !event["tip"].is_null()).await?;
        Ok(Prepared { genesis: hash_of(&event, "genesis")?, tip: hash_of(&event, "tip")? })
    }

    /// Why it says that a connection has ended.
    pub(crate) async fn goodbye(&self, mark: usize) -> Result<String> {
        let event = self.event(mark, "disconnected", |_| true).await?;
        Ok(event["reason"].as_str().unwrap_or("no reason").to_owned())
    }
}
