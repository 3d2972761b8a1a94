//! From a target or a stream to an established connection.

use http::uri::Authority;
use peerage_peer::{
    Handler, OpenError, PeerHandle, Session, Socks5, Target, dial, open_over, tcp, tune,
};
use peerage_wire::{Direction, Envelope, Protocol};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::{GrpcLink, Options};

/// Dials `target`, directly or through a proxy, and opens a connection with `handler`.
///
/// The session's direction and addresses are set here. The whole takes at most
/// [`Config::opening_timeout`](peerage_peer::Config::opening_timeout), dialling included.
///
/// # Errors
/// [`OpenError`].
pub async fn connect<P, H>(
    target: Target,
    proxy: Option<&Socks5>,
    session: Session<P>,
    options: &Options,
    handler: H,
) -> Result<PeerHandle<P>, OpenError>
where
    P: Protocol<Kind: Envelope>,
    H: Handler<P>,
{
    let deadline = Instant::now() + session.config.opening_timeout;
    let opening = async {
        let stream = dial(&target, proxy).await?;
        let local = stream.local_addr().ok().filter(|_| proxy.is_none());
        let remote = Some(target.clone());
        let session = Session { direction: Direction::Outbound, remote, local, ..session };
        open_with(stream, session, options, handler).await
    };
    tokio::time::timeout_at(deadline, opening).await.unwrap_or(Err(OpenError::TimedOut))
}

/// Opens a connection over a stream that the caller brings. Who dialled calls, the other answers. A
/// TCP stream gets the options that a dialled one has, and tells the addresses that the session
/// leaves open.
///
/// # Errors
/// [`OpenError`].
pub async fn open<P, S, H>(
    stream: S,
    session: Session<P>,
    options: &Options,
    handler: H,
) -> Result<PeerHandle<P>, OpenError>
where
    P: Protocol<Kind: Envelope>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<P>,
{
    let mut session = session;
    if let Some(tcp) = tcp(&stream) {
        tune(tcp);
        let remote = || tcp.peer_addr().ok().map(Target::Address);
        session.remote = session.remote.or_else(remote);
        session.local = session.local.or_else(|| tcp.local_addr().ok());
    }
    open_with(stream, session, options, handler).await
}

async fn open_with<P, S, H>(
    stream: S,
    session: Session<P>,
    options: &Options,
    handler: H,
) -> Result<PeerHandle<P>, OpenError>
where
    P: Protocol<Kind: Envelope>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler<P>,
{
    let (options, budget) = (options.clone(), session.budget.clone());
    let link = match session.direction {
        Direction::Outbound => {
            let authority = authority(&options, session.remote.as_ref());
            GrpcLink::<S, P::Kind>::client(stream, authority, options, budget)
        }
        Direction::Inbound => GrpcLink::server(stream, options, budget),
    };
    let link = if H::KEEPS { link.keeping_messages() } else { link };
    open_over(link, session, handler).await
}

/// Whom the request names: who was dialled, or nobody in particular.
fn authority(options: &Options, remote: Option<&Target>) -> Authority {
    let dialled = || remote.and_then(|remote| remote.to_string().parse().ok());
    let nobody = || Authority::from_static("localhost");
    options.authority.clone().or_else(dialled).unwrap_or_else(nobody)
}
