//! Everything that is read from text: addresses, targets, user agents, commands, network names.

use std::net::Ipv6Addr;

use peerage_peer::Target;
use peerage_wire::Command;
use peerage_wire_bitcoin::Network;
use peerage_wire_bitcoin::types::{NetworkAddress, PeerAddress, Services, Text, UserAgent};

use crate::input::Input;
use crate::meter::Meter;

/// Nothing panics, and what was read is shown so that it reads the same again.
pub fn addresses(data: &[u8]) {
    let mut input = Input::new(data);
    let mut meter = Meter::default();
    meter.received(data.len());
    meter.run(|| match input.u8() % 5 {
        0 => parse(&String::from_utf8_lossy(input.rest())),
        1 => show(&mut input),
        2 => agent(&String::from_utf8_lossy(input.rest())),
        3 => raw_text(input.rest()),
        _ => network(&mut input),
    });
}

fn parse(text: &str) {
    if let Ok(address) = text.parse::<NetworkAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address), "{text:?}");
        let _ = address.is_routable();
    }
    if let Ok(peer) = text.parse::<PeerAddress>() {
        assert_eq!(peer.to_string().parse(), Ok(peer), "{text:?}");
        assert_eq!(peer.services, Services::NONE);
    }
    let target = text.parse::<Target>();
    if let Ok(target) = &target {
        assert_eq!(target.to_string().parse().as_ref(), Ok(target), "{text:?}");
        assert_eq!(Target::try_from(text).as_ref(), Ok(target));
        assert_eq!(&Target::with_default_port(text, 8333), &Ok(target.clone()), "{text:?}");
    }
    if let Ok(target) = Target::with_default_port(text, 8333) {
        assert_eq!(target.to_string().parse(), Ok(target.clone()), "{text:?}");
        if let Target::Name(name, _) = target {
            assert!((1..=255).contains(&name.len()) && name.is_ascii());
        }
    }
    let _ = Network::from_name(text).map(|network| assert_eq!(network.name, text));
}

fn show(input: &mut Input<'_>) {
    let address = match input.u8() % 6 {
        0 => NetworkAddress::Ipv4(input.array::<4>().into()),
        1 => NetworkAddress::from_legacy(input.array()),
        2 => NetworkAddress::TorV2(input.array()),
        3 => NetworkAddress::TorV3(input.array()),
        4 => NetworkAddress::I2p(input.array()),
        _ => NetworkAddress::Cjdns(Ipv6Addr::from(input.array::<16>())),
    };
    let peer = PeerAddress::new(Services::from_bits(input.u64()), address, input.u16());
    let _ = (address.is_routable(), peer.services.to_string(), format!("{peer:?}"));
    if let NetworkAddress::Cjdns(ip) = address {
        // As text it is an IPv6 address; only the wire tells the network.
        assert_eq!(address.to_string().parse(), Ok(NetworkAddress::from_legacy(ip.octets())));
        return;
    }
    assert_eq!(address.to_string().parse(), Ok(address));
    assert_eq!(peer.to_string().parse(), Ok(PeerAddress { services: Services::NONE, ..peer }));
    assert_eq!(address.to_string().to_ascii_uppercase().parse(), Ok(address));
    if let Some(legacy) = address.to_legacy() {
        assert_eq!(NetworkAddress::from_legacy(legacy), address);
    }
}

fn agent(text: &str) {
    let mut parts = text.split('\n');
    let (name, version) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let comments: Vec<&str> = parts.collect();
    if let Ok(agent) = UserAgent::new(name, version, &comments) {
        let shown = agent.as_text().as_bytes();
        assert!(shown.len() <= UserAgent::MAX_LEN && shown.is_ascii());
        assert_eq!(shown.iter().filter(|byte| **byte == b'/').count(), 3);
        assert_eq!(UserAgent::from_raw(shown.to_vec()).as_ref(), Ok(&agent));
    }
}

fn raw_text(bytes: &[u8]) {
    assert_eq!(UserAgent::from_raw(bytes.to_vec()).is_ok(), bytes.len() <= UserAgent::MAX_LEN);
    let text = Text::from(bytes::Bytes::copy_from_slice(bytes));
    let shown = text.to_string();
    assert!(shown.chars().count() <= 257);
    assert!(shown.chars().all(|c| c == '…' || (' '..='~').contains(&c)), "a terminal is safe");
    assert_eq!((text.len(), text.is_empty(), text.detach()), (bytes.len(), bytes.is_empty(), text));
}

fn network(input: &mut Input<'_>) {
    if let Ok(command) = Command::from_bytes(input.array()) {
        assert!(command.as_str().len() <= 12);
        let mut padded = [0; 12];
        padded[..command.as_str().len()].copy_from_slice(command.as_str().as_bytes());
        assert_eq!(padded, command.to_bytes());
    }
    let network = Network::custom_signet(input.rest());
    assert_eq!(network.genesis, Network::signet().genesis);
}
