//! The table of messages: what each is called, how large it may be, since when it exists and what
//! must come back.

use std::fmt;
use std::time::Duration;

use peerage_wire::{Command, Expect, FramedKind, MAX_PAYLOAD, Name, Patience, Policy};

/// One row: the engine's policy, and what only this crate needs.
#[derive(Debug)]
struct Row {
    command: Command,
    since: u32,
    policy: Policy<Kind>,
}

/// Makes [`Kind`] and its table from one list, so that they cannot differ.
macro_rules! table {
    ($($kind:ident: $name:literal, $id:expr, $since:expr, $cap:expr, $versioned:expr, $expect:expr;)*) => {
        /// Which message.
        ///
        /// ```
        /// use peerage_wire::{FramedKind as _, Kind as _};
        /// use peerage_wire_bitcoin::Kind;
        ///
        /// assert_eq!(Kind::from_short_id(14), Some(Kind::Inv));
        /// assert_eq!(Kind::Inv.policy().cap, 1_800_009);
        /// assert_eq!(Kind::SendHeaders.since(), 70_012);
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`.")] $kind,)*
            /// A command that this crate does not define.
            Unknown(Command),
        }

        impl Kind {
            /// Every kind but the unknown ones, by name.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            fn row(self) -> Option<&'static Row> {
                enum Place { $($kind),* }
                match self {
                    $(Self::$kind => Some(&ROWS[Place::$kind as usize]),)*
                    Self::Unknown(_) => None,
                }
            }
        }

        static ROWS: [Row; Kind::ALL.len()] = [$(Row {
            command: Command::new($name),
            since: $since,
            policy: Policy {
                name: $name,
                short_id: $id,
                cap: $cap,
                expect: $expect,
                versioned: $versioned,
                unknown: false,
            },
        }),*];
    };
}

// Sorted by name, for the search. Short ids are those of BIP324, and of BIP434 for `feature`. Caps
// are btcd's, whose counts have room for nine bytes, and the largest over all versions:
//
// - `version` ends at 344 bytes today; what a later version adds must fit into 1,024.
// - `reject` needs 159 bytes with the longest reason that was ever read by Bitcoin Core. btcd takes
//   4,000,000, for which there is no use.
// - `alert` was never bounded by itself; it is read and dropped.
// - `getblocktxn` is a hash and at most 65,536 indexes of one or three bytes.
table! {
    // kind        command         id        since   cap          versioned  expect
    Addr:          "addr",         Some(1),  0,      30_009,      true,      None;
    AddrV2:        "addrv2",       Some(28), 0,      531_003,     false,     None;
    Alert:         "alert",        None,     0,      MAX_PAYLOAD, false,     None;
    Block:         "block",        Some(2),  0,      MAX_PAYLOAD, false,     None;
    BlockTxn:      "blocktxn",     Some(3),  70_014, MAX_PAYLOAD, false,     None;
    CFCheckpt:     "cfcheckpt",    Some(27), 0,      3_200_038,   false,     None;
    CFHeaders:     "cfheaders",    Some(25), 0,      64_074,      false,     None;
    CFilter:       "cfilter",      Some(23), 0,      262_182,     false,     None;
    CmpctBlock:    "cmpctblock",   Some(4),  70_014, MAX_PAYLOAD, false,     None;
    Feature:       "feature",      Some(37), 70_017, 596,         false,     None;
    FeeFilter:     "feefilter",    Some(5),  70_013, 8,           false,     None;
    FilterAdd:     "filteradd",    Some(6),  70_001, 523,         false,     None;
    FilterClear:   "filterclear",  Some(7),  70_001, 0,           false,     None;
    FilterLoad:    "filterload",   Some(8),  70_001, 36_012,      false,     None;
    GetAddr:       "getaddr",      None,     0,      0,           false,     None;
    GetBlocks:     "getblocks",    Some(9),  0,      16_045,      false,     GETBLOCKS;
    GetBlockTxn:   "getblocktxn",  Some(10), 70_014, 196_645,     false,     GETBLOCKTXN;
    GetCFCheckpt:  "getcfcheckpt", Some(26), 0,      33,          false,     GETCFCHECKPT;
    GetCFHeaders:  "getcfheaders", Some(24), 0,      37,          false,     GETCFHEADERS;
    GetCFilters:   "getcfilters",  Some(22), 0,      37,          false,     GETCFILTERS;
    GetData:       "getdata",      Some(11), 0,      1_800_009,   false,     GETDATA;
    GetHeaders:    "getheaders",   Some(12), 0,      16_045,      false,     GETHEADERS;
    Headers:       "headers",      Some(13), 0,      162_009,     false,     None;
    Inv:           "inv",          Some(14), 0,      1_800_009,   false,     None;
    MemPool:       "mempool",      Some(15), 60_002, 0,           false,     MEMPOOL;
    MerkleBlock:   "merkleblock",  Some(16), 70_001, MAX_PAYLOAD, false,     None;
    NotFound:      "notfound",     Some(17), 0,      1_800_009,   false,     None;
    Ping:          "ping",         Some(18), 0,      8,           true,      None;
    Pong:          "pong",         Some(19), 60_001, 8,           false,     None;
    Reject:        "reject",       None,     70_002, 1_024,       false,     None;
    SendAddrV2:    "sendaddrv2",   None,     70_016, 0,           false,     None;
    SendCmpct:     "sendcmpct",    Some(20), 70_014, 9,           false,     None;
    SendHeaders:   "sendheaders",  None,     70_012, 0,           false,     None;
    SendTxRcncl:   "sendtxrcncl",  None,     70_016, 12,          false,     None;
    Tx:            "tx",           Some(21), 0,      MAX_PAYLOAD, false,     None;
    Verack:        "verack",       None,     0,      0,           false,     None;
    Version:       "version",      None,     0,      1_024,       true,      None;
    WtxidRelay:    "wtxidrelay",   None,     70_016, 0,           false,     None;
}

impl Kind {
    /// The first protocol version that has this message. A peer below it does not know it; one
    /// received from there is refused.
    #[must_use]
    pub fn since(self) -> u32 {
        self.row().map_or(0, |row| row.since)
    }
}

impl FramedKind for Kind {
    fn from_command(command: Command) -> Self {
        match ROWS.binary_search_by_key(&command, |row| row.command) {
            Ok(place) => Self::ALL[place],
            Err(_) => Self::Unknown(command),
        }
    }

    fn from_short_id(id: u8) -> Option<Self> {
        SHORT_IDS.get(usize::from(id)).copied().flatten()
    }

    fn command(self) -> Command {
        match self {
            Self::Unknown(command) => command,
            known => known.row().map(|row| row.command).unwrap_or_default(),
        }
    }
}

impl peerage_wire::Kind for Kind {
    fn name(self) -> Name {
        self.command().into()
    }

    fn policy(self) -> &'static Policy<Self> {
        self.row().map_or(&UNKNOWN, |row| &row.policy)
    }

    fn since(self) -> u32 {
        Self::since(self)
    }
}

impl From<Kind> for Command {
    fn from(kind: Kind) -> Self {
        FramedKind::command(kind)
    }
}

impl From<Kind> for Name {
    fn from(kind: Kind) -> Self {
        peerage_wire::Kind::name(kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FramedKind::command(*self).fmt(f)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

static UNKNOWN: Policy<Kind> = Policy {
    name: "unknown",
    short_id: None,
    cap: MAX_PAYLOAD,
    expect: None,
    versioned: false,
    unknown: true,
};

/// The kinds by their short id, up to the last one in use.
const SHORT_IDS: [Option<Kind>; 38] = {
    let mut kinds = [None; 38];
    let mut place = 0;
    while place < ROWS.len() {
        if let Some(id) = ROWS[place].policy.short_id {
            kinds[id as usize] = Some(Kind::ALL[place]);
        }
        place += 1;
    }
    kinds
};

// btcd waits 30 s for an answer and 90 s for headers, which old nodes collect from disk. Silence is
// honest where there may be nothing to say: getblocks and getheaders at the tip, an empty mempool
// or one that bloom rules hide, filters that a node does not build.
const GETDATA: Option<Expect<Kind>> = expect(
    &[Kind::Block, Kind::MerkleBlock, Kind::Tx, Kind::NotFound, Kind::CmpctBlock],
    30,
    Patience::Strict,
);
const GETHEADERS: Option<Expect<Kind>> = expect(&[Kind::Headers], 90, Patience::WhenAhead);
const GETBLOCKS: Option<Expect<Kind>> = expect(&[Kind::Inv], 30, Patience::WhenAhead);
const MEMPOOL: Option<Expect<Kind>> = expect(&[Kind::Inv], 30, Patience::Lenient);
/// Bitcoin Core answers for blocks deep in the chain with the whole block.
const GETBLOCKTXN: Option<Expect<Kind>> =
    expect(&[Kind::BlockTxn, Kind::Block], 30, Patience::Strict);
const GETCFILTERS: Option<Expect<Kind>> = expect(&[Kind::CFilter], 30, Patience::Lenient);
const GETCFHEADERS: Option<Expect<Kind>> = expect(&[Kind::CFHeaders], 30, Patience::Lenient);
const GETCFCHECKPT: Option<Expect<Kind>> = expect(&[Kind::CFCheckpt], 30, Patience::Lenient);

const fn expect(
    answers: &'static [Kind],
    seconds: u64,
    patience: Patience,
) -> Option<Expect<Kind>> {
    Some(Expect { answers, within: Duration::from_secs(seconds), patience })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use peerage_wire::{FramedKind as _, Kind as _};

    use super::*;

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(ROWS.is_sorted_by(|a, b| a.command < b.command));
        let ids: Vec<u8> = ROWS.iter().filter_map(|row| row.policy.short_id).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert_eq!(ids.len(), 29);
    }

    #[test]
    fn every_kind_is_found_by_its_command_and_its_id() {
        for kind in Kind::ALL {
            let policy = kind.policy();
            assert_eq!(Kind::from_command(kind.command()), *kind);
            assert_eq!(kind.to_string(), policy.name);
            assert!(policy.cap <= MAX_PAYLOAD && !policy.unknown);
            if let Some(id) = policy.short_id {
                assert_eq!(Kind::from_short_id(id), Some(*kind));
            }
        }
        for id in [0, 29, 36, 38, 255] {
            assert_eq!(Kind::from_short_id(id), None);
        }
    }

    #[test]
    fn unknown_commands_have_a_kind() {
        let command = Command::new("getutxos");
        let kind = Kind::from_command(command);
        assert_eq!(kind, Kind::Unknown(command));
        assert_eq!((kind.command(), kind.since()), (command, 0));
        assert!(kind.policy().unknown && kind.policy().short_id.is_none());
    }
}
