//! Kaspa's side of the command: the same subcommands, with Kaspa's messages.

pub(crate) mod connect;
mod dag;
pub(crate) mod demo;
mod describe;
pub(crate) mod follow;
pub(crate) mod listen;
mod merkle;
mod node;
mod request;
mod show;

use peerage::kaspa::{DisconnectReason, RequestError, SendError, Text};

use crate::failure::Failure;

/// Why a request has no answer, in words. `rejected` is what the remote said before it went.
fn unanswered(error: &RequestError, rejected: Option<&Text>) -> Failure {
    match error {
        RequestError::Closed(reason) | RequestError::NotSent(SendError::Closed(reason)) => {
            lost(reason, rejected)
        }
        other => Failure::other(other.to_string()),
    }
}

fn lost(reason: &DisconnectReason, rejected: Option<&Text>) -> Failure {
    match rejected {
        Some(said) => Failure::other(format!("the node refused: {said}")),
        None => Failure::lost(reason),
    }
}
