//! Openings: who dials, which transport, which version, and the way back from v2 to v1.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use peerage::bitcoin::types::Services;
use peerage::bitcoin::{Config, Direction, Fault, Negotiated, OpenError, Remote, Retry, Stats, V2};
use tokio::net::{TcpListener, TcpStream};

use super::{Node, Via, be_dialled, config_of, dial, dial_with};
use crate::talk::Talk;

/// We dial.
pub(crate) async fn we_dial(node: &impl Node, via: Via) -> Result<String> {
    let mut talk = dial(node, via).await?;
    talk.fence().await?;
    described(&talk, via, Direction::Outbound)
}

/// They dial.
pub(crate) async fn they_dial(node: &impl Node, via: Via) -> Result<String> {
    let mut talk = be_dialled(node, via).await?;
    talk.fence().await?;
    described(&talk, via, Direction::Inbound)
}

/// Its user agent and protocol version, for the table and the report.
pub(crate) async fn version(node: &impl Node) -> Result<(String, String)> {
    let talk = dial(node, Via::V1).await?;
    let remote = talk.peer.remote();
    let version = format!("{} {}", remote.user_agent.as_text().to_string_lossy(), remote.version);
    Ok((version.clone(), version))
}

/// We dial as peers of these older protocol versions, which must be what is agreed.
pub(crate) async fn old_versions(node: &impl Node, versions: &[u32]) -> Result<String> {
    for &version in versions {
        let mut talk = dial_with(node, Via::V1, |config| config.identity.version = version).await?;
        let agreed = talk.peer.remote().agreed;
        ensure!(agreed == version, "we offered {version} and agreed on {agreed}");
        let headers = talk.headers(node.network().genesis).await?;
        ensure!(!headers.is_empty(), "no headers as version {version}");
    }
    Ok(format!("agreed on each of {versions:?} and sent its headers"))
}

/// We prefer v2 and dial a node that speaks only v1.
pub(crate) async fn we_fall_back(node: &impl Node) -> Result<String> {
    let config = impatient(node, V2::Preferred);
    let mut talk = again_if_late(async || Talk::dial(node.address(), &config).await).await?;
    let transport = talk.peer.stats().transport;
    ensure!(transport == Negotiated::V1 { after_v2: true }, "the transport is {transport:?}");
    talk.fence().await?;
    Ok(format!("{transport:?} after {:?}", talk.peer.stats().opening_took))
}

/// The same on a stream of our own: we are told to bring another.
pub(crate) async fn we_are_told_to_fall_back(node: &impl Node) -> Result<String> {
    let config = impatient(node, V2::Preferred);
    let opened = again_if_late(async || {
        let stream = TcpStream::connect(node.address()).await?;
        Ok(peerage::bitcoin::initiate(stream, &config).await?)
    });
    let error = failed(opened.await)?;
    ensure!(error.retry() == Retry::WithV1, "{error} ({:?})", error.retry());
    Ok(format!("{error} ({:?})", error.retry()))
}

/// We require v2 of a node that speaks only v1.
pub(crate) async fn we_insist(node: &impl Node) -> Result<String> {
    let config = impatient(node, V2::Required);
    let opened = again_if_late(async || Talk::dial(node.address(), &config).await);
    let error = failed(opened.await)?;
    ensure!(matches!(error, OpenError::Ended { .. }), "{error:?}");
    ensure!(error.retry() != Retry::WithV1, "we are told to retry with v1: {error}");
    Ok(format!("{error} ({:?})", error.retry()))
}

fn impatient(node: &impl Node, v2: V2) -> Config {
    let mut config = config_of(node.network(), v2);
    config.engine.opening_timeout = Duration::from_secs(4);
    config
}

/// Dials once more after a time-out. A v1-only btcd takes our v2 key for the header of a message,
/// and about once in a thousand dials for one whose payload it waits for.
async fn again_if_late<T>(mut dial: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let first = dial().await;
    let late = first.as_ref().is_err_and(|error| {
        error.downcast_ref().is_some_and(|open: &OpenError| open.fault() == Fault::Slowness)
    });
    if late { dial().await } else { first }
}

fn failed<T>(opened: Result<T>) -> Result<OpenError> {
    match opened {
        Ok(_) => bail!("the opening succeeded"),
        Err(error) => error.downcast(),
    }
}

/// They dial with v2 although we speak only v1, and must come back with v1.
pub(crate) async fn they_fall_back(node: &impl Node) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let us = listener.local_addr()?;
    let config = config_of(node.network(), V2::Off);
    let answer = async {
        let Err(refused) = Talk::accept(&listener, &config).await else {
            bail!("the first dial was not v2")
        };
        let mut talk = Talk::accept(&listener, &config).await?;
        talk.fence().await?;
        Ok(format!("{refused}; then {}", described(&talk, Via::V1, Direction::Inbound)?))
    };
    let (dialled, answered) = tokio::join!(node.dial_us(us, Via::V2), answer);
    dialled?;
    answered
}

/// What a peer is, after seeing that the connection is what it should be.
pub(crate) fn described(talk: &Talk, via: Via, direction: Direction) -> Result<String> {
    let stats = talk.peer.stats();
    let remote = talk.peer.remote();
    ensure!(talk.is_v2() == (via == Via::V2), "the transport is {:?}", stats.transport);
    ensure!(talk.peer.direction() == direction, "the direction is {}", talk.peer.direction());
    ensure!(remote.services.contains(Services::NETWORK), "services {:?}", remote.services);
    ensure!(remote.time_offset.abs() <= 2, "time offset {} s", remote.time_offset);
    Ok(format!(
        "{}, {} agreed of {}, height {}, {:?}{}",
        remote.user_agent.as_text().to_string_lossy(),
        remote.agreed,
        remote.version,
        remote.height,
        remote.services,
        negotiated(remote, &stats),
    ))
}

fn negotiated(remote: &Remote, stats: &Stats) -> String {
    let features = [
        (remote.wants_addrv2, "addrv2"),
        (remote.wtxid_relay, "wtxidrelay"),
        (remote.txrcncl.is_some(), "txrcncl"),
        (!remote.features.is_empty(), "feature"),
        (stats.prefers_headers, "sendheaders"),
        (stats.compact_blocks.is_some(), "sendcmpct"),
        (stats.fee_filter.is_some(), "feefilter"),
    ];
    features.iter().filter(|(has, _)| *has).map(|(_, name)| format!(" +{name}")).collect()
}
