//! What the cases that all coins share need of a coin: how its peers are made, and a few messages.

use std::fmt;
use std::ops::Deref;

use peerage::bitcoin::{EngineConfig, OpenError, PeerHandle};
use peerage::{bitcoin, kaspa, kaspa_legacy};
use peerage_peer::Events;
use peerage_wire::Protocol;
use tokio::net::TcpStream;

use crate::report::Transport;
use crate::world::streams;

pub(crate) type Message<C> = <<C as Coin>::Protocol as Protocol>::Message;

/// A coin, and how its messages travel; shown as the transport of a figure.
pub(crate) trait Coin: Copy + fmt::Display + Send + Sync + 'static {
    /// What its cases begin with.
    const GROUP: &'static str;
    /// The version of the protocol in which messages are measured.
    const VERSION: u32;

    type Protocol: Protocol<Message: Sync>;
    type Config: Clone + Send + Sync + 'static;
    type Peer: Deref<Target = PeerHandle<Self::Protocol>> + Clone + Send + Sync + 'static;

    /// The defaults, with this transport.
    fn config(self) -> Self::Config;

    /// The same for the other end: two ends with one identity would take each other for themselves.
    fn for_other_end(config: &Self::Config) -> Self::Config;

    fn engine(config: &mut Self::Config) -> &mut EngineConfig;

    fn initiate(
        stream: TcpStream,
        config: &Self::Config,
        hear: impl Hear<Self>,
    ) -> impl Future<Output = Result<Self::Peer, OpenError>> + Send;

    fn accept(
        stream: TcpStream,
        config: &Self::Config,
        hear: impl Hear<Self>,
    ) -> impl Future<Output = Result<Self::Peer, OpenError>> + Send;

    /// With an event stream in place of a listener.
    fn accept_stream(
        stream: TcpStream,
        config: &Self::Config,
    ) -> impl Future<Output = Result<(Self::Peer, Events<Self::Protocol>), OpenError>> + Send;

    fn is_pong(message: &Message<Self>) -> bool;

    /// Whether the message belongs to the opening, and is not what a case waits for.
    fn is_opening(message: &Message<Self>) -> bool;
}

/// A listener of any coin.
pub(crate) trait Hear<C: Coin>: Send + 'static {
    fn hear(&mut self, peer: &C::Peer, message: &Message<C>);
}

/// Two peers that listen: who dialled, who was dialled.
pub(crate) async fn pair<C: Coin>(
    config: &C::Config,
    ours: impl Hear<C>,
    theirs: impl Hear<C>,
) -> (C::Peer, C::Peer) {
    let (dialled, accepted) = streams().await;
    let other = C::for_other_end(config);
    let (ours, theirs) =
        tokio::join!(C::initiate(dialled, config, ours), C::accept(accepted, &other, theirs));
    (ours.expect("an opening"), theirs.expect("an opening"))
}

/// A peer that listens, and one with an event stream: who dialled, who was dialled.
pub(crate) async fn streaming<C: Coin>(
    config: &C::Config,
    ours: impl Hear<C>,
) -> (C::Peer, C::Peer, Events<C::Protocol>) {
    let (dialled, accepted) = streams().await;
    let other = C::for_other_end(config);
    let (ours, theirs) =
        tokio::join!(C::initiate(dialled, config, ours), C::accept_stream(accepted, &other));
    let (theirs, events) = theirs.expect("an opening");
    (ours.expect("an opening"), theirs, events)
}

/// Legacy Kaspa, which has frames as Bitcoin's v1.
#[derive(Clone, Copy)]
pub(crate) struct KaspaLegacy;

impl fmt::Display for KaspaLegacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Transport::V1.fmt(f)
    }
}

/// Today's Kaspa, whose messages may be compressed.
#[derive(Clone, Copy)]
pub(crate) enum Kaspa {
    /// The defaults: no message of ours is compressed.
    Plain,
    /// All messages of both ends are.
    Gzip,
}

impl fmt::Display for Kaspa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "grpc",
            Self::Gzip => "grpc+gzip",
        })
    }
}

/// Makes a listener of the coin's own out of what hears.
struct Hearing<H>(H);

/// What differs between the modules of the library in nothing but their names.
macro_rules! coin {
    ($module:ident, $protocol:ident, $group:literal, $version:literal, {
        new: $new:expr,
        config: $config:expr,
        opening: $opening:pat,
    }, for $coin:ty) => {
        impl Coin for $coin {
            const GROUP: &'static str = $group;
            const VERSION: u32 = $version;

            type Protocol = $module::$protocol;
            type Config = $module::Config;
            type Peer = $module::Peer;

            fn config(self) -> $module::Config {
                $config(self)
            }

            fn for_other_end(config: &$module::Config) -> $module::Config {
                let mut other = config.clone();
                other.identity = $new.identity;
                other
            }

            fn engine(config: &mut $module::Config) -> &mut EngineConfig {
                &mut config.engine
            }

            async fn initiate(
                stream: TcpStream,
                config: &$module::Config,
                hear: impl Hear<Self>,
            ) -> Result<$module::Peer, OpenError> {
                $module::initiate_with(stream, config, Hearing(hear)).await
            }

            async fn accept(
                stream: TcpStream,
                config: &$module::Config,
                hear: impl Hear<Self>,
            ) -> Result<$module::Peer, OpenError> {
                $module::accept_with(stream, config, Hearing(hear)).await
            }

            async fn accept_stream(
                stream: TcpStream,
                config: &$module::Config,
            ) -> Result<($module::Peer, $module::Events), OpenError> {
                $module::accept(stream, config).await
            }

            fn is_pong(message: &$module::Message) -> bool {
                message.kind() == $module::Kind::Pong
            }

            fn is_opening(message: &$module::Message) -> bool {
                matches!(message.kind(), $opening)
            }
        }

        impl<H: Hear<$coin>> $module::Listener for Hearing<H> {
            fn on_message(&mut self, peer: &$module::Peer, message: &$module::Message) {
                self.0.hear(peer, message);
            }
        }
    };
}

coin!(bitcoin, Bitcoin, "", 70_016, {
    new: bitcoin::Config::regtest(),
    config: crate::world::config,
    opening: bitcoin::Kind::Verack | bitcoin::Kind::SendAddrV2 | bitcoin::Kind::WtxidRelay,
}, for Transport);

coin!(kaspa_legacy, KaspaLegacy, "kaspa-legacy/", 1, {
    new: kaspa_legacy::Config::simnet(),
    config: |_| kaspa_legacy::Config::simnet(),
    opening: kaspa_legacy::Kind::Verack,
}, for KaspaLegacy);

coin!(kaspa, Kaspa, "kaspa/", 11, {
    new: kaspa::Config::simnet(),
    config: kaspa_config,
    opening: kaspa::Kind::Version | kaspa::Kind::Verack | kaspa::Kind::Ready,
}, for Kaspa);

fn kaspa_config(kaspa: Kaspa) -> kaspa::Config {
    let mut config = kaspa::Config::simnet();
    config.gzip.send = matches!(kaspa, Kaspa::Gzip);
    config
}
