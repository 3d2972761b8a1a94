//! Values that several messages carry.

mod address;
mod bytes;
mod hash;
mod subnetwork;

pub use hash::Hash;
pub use subnetwork::SubnetworkId;

pub use crate::legacy::types::ParseHexError;
