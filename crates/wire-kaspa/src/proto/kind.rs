//! What can be asked of a kind of message.

use std::fmt;

use peerage_wire::Policy;

use super::Kind;

impl Kind {
    /// What kaspad's .proto file calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The most bytes that a message of this kind may have, as it travels.
    #[must_use]
    pub fn cap(self) -> usize {
        self.row().cap
    }

    /// Its row in the table.
    #[must_use]
    pub fn policy(self) -> &'static Policy<Self> {
        self.row()
    }

    /// Whether it is one that this crate knows.
    #[must_use]
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "unknown({number})"),
            known => f.write_str(known.name()),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!((kind.name(), kind.number()), (name, number));
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
        assert_eq!(Kind::Unknown(68).to_string(), "unknown(68)");
    }
}
