//! Networks as data.

use std::borrow::Cow;
use std::fmt;

use super::types::{Hash, TimestampUnit};

/// A network: what a connection to it must know. Fill in the fields for one that is not listed.
///
/// ```
/// use peerage_wire_kaspa::legacy::Network;
/// use peerage_wire_kaspa::legacy::types::TimestampUnit;
///
/// // A simnet of kaspad after v0.5.0.
/// let network = Network { timestamps: TimestampUnit::Millis, ..Network::simnet() };
/// assert_eq!(network.magic, [0x1c, 0xcf, 0x4d, 0x37]);
/// assert_eq!(Network::from_name("devnet"), Some(Network::devnet()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What people call it.
    pub name: Cow<'static, str>,
    /// The first four bytes of every frame.
    pub magic: [u8; 4],
    /// The port that its nodes listen on unless told otherwise.
    pub port: u16,
    /// The hash of its first block: kaspad v0.5.0's. The networks were begun anew several times,
    /// and with each change of the header, so ask what the nodes at hand have.
    pub genesis: Hash,
    /// Names that resolve to addresses of its nodes. They were kaspad's.
    pub dns_seeds: Vec<Cow<'static, str>>,
    /// What its timestamps count.
    pub timestamps: TimestampUnit,
    /// Whether there are subnetworks beside the built-in ones, and thus partial nodes. In no
    /// network of kaspad's there were.
    pub partial_nodes: bool,
}

impl Network {
    /// The main network.
    #[must_use]
    pub fn mainnet() -> Self {
        Self::known("mainnet", 0x3ddc_f71d, 16_111, MAINNET_GENESIS, &["dnsseed.kas.pa"])
    }

    /// The public test network.
    #[must_use]
    pub fn testnet() -> Self {
        let seeds = &["testnet-dnsseed.kas.pa"];
        Self::known("testnet", 0xddb8_af8f, 16_211, TESTNET_GENESIS, seeds)
    }

    /// The private network of regression tests.
    #[must_use]
    pub fn regtest() -> Self {
        Self::known("regtest", 0xf396_cdd6, 16_211, REGTEST_GENESIS, &[])
    }

    /// The private network where blocks cost nothing.
    #[must_use]
    pub fn simnet() -> Self {
        Self::known("simnet", 0x374d_cf1c, 16_511, SIMNET_GENESIS, &[])
    }

    /// The network of kaspad's developers.
    #[must_use]
    pub fn devnet() -> Self {
        Self::known("devnet", 0x732d_87e1, 16_611, DEVNET_GENESIS, &[])
    }

    /// The network of this name: one of those above.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "mainnet" => Some(Self::mainnet()),
            "testnet" => Some(Self::testnet()),
            "regtest" => Some(Self::regtest()),
            "simnet" => Some(Self::simnet()),
            "devnet" => Some(Self::devnet()),
            _ => None,
        }
    }

    fn known(
        name: &'static str,
        magic: u32,
        port: u16,
        genesis: &str,
        dns_seeds: &[&'static str],
    ) -> Self {
        Self {
            name: name.into(),
            magic: magic.to_le_bytes(),
            port,
            genesis: genesis.parse().expect("the constants below are 64 hexadecimal digits"),
            dns_seeds: dns_seeds.iter().map(|seed| (*seed).into()).collect(),
            timestamps: TimestampUnit::Seconds,
            partial_nodes: false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

const MAINNET_GENESIS: &str = "65617e7bef13bad3e6ba8c3241f683e11e7127833fff4b40afd5bbf63c345db3";
const TESTNET_GENESIS: &str = "0000524b08766b908a14338bfc902f11bd7907daf1959af38e6159b51a6421fc";
const REGTEST_GENESIS: &str = "00005e7b7c98e6993cadedcabd77b42ac61f6fea8daa020f34e060a586e91df8";
const SIMNET_GENESIS: &str = "7d70bbc7779a6eeebde8ebffb424051a1c41c24b126dc5a253390cabdced4334";
const DEVNET_GENESIS: &str = "0000691a26e1cd33ed9d0587d774181726f4e38eecd722a858d3baaa1fd19250";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_its_name() {
        for network in [
            Network::mainnet(),
            Network::testnet(),
            Network::regtest(),
            Network::simnet(),
            Network::devnet(),
        ] {
            assert_eq!(Network::from_name(&network.to_string()), Some(network));
        }
        assert_eq!(Network::from_name("signet"), None);
    }
}
