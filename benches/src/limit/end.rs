//! One end of a connection as an ideal loop on tokio: a task that owns its socket and two buffers.

use secp256k1::ellswift::ElligatorSwiftParty;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::agreement::{Exchange, Terminator};
use super::wire::{Input, MAGIC, Message, Said, V1, V2, Wire};

/// An end whose frames are of one transport.
pub(super) struct End<W> {
    pub(super) stream: TcpStream,
    pub(super) input: Input,
    /// What is to be written, together.
    pub(super) output: Vec<u8>,
    seal: W,
    open: W,
}

impl<W: Wire> End<W> {
    pub(super) fn new(stream: TcpStream, seal: W, open: W) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self { stream, input: Input::new(4_096), output: Vec::with_capacity(512), seal, open }
    }

    pub(super) fn push(&mut self, message: &Message) {
        self.seal.seal(&mut self.output, message);
    }

    /// Writes what was pushed; `false` when the other end has gone.
    pub(super) async fn flush(&mut self) -> bool {
        let written = self.stream.write_all(&self.output).await.is_ok();
        self.output.clear();
        written
    }

    /// Reads until at least one whole frame is there and hands all of them to `each`, with what it
    /// needs to answer; how many there were, or `None` when the other end has gone.
    pub(super) async fn receive(
        &mut self,
        mut each: impl FnMut(&mut W, &mut Vec<u8>, Said<'_>),
    ) -> Option<u64> {
        loop {
            let Self { input, output, seal, open, .. } = self;
            let count = input.frames(open, |said| each(seal, output, said));
            if count > 0 {
                return Some(count);
            }
            if !read(&mut self.stream, &mut self.input).await {
                return None;
            }
        }
    }

    /// Waits for so many frames; `false` when the other end has gone.
    pub(super) async fn expect(&mut self, wanted: u64) -> bool {
        let mut count = 0;
        while count < wanted {
            match self.receive(|_, _, said| assert!(said.payload.len() < 1_000)).await {
                Some(more) => count += more,
                None => return false,
            }
        }
        true
    }
}

/// Reads once; `false` at the end.
async fn read(stream: &mut TcpStream, input: &mut Input) -> bool {
    match stream.read(input.room()).await {
        Ok(count) if count > 0 => {
            input.filled(count);
            true
        }
        _ => false,
    }
}

/// The packet that ends v2's handshake, which has no contents.
const NOTHING: &Message = &Message { command: [0; 12], id: 0, payload: Vec::new() };

/// An end that has dialled, v2: key; then, once theirs is here, terminator and version packet, which
/// are left for the next [`End::flush`]. `None` when the other end has gone.
pub(super) async fn dial_v2(mut stream: TcpStream) -> Option<End<V2>> {
    stream.set_nodelay(true).expect("a socket");
    let exchange = Exchange::new(ElligatorSwiftParty::A);
    stream.write_all(&exchange.public()).await.ok()?;
    agree(stream, Input::new(8_192), &exchange, false).await
}

/// An end that was dialled, v2: all of it as soon as their key is here.
pub(super) async fn answer_v2(stream: TcpStream) -> Option<End<V2>> {
    answer_v2_with(stream, Input::new(8_192)).await
}

async fn answer_v2_with(stream: TcpStream, input: Input) -> Option<End<V2>> {
    stream.set_nodelay(true).expect("a socket");
    let exchange = Exchange::new(ElligatorSwiftParty::B);
    agree(stream, input, &exchange, true).await
}

async fn agree(
    mut stream: TcpStream,
    mut input: Input,
    exchange: &Exchange,
    key_too: bool,
) -> Option<End<V2>> {
    while input.filled_part().len() < 64 {
        if !read(&mut stream, &mut input).await {
            return None;
        }
    }
    let theirs = input.take(64).try_into().expect("64 bytes");
    let keys = exchange.finish(theirs);
    let mut end = End { input, ..End::new(stream, keys.seal, keys.open) };
    if key_too {
        end.output.extend_from_slice(&exchange.public());
    }
    end.output.extend_from_slice(&keys.ours);
    end.push(NOTHING);
    if key_too && !end.flush().await {
        return None;
    }
    end.skip_garbage(&keys.theirs).await.then_some(end)
}

impl End<V2> {
    /// Reads up to the terminator; what comes before it is authenticated with the first packet.
    async fn skip_garbage(&mut self, terminator: &Terminator) -> bool {
        loop {
            let there = self.input.filled_part();
            if let Some(at) = there.windows(16).position(|bytes| bytes == terminator) {
                self.open.authenticate(self.input.take(at));
                self.input.take(16);
                return true;
            }
            if there.len() > 4_095 + 16 || !read(&mut self.stream, &mut self.input).await {
                return false;
            }
        }
    }
}

/// An end that was dialled with whichever transport.
pub(super) enum Answering {
    V1(End<V1>),
    V2(Box<End<V2>>),
}

/// Looks at the first bytes to know the transport.
pub(super) async fn answer(mut stream: TcpStream) -> Option<Answering> {
    let mut input = Input::new(8_192);
    if !read(&mut stream, &mut input).await {
        return None;
    }
    // Who sends less than a magic at first is nobody that we measure with.
    if input.filled_part().starts_with(&MAGIC) {
        return Some(Answering::V1(End { input, ..End::new(stream, V1, V1) }));
    }
    let end = answer_v2_with(stream, input).await?;
    Some(Answering::V2(Box::new(end)))
}
