//! What is announced.

use super::types::Hash;

/// A block or a transaction, as it is announced and remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// A block, by the hash of its header.
    Block(Hash),
    /// A transaction, by its id.
    Transaction(Hash),
}
