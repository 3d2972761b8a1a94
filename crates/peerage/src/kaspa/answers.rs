//! Requests and the answers that they get.

use std::fmt;
use std::future::poll_fn;

use peerage_peer::{DisconnectReason, Local, PeerHandle, SendError};
use peerage_wire_kaspa::proto::types::Hash;
use peerage_wire_kaspa::proto::{Kaspa, Kind, Message, Payload};

use super::correlate::{Answer, Correlator, Ticket};
use super::flow::{Flow, Turn, Window};

/// A request, with the type of its answer. Implemented for every request message of the protocol.
pub trait Request: private::Sealed + Sized + Send {
    /// One of its answers.
    type Item: Send;
    /// What [`Peer::request`](super::Peer::request) gives: the one answer, or the stream of them.
    type Answer;

    /// How it is asked, and how its answers come.
    #[doc(hidden)]
    fn flow(self) -> Flow;

    /// Reads an answer.
    #[doc(hidden)]
    fn item(payload: Payload) -> Option<Self::Item>;

    /// Makes the answer of the answers.
    #[doc(hidden)]
    fn finish(
        answers: Answers<Self>,
    ) -> impl Future<Output = Result<Self::Answer, RequestError>> + Send;
}

pub(crate) mod private {
    #[expect(unnameable_types, reason = "so that nobody else implements it")]
    pub trait Sealed {}
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not sent.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The connection ended before the answer came; among the reasons is that it took too long.
    #[error("the connection ended: {0}")]
    Closed(DisconnectReason),
    /// The remote answered with something else: its fault.
    #[error("{kind} is no answer here: {what}")]
    WrongAnswer {
        /// What came.
        kind: Kind,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The remote has another pruning point than the one that was asked for.
    #[error("the remote has another pruning point")]
    UnexpectedPruningPoint,
}

/// The answers to one request, in the order in which they come.
///
/// Where the protocol wants each batch acknowledged before the next one, that is done as the answers
/// are read: reading is the back-pressure. Answers that nobody reads stop the whole connection once
/// they hold [`EngineConfig::event_limit`](super::EngineConfig::event_limit) bytes, so read them or
/// drop this; what comes after that is a message like others.
#[must_use = "answers that nobody reads stop the connection"]
pub struct Answers<R> {
    peer: PeerHandle<Kaspa>,
    ticket: Ticket,
    answers: &'static [Kind],
    window: Option<Window>,
    /// How many of those that the window counts were read since the last acknowledgement.
    read: u32,
    /// Whether an acknowledgement is due.
    owing: bool,
    done: bool,
    request: std::marker::PhantomData<fn() -> R>,
}

impl<R: Request> Answers<R> {
    /// Sends the request.
    pub(super) async fn ask(
        peer: PeerHandle<Kaspa>,
        correlator: &std::sync::Arc<Correlator>,
        request: R,
    ) -> Result<Self, RequestError> {
        let mut flow = request.flow();
        let (payload, answers) = (flow.take_request(), flow.answers);
        let (window, done) = (flow.window().cloned(), flow.is_done());
        let mut ticket = correlator.expect(flow);
        let message = Message { request_id: ticket.request_id(), response_id: 0, payload };
        peer.send(&message).await?;
        ticket.asked();
        let request = std::marker::PhantomData;
        Ok(Self { peer, ticket, answers, window, read: 0, owing: false, done, request })
    }

    /// The next answer, `None` after the last. After an error there is none either.
    ///
    /// Dropping the future loses nothing, but an acknowledgement that was due may be late until
    /// this is called again.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn next(&mut self) -> Option<Result<R::Item, RequestError>> {
        if self.done {
            return None;
        }
        let answer = self.advance().await;
        self.done |= !matches!(answer, Ok(Some(_)));
        answer.transpose()
    }

    /// All answers, at most `max` of them: more are refused, and the rest will not be read.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::WrongAnswer`] if there are more.
    pub async fn all(mut self, max: usize) -> Result<Vec<R::Item>, RequestError> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await.transpose()? {
            if all.len() == max {
                let kind = self.answers.first().copied().unwrap_or(Kind::Unknown(0));
                return Err(RequestError::WrongAnswer { kind, what: "more than were expected" });
            }
            all.push(item);
        }
        Ok(all)
    }

    async fn advance(&mut self) -> Result<Option<R::Item>, RequestError> {
        self.acknowledge().await?;
        let Some(answer) = poll_fn(|cx| self.ticket.poll_answer(cx)).await else {
            let reason = self.peer.closed().await;
            return Err(RequestError::Closed(reason));
        };
        let Answer { payload, turn, last } = answer;
        self.done = last;
        let kind = payload.kind();
        let wrong = |what| RequestError::WrongAnswer { kind, what };
        self.read += u32::from(self.window.as_ref().is_some_and(|window| window.of == kind));
        match turn.map_err(wrong)? {
            Turn::End => Ok(None),
            Turn::OtherPruningPoint => Err(RequestError::UnexpectedPruningPoint),
            Turn::Item => match R::item(payload) {
                Some(item) => Ok(Some(item)),
                None => Err(wrong("it is incomplete")),
            },
        }
    }

    /// Tells the remote that it may go on, if it waits for that.
    async fn acknowledge(&mut self) -> Result<(), RequestError> {
        let Some(window) = &self.window else { return Ok(()) };
        if self.read == window.every {
            self.read = 0;
            self.owing = true;
            // Before it is said: what it leads to may come at once.
            self.ticket.acknowledge();
        }
        if self.owing {
            self.peer.send(&window.acknowledgement.clone().into()).await?;
            self.owing = false;
        }
        Ok(())
    }

    /// The only answer.
    pub(super) async fn only(mut self) -> Result<R::Item, RequestError> {
        match self.next().await {
            Some(answer) => answer,
            None => Err(RequestError::Closed(Local::Requested.into())),
        }
    }
}

impl<R> fmt::Debug for Answers<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("peer", &self.peer).field("done", &self.done).finish()
    }
}

/// A transaction that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum FoundTransaction {
    /// The transaction.
    Found(Box<peerage_wire_kaspa::proto::message::Transaction>),
    /// The remote does not have the one with this id.
    NotFound(Hash),
}
