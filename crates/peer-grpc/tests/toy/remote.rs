//! Remotes that are scripted by hand, on HTTP/2 as the library gives it.

use bytes::Bytes;
use h2::{RecvStream, SendStream, client, server};
use http::{Method, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::Said;

/// One call, whoever made it.
pub(crate) struct Remote {
    pub(crate) send: SendStream<Bytes>,
    pub(crate) receive: RecvStream,
    /// What the other side said in its head.
    pub(crate) headers: http::HeaderMap,
    heard: Vec<u8>,
    /// Moves the connection.
    pub(crate) work: JoinHandle<Result<(), h2::Error>>,
}

/// Builds a remote that calls.
pub(crate) struct Client {
    pub(crate) builder: client::Builder,
    pub(crate) request: Request<()>,
}

impl Default for Client {
    fn default() -> Self {
        let mut builder = client::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
        let request = Request::builder()
            .method(Method::POST)
            .uri("http://localhost/toy.Toy/Talk")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        Self { builder, request }
    }
}

impl Client {
    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// Calls, and waits for the head of the answer.
    pub(crate) async fn call<S>(self, io: S) -> Result<Remote, h2::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut calls, connection) = self.builder.handshake(io).await?;
        let work = tokio::spawn(connection);
        let (response, send) = calls.send_request(self.request, false)?;
        let (head, receive) = response.await?.into_parts();
        Ok(Remote { send, receive, headers: head.headers, heard: Vec::new(), work })
    }
}

/// Builds a remote that is called.
pub(crate) struct Server {
    pub(crate) builder: server::Builder,
    pub(crate) response: Response<()>,
}

impl Default for Server {
    fn default() -> Self {
        let mut builder = server::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
        let response = Response::builder().header("content-type", "application/grpc");
        Self { builder, response: response.body(()).unwrap() }
    }
}

impl Server {
    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.response.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// Waits to be called, and answers.
    pub(crate) async fn answer<S>(self, io: S) -> Remote
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut connection = self.builder.handshake(io).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let (head, receive) = request.into_parts();
        let send = respond.send_response(self.response, false).unwrap();
        let work = tokio::spawn(async move {
            while let Some(call) = connection.accept().await {
                call?;
            }
            Ok(())
        });
        Remote { send, receive, headers: head.headers, heard: Vec::new(), work }
    }
}

/// A message as the stream carries it.
pub(crate) fn framed(flag: u8, body: &[u8]) -> Bytes {
    let mut bytes = vec![flag];
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.into()
}

impl Remote {
    /// Sends these bytes as one piece, whatever the window.
    pub(crate) fn say(&mut self, bytes: impl Into<Bytes>) {
        self.send.send_data(bytes.into(), false).unwrap();
    }

    pub(crate) fn say_message(&mut self, message: &Said) {
        self.say(framed(0, &message.envelope));
    }

    /// The next message: its flag and its body. `None` at the end of the stream.
    pub(crate) async fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [flag, a, b, c, d, body @ ..] = &self.heard[..] {
                let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                if body.len() >= len {
                    let message = (*flag, body[..len].to_vec());
                    self.heard.drain(..5 + len);
                    return Some(message);
                }
            }
            let chunk = super::within(self.receive.data()).await?.ok()?;
            self.receive.flow_control().release_capacity(chunk.len()).unwrap();
            self.heard.extend_from_slice(&chunk);
        }
    }

    /// The next message, unpacked.
    pub(crate) async fn hear_message(&mut self) -> Option<Vec<u8>> {
        let (flag, body) = self.hear().await?;
        assert_eq!(flag, 0);
        Some(body)
    }
}
