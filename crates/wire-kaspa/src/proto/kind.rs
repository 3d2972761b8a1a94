//! What the engine asks of a kind of message.

use std::fmt;

use peerage_wire::{Name, Policy};

use super::Kind;

impl Kind {
    /// Whether it is one that this crate knows.
    #[must_use]
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

impl peerage_wire::Kind for Kind {
    fn name(self) -> Name {
        match self {
            Self::Unknown(number) => Name::Number(number),
            known => Name::Field(known.row().name),
        }
    }

    fn policy(self) -> &'static Policy<Self> {
        self.row()
    }

    /// Kaspad lets go of whoever sends it a kind that it does not know.
    fn since(self) -> u32 {
        match self.number() {
            57..=58 => 8,
            59..=63 => 10,
            64..=67 => 11,
            _ => 0,
        }
    }
}

impl From<Kind> for Name {
    fn from(kind: Kind) -> Self {
        peerage_wire::Kind::name(kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Name::from(*self).fmt(f)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use peerage_wire::Kind as _;

    use super::*;

    #[test]
    fn the_table_has_the_numbers_and_names_of_the_proto_file() {
        let file = include_str!("../../proto/messages.proto");
        let payloads = file.split_once("oneof payload {").unwrap().1.split_once('}').unwrap().0;
        let mut count = 0;
        for line in payloads.lines().filter(|line| !line.trim().is_empty()) {
            let [_, name, "=", number] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let number = number.trim_end_matches(';').parse().unwrap();
            let kind = Kind::from_number(number);
            assert!(kind.is_known());
            assert_eq!((kind.policy().name, kind.number()), (name, number));
            assert_eq!(kind.to_string(), name);
            count += 1;
        }
        assert_eq!((count, Kind::ALL.len()), (53, 53));
    }

    #[test]
    fn numbers_of_no_payload_are_unknown() {
        for number in [0, 4, 18, 62, 68, 101, 102, 1001, u32::MAX] {
            let kind = Kind::from_number(number);
            assert_eq!((kind, kind.number()), (Kind::Unknown(number), number));
            assert!(kind.policy().unknown && !kind.is_known());
        }
        assert_eq!(Kind::Unknown(68).to_string(), "message 68");
    }
}
