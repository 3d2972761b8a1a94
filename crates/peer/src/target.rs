//! Whom to dial: a socket address, or a name and a port.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A socket address, or a name that is resolved when it is dialled (by the proxy, if there is one).
///
/// ```
/// use peerage_peer::Target;
///
/// assert!(matches!("127.0.0.1:8333".parse(), Ok(Target::Address(_))));
/// assert!(matches!("seed.example:8333".parse(), Ok(Target::Name(_, 8333))));
/// assert!("no-port".parse::<Target>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An IP address and port.
    Address(SocketAddr),
    /// A host name, `.onion` or other, and port.
    Name(String, u16),
}

/// Not of the form `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form host:port, such as 127.0.0.1:8333, [::1]:8333 or name:8333")]
pub struct InvalidTarget(String);

impl Target {
    /// Reads `host:port`, or `host` alone with this port; an IPv6 address alone may stand without
    /// its brackets.
    ///
    /// ```
    /// use peerage_peer::Target;
    ///
    /// let target = Target::with_default_port("::1", 8333)?;
    /// assert_eq!(target, Target::Address("[::1]:8333".parse().unwrap()));
    /// assert_eq!(Target::with_default_port("node.example:7", 8333)?.to_string(), "node.example:7");
    /// # Ok::<(), peerage_peer::InvalidTarget>(())
    /// ```
    ///
    /// # Errors
    /// If it is neither.
    pub fn with_default_port(text: &str, port: u16) -> Result<Self, InvalidTarget> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Address((ip, port).into()));
        }
        if text.contains(':') { text.parse() } else { format!("{text}:{port}").parse() }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let invalid = || InvalidTarget(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        // Digits only: numbers may otherwise begin with a sign.
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(invalid)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return if ip.is_ipv4() {
                Ok(Self::Address((ip, port).into()))
            } else {
                Err(invalid())
            };
        }
        let sound = !host.is_empty()
            && host.len() <= 255
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if sound { Ok(Self::Name(host.to_owned(), port)) } else { Err(invalid()) }
    }
}

impl TryFrom<&str> for Target {
    type Error = InvalidTarget;

    fn try_from(text: &str) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl TryFrom<String> for Target {
    type Error = InvalidTarget;

    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl From<std::convert::Infallible> for InvalidTarget {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}
