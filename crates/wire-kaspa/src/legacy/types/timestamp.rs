//! What a timestamp counts.

/// The unit of every timestamp on a network: in `version`, `addr` and headers.
///
/// kaspad counted seconds up to its release v0.5.0 and milliseconds from the commit after it (1
/// July 2020). Both are 64-bit numbers, and nothing on the wire tells them apart: it belongs to the
/// network.
///
/// ```
/// use peerage_wire_kaspa::legacy::types::TimestampUnit;
///
/// assert_eq!(TimestampUnit::Millis.from_unix(1_593_561_600), 1_593_561_600_000);
/// assert_eq!(TimestampUnit::Seconds.to_unix(1_593_561_600), 1_593_561_600);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampUnit {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

impl TimestampUnit {
    /// The timestamp of this moment, given in seconds since 1970.
    #[must_use]
    #[allow(clippy::wrong_self_convention)] // from seconds, in this unit
    pub const fn from_unix(self, seconds: i64) -> i64 {
        match self {
            Self::Seconds => seconds,
            Self::Millis => seconds.saturating_mul(1_000),
        }
    }

    /// The moment of this timestamp, in whole seconds since 1970.
    #[must_use]
    pub const fn to_unix(self, timestamp: i64) -> i64 {
        match self {
            Self::Seconds => timestamp,
            Self::Millis => timestamp.div_euclid(1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_down_and_never_overflow() {
        assert_eq!(TimestampUnit::Millis.to_unix(1_999), 1);
        assert_eq!(TimestampUnit::Millis.to_unix(-1), -1);
        assert_eq!(TimestampUnit::Millis.from_unix(i64::MAX), i64::MAX);
    }
}
