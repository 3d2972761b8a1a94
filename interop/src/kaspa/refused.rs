//! Openings that fail, and who says why.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail, ensure};
use peerage::kaspa::{
    Direction, DisconnectReason, Fault, Listener, NodeId, OpenError, OurId, Refusal, Remote, Retry,
    Violation, accept_with,
};

use super::{Node, Talk, config_with, listen, open, try_open, words};
use crate::daemon::Programs;

/// Each is on another network than the other.
pub(crate) async fn another_network(programs: &Programs, direction: Direction) -> Result<String> {
    let options = ["--network", "kaspa-devnet"];
    let (node, opened) = try_open(programs, direction, &options, &config_with(|_| {})).await?;
    let error = failed(opened)?;
    let DisconnectReason::Violation(Violation::Incompatible { what }) = reason(&error)? else {
        bail!("{error:?}")
    };
    ensure!(*what == "another network" && error.retry() == Retry::Never, "{error:?}");
    ensure!(error.fault() == Fault::Remote, "{:?}", error.fault());
    let goodbye = node.goodbye(0).await?;
    ensure!(goodbye == "got reject message: incompatible: another network", "{goodbye:?}");
    Ok(format!("{error}; it: {goodbye}"))
}

/// Our version is below its minimum.
pub(crate) async fn ours_too_old(programs: &Programs, direction: Direction) -> Result<String> {
    let config = config_with(|config| {
        (config.identity.version, config.identity.min_version) = (9, 9);
    });
    let (node, opened) = try_open(programs, direction, &[], &config).await?;
    let said = rejected(opened)?;
    let goodbye = node.goodbye(0).await?;
    ensure!(said.contains("version") && said == goodbye, "we heard {said:?}, it says {goodbye:?}");
    Ok(said)
}

/// Its version is below our minimum.
pub(crate) async fn its_too_old(programs: &Programs, direction: Direction) -> Result<String> {
    let config = config_with(|_| {});
    let (node, opened) = try_open(programs, direction, &["--version", "9"], &config).await?;
    let error = failed(opened)?;
    let obsolete = Violation::Obsolete { version: 9, minimum: 10 };
    ensure!(*reason(&error)? == DisconnectReason::Violation(obsolete), "{error:?}");
    let goodbye = node.goodbye(0).await?;
    ensure!(goodbye.ends_with("protocol version 9, our minimum is 10"), "{goodbye:?}");
    Ok(format!("{error}; it: {goodbye}"))
}

/// A second connection with the id of the first: it refuses ours.
pub(crate) async fn ours_twice(programs: &Programs, direction: Direction) -> Result<String> {
    let id = OurId::Fixed(NodeId::from_bytes([0x42; 16]));
    let config = config_with(|config| config.identity.id = id);
    let (said, mut first) = match direction {
        Direction::Outbound => {
            let pair = open(programs, direction, &[], &config).await?;
            let second = Talk::dial(pair.node.address, &config).await;
            (rejected(second)?, pair)
        }
        Direction::Inbound => {
            let (listener, us) = listen().await?;
            let node = Node::dial(programs, us, &[])?;
            let talk = Talk::accept(&listener, &config).await??;
            node.event(0, "established", |_| true).await?;
            node.say(&format!("dial {us}")).await?;
            let second = Talk::accept(&listener, &config).await?;
            (rejected(second)?, super::Pair { node, talk })
        }
    };
    ensure!(said == "DUPLICATE_CONNECTION", "it said {said:?}");
    first.talk.fence().await?;
    Ok(format!("{said}; the first goes on"))
}

/// It comes twice, and our listener takes it once.
pub(crate) async fn its_twice(programs: &Programs) -> Result<String> {
    let (listener, us) = listen().await?;
    let known = Once::default();
    let config = config_with(|_| {});
    let node = Node::dial(programs, us, &[])?;
    let first = accept_with(listener.accept().await?.0, &config, known.clone()).await?;
    node.event(0, "established", |_| true).await?;
    node.say(&format!("dial {us}")).await?;
    let second = accept_with(listener.accept().await?.0, &config, known).await;
    let error = second.err().map_or_else(|| bail!("the second opened"), Ok)?;
    let refused = DisconnectReason::Refused(Refusal::new(DUPLICATE));
    ensure!(*reason(&error)? == refused, "{error:?}");
    let goodbye = node.goodbye(0).await?;
    ensure!(goodbye.contains(DUPLICATE), "it says {goodbye:?}");
    ensure!(first.close_reason().is_none(), "the first has ended: {:?}", first.close_reason());
    Ok(format!("{error}; it: {goodbye}"))
}

const DUPLICATE: &str = "DUPLICATE_CONNECTION";

/// Takes each id once.
#[derive(Clone, Default)]
struct Once(Arc<Mutex<HashSet<NodeId>>>);

impl Listener for Once {
    fn on_version(&mut self, remote: &Remote) -> Result<(), Refusal> {
        let mut known = self.0.lock().map_err(|_| Refusal::new("a panic elsewhere"))?;
        if known.insert(remote.id) { Ok(()) } else { Err(Refusal::new(DUPLICATE)) }
    }
}

/// Its id is ours: who looks for it notices.
pub(crate) async fn loopback(programs: &Programs, direction: Direction) -> Result<String> {
    let id = OurId::Fixed(NodeId::from_bytes([0x42; 16]));
    let options = ["--id", "42424242424242424242424242424242"];
    let config = config_with(|config| config.identity.id = id);
    let (node, opened) = try_open(programs, direction, &options, &config).await?;
    let error = failed(opened)?;
    ensure!(*reason(&error)? == DisconnectReason::SelfConnection, "{error:?}");
    let goodbye = node.goodbye(0).await?;

    let blind = config_with(|config| {
        config.identity.id = id;
        config.identity.allow_self_connections = true;
    });
    let (_node, opened) = try_open(programs, direction, &options, &blind).await?;
    let said = rejected(opened)?;
    ensure!(said == "LOOPBACK_CONNECTION", "{}: it said {said:?}", words(direction));
    Ok(format!("{error} (it: {goodbye}); where we do not look, it says {said}"))
}

fn failed(opened: Result<Talk, OpenError>) -> Result<OpenError> {
    match opened {
        Ok(_) => bail!("the opening succeeded"),
        Err(error) => Ok(error),
    }
}

fn reason(error: &OpenError) -> Result<&DisconnectReason> {
    match error {
        OpenError::Ended { reason, .. } => Ok(reason),
        other => bail!("{other:?}"),
    }
}

/// The words with which it did not want us.
fn rejected(opened: Result<Talk, OpenError>) -> Result<String> {
    let error = failed(opened)?;
    match reason(&error)? {
        DisconnectReason::Rejected(words) => Ok(words.to_string_lossy().into_owned()),
        other => bail!("{other:?}"),
    }
}
