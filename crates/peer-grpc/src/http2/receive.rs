//! What comes over the stream: the head of the response, messages, and what tells the end.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use peerage_peer_core::DisconnectReason;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Http2, Receive};
use crate::head;

impl<S> Http2<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// The next bytes of messages, if they have come.
    pub(crate) fn chunk(&mut self) -> Option<Bytes> {
        let cx = &mut Context::from_waker(Waker::noop());
        if let Receive::Messages(stream) = &mut self.receive {
            match stream.poll_data(cx) {
                Poll::Ready(Some(Ok(chunk))) => return Some(chunk),
                Poll::Ready(Some(Err(error))) => self.ended(&error),
                Poll::Ready(None) => self.turn_to_trailers(),
                Poll::Pending => {}
            }
        }
        self.poll_trailers(cx);
        None
    }

    pub(super) fn poll_response(&mut self, cx: &mut Context<'_>) {
        let Receive::Response(response) = &mut self.receive else { return };
        match Pin::new(response).poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.ended(&error),
            Poll::Ready(Ok(response)) => {
                let (parts, messages) = response.into_parts();
                match head::judge_response(&parts, &self.options) {
                    Ok(theirs) => {
                        self.theirs = Some(theirs);
                        self.receive = Receive::Messages(messages);
                    }
                    Err(reason) => self.finish_receiving(reason.into()),
                }
            }
        }
    }

    fn turn_to_trailers(&mut self) {
        self.receive = match std::mem::replace(&mut self.receive, Receive::Nothing) {
            Receive::Messages(stream) => Receive::Trailers(stream),
            other => other,
        };
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) {
        let Receive::Trailers(stream) = &mut self.receive else { return };
        match stream.poll_trailers(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(trailers)) => {
                let reason =
                    trailers.as_ref().map_or(DisconnectReason::RemoteClosed, head::end_of_call);
                self.finish_receiving(reason.into());
            }
            Poll::Ready(Err(error)) => self.ended(&error),
        }
    }
}
