//! From a target or a stream to an established connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use peerage_peer_core::{Config, DisconnectReason, Fault, PeerId, Retry};
use peerage_transport::{Admit, Transport, V2};
use peerage_wire::{Direction, FramedKind, Protocol, Rng};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::driver::{Driver, Parts};
use crate::handler::Handler;
use crate::link::Link;
use crate::shared::Shared;
use crate::socks::{Socks5, SocksError};
use crate::stats::Addresses;
use crate::supervise::Work;
use crate::tcp::TcpLink;
use crate::{Budget, InvalidTarget, PeerHandle, Target, dial};

/// Everything that a connection is made with.
#[derive(Clone)]
pub struct Setup<P: Protocol> {
    /// What we say of ourselves.
    pub identity: Arc<P::Identity>,
    /// Times and bounds.
    pub config: Arc<Config>,
    /// The network's magic.
    pub magic: [u8; 4],
    /// Whether v2 is used.
    pub v2: V2,
    /// Asked before each curve operation of a v2 responder.
    pub admit: Option<Admit>,
    /// The memory that connections share.
    pub budget: Budget,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing to dial.
    #[error(transparent)]
    InvalidTarget(#[from] InvalidTarget),
    /// Nobody could be reached: no such name, no route, nobody listening.
    #[error("cannot reach {target}: {source}")]
    Unreachable {
        /// Who was dialled.
        target: Target,
        /// What went wrong.
        source: io::Error,
    },
    /// The proxy did not connect us.
    #[error(transparent)]
    Proxy(#[from] SocksError),
    /// The opening was not done within its time, dialling included.
    #[error("the opening was not done in time")]
    TimedOut,
    /// The connection was made, and ended before both sides agreed.
    #[error("the opening failed: {reason}")]
    Ended {
        /// Why.
        reason: DisconnectReason,
        /// Whether another attempt makes sense, and how.
        retry: Retry,
    },
}

impl OpenError {
    /// How many of our bytes a remote must have been offered before its hanging up counts as a
    /// dislike of v2: BIP324 suggests it for whoever sent at least a v1 header's worth.
    const OFFERED: u64 = 24;

    pub(crate) fn ended(reason: DisconnectReason, sent: u64, may_fall_back: bool) -> Self {
        let hung_up = matches!(reason, DisconnectReason::RemoteClosed | DisconnectReason::Io(_));
        let retry = if may_fall_back && hung_up && sent >= Self::OFFERED {
            Retry::WithV1
        } else {
            reason.retry()
        };
        Self::Ended { reason, retry }
    }

    /// Whether another attempt makes sense.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Ended { retry, .. } => *retry,
            Self::InvalidTarget(_) => Retry::Never,
            _ => Retry::Later,
        }
    }

    /// Whose fault it was.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Ended { reason, .. } => reason.fault(),
            Self::TimedOut => Fault::Slowness,
            Self::InvalidTarget(_) => Fault::Local,
            Self::Unreachable { .. } | Self::Proxy(_) => Fault::Nobody,
        }
    }
}

/// Dials `target`, directly or through a proxy, and opens a connection with `handler`.
///
/// The whole takes at most [`Config::opening_timeout`]. Where v2 is
/// [`Preferred`](V2::Preferred), and the remote hangs up on our v2 key without a byte of its own,
/// it is dialled again with v1 within that time; `again` makes the second attempt's handler.
///
/// # Errors
/// [`OpenError`].
pub async fn connect<P: Protocol<Kind: FramedKind>, H: Handler<P>>(
    target: Target,
    proxy: Option<&Socks5>,
    setup: &Setup<P>,
    mut handler: impl FnMut() -> H,
) -> Result<PeerHandle<P>, OpenError> {
    let deadline = Instant::now() + setup.config.opening_timeout;
    let first = attempt(&target, proxy, setup, Dial::First, handler(), deadline).await;
    match first {
        Err(error) if setup.v2 == V2::Preferred && error.retry() == Retry::WithV1 => {
            tracing::debug!(%target, "the remote hung up on v2: dialling again with v1");
            attempt(&target, proxy, setup, Dial::AfterV2, handler(), deadline).await
        }
        result => result,
    }
}

/// Opens a connection over a stream that the caller brings, in the given direction. A TCP stream
/// gets the options that a dialled one has (no delay, little unsent data in the kernel).
///
/// # Errors
/// [`OpenError`]. A remote that hangs up on our v2 key gives [`Retry::WithV1`]: the caller may bring
/// another stream and set v2 [`Off`](V2::Off).
pub async fn open<P, S, H>(
    stream: S,
    direction: Direction,
    setup: &Setup<P>,
    handler: H,
) -> Result<PeerHandle<P>, OpenError>
where
    P: Protocol<Kind: FramedKind>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<P>,
{
    let addresses = dial::tcp(&stream).map_or_else(Addresses::default, |tcp| {
        dial::tune(tcp);
        let remote = tcp.peer_addr().ok().map(Target::Address);
        Addresses { remote, local: tcp.local_addr().ok() }
    });
    open_with(stream, direction, setup, Dial::First, addresses, handler).await
}

/// Which attempt this is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dial {
    First,
    AfterV2,
}

async fn attempt<P: Protocol<Kind: FramedKind>, H: Handler<P>>(
    target: &Target,
    proxy: Option<&Socks5>,
    setup: &Setup<P>,
    dial: Dial,
    handler: H,
    deadline: Instant,
) -> Result<PeerHandle<P>, OpenError> {
    let opening = async {
        let stream = dial::dial(target, proxy).await?;
        let local = stream.local_addr().ok().filter(|_| proxy.is_none());
        let addresses = Addresses { remote: Some(target.clone()), local };
        open_with(stream, Direction::Outbound, setup, dial, addresses, handler).await
    };
    tokio::time::timeout_at(deadline, opening).await.unwrap_or(Err(OpenError::TimedOut))
}

async fn open_with<P, S, H>(
    stream: S,
    direction: Direction,
    setup: &Setup<P>,
    dial: Dial,
    addresses: Addresses,
    handler: H,
) -> Result<PeerHandle<P>, OpenError>
where
    P: Protocol<Kind: FramedKind>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<P>,
{
    let Setup { magic, v2, .. } = *setup;
    let mut rng = Rng::from_seed(seed()?);
    let transport = match dial {
        Dial::First => {
            let own = Rng::from_seed(rng.array());
            Transport::new(direction, magic, v2, setup.admit.clone(), own)
        }
        Dial::AfterV2 => Transport::downgraded(magic),
    };
    let link = TcpLink::new(stream, transport, magic, setup.budget.clone(), H::KEEPS);
    let session = Session {
        direction,
        identity: setup.identity.clone(),
        config: setup.config.clone(),
        budget: setup.budget.clone(),
        remote: addresses.remote,
        local: addresses.local,
    };
    let preferred = dial == Dial::First && v2 == V2::Preferred;
    establish(link, session, rng.array(), handler).await.map_err(
        |Failed { reason, received, sent }| {
            let may_fall_back = preferred && direction == Direction::Outbound && received == 0;
            OpenError::ended(reason, sent, may_fall_back)
        },
    )
}

/// What a connection is made with, whatever carries it.
#[derive(Debug)]
pub struct Session<P: Protocol> {
    /// Who dialled.
    pub direction: Direction,
    /// What we say of ourselves.
    pub identity: Arc<P::Identity>,
    /// Times and bounds.
    pub config: Arc<Config>,
    /// The memory that connections share.
    pub budget: Budget,
    /// The remote's address, where it has one.
    pub remote: Option<Target>,
    /// Our own end's address, where it has one.
    pub local: Option<SocketAddr>,
}

/// Opens a connection over a link.
///
/// # Errors
/// [`OpenError::Ended`].
pub async fn open_over<P, L, H>(
    link: L,
    session: Session<P>,
    handler: H,
) -> Result<PeerHandle<P>, OpenError>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    let failed = |failed: Failed| OpenError::ended(failed.reason, failed.sent, false);
    establish(link, session, seed()?, handler).await.map_err(failed)
}

/// How an opening ended that did not lead to a connection.
struct Failed {
    reason: DisconnectReason,
    /// Bytes read and written until then.
    received: u64,
    sent: u64,
}

async fn establish<P, L, H>(
    link: L,
    session: Session<P>,
    seed: [u8; 32],
    handler: H,
) -> Result<PeerHandle<P>, Failed>
where
    P: Protocol,
    L: Link<P::Kind>,
    H: Handler<P>,
{
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    let Session { direction, identity, config, budget, remote, local } = session;
    let shared = Arc::new(Shared::new(
        PeerId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
        direction,
        Addresses { remote, local },
        &config,
        budget,
    ));
    let parts = Parts { direction, identity, config, seed, link, handler, shared: shared.clone() };
    // Dropped with this future, it ends the connection.
    let mut work = Work::new(Driver::new(parts), shared.clone());
    match work.open().await {
        Ok(()) => {
            tokio::spawn(work.run());
            Ok(PeerHandle::owning(shared))
        }
        Err((reason, (received, sent))) => Err(Failed { reason, received, sent }),
    }
}

/// A seed from the operating system.
fn seed() -> Result<[u8; 32], OpenError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| OpenError::Ended {
        reason: DisconnectReason::Io(io::Error::other(error).kind()),
        retry: Retry::Later,
    })?;
    Ok(seed)
}

impl<P: Protocol> std::fmt::Debug for Setup<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("identity", &self.identity)
            .field("config", &self.config)
            .field("v2", &self.v2)
            .finish_non_exhaustive()
    }
}
