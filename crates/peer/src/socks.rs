//! SOCKS5 (RFC 1928) with user name and password (RFC 1929): dialling through a proxy.
//!
//! A name is sent to the proxy as it is and never resolved here, so that looking it up gives
//! nothing away. Tor keeps streams with different credentials on different circuits: with
//! [`Socks5::isolated`], each connection gets random ones of its own.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::Target;

/// A SOCKS5 proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socks5 {
    /// Where it listens.
    pub proxy: Target,
    /// How to introduce ourselves to it.
    pub auth: SocksAuth,
}

/// How to introduce ourselves to a proxy.
#[derive(Clone, PartialEq, Eq)]
pub enum SocksAuth {
    /// Not at all.
    None,
    /// With a name and a password, at most 255 bytes each.
    Password {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// With random ones, new for each connection: Tor's stream isolation.
    Isolated,
}

impl Socks5 {
    /// A proxy that wants no credentials.
    #[must_use]
    pub fn new(proxy: impl Into<Target>) -> Self {
        Self { proxy: proxy.into(), auth: SocksAuth::None }
    }

    /// A Tor proxy with a circuit of its own for each connection.
    #[must_use]
    pub fn isolated(proxy: impl Into<Target>) -> Self {
        Self { proxy: proxy.into(), auth: SocksAuth::Isolated }
    }

    /// Asks the proxy at the other end of `stream` for a connection to `target`.
    ///
    /// # Errors
    /// [`SocksError`], which says whether the proxy or the target failed.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        target: &Target,
    ) -> Result<(), SocksError> {
        let credentials = self.auth.credentials()?;
        match greet(stream, credentials.is_some()).await? {
            NO_AUTH => {}
            PASSWORD => {
                let unasked = SocksError::Protocol("it chose a method that was not offered");
                authenticate(stream, credentials.as_ref().ok_or(unasked)?).await?;
            }
            REFUSED => return Err(SocksError::NoCommonMethod),
            _ => return Err(SocksError::Protocol("it chose a method that was not offered")),
        }
        request(stream, target).await
    }
}

/// Why a proxy did not give us a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocksError {
    /// The connection to the proxy failed.
    #[error("the connection to the proxy failed: {0}")]
    Io(#[from] std::io::Error),
    /// The proxy accepts none of our ways to introduce ourselves.
    #[error("the proxy wants credentials that we do not have")]
    NoCommonMethod,
    /// The proxy refused the credentials.
    #[error("the proxy refused the credentials")]
    BadCredentials,
    /// A name, a password or the target's name is longer than 255 bytes.
    #[error("{0} is longer than 255 bytes")]
    TooLong(&'static str),
    /// The proxy could not connect to the target.
    #[error("the proxy could not connect: {}", reply_text(*.0))]
    Refused(u8),
    /// The proxy does not speak SOCKS5.
    #[error("not a SOCKS5 proxy: {0}")]
    Protocol(&'static str),
}

const VERSION: u8 = 5;
const NO_AUTH: u8 = 0;
const PASSWORD: u8 = 2;
const REFUSED: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

impl SocksAuth {
    fn credentials(&self) -> Result<Option<(String, String)>, SocksError> {
        let (name, password) = match self {
            Self::None => return Ok(None),
            Self::Password { name, password } => (name.clone(), password.clone()),
            Self::Isolated => {
                let mut random = [0; 16];
                getrandom::fill(&mut random)
                    .map_err(|error| SocksError::Io(std::io::Error::other(error)))?;
                let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
                (name, "0".into())
            }
        };
        check_len("the proxy's user name", name.len())?;
        check_len("the proxy's password", password.len())?;
        Ok(Some((name, password)))
    }
}

fn check_len(what: &'static str, len: usize) -> Result<u8, SocksError> {
    u8::try_from(len).map_err(|_| SocksError::TooLong(what))
}

async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    with_password: bool,
) -> Result<u8, SocksError> {
    let methods: &[u8] =
        if with_password { &[VERSION, 2, NO_AUTH, PASSWORD] } else { &[VERSION, 1, NO_AUTH] };
    stream.write_all(methods).await?;
    stream.flush().await?;
    let mut reply = [0; 2];
    stream.read_exact(&mut reply).await?;
    if reply[0] == VERSION { Ok(reply[1]) } else { Err(SocksError::Protocol("wrong version")) }
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    (name, password): &(String, String),
) -> Result<(), SocksError> {
    let mut request = vec![1];
    for (what, text) in [("the proxy's user name", name), ("the proxy's password", password)] {
        request.push(check_len(what, text.len())?);
        request.extend_from_slice(text.as_bytes());
    }
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut reply = [0; 2];
    stream.read_exact(&mut reply).await?;
    if reply[1] == 0 { Ok(()) } else { Err(SocksError::BadCredentials) }
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: &Target,
) -> Result<(), SocksError> {
    let mut request = vec![VERSION, CONNECT, 0];
    let port = match target {
        Target::Address(SocketAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Target::Address(SocketAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Target::Name(host, port) => {
            request.extend([NAME, check_len("the target's name", host.len())?]);
            request.extend_from_slice(host.as_bytes());
            *port
        }
    };
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    read_reply(stream).await
}

async fn read_reply<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), SocksError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    if head[0] != VERSION {
        return Err(SocksError::Protocol("wrong version"));
    }
    if head[1] != 0 {
        return Err(SocksError::Refused(head[1]));
    }
    let address_len = match head[3] {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(SocksError::Protocol("unknown address type")),
    };
    // Where the proxy connected from: nobody needs it, but it stands before the peer's first byte.
    let mut bound = [0; 255 + 2];
    stream.read_exact(&mut bound[..address_len + 2]).await?;
    Ok(())
}

fn reply_text(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "expired on the way",
        7 => "command not supported",
        8 => "address type not supported",
        0xf0 => "onion service descriptor not found",
        0xf1 => "onion service descriptor invalid",
        0xf2 => "onion service introduction failed",
        0xf3 => "onion service rendezvous failed",
        0xf4 => "onion service needs authorisation",
        0xf5 => "onion service authorisation is wrong",
        0xf6 => "onion service address invalid",
        0xf7 => "onion service introduction timed out",
        _ => "unknown reason",
    }
}

impl std::fmt::Debug for SocksAuth {
    /// Shows no password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { name, .. } => f.debug_tuple("Password").field(name).finish(),
            Self::Isolated => f.write_str("Isolated"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the proxy: expects these bytes, answers those.
    async fn play(
        auth: SocksAuth,
        target: &str,
        script: &[(&[u8], &[u8])],
    ) -> Result<(), SocksError> {
        let (mut ours, mut theirs) = tokio::io::duplex(1_024);
        let target = target.parse().unwrap();
        let proxy = Target::Name("proxy".into(), 9050);
        let socks = Socks5 { proxy, auth };
        let proxy = async {
            for (expected, answer) in script {
                let mut got = vec![0; expected.len()];
                theirs.read_exact(&mut got).await.unwrap();
                assert_eq!(got, *expected);
                theirs.write_all(answer).await.unwrap();
            }
        };
        tokio::join!(socks.handshake(&mut ours, &target), proxy).0
    }

    const GRANTED: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

    #[tokio::test]
    async fn a_name_is_sent_as_it_is() {
        let request = b"\x05\x01\x00\x03\x0bexample.com\x20\x8d";
        let script: &[(&[u8], &[u8])] = &[(&[5, 1, 0], &[5, 0]), (request, GRANTED)];
        play(SocksAuth::None, "example.com:8333", script).await.unwrap();
    }

    #[tokio::test]
    async fn addresses_of_both_families_and_a_name_in_the_reply() {
        let v4: &[(&[u8], &[u8])] = &[
            (&[5, 1, 0], &[5, 0]),
            (&[5, 1, 0, 1, 1, 2, 3, 4, 0, 80], &[5, 0, 0, 3, 2, b'a', b'b', 0, 80]),
        ];
        play(SocksAuth::None, "1.2.3.4:80", v4).await.unwrap();
        let mut request = vec![5, 1, 0, 4];
        request.extend([0; 15]);
        request.extend([1, 0, 80]);
        let v6: &[(&[u8], &[u8])] = &[(&[5, 1, 0], &[5, 0]), (&request, GRANTED)];
        play(SocksAuth::None, "[::1]:80", v6).await.unwrap();
    }

    #[tokio::test]
    async fn credentials_are_given_when_they_are_wanted() {
        let auth = SocksAuth::Password { name: "me".into(), password: "xyz".into() };
        let script: &[(&[u8], &[u8])] = &[
            (&[5, 2, 0, 2], &[5, 2]),
            (b"\x01\x02me\x03xyz", &[1, 0]),
            (&[5, 1, 0, 1, 1, 2, 3, 4, 0, 80], GRANTED),
        ];
        play(auth.clone(), "1.2.3.4:80", script).await.unwrap();
        let refused: &[(&[u8], &[u8])] =
            &[(&[5, 2, 0, 2], &[5, 2]), (b"\x01\x02me\x03xyz", &[1, 1])];
        let error = play(auth, "1.2.3.4:80", refused).await.unwrap_err();
        assert!(matches!(error, SocksError::BadCredentials));
    }

    #[tokio::test]
    async fn isolation_uses_new_credentials_each_time() {
        let first = SocksAuth::Isolated.credentials().unwrap();
        let second = SocksAuth::Isolated.credentials().unwrap();
        assert!(first.is_some() && first != second);
    }

    #[tokio::test]
    async fn refusals_say_why() {
        let no_method: &[(&[u8], &[u8])] = &[(&[5, 1, 0], &[5, 0xff])];
        let error = play(SocksAuth::None, "1.2.3.4:80", no_method).await.unwrap_err();
        assert!(matches!(error, SocksError::NoCommonMethod));
        let refused: &[(&[u8], &[u8])] = &[
            (&[5, 1, 0], &[5, 0]),
            (&[5, 1, 0, 1, 1, 2, 3, 4, 0, 80], &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
        ];
        let error = play(SocksAuth::None, "1.2.3.4:80", refused).await.unwrap_err();
        assert_eq!(error.to_string(), "the proxy could not connect: connection refused");
        let http: &[(&[u8], &[u8])] = &[(&[5, 1, 0], b"HT")];
        let error = play(SocksAuth::None, "1.2.3.4:80", http).await.unwrap_err();
        assert!(matches!(error, SocksError::Protocol(_)));
    }
}
