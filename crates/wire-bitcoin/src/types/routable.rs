//! Which addresses could be reached from anywhere: the rules of Bitcoin Core.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::NetworkAddress;

/// Whether peers elsewhere could connect to it.
pub(super) fn is_routable(address: NetworkAddress) -> bool {
    match address {
        NetworkAddress::Ipv4(ip) => is_routable_v4(ip),
        NetworkAddress::Ipv6(ip) => is_routable_v6(ip),
        NetworkAddress::TorV2(_) => false,
        NetworkAddress::TorV3(_) | NetworkAddress::I2p(_) => true,
        NetworkAddress::Cjdns(ip) => ip.octets()[0] == 0xfc,
    }
}

fn is_routable_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let documentation = matches!((a, b, c), (192, 0, 2) | (198, 51, 100) | (203, 0, 113));
    let private = matches!((a, b), (10, _) | (172, 16..=31) | (192, 168));
    let shared_by_carrier = matches!((a, b), (100, 64..=127));
    let benchmarking = matches!((a, b), (198, 18 | 19));
    let local = matches!((a, b), (0 | 127, _) | (169, 254));
    !(documentation
        || private
        || shared_by_carrier
        || benchmarking
        || local
        || ip == Ipv4Addr::BROADCAST)
}

fn is_routable_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, ..] = ip.segments();
    let documentation = (a, b) == (0x2001, 0xdb8);
    let orchid = a == 0x2001 && matches!(b & 0xfff0, 0x10 | 0x20);
    let link_local = [a, b, c, d] == [0xfe80, 0, 0, 0];
    let unique_local = a & 0xfe00 == 0xfc00;
    let embedded = !matches!(NetworkAddress::from_legacy(ip.octets()), NetworkAddress::Ipv6(_));
    !(documentation
        || orchid
        || link_local
        || unique_local
        || embedded
        || ip.is_unspecified()
        || ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> NetworkAddress {
        text.parse().unwrap()
    }

    #[test]
    fn routable_is_what_bitcoin_core_calls_so() {
        for text in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "2001::1",
            "2001:470::1",
            "2002:808:808::1",
            "64:ff9b::808:808",
            "2a01::1",
            "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
            "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p",
        ] {
            assert!(address(text).is_routable(), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "10.1.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00::1",
            "2001:db8::1",
            "2001:10::1",
            "2001:20::1",
            "6hzph5hv6337r6p2.onion",
        ] {
            assert!(!address(text).is_routable(), "{text}");
        }
        assert!(NetworkAddress::Cjdns("fc00::1".parse().unwrap()).is_routable());
        assert!(!NetworkAddress::Cjdns("fd00::1".parse().unwrap()).is_routable());
    }
}
