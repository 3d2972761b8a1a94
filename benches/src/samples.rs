//! A payload of every message, as large as it usually is.

use bytes::Bytes;
use peerage::bitcoin::message::CmpctBlock;
use peerage::bitcoin::{Kind, Message, message};
use peerage_wire::compact;

use crate::messages;

/// A message and what to call it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
}

/// Every message that is defined, lists of more than one length where that matters.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = lists();
    samples.extend(small());
    let add = |name, kind, payload: Vec<u8>| Sample { name, kind, payload: payload.into() };
    samples.extend([
        add("tx", Kind::Tx, messages::tx()),
        add("block", Kind::Block, messages::block().to_vec()),
        add("blocktxn", Kind::BlockTxn, blocktxn()),
        add("cmpctblock", Kind::CmpctBlock, cmpctblock()),
        add("merkleblock", Kind::MerkleBlock, messages::vector("merkleblock_300025.raw").to_vec()),
    ]);
    samples
}

fn lists() -> Vec<Sample> {
    let inventory = |count| inventory_payload(count);
    let hashes = |head: &[u8], count: usize| [head, &list(count, &[5; 32])].concat();
    let locator = [&[0x80, 0x11, 1, 0][..], &list(30, &[6; 32]), &[0; 32]].concat();
    let addr = messages::payload(&messages::flooded("addr"));
    let headers = messages::payload(&messages::flooded("headers"));
    [
        ("inv", Kind::Inv, inventory(1)),
        ("inv(50000)", Kind::Inv, inventory(50_000)),
        ("getdata", Kind::GetData, inventory(128)),
        ("notfound", Kind::NotFound, inventory(1)),
        ("headers", Kind::Headers, headers),
        ("addr", Kind::Addr, addr),
        ("addrv2", Kind::AddrV2, list(1_000, &[0, 0, 0, 101, 9, 1, 4, 10, 0, 0, 1, 0x20, 0x8d])),
        ("getblocks", Kind::GetBlocks, locator.clone()),
        ("getheaders", Kind::GetHeaders, locator),
        ("getblocktxn", Kind::GetBlockTxn, [&[7; 32][..], &list(100, &[1])].concat()),
        ("cfheaders", Kind::CFHeaders, hashes(&[0; 65], 2_000)),
        ("cfcheckpt", Kind::CFCheckpt, hashes(&[0; 33], 900)),
    ]
    .map(sample)
    .into()
}

fn small() -> Vec<Sample> {
    let filter = [&[0; 33][..], &[4, 1, 0x9d, 0xfc, 0xa8]].concat();
    let reject = b"\x02tx\x10\x07invalid".iter().copied().chain([3; 32]).collect();
    [
        ("ping", Kind::Ping, vec![1; 8]),
        ("pong", Kind::Pong, vec![1; 8]),
        ("version", Kind::Version, version()),
        ("verack", Kind::Verack, vec![]),
        ("sendaddrv2", Kind::SendAddrV2, vec![]),
        ("wtxidrelay", Kind::WtxidRelay, vec![]),
        ("sendheaders", Kind::SendHeaders, vec![]),
        ("getaddr", Kind::GetAddr, vec![]),
        ("mempool", Kind::MemPool, vec![]),
        ("filterclear", Kind::FilterClear, vec![]),
        ("feefilter", Kind::FeeFilter, 1_000u64.to_le_bytes().to_vec()),
        ("sendcmpct", Kind::SendCmpct, vec![1, 2, 0, 0, 0, 0, 0, 0, 0]),
        ("sendtxrcncl", Kind::SendTxRcncl, vec![1, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]),
        ("feature", Kind::Feature, b"\x08a-thing!\x02ok".to_vec()),
        ("filteradd", Kind::FilterAdd, vec![3, 1, 2, 3]),
        (
            "filterload",
            Kind::FilterLoad,
            [&list(100, &[5])[..], &[3, 0, 0, 0, 0, 0, 0, 0, 1]].concat(),
        ),
        ("cfilter", Kind::CFilter, filter),
        ("getcfilters", Kind::GetCFilters, vec![0; 37]),
        ("getcfheaders", Kind::GetCFHeaders, vec![0; 37]),
        ("getcfcheckpt", Kind::GetCFCheckpt, vec![0; 33]),
        ("reject", Kind::Reject, reject),
        ("alert", Kind::Alert, vec![0; 96]),
    ]
    .map(sample)
    .into()
}

fn sample((name, kind, payload): (&'static str, Kind, Vec<u8>)) -> Sample {
    Sample { name, kind, payload: payload.into() }
}

/// A count and so many times the same entry.
fn list(count: usize, entry: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compact::put(&mut out, count as u64);
    out.extend(entry.repeat(count));
    out
}

fn inventory_payload(count: u32) -> Vec<u8> {
    messages::payload(&Message::Inv(messages::inventory(count)))
}

fn blocktxn() -> Vec<u8> {
    [&[7; 32][..], &list(100, &messages::tx())].concat()
}

fn cmpctblock() -> Vec<u8> {
    let block = message::Block::from_bytes(messages::block().clone()).expect("it is a block");
    CmpctBlock::from_block(&block, 7).expect("it has transactions").bytes().to_vec()
}

/// A `version` of 102 bytes, as a peer of ours sends it.
pub(crate) fn version() -> Vec<u8> {
    let mut out = 70_016u32.to_le_bytes().to_vec();
    out.extend([9, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(1_700_000_000u64.to_le_bytes());
    out.extend([0; 26 + 26 + 8]);
    out.extend(b"\x0d/bench:1.0.0/");
    out.extend([0, 0, 0, 0, 1]);
    out
}
