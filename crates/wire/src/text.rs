//! Text that came from a remote.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use bytes::Bytes;

/// How many characters of a remote's text are shown.
const SHOWN: usize = 256;

/// Bytes that a remote meant as text: a user agent, the reason of a reject.
///
/// They are kept as they came. Shown (`Display`, `Debug`), everything but printable ASCII is
/// escaped and all after 256 characters is cut, so that a remote cannot write control sequences
/// into a terminal nor flood a log.
///
/// ```
/// use peerage_wire::Text;
///
/// assert_eq!(Text::from("a\x1b[2Jb\\").to_string(), r"a\x1b[2Jb\\");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text unescaped, with U+FFFD for what is no UTF-8. Not for a terminal.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// No text.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Bytes::new())
    }

    /// The same text in memory of its own, for whoever keeps it longer than its message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = SHOWN;
        for byte in &self.0 {
            let width = match byte {
                b'\\' => 2,
                0x20..0x7f => 1,
                _ => 4,
            };
            if width > room {
                return f.write_char('…');
            }
            room -= width;
            match width {
                1 => f.write_char(char::from(*byte))?,
                2 => f.write_str(r"\\")?,
                _ => write!(f, r"\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_bounded_and_printable() {
        let hostile = Text::from(Bytes::from((0..=255).cycle().take(10_000).collect::<Vec<u8>>()));
        let shown = hostile.to_string();
        assert!(shown.chars().count() <= SHOWN + 1);
        assert!(shown.trim_end_matches('…').bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert_eq!(Text::from("x".repeat(256)).to_string(), "x".repeat(256));
        assert_eq!(Text::from("x".repeat(257)).to_string(), "x".repeat(256) + "…");
    }
}
