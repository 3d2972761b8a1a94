//! From a target or a stream to a [`Peer`].

use std::sync::Arc;

use peerage_peer::{
    DisconnectReason, Handler, InvalidTarget, Local, OpenError, Retry, Setup, Target, event_stream,
};
use peerage_wire::Direction;
use peerage_wire_bitcoin::Bitcoin;
use tokio::io::{AsyncRead, AsyncWrite};

use super::helpers::Memory;
use super::listener::Dispatch;
use super::{Config, Events, Listener, Peer};
use crate::memory::Remembering;

/// Dials a peer and opens a connection to it.
///
/// `target` is `host:port` or a socket address. The whole takes at most 30 s
/// ([`EngineConfig::opening_timeout`](super::EngineConfig)); where v2 is preferred and the remote
/// hangs up on it, it is dialled again with v1 within that time. A v1 peer that neither answers our key
/// nor hangs up (a few in a thousand take it for the header of a long message) ends in a time-out.
///
/// Must be called inside a tokio runtime; the connection lives on a task of its own.
///
/// ```no_run
/// use peerage::bitcoin::{self, Config, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (peer, mut events) = bitcoin::connect("127.0.0.1:8333", &Config::mainnet()).await?;
/// peer.send(&Message::GetAddr).await?;
/// println!("{:?}", events.message().await?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`OpenError`] says whose fault it was and whether to try again.
pub async fn connect(
    target: impl TryInto<Target, Error: Into<InvalidTarget>>,
    config: &Config,
) -> Result<(Peer, Events), OpenError> {
    let target = parse(target)?;
    let mut events = None;
    let peer = dial(&target, config, |_| {
        let (stream, handler) = event_stream(&config.engine);
        events = Some(stream);
        handler
    })
    .await?;
    let events = events.expect("a connection was made with a handler");
    Ok((peer, events))
}

/// Dials a peer as [`connect`] does, with a listener in place of an event stream. `listener` makes
/// one, and is called once for each attempt: again, if v1 is tried after v2.
///
/// ```no_run
/// use peerage::bitcoin::{self, Config, Listener, Peer, message::Inventory};
///
/// struct Count(usize);
/// impl Listener for Count {
///     fn on_inv(&mut self, _peer: &Peer, inventory: Inventory) {
///         self.0 += inventory.len();
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::mainnet();
/// let peer = bitcoin::connect_with("127.0.0.1:8333", &config, || Count(0)).await?;
/// println!("ended: {}", peer.closed().await);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`connect`].
pub async fn connect_with<L: Listener>(
    target: impl TryInto<Target, Error: Into<InvalidTarget>>,
    config: &Config,
    mut listener: impl FnMut() -> L,
) -> Result<Peer, OpenError> {
    let target = parse(target)?;
    dial(&target, config, |memory| Dispatch::new(listener(), memory)).await
}

/// Opens a connection over a stream that the caller has accepted from a remote: a `TcpStream` of a
/// `TcpListener`, or anything that reads and writes. How many strangers may be there at once is the
/// caller's to say.
///
/// ```no_run
/// use peerage::bitcoin::{self, Config};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8333").await?;
/// let (stream, _) = listener.accept().await?;
/// let (peer, _events) = bitcoin::accept(stream, &Config::mainnet()).await?;
/// println!("{}", peer.remote().user_agent);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`OpenError`] says whose fault it was.
pub async fn accept<S>(stream: S, config: &Config) -> Result<(Peer, Events), OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (events, handler) = event_stream(&config.engine);
    Ok((open(stream, Direction::Inbound, config, |_| handler).await?, events))
}

/// Opens a connection as [`accept`] does, with a listener in place of an event stream.
///
/// # Errors
/// As [`accept`].
pub async fn accept_with<S>(
    stream: S,
    config: &Config,
    listener: impl Listener,
) -> Result<Peer, OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    open(stream, Direction::Inbound, config, |memory| Dispatch::new(listener, memory)).await
}

/// Opens a connection over a stream that the caller has made: as whoever dialled. The module's
/// example does it over a pipe.
///
/// # Errors
/// As [`connect`], except that there is no second attempt: where a remote hangs up on v2, the error's
/// [`retry`](OpenError::retry) is [`Retry::WithV1`], and the caller may bring
/// another stream with [`V2::Off`](super::V2::Off).
pub async fn initiate<S>(stream: S, config: &Config) -> Result<(Peer, Events), OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (events, handler) = event_stream(&config.engine);
    Ok((open(stream, Direction::Outbound, config, |_| handler).await?, events))
}

/// Opens a connection as [`initiate`] does, with a listener in place of an event stream.
///
/// # Errors
/// As [`initiate`].
pub async fn initiate_with<S>(
    stream: S,
    config: &Config,
    listener: impl Listener,
) -> Result<Peer, OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    open(stream, Direction::Outbound, config, |memory| Dispatch::new(listener, memory)).await
}

fn parse(target: impl TryInto<Target, Error: Into<InvalidTarget>>) -> Result<Target, OpenError> {
    target.try_into().map_err(|error| OpenError::InvalidTarget(error.into()))
}

async fn dial<H: Handler<Bitcoin>>(
    target: &Target,
    config: &Config,
    mut handler: impl FnMut(Arc<Memory>) -> H,
) -> Result<Peer, OpenError> {
    let setup = setup(config, Some(target))?;
    let mut memory = Memory::shared();
    let handle = peerage_peer::connect(target.clone(), config.proxy.as_ref(), &setup, || {
        memory = Memory::shared();
        Remembering::new(handler(memory.clone()), memory.clone())
    })
    .await?;
    Ok(Peer::new(handle, memory))
}

async fn open<S, H>(
    stream: S,
    direction: Direction,
    config: &Config,
    handler: impl FnOnce(Arc<Memory>) -> H,
) -> Result<Peer, OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<Bitcoin>,
{
    let remote = peerage_peer::tcp(&stream).and_then(|tcp| tcp.peer_addr().ok());
    let setup = setup(config, remote.map(Target::Address).as_ref())?;
    let memory = Memory::shared();
    let handler = Remembering::new(handler(memory.clone()), memory.clone());
    let handle = peerage_peer::open(stream, direction, &setup, handler).await?;
    Ok(Peer::new(handle, memory))
}

fn setup(config: &Config, remote: Option<&Target>) -> Result<Setup<Bitcoin>, OpenError> {
    config.setup(remote).ok_or(OpenError::Ended {
        reason: DisconnectReason::Local(Local::NoHeight),
        retry: Retry::Later,
    })
}
