//! Values that several messages carry.

mod address;
mod hash;
mod inventory;
mod services;
pub(crate) mod subnetwork;
mod timestamp;

pub use address::{PeerAddress, TimedAddress};
pub use hash::{Hash, ParseHexError};
pub use inventory::{InventoryItem, InventoryType};
pub use peerage_wire::{Text, UserAgent, UserAgentError};
pub use services::Services;
pub use subnetwork::{SubnetworkId, Subnetworks};
pub use timestamp::TimestampUnit;

pub(crate) use hash::DoubleSha256;
