//! Values that several messages carry.

mod address;
mod base32;
mod inventory;
mod routable;
mod services;
mod text;
mod user_agent;

pub use address::{NetworkAddress, ParseAddressError, PeerAddress, TimedAddress};
pub use inventory::{InventoryItem, InventoryType};
pub use services::Services;
pub use text::Text;
pub use user_agent::{UserAgent, UserAgentError};
