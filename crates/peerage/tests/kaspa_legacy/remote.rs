//! A remote at the other end of a pipe, which says and hears frames.

use std::time::Duration;

use bytes::Bytes;
use peerage::kaspa_legacy::message::Version;
use peerage::kaspa_legacy::types::{Hash, PeerAddress, Services, UserAgent};
use peerage::kaspa_legacy::{
    Command, Config, Events, Kind, Listener, Message, Network, Peer, accept, accept_with,
};
use peerage_wire::{FrameHeader, FramedKind as _, HEADER_LEN, Message as _, checksum};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

/// What a pipe holds, in bytes.
pub(crate) const PIPE: usize = 64 << 10;

/// The other end.
pub(crate) struct Remote {
    io: DuplexStream,
    network: Network,
}

impl Remote {
    /// A remote on simnet, and the end of the pipe that is ours.
    pub(crate) fn pair() -> (Self, DuplexStream) {
        let (ours, io) = duplex(PIPE);
        (Self { io, network: Network::simnet() }, ours)
    }

    /// A remote that has dialled us, been answered and taken our `version` and `verack`.
    pub(crate) async fn dialling(config: &Config) -> (Peer, Events, Self) {
        let (mut remote, ours) = Self::pair();
        let (opened, ()) = tokio::join!(accept(ours, config), remote.introduce(version()));
        let (peer, events) = opened.unwrap();
        (peer, events, remote)
    }

    /// As [`Self::dialling`], with a listener.
    pub(crate) async fn heard_by(config: &Config, listener: impl Listener) -> (Peer, Self) {
        let (mut remote, ours) = Self::pair();
        let opened = accept_with(ours, config, listener);
        let (opened, ()) = tokio::join!(opened, remote.introduce(version()));
        (opened.unwrap(), remote)
    }

    async fn introduce(&mut self, version: Version) {
        self.say(&Message::Version(Box::new(version))).await;
        self.expect(Kind::Version).await;
        self.expect(Kind::Verack).await;
    }

    pub(crate) async fn say(&mut self, message: &Message) {
        let mut payload = Vec::new();
        message.encode(1, &mut payload);
        self.say_frame(message.kind().into(), &payload).await;
    }

    /// Says a well-formed frame around any payload.
    pub(crate) async fn say_frame(&mut self, command: Command, payload: &[u8]) {
        let len = u32::try_from(payload.len()).unwrap();
        let magic = self.network.magic;
        let header = FrameHeader { magic, command, len, checksum: checksum(payload) };
        self.say_bytes(&[&header.to_bytes()[..], payload].concat()).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// The next frame as it came, or `None` at the end.
    pub(crate) async fn hear_bytes(&mut self) -> Option<Vec<u8>> {
        let mut frame = vec![0; HEADER_LEN];
        let patience = Duration::from_secs(600);
        let read = tokio::time::timeout(patience, self.io.read_exact(&mut frame)).await;
        read.expect("something comes, or the end").ok()?;
        let len = u32::from_le_bytes(*frame[16..].first_chunk().unwrap()) as usize;
        frame.resize(HEADER_LEN + len, 0);
        self.io.read_exact(&mut frame[HEADER_LEN..]).await.unwrap();
        Some(frame)
    }

    /// The next message, or `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        let frame = self.hear_bytes().await?;
        let (header, payload) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
        let header = FrameHeader::parse(header, self.network.magic).unwrap();
        assert_eq!(header.checksum, checksum(payload));
        let kind = Kind::from_command(header.command);
        Some(Message::decode(kind, Bytes::copy_from_slice(payload), 1).unwrap())
    }

    /// The next message, which is of this kind.
    pub(crate) async fn expect(&mut self, kind: Kind) -> Message {
        match self.hear().await {
            Some(message) if message.kind() == kind => message,
            other => panic!("{other:?} came where {kind} was due"),
        }
    }

    /// The next message, which is a reject: of what, with which code.
    pub(crate) async fn expect_reject(&mut self) -> (String, u8) {
        match self.expect(Kind::Reject).await {
            Message::Reject(reject) => (reject.command().to_string(), reject.code().0),
            other => panic!("{other:?}"),
        }
    }

    /// Nothing comes any more.
    pub(crate) async fn expect_end(&mut self) {
        let more = self.hear().await;
        assert!(more.is_none(), "{more:?} came where the end was due");
    }

    /// A ping is still answered, and nothing comes before the answer.
    pub(crate) async fn expect_alive(&mut self, nonce: u64) {
        self.say(&Message::ping(nonce)).await;
        let pong = self.expect(Kind::Pong).await;
        assert_eq!(pong, Message::pong(nonce));
    }
}

/// What the remote says of itself.
pub(crate) fn version() -> Version {
    Version {
        version: 1,
        services: Services::NETWORK,
        timestamp: 1_593_561_600,
        subnetwork: None,
        addr_recv: PeerAddress::UNSPECIFIED,
        addr_from: PeerAddress::UNSPECIFIED,
        nonce: 77,
        user_agent: UserAgent::from_raw(&b"/remote:1/"[..]).unwrap(),
        selected_tip: tip(),
        relay: true,
    }
}

/// The remote's selected tip.
pub(crate) fn tip() -> Hash {
    Hash::of(b"the remote's tip")
}

/// A node with bloom filters.
pub(crate) fn node() -> Config {
    let mut config = Config::simnet();
    config.identity.services = Services::NETWORK | Services::BLOOM;
    config
}
