#![doc = include_str!("../README.md")]

#[cfg(feature = "bitcoin")]
pub mod bitcoin;
#[cfg(feature = "kaspa")]
pub mod kaspa;
#[cfg(feature = "kaspa-legacy")]
pub mod kaspa_legacy;
#[cfg(any(feature = "bitcoin", feature = "kaspa-legacy"))]
mod memory;
#[cfg(any(feature = "bitcoin", feature = "kaspa", feature = "kaspa-legacy"))]
mod shared_engine;

/// The examples of the repository's README, compiled with the documentation tests.
#[cfg(all(doctest, feature = "bitcoin"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
