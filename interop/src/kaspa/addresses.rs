//! Addresses, both ways, and their limits.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, ensure};
use peerage::kaspa::message::{Addresses, RequestAddresses};
use peerage::kaspa::{AddressAnswers, Direction, DisconnectReason, Payload};

use super::{Pair, config_with, open};
use crate::daemon::Programs;

/// Addresses of ours, every second one of IPv6.
pub(crate) fn ours(count: u16) -> Vec<SocketAddr> {
    let address = |i: u16| {
        let [high, low] = i.to_be_bytes();
        if i.is_multiple_of(2) {
            SocketAddr::from((Ipv4Addr::new(45, high, low, 9), 16_111))
        } else {
            SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, i, 0, 0, 0, 0, 1), 16_111))
        }
    };
    (0..count).map(address).collect()
}

/// It asks by itself, and hears what our function says, up to 1,000.
pub(crate) async fn answered(programs: &Programs, direction: Direction) -> Result<String> {
    let mut seen = Vec::new();
    for (has, sent) in [(0, 0), (7, 7), (1_500, 1_000)] {
        let source = move |_: &RequestAddresses| ours(has);
        let config = config_with(|config| config.addresses = AddressAnswers::from_fn(source));
        let Pair { node, mut talk } = open(programs, direction, &[], &config).await?;
        let event = node.got(0, "Addresses").await?;
        ensure!(event["count"] == sent && event["ipv6"] == sent / 2, "it got {event}");
        ensure!(sent == 0 || event["first"] == "45.0.0.9 16111", "the first is {event}");
        let mark = node.mark();
        node.say("request-addresses").await?;
        let again = node.got(mark, "Addresses").await?;
        ensure!(again["count"] == sent, "asked again it got {again}");
        talk.fence().await?;
        seen.push(format!("{sent} of {has}"));
    }
    Ok(format!("it asked and got {}", seen.join(", ")))
}

/// We ask for as many as kaspad gives, and for more than it would.
pub(crate) async fn asked(pair: &mut Pair) -> Result<String> {
    let Pair { node, talk } = pair;
    for count in [0, 1, 1_000, 5_000] {
        node.say(&format!("addresses {count}")).await?;
        // Its answer tells that it has heard the line before.
        node.prepare("headers 0").await?;
        let list = talk.peer.request(RequestAddresses::default()).await?.addresses;
        ensure!(list.len() == count, "{} addresses of {count}", list.len());
        let known: HashSet<SocketAddr> =
            list.iter().map(SocketAddr::try_from).collect::<Result<_, _>>()?;
        ensure!(known.len() == count, "{} different ones", known.len());
        let v6 = known.iter().filter(|address| address.is_ipv6()).count();
        ensure!(v6 == count / 3, "{v6} of IPv6 among {count}");
        ensure!(known.iter().all(|address| address.port() == 16_111), "another port");
    }
    Ok("0, 1, 1000 and 5000, a third of them IPv6".to_owned())
}

/// More than it takes end the connection with its words, and so does an answer without a question,
/// without words.
pub(crate) async fn too_many(programs: &Programs) -> Result<String> {
    let config = config_with(|config| config.addresses = AddressAnswers::ByApplication);
    let list = |count| Addresses { addresses: ours(count).into_iter().map(Into::into).collect() };
    let Pair { node: _node, mut talk } = open(programs, Direction::Outbound, &[], &config).await?;
    let (request, ()) = asks(&mut talk).await?;
    talk.answer(&request, Payload::Addresses(list(2_500))).await?;
    talk.fence().await?;
    talk.send(Payload::Addresses(list(1))).await?;
    let (reason, words) = talk.end().await?;
    ensure!(reason == DisconnectReason::RemoteClosed && words.is_none(), "{reason:?} {words:?}");

    let Pair { node: _node, mut talk } = open(programs, Direction::Outbound, &[], &config).await?;
    let (request, ()) = asks(&mut talk).await?;
    talk.answer(&request, Payload::Addresses(list(2_501))).await?;
    let (reason, words) = talk.end().await?;
    ensure!(reason == DisconnectReason::RemoteClosed, "{reason:?}");
    let words = words.unwrap_or_default();
    ensure!(words.contains("2501 exceeded 2500"), "it said {words:?}");
    Ok(format!("2500 taken, one unasked: {reason} without a word, 2501: {words:?}"))
}

async fn asks(talk: &mut super::Talk) -> Result<(peerage::kaspa::Message, ())> {
    talk.request("request for addresses", |payload| {
        matches!(payload, Payload::RequestAddresses(_)).then_some(())
    })
    .await
}
