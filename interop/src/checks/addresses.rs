//! Addresses, asked for and pushed.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use peerage::bitcoin::types::{NetworkAddress, PeerAddress, Services, TimedAddress};
use peerage::bitcoin::{Kind, Message};

use super::{Node, Via, dial_with};
use crate::talk::Talk;

/// The port of every address that checks hand out.
pub(crate) const PORT: u16 = 8_333;

/// Routable addresses spread over many networks.
pub(crate) fn many(count: u32) -> Result<Vec<TimedAddress>> {
    let time = u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let services = Services::NETWORK | Services::WITNESS;
    (0..count)
        .map(|i| {
            let part = |value: u32| u8::try_from(value);
            let ip = Ipv4Addr::new(part(11 + i % 100)?, part(1 + i / 100)?, 1, part(1 + i % 250)?);
            let address = NetworkAddress::from(IpAddr::V4(ip));
            Ok(TimedAddress { time, peer: PeerAddress::new(services, address, PORT) })
        })
        .collect()
}

/// We ask for addresses, of which there must be at least `least`, in `addrv2` only if we want it.
pub(crate) async fn asked(
    node: &impl Node,
    via: Via,
    wants_v2: bool,
    least: usize,
) -> Result<String> {
    let mut talk = dial_with(node, via, |config| config.identity.addrv2 = wants_v2).await?;
    talk.send(Message::GetAddr).await?;
    let (kind, addresses) = answer(&mut talk, 2).await?;
    ensure!(wants_v2 || kind == Kind::Addr, "it sent {kind} unasked");
    ensure!(addresses.len() >= least, "only {} addresses", addresses.len());
    verify(&addresses)?;
    Ok(format!("{} addresses by {kind}", addresses.len()))
}

/// The next addresses, at least that many: fewer are a node's announcement of itself.
pub(crate) async fn answer(talk: &mut Talk, least: usize) -> Result<(Kind, Vec<TimedAddress>)> {
    talk.find("addresses", |message| match message {
        Message::Addr(list) if list.len() >= least => Some((Kind::Addr, list.decode())),
        Message::AddrV2(list) if list.len() >= least => Some((Kind::AddrV2, list.decode())),
        _ => None,
    })
    .await
}

/// All of these must be addresses that a check has handed out.
fn verify(addresses: &[TimedAddress]) -> Result<()> {
    let unique: HashSet<SocketAddr> =
        addresses.iter().filter_map(|entry| entry.peer.socket_addr()).collect();
    ensure!(unique.len() == addresses.len(), "an address came twice, or is none");
    for address in unique {
        match address {
            SocketAddr::V4(v4) if v4.ip().octets()[2] == 1 && v4.port() == PORT => {}
            other => bail!("nobody has told it {other}"),
        }
    }
    Ok(())
}
