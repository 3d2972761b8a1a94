//! What a message is called, whatever its protocol.

use std::fmt;

use crate::Command;

/// What a message is called, in errors: protocols name theirs by commands or by field numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// The command in a frame's header; empty where it cannot be known yet (v2 hides it).
    Command(Command),
    /// The name of a field of an envelope.
    Field(&'static str),
    /// The number of a field that the protocol does not define.
    Number(u32),
}

impl Name {
    /// The command; an empty one where the protocol has none.
    #[must_use]
    pub fn command(self) -> Command {
        match self {
            Self::Command(command) => command,
            Self::Field(_) | Self::Number(_) => Command::default(),
        }
    }
}

impl From<Command> for Name {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Field(name) => f.write_str(name),
            Self::Number(number) => write!(f, "message {number}"),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
