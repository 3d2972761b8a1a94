//! The name of a node's software (BIP14).

use std::fmt::{self, Write as _};

use crate::{Malformed, Reader, Text};
use bytes::Bytes;

/// What we put before the caller's own part.
const OURS: &str = concat!("/peerage:", env!("CARGO_PKG_VERSION"), "/");

/// A user agent: at most 256 bytes, such as `/peerage:0.1.0/explorer:2.1(testing; eu-west)/`.
///
/// A remote's is kept byte for byte and escaped when it is shown (see [`Text`]).
///
/// ```
/// use peerage_wire::UserAgent;
///
/// let agent = UserAgent::new("explorer", "2.1", &["testing"])?;
/// assert!(agent.to_string().ends_with("/explorer:2.1(testing)/"));
/// assert!(UserAgent::new("explorer", "2.1", &["a/b"]).is_err());
/// # Ok::<(), peerage_wire::UserAgentError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserAgent(Text);

impl UserAgent {
    /// The longest user agent, in bytes: what Bitcoin Core, btcd and kaspad accept.
    pub const MAX_LEN: usize = 256;

    /// Our library's name followed by the caller's software, its version and comments on it.
    ///
    /// # Errors
    /// A part with one of `/ : ( ) ;` or with anything but printable ASCII, an empty name or
    /// version, or more than 256 bytes in all.
    pub fn new(name: &str, version: &str, comments: &[&str]) -> Result<Self, UserAgentError> {
        let mut agent = String::from(OURS);
        write!(agent, "{}:{}", part(name)?, part(version)?).expect("a String takes everything");
        for (i, comment) in comments.iter().enumerate() {
            agent.push_str(if i == 0 { "(" } else { "; " });
            agent.push_str(part(comment)?);
        }
        agent.push_str(if comments.is_empty() { "/" } else { ")/" });
        if agent.len() > Self::MAX_LEN {
            return Err(UserAgentError::TooLong { len: agent.len() });
        }
        Ok(Self(agent.into()))
    }

    /// A user agent of any form, for those who imitate other software.
    ///
    /// # Errors
    /// [`UserAgentError::TooLong`] above 256 bytes.
    pub fn from_raw(bytes: impl Into<Bytes>) -> Result<Self, UserAgentError> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX_LEN {
            return Err(UserAgentError::TooLong { len: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// The text, as it is on the wire.
    #[must_use]
    pub fn as_text(&self) -> &Text {
        &self.0
    }

    /// Reads one behind its CompactSize length, copying it: whoever keeps a remote's name need not
    /// keep its packet.
    ///
    /// # Errors
    /// [`Malformed::TooMany`] above 256 bytes.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = reader.bytes("bytes of user agent", Self::MAX_LEN)?;
        Ok(Self(Bytes::copy_from_slice(bytes).into()))
    }

    /// No name.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Text::empty())
    }
}

impl Default for UserAgent {
    /// Our library's name alone.
    fn default() -> Self {
        Self(OURS.into())
    }
}

impl fmt::Display for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a user agent cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserAgentError {
    /// A part is empty, or has a character that BIP14 uses between parts or that is not printable
    /// ASCII.
    #[error("{part:?} cannot be a part of a user agent")]
    InvalidPart {
        /// The offending part.
        part: String,
    },
    /// It would be too long.
    #[error("a user agent of {len} bytes, the limit is 256")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

fn part(text: &str) -> Result<&str, UserAgentError> {
    let allowed = |byte| (0x20..0x7f).contains(&byte) && !b"/:();".contains(&byte);
    if !text.is_empty() && text.bytes().all(allowed) {
        Ok(text)
    } else {
        Err(UserAgentError::InvalidPart { part: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_of_bip14() {
        let agent = |comments: &[&str]| UserAgent::new("Own", "0.9.1", comments).unwrap();
        let ours = UserAgent::default().to_string();
        assert!(ours.starts_with("/peerage:") && ours.ends_with('/'));
        assert_eq!(agent(&[]).to_string(), format!("{ours}Own:0.9.1/"));
        assert_eq!(agent(&["a"]).to_string(), format!("{ours}Own:0.9.1(a)/"));
        assert_eq!(agent(&["a b", "c"]).to_string(), format!("{ours}Own:0.9.1(a b; c)/"));
    }

    #[test]
    fn separators_and_long_texts_are_refused() {
        for bad in ["a/b", "a:b", "(a", "a)", "a;b", "ä", "a\n", ""] {
            let error = UserAgentError::InvalidPart { part: bad.into() };
            assert_eq!(UserAgent::new(bad, "1", &[]), Err(error.clone()));
            assert_eq!(UserAgent::new("a", bad, &[]), Err(error.clone()));
            assert_eq!(UserAgent::new("a", "1", &[bad]), Err(error));
        }
        let long = "x".repeat(256);
        assert!(matches!(UserAgent::new(&long, "1", &[]), Err(UserAgentError::TooLong { .. })));
        assert!(UserAgent::from_raw(long).is_ok());
        assert!(UserAgent::from_raw(vec![b'x'; 257]).is_err());
    }
}
