//! Values that several messages carry.

mod address;
mod base32;
mod inventory;
mod routable;
mod services;

pub use address::{NetworkAddress, ParseAddressError, PeerAddress, TimedAddress};
pub use inventory::{InventoryItem, InventoryType};
pub use peerage_wire::{Text, UserAgent, UserAgentError};
pub use services::Services;
