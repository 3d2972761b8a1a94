//! Whom a command talks to: which network, Bitcoin's or Kaspa's, and which host.

use bitcoin::hex::FromHex as _;
use peerage::bitcoin::Network;
use peerage::kaspa;

use crate::failure::Failure;

/// A network of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnyNetwork {
    Bitcoin(Network),
    Kaspa(kaspa::Network),
}

/// A host of Kaspa, with or without its port.
#[derive(Debug)]
pub(crate) struct Endpoint<'a> {
    pub(crate) host: &'a str,
    pub(crate) network: kaspa::Network,
}

impl<'a> Endpoint<'a> {
    /// `None` if neither the host nor the network says that it is Kaspa.
    pub(crate) fn new(
        host: &'a str,
        network: Option<&AnyNetwork>,
    ) -> Result<Option<Self>, Failure> {
        let network = match (host.strip_prefix("kaspa://"), network) {
            (_, Some(AnyNetwork::Kaspa(network))) => network.clone(),
            (Some(_), None) => kaspa::Network::mainnet(),
            (Some(_), Some(AnyNetwork::Bitcoin(network))) => {
                let what =
                    format!("{} is Bitcoin's: {host} is on a network kaspa-...", network.name);
                return Err(Failure::usage(what));
            }
            (None, _) => return Ok(None),
        };
        Ok(Some(Self { host: host.strip_prefix("kaspa://").unwrap_or(host), network }))
    }

    /// Whom to dial, or where to listen.
    pub(crate) fn target(&self) -> Result<kaspa::Target, Failure> {
        kaspa::Target::with_default_port(self.host, self.network.port)
            .map_err(|error| Failure::usage(error.to_string()))
    }
}

/// Reads the name of a network.
pub(crate) fn network(text: &str) -> Result<AnyNetwork, String> {
    if text.starts_with("kaspa-") {
        let known = kaspa::Network::from_name(text);
        return Ok(AnyNetwork::Kaspa(known.unwrap_or_else(|| unlisted(text))));
    }
    if let Some(challenge) = text.strip_prefix("signet:") {
        let challenge = Vec::from_hex(challenge)
            .map_err(|error| format!("the challenge is no hexadecimal script: {error}"))?;
        return Ok(AnyNetwork::Bitcoin(Network::custom_signet(&challenge)));
    }
    Network::from_name(text).map(AnyNetwork::Bitcoin).ok_or_else(|| {
        "it must be mainnet, testnet3, testnet4, signet, signet:CHALLENGE, regtest or simnet, or \
         begin with kaspa-"
            .to_owned()
    })
}

/// A network of Kaspa that this library does not list: its name is all that its nodes compare.
fn unlisted(name: &str) -> kaspa::Network {
    /// Where kaspad listens on any test network but 10 and 12.
    const TESTNET_PORT: u16 = 16_411;
    let testnet = name.starts_with("kaspa-testnet");
    let port = if testnet { TESTNET_PORT } else { kaspa::Network::mainnet().port };
    kaspa::Network { name: name.to_owned().into(), port, genesis: None, dns_seeds: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_names_and_signets_challenges() {
        let bitcoin = |network| Ok(AnyNetwork::Bitcoin(network));
        assert_eq!(network("regtest"), bitcoin(Network::regtest()));
        assert_eq!(network("signet:51"), bitcoin(Network::custom_signet(&[0x51])));
        assert!(network("signet:5").is_err() && network("dogecoin").is_err());
    }

    #[test]
    fn any_name_of_kaspas_is_a_network() {
        let kaspa = |text| match network(text) {
            Ok(AnyNetwork::Kaspa(network)) => (network.name.to_string(), network.port),
            other => panic!("{other:?}"),
        };
        assert_eq!(kaspa("kaspa-simnet"), ("kaspa-simnet".into(), 16_511));
        assert_eq!(kaspa("kaspa-testnet-11"), ("kaspa-testnet-11".into(), 16_411));
        assert_eq!(kaspa("kaspa-other"), ("kaspa-other".into(), 16_111));
    }

    #[test]
    fn the_host_or_the_network_says_whose_it_is() {
        let name = |host, network: Option<&AnyNetwork>| {
            let endpoint = Endpoint::new(host, network).unwrap();
            endpoint.map(|it| (it.host.to_owned(), it.network.name.to_string()))
        };
        let (regtest, simnet) = (network("regtest").unwrap(), network("kaspa-simnet").unwrap());
        assert_eq!(name("h", None), None);
        assert_eq!(name("h", Some(&regtest)), None);
        assert_eq!(name("kaspa://h:1", None), Some(("h:1".into(), "kaspa-mainnet".into())));
        assert_eq!(name("h", Some(&simnet)), Some(("h".into(), "kaspa-simnet".into())));
        assert!(Endpoint::new("kaspa://h", Some(&regtest)).is_err());
    }
}
