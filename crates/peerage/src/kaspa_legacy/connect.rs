//! From a target or a stream to a [`Peer`].

use std::sync::Arc;

use peerage_peer::{Handler, InvalidTarget, OpenError, Target, event_stream};
use peerage_wire::Direction;
use peerage_wire_kaspa::legacy::KaspaLegacy;
use tokio::io::{AsyncRead, AsyncWrite};

use super::helpers::Memory;
use super::listener::Dispatch;
use super::{Config, Events, Listener, Peer};
use crate::memory::Remembering;

/// Dials a peer and opens a connection to it.
///
/// `target` is `host:port` or a socket address. The whole takes at most 30 s
/// ([`EngineConfig::opening_timeout`](super::EngineConfig)), as in kaspad.
///
/// Must be called inside a tokio runtime; the connection lives on a task of its own.
///
/// ```no_run
/// use peerage::kaspa_legacy::{self, Config, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (peer, mut events) = kaspa_legacy::connect("127.0.0.1:16511", &Config::simnet()).await?;
/// peer.send(&Message::GetSelTip).await?;
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
    let (events, handler) = event_stream(&config.engine);
    Ok((dial(target, config, |_| handler).await?, events))
}

/// Dials a peer as [`connect`] does, with a listener in place of an event stream.
///
/// ```no_run
/// use peerage::kaspa_legacy::{self, Config, Listener, Peer, message::Inventory};
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
/// let config = Config::simnet();
/// let peer = kaspa_legacy::connect_with("127.0.0.1:16511", &config, Count(0)).await?;
/// println!("ended: {}", peer.closed().await);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(
    target: impl TryInto<Target, Error: Into<InvalidTarget>>,
    config: &Config,
    listener: impl Listener,
) -> Result<Peer, OpenError> {
    dial(target, config, |memory| Dispatch::new(listener, memory)).await
}

/// Opens a connection over a stream that the caller has accepted from a remote: a `TcpStream` of a
/// `TcpListener`, or anything that reads and writes. How many strangers may be there at once is the
/// caller's to say.
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
/// As [`connect`].
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

async fn dial<H: Handler<KaspaLegacy>>(
    target: impl TryInto<Target, Error: Into<InvalidTarget>>,
    config: &Config,
    handler: impl FnOnce(Arc<Memory>) -> H,
) -> Result<Peer, OpenError> {
    let target = target.try_into().map_err(|error| OpenError::InvalidTarget(error.into()))?;
    let setup = config.setup(Some(&target));
    let memory = Memory::shared();
    let mut handler = Some(Remembering::new(handler(memory.clone()), memory.clone()));
    let handle = peerage_peer::connect(target, config.proxy.as_ref(), &setup, || {
        handler.take().expect("without v2 there is one attempt")
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
    H: Handler<KaspaLegacy>,
{
    let remote = peerage_peer::tcp(&stream).and_then(|tcp| tcp.peer_addr().ok());
    let setup = config.setup(remote.map(Target::Address).as_ref());
    let memory = Memory::shared();
    let handler = Remembering::new(handler(memory.clone()), memory.clone());
    let handle = peerage_peer::open(stream, direction, &setup, handler).await?;
    Ok(Peer::new(handle, memory))
}
