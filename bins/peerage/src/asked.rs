//! What a node is asked for: the values of `--request`.

use std::str::FromStr;

use bitcoin::BlockHash;
use peerage::kaspa::types::Hash;

use crate::failure::Failure;

/// What `--request` says: a request of Bitcoin, of Kaspa, or one that both have.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    text: String,
    bitcoin: Result<Request, String>,
    kaspa: Result<KaspaRequest, String>,
}

impl Asked {
    pub(crate) fn bitcoin(&self) -> Result<Request, Failure> {
        self.bitcoin.clone().map_err(|why| self.wrong("Bitcoin", &why))
    }

    pub(crate) fn kaspa(&self) -> Result<KaspaRequest, Failure> {
        self.kaspa.clone().map_err(|why| self.wrong("Kaspa", &why))
    }

    fn wrong(&self, whom: &str, why: &str) -> Failure {
        Failure::usage(format!("{:?} cannot be asked of {whom}: {why}", self.text))
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (bitcoin, kaspa) = (text.parse::<Request>(), text.parse::<KaspaRequest>());
        match (&bitcoin, &kaspa) {
            (Err(bitcoin), Err(kaspa)) if bitcoin == kaspa => Err(bitcoin.clone()),
            (Err(bitcoin), Err(kaspa)) => Err(format!("{bitcoin}; with kaspa:// {kaspa}")),
            _ => Ok(Self { text: text.to_owned(), bitcoin, kaspa }),
        }
    }
}

/// What a Bitcoin node can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Ping,
    GetAddr,
    Headers,
    Block(BlockHash),
    MemPool,
    Filters,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "ping" => Self::Ping,
            "getaddr" => Self::GetAddr,
            "headers" => Self::Headers,
            "mempool" => Self::MemPool,
            "filters" => Self::Filters,
            _ => {
                let hash = text.strip_prefix("block:").ok_or_else(|| {
                    "it must be ping, getaddr, headers, block:HASH, mempool or filters".to_owned()
                })?;
                Self::Block(hash.parse().map_err(|_| NO_HASH.to_owned())?)
            }
        })
    }
}

/// What a Kaspa node can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KaspaRequest {
    Ping,
    Addresses,
    Headers { low: Hash, high: Hash },
    Block(Hash),
    Locator(Hash),
}

impl FromStr for KaspaRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hash = |text: &str| text.parse::<Hash>().map_err(|_| NO_HASH.to_owned());
        Ok(match text.split_once(':') {
            None if text == "ping" => Self::Ping,
            None if text == "addresses" => Self::Addresses,
            Some(("block", block)) => Self::Block(hash(block)?),
            Some(("locator", block)) => Self::Locator(hash(block)?),
            Some(("headers", range)) => match range.split_once("..") {
                Some((low, high)) => Self::Headers { low: hash(low)?, high: hash(high)? },
                None => return Err("headers are asked for as headers:LOW..HIGH".to_owned()),
            },
            _ => {
                return Err("it must be ping, addresses, headers:LOW..HIGH, block:HASH or \
                            locator:HASH"
                    .to_owned());
            }
        })
    }
}

const NO_HASH: &str = "the hash of a block has 64 hexadecimal digits, as explorers show it";

#[cfg(test)]
mod tests {
    use peerage::bitcoin::Network;

    use super::*;

    #[test]
    fn requests_are_read() {
        assert_eq!("ping".parse(), Ok(Request::Ping));
        let genesis = Network::mainnet().genesis;
        assert_eq!(format!("block:{genesis}").parse(), Ok(Request::Block(genesis)));
        assert!("block:12".parse::<Request>().is_err() && "".parse::<Request>().is_err());
    }

    #[test]
    fn requests_of_kaspa_are_read() {
        let (zeros, ones) = ("0".repeat(64), "1".repeat(64));
        let (low, high) = (zeros.parse().unwrap(), ones.parse().unwrap());
        let range = KaspaRequest::Headers { low, high };
        assert_eq!(format!("headers:{zeros}..{ones}").parse(), Ok(range));
        assert_eq!(format!("locator:{ones}").parse(), Ok(KaspaRequest::Locator(high)));
        for wrong in ["headers", "headers:", &format!("headers:{zeros}"), "block:", "getaddr", ""] {
            assert!(wrong.parse::<KaspaRequest>().is_err(), "{wrong}");
        }
        // What one of them knows is no error before it is known who is asked.
        assert!("getaddr".parse::<Asked>().unwrap().kaspa().is_err());
        assert!("addresses".parse::<Asked>().unwrap().bitcoin().is_err());
        assert!("everything".parse::<Asked>().is_err());
    }
}
