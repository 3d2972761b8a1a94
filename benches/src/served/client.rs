//! The client: it blocks, and uses our framing for both transports.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use peerage::bitcoin::{Kind, Network};
use peerage_transport::Transport as Framing;
use peerage_wire::{Direction, MAX_PAYLOAD, Rng};
use socket2::{Domain, Socket, Type};

use crate::report::Transport;
use crate::world::config;

/// A raw connection that has been opened. Ends by a reset: thousands of sockets that wait for
/// stragglers would use up the ports.
pub(super) struct Client {
    stream: TcpStream,
    framing: Framing<Kind>,
    input: BytesMut,
    output: Vec<u8>,
}

impl Client {
    pub(super) fn open(address: SocketAddr, transport: Transport) -> io::Result<Self> {
        let (policy, number) = (config(transport).v2, next_number());
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let magic = Network::regtest().magic;
        let rng = Rng::from_seed(seed);
        let framing = Framing::new(Direction::Outbound, magic, policy, None, rng);
        let input = BytesMut::with_capacity(64 << 10);
        let stream = dial(address)?;
        let mut client = Self { stream, framing, input, output: Vec::new() };
        client.framing.set_max_payload(MAX_PAYLOAD);
        client.framing.take_handshake(&mut client.output);
        client.flush()?;
        while !client.framing.is_open() {
            client.read()?;
            if client.frame()?.is_some() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        client.framing.take_handshake(&mut client.output);
        client.push(Kind::Version, &version(number));
        client.flush()?;
        client.expect(Kind::Version)?;
        client.push(Kind::SendAddrV2, &[]);
        client.push(Kind::Verack, &[]);
        client.ping(1)?;
        client.expect(Kind::Verack)?;
        client.pongs(1)?;
        Ok(client)
    }

    fn push(&mut self, kind: Kind, payload: &[u8]) {
        self.framing.seal(kind, payload, None, &mut self.output);
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_all(&self.output);
        self.output.clear();
        written
    }

    /// Sends so many pings together.
    pub(super) fn ping(&mut self, count: u64) -> io::Result<()> {
        for nonce in 0..count {
            self.push(Kind::Ping, &nonce.to_le_bytes());
        }
        self.flush()
    }

    pub(super) fn pongs(&mut self, count: u64) -> io::Result<()> {
        (0..count).try_for_each(|_| self.expect(Kind::Pong))
    }

    /// Waits for this message; answers pings and passes over the rest.
    fn expect(&mut self, wanted: Kind) -> io::Result<()> {
        loop {
            match self.frame()? {
                Some((kind, _)) if kind == wanted => return Ok(()),
                Some((Kind::Ping, nonce)) => {
                    self.push(Kind::Pong, &nonce);
                    self.flush()?;
                }
                Some(_) => {}
                None => self.read()?,
            }
        }
    }

    fn frame(&mut self) -> io::Result<Option<(Kind, bytes::Bytes)>> {
        let frame = self.framing.next_frame(&mut self.input);
        let frame = frame.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(frame.map(|frame| (frame.kind, frame.payload)))
    }

    fn read(&mut self) -> io::Result<()> {
        let before = self.input.len();
        self.input.resize(before + (16 << 10), 0);
        let read = self.stream.read(&mut self.input[before..]);
        self.input.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read.map(drop),
        }
    }
}

/// Dials from another /24 each time.
fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, _, high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let source = SocketAddr::from((Ipv4Addr::new(127, 1 + high % 250, low, 1), 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&source.into())?;
    socket.connect(&address.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(socket.into())
}

/// A number that was not used before: two peers with one nonce would take each other for themselves.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u64::from(std::process::id()) << 32 | NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A `version` of now, with this nonce.
fn version(nonce: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut version = crate::samples::version();
    version[12..20].copy_from_slice(&now.to_le_bytes());
    version[72..80].copy_from_slice(&nonce.to_le_bytes());
    version
}
