//! Networks as data.

use std::borrow::Cow;
use std::fmt;

use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256d};
use peerage_wire::compact;

/// A network: what a connection to it must know. Fill in the fields for one that is not listed.
///
/// ```
/// use peerage_wire_bitcoin::Network;
///
/// let mut network = Network::regtest();
/// network.port = 20_000;
/// assert_eq!(network.magic, [0xfa, 0xbf, 0xb5, 0xda]);
/// assert_eq!(Network::from_name("main"), Some(Network::mainnet()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What people call it.
    pub name: Cow<'static, str>,
    /// The first four bytes of every v1 frame, and a part of v2's key derivation.
    pub magic: [u8; 4],
    /// The port that its nodes listen on unless told otherwise.
    pub port: u16,
    /// The hash of its first block.
    pub genesis: BlockHash,
    /// Names that resolve to addresses of its nodes. They are Bitcoin Core's.
    pub dns_seeds: Vec<Cow<'static, str>>,
}

impl Network {
    /// The network that has a value.
    #[must_use]
    pub fn mainnet() -> Self {
        Self::known("mainnet", [0xf9, 0xbe, 0xb4, 0xd9], 8333, MAINNET_GENESIS, &MAINNET_SEEDS)
    }

    /// The third public test network.
    #[must_use]
    pub fn testnet3() -> Self {
        Self::known("testnet3", [0x0b, 0x11, 0x09, 0x07], 18333, TESTNET3_GENESIS, &TESTNET3_SEEDS)
    }

    /// The fourth public test network (BIP94).
    #[must_use]
    pub fn testnet4() -> Self {
        Self::known("testnet4", [0x1c, 0x16, 0x3f, 0x28], 48333, TESTNET4_GENESIS, &TESTNET4_SEEDS)
    }

    /// The public signed test network (BIP325).
    #[must_use]
    pub fn signet() -> Self {
        Self::known("signet", [0x0a, 0x03, 0xcf, 0x40], 38333, SIGNET_GENESIS, &SIGNET_SEEDS)
    }

    /// The signed test network of this challenge script (BIP325).
    ///
    /// Its magic is the beginning of the hash of the script behind its length; its first block is
    /// that of every signet; seeds it has none.
    #[must_use]
    pub fn custom_signet(challenge: &[u8]) -> Self {
        let mut script = Vec::with_capacity(challenge.len() + 9);
        compact::put_bytes(&mut script, challenge);
        let [a, b, c, d, ..] = sha256d::Hash::hash(&script).to_byte_array();
        Self::known("signet", [a, b, c, d], 38333, SIGNET_GENESIS, &[])
    }

    /// The private network of Bitcoin Core's tests, where blocks cost nothing.
    #[must_use]
    pub fn regtest() -> Self {
        Self::known("regtest", [0xfa, 0xbf, 0xb5, 0xda], 18444, REGTEST_GENESIS, &[])
    }

    /// The private network of btcd's tests.
    #[must_use]
    pub fn simnet() -> Self {
        Self::known("simnet", [0x16, 0x1c, 0x14, 0x12], 18555, SIMNET_GENESIS, &[])
    }

    /// The network of this name: one of those above, or Core's `main`, `test` and `testnet`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "mainnet" | "main" | "bitcoin" => Some(Self::mainnet()),
            "testnet3" | "testnet" | "test" => Some(Self::testnet3()),
            "testnet4" => Some(Self::testnet4()),
            "signet" => Some(Self::signet()),
            "regtest" => Some(Self::regtest()),
            "simnet" => Some(Self::simnet()),
            _ => None,
        }
    }

    fn known(
        name: &'static str,
        magic: [u8; 4],
        port: u16,
        genesis: &str,
        dns_seeds: &[&'static str],
    ) -> Self {
        Self {
            name: name.into(),
            magic,
            port,
            genesis: genesis.parse().expect("the constants below are 64 hexadecimal digits"),
            dns_seeds: dns_seeds.iter().map(|seed| (*seed).into()).collect(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

const MAINNET_GENESIS: &str = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
const TESTNET3_GENESIS: &str = "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943";
const TESTNET4_GENESIS: &str = "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043";
const SIGNET_GENESIS: &str = "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6";
const REGTEST_GENESIS: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
const SIMNET_GENESIS: &str = "683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6";

const MAINNET_SEEDS: [&str; 7] = [
    "dnsseed.bluematt.me",
    "seed.bitcoin.jonasschnelli.ch",
    "seed.btc.petertodd.net",
    "seed.bitcoin.sprovoost.nl",
    "dnsseed.emzy.de",
    "seed.bitcoin.wiz.biz",
    "seed.mainnet.achownodes.xyz",
];
const TESTNET3_SEEDS: [&str; 5] = [
    "testnet-seed.bitcoin.jonasschnelli.ch",
    "seed.tbtc.petertodd.net",
    "seed.testnet.bitcoin.sprovoost.nl",
    "testnet-seed.bluematt.me",
    "seed.testnet.achownodes.xyz",
];
const TESTNET4_SEEDS: [&str; 2] = ["seed.testnet4.bitcoin.sprovoost.nl", "seed.testnet4.wiz.biz"];
const SIGNET_SEEDS: [&str; 2] = ["seed.signet.bitcoin.sprovoost.nl", "seed.signet.achownodes.xyz"];

#[cfg(test)]
mod tests {
    use bitcoin::constants::genesis_block;
    use bitcoin::hex::FromHex as _;

    use super::*;

    #[test]
    fn facts_are_those_of_the_bitcoin_crate() {
        for (ours, theirs) in [
            (Network::mainnet(), bitcoin::Network::Bitcoin),
            (Network::testnet3(), bitcoin::Network::Testnet),
            (Network::testnet4(), bitcoin::Network::Testnet4),
            (Network::signet(), bitcoin::Network::Signet),
            (Network::regtest(), bitcoin::Network::Regtest),
        ] {
            assert_eq!(ours.magic, theirs.magic().to_bytes(), "{}", ours.name);
            assert_eq!(ours.genesis, genesis_block(theirs).block_hash(), "{}", ours.name);
            assert_eq!(Network::from_name(&ours.to_string()), Some(ours));
        }
    }

    #[test]
    fn simnet_is_btcds() {
        // btcd's genesis of simnet is regtest's but for its time: regtest's block hash differs.
        let mut header = genesis_block(bitcoin::Network::Regtest).header;
        header.time = 1_401_292_357;
        assert_eq!(header.block_hash(), Network::simnet().genesis);
        assert_eq!(u32::from_le_bytes(Network::simnet().magic), 0x1214_1c16);
    }

    #[test]
    fn the_default_challenge_gives_the_default_signet() {
        let challenge = Vec::from_hex(
            "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430\
             210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae",
        )
        .unwrap();
        let custom = Network::custom_signet(&challenge);
        assert_eq!(custom, Network { dns_seeds: vec![], ..Network::signet() });
        assert_ne!(Network::custom_signet(&[0x51]).magic, custom.magic);
    }
}
