//! What may be set about a gRPC connection.

use http::HeaderValue;
use http::uri::Authority;

/// What may be set about a gRPC connection, with the reason of each default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Whether messages may come packed with gzip. Yes: nodes that can, pack all they send, and
    /// clients which say so are refused by a server that cannot unpack.
    pub accept_gzip: bool,
    /// Whether large messages (1 KiB or more) are packed, where the remote can unpack. No: it costs
    /// more time than it saves on most links, and blocks consist mostly of hashes and signatures.
    pub send_gzip: bool,
    /// Whom a request names as its host; by default the address that was dialled.
    pub authority: Option<Authority>,
    /// What a request says of the software.
    pub user_agent: HeaderValue,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accept_gzip: true,
            send_gzip: false,
            authority: None,
            user_agent: HeaderValue::from_static(concat!("peerage/", env!("CARGO_PKG_VERSION"))),
        }
    }
}
