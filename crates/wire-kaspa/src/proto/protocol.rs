//! Today's Kaspa as a protocol that the engine can speak.

use peerage_wire::{Offence, Protocol, Violation};

use super::message::Reject;
use super::table::LARGEST;
use super::{Identity, Item, Kind, Message, Opening, Payload, Remote};

/// The protocol that kaspad speaks, in versions 10 and 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kaspa;

impl Protocol for Kaspa {
    type Message = Message;
    type Kind = Kind;
    type Item = Item;
    type Opening = Opening;
    type Identity = Identity;
    type Remote = Remote;

    /// The newest whose messages this crate has.
    const VERSION: u32 = 11;

    /// What kaspad takes of a whole proof: 256 MiB.
    const MAX_PAYLOAD: usize = LARGEST;

    /// What an `invTransactions` holds.
    const MAX_ANNOUNCED: usize = 131_072;

    /// An `invRelayBlock` has one.
    const MAX_URGENT: usize = 1;

    fn is_urgent(item: &Item) -> bool {
        matches!(item, Item::Block(_))
    }

    /// A `reject`, where kaspad says one: to those whose introduction was not to its liking, also if
    /// that is all that is known of them. For messages that are none, or that nobody waits for, it
    /// closes the connection without a word; so it does here.
    fn farewell(_remote: Option<&Remote>, offence: &Offence<'_>) -> Option<Message> {
        let reason = match offence {
            Offence::Refused(refusal) => refusal.reason.clone(),
            Offence::Violation(
                violation @ (Violation::Obsolete { .. } | Violation::Incompatible { .. }),
            ) => violation.to_string(),
            Offence::Violation(_) | Offence::Malformed(_) => return None,
        };
        Some(Payload::Reject(Reject { reason }).into())
    }
}
