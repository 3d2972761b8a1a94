#![doc = include_str!("../README.md")]

#[cfg(feature = "bitcoin")]
pub mod bitcoin;
