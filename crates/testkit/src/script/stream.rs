//! The bytes under a script's messages.

use std::io::ErrorKind;

use bytes::Bytes;
use peerage_transport::Frame;
use peerage_wire::Message as _;
use peerage_wire_bitcoin::{Kind, Message};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Script;

impl<S: AsyncRead + AsyncWrite + Unpin> Script<S> {
    pub(super) fn decode(&mut self, frame: Frame<Kind>) -> Message {
        self.log.push(format!("< {} ({} bytes)", frame.kind, frame.payload.len()));
        let payload = Bytes::copy_from_slice(&frame.payload);
        match Message::decode(frame.kind, payload, self.agreed) {
            Ok(message) => message,
            Err(error) => self.fail(&format!("{} is malformed: {error}", frame.kind)),
        }
    }

    pub(super) fn take_frame(&mut self) -> Option<Frame<Kind>> {
        match self.transport.next_frame(&mut self.input) {
            Ok(frame) => frame,
            Err(error) => self.fail(&format!("what came is no frame: {error}")),
        }
    }

    pub(super) async fn flush_handshake(&mut self) {
        let mut out = Vec::new();
        self.transport.take_handshake(&mut out);
        if !out.is_empty() {
            self.log.push(format!("> handshake ({} bytes)", out.len()));
            self.write(&out).await;
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let written = tokio::time::timeout(self.patience, self.io.write_all(bytes)).await;
        match written {
            Ok(Ok(())) => self.sent += bytes.len() as u64,
            Ok(Err(error)) => self.fail(&format!("writing failed: {error}")),
            Err(_) => self.fail("what was said was not taken in time"),
        }
    }

    pub(super) async fn read(&mut self) {
        let read = self.io.read_buf(&mut self.input);
        match tokio::time::timeout(self.patience, read).await {
            Ok(Ok(count)) => {
                self.received += count as u64;
                self.eof = count == 0;
            }
            Ok(Err(error)) if is_end(error.kind()) => self.eof = true,
            Ok(Err(error)) => self.fail(&format!("reading failed: {error}")),
            Err(_) => self.fail("nothing came in time"),
        }
    }

    pub(super) fn fail(&self, what: &str) -> ! {
        panic!("{what}\nsaid (>) and heard (<) until then:\n{}", self.log.join("\n"))
    }
}

fn is_end(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}
