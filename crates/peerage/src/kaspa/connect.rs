//! From a target or a stream to a [`Peer`].

use std::sync::Arc;

use peerage_peer::{Handler, InvalidTarget, OpenError, Target, event_stream};
use peerage_wire::Direction;
use peerage_wire_kaspa::proto::Kaspa;
use tokio::io::{AsyncRead, AsyncWrite};

use super::chores::Chores;
use super::correlate::{Correlating, Correlator};
use super::listener::Dispatch;
use super::{Config, Events, Listener, Peer};

/// Dials a peer and opens a connection to it.
///
/// `target` is `host:port` or a socket address. The whole takes at most 30 s
/// ([`EngineConfig::opening_timeout`](super::EngineConfig)), and its steps 4, 4 and 8 s, as in kaspad.
///
/// Must be called inside a tokio runtime; the connection lives on a task of its own.
///
/// ```no_run
/// use peerage::kaspa::{self, Config, message::RequestAddresses};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (peer, mut events) = kaspa::connect("127.0.0.1:16511", &Config::simnet()).await?;
/// let known = peer.request(RequestAddresses::default()).await?;
/// println!("{} addresses", known.addresses.len());
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
/// use peerage::kaspa::{self, Config, Listener, Message, Peer, message::InvTransactions};
///
/// struct Count(usize);
/// impl Listener for Count {
///     fn on_inv_transactions(&mut self, _: &Peer, _: &Message, inventory: &InvTransactions) {
///         self.0 += inventory.ids.len();
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::simnet();
/// let peer = kaspa::connect_with("127.0.0.1:16511", &config, Count(0)).await?;
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
    dial(target, config, |correlator| Dispatch::new(listener, correlator)).await
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
    open(stream, Direction::Inbound, config, |correlator| Dispatch::new(listener, correlator)).await
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
    open(stream, Direction::Outbound, config, |correlator| Dispatch::new(listener, correlator))
        .await
}

async fn dial<H: Handler<Kaspa>>(
    target: impl TryInto<Target, Error: Into<InvalidTarget>>,
    config: &Config,
    handler: impl FnOnce(Arc<Correlator>) -> H,
) -> Result<Peer, OpenError> {
    let target: Target =
        target.try_into().map_err(|error| OpenError::InvalidTarget(error.into()))?;
    let session = config.session(Direction::Outbound, Some(target.clone()));
    let correlator = Correlator::new(config.engine.event_limit);
    let handler = wrap(handler(correlator.clone()), config, correlator.clone());
    let (proxy, options) = (config.proxy.as_ref(), config.options());
    let handle = peerage_peer_grpc::connect(target, proxy, session, &options, handler).await?;
    Ok(Peer::new(handle, correlator))
}

async fn open<S, H>(
    stream: S,
    direction: Direction,
    config: &Config,
    handler: impl FnOnce(Arc<Correlator>) -> H,
) -> Result<Peer, OpenError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<Kaspa>,
{
    let session = config.session(direction, None);
    let correlator = Correlator::new(config.engine.event_limit);
    let handler = wrap(handler(correlator.clone()), config, correlator.clone());
    let handle = peerage_peer_grpc::open(stream, session, &config.options(), handler).await?;
    Ok(Peer::new(handle, correlator))
}

/// Chores first, because they answer what nobody waits for; then answers to those who wait.
fn wrap<H: Handler<Kaspa>>(
    handler: H,
    config: &Config,
    correlator: Arc<Correlator>,
) -> impl Handler<Kaspa> + use<H> {
    Chores::new(Correlating::new(handler, correlator), config.addresses.clone())
}
