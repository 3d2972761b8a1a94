//! Bitcoin as a protocol that the engine can speak.

use peerage_wire::{Command, Malformed, Offence, Protocol, Violation};

use crate::message::{Reject, RejectCode};
use crate::types::InventoryItem;
use crate::{Identity, Kind, Message, Opening, Remote};

/// The protocol of Bitcoin and its test networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bitcoin;

impl Protocol for Bitcoin {
    type Message = Message;
    type Kind = Kind;
    type Item = InventoryItem;
    type Opening = Opening;
    type Identity = Identity;
    type Remote = Remote;

    /// The first version with `feature` (BIP434): Bitcoin Core disconnects whoever sends that with
    /// less.
    const VERSION: u32 = 70_017;

    fn is_urgent(item: &InventoryItem) -> bool {
        item.kind.is_block()
    }

    /// A `reject`, for those who know it and may still read it: from 70002 to 70015. Whoever has not
    /// introduced himself gets none.
    fn farewell(remote: Option<&Remote>, offence: &Offence<'_>) -> Option<Message> {
        let agreed = remote?.agreed;
        if agreed < Kind::Reject.since() || agreed >= UNREAD_SINCE {
            return None;
        }
        let (command, code, reason) = match offence {
            Offence::Malformed(error) => {
                (command_of(error), RejectCode::MALFORMED, error.to_string())
            }
            Offence::Violation(violation) => {
                let (command, code) = judgement(violation);
                (command, code, violation.to_string())
            }
            Offence::Refused(refusal) => {
                (Kind::Version.into(), RejectCode::NONSTANDARD, refusal.reason.clone())
            }
        };
        Some(Message::Reject(Box::new(Reject::new(command, code, &reason))))
    }
}

/// From here on peers do not read `reject`: wtxid relay came after Bitcoin Core had dropped it.
const UNREAD_SINCE: u32 = 70_016;

/// What btcd names when the offending message is not known.
const MALFORMED: Command = Command::new("malformed");

fn command_of(error: &Malformed) -> Command {
    match error {
        Malformed::TooNew { command, .. }
        | Malformed::TooLarge { command, .. }
        | Malformed::BadChecksum { command }
            if *command != Command::default().into() =>
        {
            command.command()
        }
        _ => MALFORMED,
    }
}

fn judgement(violation: &Violation) -> (Command, RejectCode) {
    match violation {
        Violation::Duplicate { command } => (command.command(), RejectCode::DUPLICATE),
        Violation::Unexpected { command, .. }
        | Violation::Late { command }
        | Violation::Forbidden { command } => (command.command(), RejectCode::MALFORMED),
        Violation::Obsolete { .. } => (Kind::Version.into(), RejectCode::OBSOLETE),
        _ => (MALFORMED, RejectCode::MALFORMED),
    }
}
