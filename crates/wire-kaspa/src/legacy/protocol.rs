//! Legacy Kaspa as a protocol that the engine can speak.

use peerage_wire::{Command, Offence, Protocol, Violation};

use super::message::{Reject, RejectCode};
use super::types::{InventoryItem, InventoryType};
use super::{Identity, Kind, Message, Opening, Remote};

/// The protocol that kaspad spoke until July 2020.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KaspaLegacy;

impl Protocol for KaspaLegacy {
    type Message = Message;
    type Kind = Kind;
    type Item = InventoryItem;
    type Opening = Opening;
    type Identity = Identity;
    type Remote = Remote;

    /// The only one that there has been.
    const VERSION: u32 = 1;

    /// What kaspad takes: 32 MiB.
    const MAX_PAYLOAD: usize = 32 << 20;

    fn is_urgent(item: &InventoryItem) -> bool {
        item.kind == InventoryType::BLOCK
    }

    /// A `reject`. Strangers are told nothing, but for those who do not begin with `version`: kaspad
    /// tells them so.
    fn farewell(remote: Option<&Remote>, offence: &Offence<'_>) -> Option<Message> {
        let (command, code, reason) = match (remote, offence) {
            (None, Offence::Violation(Violation::Unexpected { command, .. })) => {
                let reason = "a version message must precede all others".to_owned();
                (command.command(), RejectCode::MALFORMED, reason)
            }
            (None, _) => return None,
            (Some(_), Offence::Malformed(error)) => {
                (MALFORMED, RejectCode::MALFORMED, error.to_string())
            }
            (Some(_), Offence::Violation(violation)) => {
                let (command, code) = judgement(violation);
                (command, code, violation.to_string())
            }
            (Some(_), Offence::Refused(refusal)) => {
                (Kind::Version.into(), RejectCode::NONSTANDARD, refusal.reason.clone())
            }
        };
        Some(Message::Reject(Box::new(Reject::new(command, code, &reason))))
    }
}

/// What kaspad names when bytes are no message of the protocol.
const MALFORMED: Command = Command::new("malformed");

fn judgement(violation: &Violation) -> (Command, RejectCode) {
    match violation {
        Violation::Duplicate { command } => (command.command(), RejectCode::DUPLICATE),
        Violation::Forbidden { command } => (command.command(), RejectCode::INVALID),
        _ => (MALFORMED, RejectCode::MALFORMED),
    }
}
