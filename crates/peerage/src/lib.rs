#![doc = include_str!("../README.md")]

#[cfg(feature = "bitcoin")]
pub mod bitcoin;

/// The examples of the repository's README, compiled with the documentation tests.
#[cfg(all(doctest, feature = "bitcoin"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
