//! Drives the protocol's own opening and bounds what a stranger may do in it.

use std::sync::Arc;
use std::time::Duration;

use peerage_wire::{Direction, Now, Opening as _, Protocol, Rng, Step, Violation};

use crate::DisconnectReason;

/// How many messages may come before the opening is done. Honest peers send fewer than ten; unknown
/// ones among them are tolerated so that new features do not cut us off (btcd#1661, btcd#2272).
const MAX_MESSAGES: u32 = 32;

/// A connection before both sides agree.
#[derive(Debug)]
pub(crate) struct Opening<P: Protocol> {
    /// `None` only while a message is being handled.
    state: Option<P::Opening>,
    messages: u32,
    /// When the whole must be done.
    ends: Duration,
    /// The step whose time runs, if any has its own.
    step: Option<Option<u8>>,
    /// What they said, for last words to those who fail after it.
    heard: Option<P::Remote>,
}

/// What a message led to.
pub(crate) enum Progress<P: Protocol> {
    More { send: Vec<P::Message>, heard: Option<P::Remote> },
    Done { send: Vec<P::Message>, remote: P::Remote, heard: Option<P::Remote> },
    Failed(DisconnectReason),
}

impl<P: Protocol> Opening<P> {
    pub(crate) fn start(
        direction: Direction,
        ours: &Arc<P::Identity>,
        rng: &mut Rng,
        now: Now,
        timeout: Duration,
    ) -> (Self, Vec<P::Message>) {
        let (state, send) = P::Opening::start(direction, ours, rng, now);
        let ends = now.mono.saturating_add(timeout);
        (Self { state: Some(state), messages: 0, ends, step: None, heard: None }, send)
    }

    /// The next deadline, if another one than before: of the step that has been reached, or of the
    /// whole where that is sooner.
    pub(crate) fn new_deadline(&mut self, now: Duration) -> Option<Duration> {
        let step = self.state.as_ref()?.step();
        let number = step.map(|(number, _)| number);
        if self.step.replace(number) == Some(number) {
            return None;
        }
        let within = step.map_or(Duration::MAX, |(_, within)| within);
        Some(self.ends.min(now.saturating_add(within)))
    }

    /// The version to decode the next message with.
    pub(crate) fn version(&self) -> u32 {
        self.state.as_ref().map_or(P::VERSION, |state| state.version())
    }

    /// What they said of themselves, as soon as they have.
    pub(crate) const fn heard(&self) -> Option<&P::Remote> {
        self.heard.as_ref()
    }

    pub(crate) fn on_message(&mut self, message: &P::Message, now: Now) -> Progress<P> {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Progress::Failed(Violation::OpeningFlood { max: MAX_MESSAGES }.into());
        }
        let state = self.state.take().expect("an opening that ended gets no message");
        match state.on_message(message, now) {
            Step::More { state, send, heard } => {
                self.state = Some(state);
                if heard.is_some() {
                    self.heard.clone_from(&heard);
                }
                Progress::More { send, heard }
            }
            Step::Done { remote, send } => {
                // An introduction that was the last word has not been told to the handler yet.
                let heard = self.heard.is_none().then(|| remote.clone());
                Progress::Done { send, remote, heard }
            }
            Step::Failed(violation) => Progress::Failed(violation.into()),
            Step::Rejected(why) => Progress::Failed(DisconnectReason::Rejected(why)),
            Step::SelfConnection => Progress::Failed(DisconnectReason::SelfConnection),
        }
    }
}
