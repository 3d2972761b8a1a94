//! The built binary, as a user or a script runs it.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)] // tests, with helpers that may panic

mod connect;
mod demo;
mod follow;
mod kaspa;
mod listen;
mod scripted;
mod support;
