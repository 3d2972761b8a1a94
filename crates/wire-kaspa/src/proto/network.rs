//! Networks as data.

use std::borrow::Cow;
use std::fmt;

use super::types::Hash;

/// A network: what a connection to it must know. Fill in the fields for one that is not listed: forks
/// of Kaspa differ in nothing else.
///
/// ```
/// use peerage_wire_kaspa::proto::Network;
///
/// let network = Network { name: "kaspa-testnet-11".into(), port: 16_411, ..Network::testnet_12() };
/// assert_eq!(network.genesis, None);
/// assert_eq!(Network::from_name("kaspa-devnet"), Some(Network::devnet()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What its nodes call it in their introductions: both sides must say the same.
    pub name: Cow<'static, str>,
    /// The port that its nodes listen on unless told otherwise.
    pub port: u16,
    /// The hash of its first block, where it is known.
    pub genesis: Option<Hash>,
    /// Names that resolve to addresses of its nodes.
    pub dns_seeds: Vec<Cow<'static, str>>,
}

impl Network {
    /// The main network.
    #[must_use]
    pub fn mainnet() -> Self {
        Self::known("kaspa-mainnet", 16_111, Some(MAINNET_GENESIS), MAINNET_SEEDS)
    }

    /// The public test network.
    #[must_use]
    pub fn testnet_10() -> Self {
        Self::known("kaspa-testnet-10", 16_211, Some(TESTNET_10_GENESIS), TESTNET_10_SEEDS)
    }

    /// The test network of versions to come. It is begun anew now and then, so its first block is not
    /// told here.
    #[must_use]
    pub fn testnet_12() -> Self {
        Self::known("kaspa-testnet-12", 16_311, None, &[])
    }

    /// The private network where blocks cost nothing.
    #[must_use]
    pub fn simnet() -> Self {
        Self::known("kaspa-simnet", 16_511, Some(SIMNET_GENESIS), &[])
    }

    /// The network of kaspad's developers.
    #[must_use]
    pub fn devnet() -> Self {
        Self::known("kaspa-devnet", 16_611, Some(DEVNET_GENESIS), &[])
    }

    /// The network of this name, with or without `kaspa-` in front: one of those above.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix("kaspa-").unwrap_or(name) {
            "mainnet" => Some(Self::mainnet()),
            "testnet-10" => Some(Self::testnet_10()),
            "testnet-12" => Some(Self::testnet_12()),
            "simnet" => Some(Self::simnet()),
            "devnet" => Some(Self::devnet()),
            _ => None,
        }
    }

    fn known(
        name: &'static str,
        port: u16,
        genesis: Option<&str>,
        dns_seeds: &[&'static str],
    ) -> Self {
        let parsed =
            |genesis: &str| genesis.parse().expect("the constants below are 64 hexadecimal digits");
        Self {
            name: name.into(),
            port,
            genesis: genesis.map(parsed),
            dns_seeds: dns_seeds.iter().map(|seed| (*seed).into()).collect(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

const MAINNET_GENESIS: &str = "58c2d4199e21f910d1571d114969cecef48f09f934d42ccb6a281a15868f2999";
const TESTNET_10_GENESIS: &str = "f896a3034873be1739fc4359236899fd3d65d2bc94f9780df0d0da3eb1cc4370";
const SIMNET_GENESIS: &str = "411f8cd26f3d41aea39e78573927da24d23995705b579f30959b9127e96b79e3";
const DEVNET_GENESIS: &str = "4cb48d0b2073b802360145a15ad1abdc01d89b5c2fe4722630ab9b5fe9dfc4f2";

const MAINNET_SEEDS: &[&str] = &[
    "mainnet-dnsseed-1.kaspanet.org",
    "mainnet-dnsseed-2.kaspanet.org",
    "seeder1.kaspad.net",
    "seeder2.kaspad.net",
    "seeder3.kaspad.net",
    "seeder4.kaspad.net",
    "kaspadns.kaspacalc.net",
    "n-mainnet.kaspa.ws",
    "dnsseeder-kaspa-mainnet.x-con.at",
];
const TESTNET_10_SEEDS: &[&str] =
    &["seeder1-tn.kaspad.net", "dnsseeder-kaspa-testnet.x-con.at", "n-testnet-10.kaspa.ws"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_its_name() {
        for network in [
            Network::mainnet(),
            Network::testnet_10(),
            Network::testnet_12(),
            Network::simnet(),
            Network::devnet(),
        ] {
            let name = network.to_string();
            assert_eq!(Network::from_name(&name[6..]).as_ref(), Some(&network));
            assert_eq!(Network::from_name(&name), Some(network));
        }
        assert_eq!(Network::from_name("kaspa-testnet"), None);
    }
}
