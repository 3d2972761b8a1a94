//! The table of messages: what each is called, how large it may be and what must come back.

use std::fmt;
use std::time::Duration;

use peerage_wire::{Command, Expect, FramedKind, Name, Patience, Policy, Protocol as _};

use super::KaspaLegacy;

/// One row: the engine's policy, and the name as it is searched for.
#[derive(Debug)]
struct Row {
    command: Command,
    policy: Policy<Kind>,
}

/// Makes [`Kind`] and its table from one list, so that they cannot differ.
macro_rules! table {
    ($($kind:ident: $name:literal, $cap:expr, $expect:expr;)*) => {
        /// Which message.
        ///
        /// ```
        /// use peerage_wire::{Command, FramedKind as _, Kind as _};
        /// use peerage_wire_kaspa::legacy::Kind;
        ///
        /// assert_eq!(Kind::from_command(Command::new("locator")), Kind::Locator);
        /// assert_eq!(Kind::Inv.policy().cap, 4_718_601);
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`.")] $kind,)*
            /// A command that this protocol does not define.
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
            policy: Policy {
                name: $name,
                short_id: None,
                cap: $cap,
                expect: $expect,
                versioned: false,
                unknown: false,
            },
        }),*];
    };
}

// Sorted by name, for the search. The caps are kaspad's.
table! {
    // kind        command         cap          expect
    Addr:          "addr",         34_031,      None;
    Block:         "block",        LARGEST,     None;
    FeeFilter:     "feefilter",    8,           None;
    FilterAdd:     "filteradd",    523,         None;
    FilterClear:   "filterclear",  0,           None;
    FilterLoad:    "filterload",   36_012,      None;
    GetAddr:       "getaddr",      22,          None;
    GetBlockInvs:  "getblockinvs", 64,          GETBLOCKINVS;
    GetData:       "getdata",      4_718_601,   GETDATA;
    GetLocator:    "getlocator",   64,          GETLOCATOR;
    GetSelTip:     "getseltip",    0,           GETSELTIP;
    Inv:           "inv",          4_718_601,   None;
    Locator:       "locator",      16_009,      None;
    MerkleBlock:   "merkleblock",  LARGEST,     None;
    NotFound:      "notfound",     4_718_601,   None;
    Ping:          "ping",         8,           None;
    Pong:          "pong",         8,           None;
    Reject:        "reject",       LARGEST,     None;
    SelectedTip:   "selectedtip",  32,          None;
    Tx:            "tx",           LARGEST,     None;
    Verack:        "verack",       0,           None;
    Version:       "version",      394,         None;
}

impl FramedKind for Kind {
    fn from_command(command: Command) -> Self {
        match ROWS.binary_search_by_key(&command, |row| row.command) {
            Ok(place) => Self::ALL[place],
            Err(_) => Self::Unknown(command),
        }
    }

    /// The protocol has plain frames only.
    fn from_short_id(_id: u8) -> Option<Self> {
        None
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

/// Whoever sends one is let go, so no large one is waited for.
static UNKNOWN: Policy<Kind> = Policy {
    name: "unknown",
    short_id: None,
    cap: 64 << 10,
    expect: None,
    versioned: false,
    unknown: true,
};

const LARGEST: usize = KaspaLegacy::MAX_PAYLOAD;

// kaspad waits 30 s for these answers but for locators, for which it waits for ever. What it cannot
// answer it rejects.
const GETDATA: Option<Expect<Kind>> =
    expect(&[Kind::Block, Kind::MerkleBlock, Kind::Tx, Kind::NotFound], Patience::Strict);
const GETSELTIP: Option<Expect<Kind>> = expect(&[Kind::SelectedTip], Patience::Strict);
const GETBLOCKINVS: Option<Expect<Kind>> = expect(&[Kind::Inv, Kind::Reject], Patience::Strict);
const GETLOCATOR: Option<Expect<Kind>> = expect(&[Kind::Locator, Kind::Reject], Patience::Lenient);

const fn expect(answers: &'static [Kind], patience: Patience) -> Option<Expect<Kind>> {
    Some(Expect { answers, within: Duration::from_secs(30), patience })
}

#[cfg(test)]
mod tests {
    use peerage_wire::{FramedKind as _, Kind as _};

    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_kind_is_found_by_its_command() {
        assert!(ROWS.is_sorted_by(|a, b| a.command < b.command));
        assert_eq!(Kind::ALL.len(), 22);
        for kind in Kind::ALL {
            let policy = kind.policy();
            assert_eq!(Kind::from_command(kind.command()), *kind);
            assert_eq!(kind.to_string(), policy.name);
            assert!(policy.cap <= LARGEST && !policy.unknown);
        }
    }

    #[test]
    fn unknown_commands_have_a_kind() {
        let command = Command::new("getheaders");
        let kind = Kind::from_command(command);
        assert_eq!(kind, Kind::Unknown(command));
        assert!(kind.policy().unknown);
        assert_eq!(Kind::from_short_id(1), None);
    }
}
