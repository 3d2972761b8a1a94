//! How the answers to each request come: how many, what ends them, what acknowledges them.
//!
//! An answer is judged when it arrives, and not when it is read: only so is it known whose the next
//! one is, and whether the remote waits for its acknowledgements.

use peerage_wire::Kind as _;
use peerage_wire_kaspa::proto::types::Hash;
use peerage_wire_kaspa::proto::{Kind, Payload};

/// The course of one request and its answers.
#[derive(Clone, Debug)]
#[expect(unnameable_types, reason = "only this library's requests have one")]
pub struct Flow {
    request: Option<Payload>,
    /// Whether answers name the request.
    pub(crate) by_id: bool,
    /// Everything that may come back.
    pub(crate) answers: &'static [Kind],
    end: End,
    window: Option<Window>,
    /// How many answers came that the window counts, and that were not acknowledged.
    unacknowledged: u32,
}

/// What ends the answers.
#[derive(Clone, Debug)]
enum End {
    /// That many more have come.
    After(u64),
    /// An answer of this kind, which says nothing else.
    With(Kind),
    /// An answer of one of these kinds, which is the last.
    Whole { last: Kind, or_with: Kind },
    /// These blocks or transactions have come, in this order.
    Named(std::vec::IntoIter<Hash>),
    /// As many lanes have come as the first answer has promised.
    Lanes { promised: Option<u64>, come: u64 },
}

/// What the remote wants to hear before it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// After so many answers of this kind.
    pub(crate) every: u32,
    pub(crate) of: Kind,
    /// It wants to hear this.
    pub(crate) acknowledgement: Payload,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Item,
    End,
    OtherPruningPoint,
}

impl Flow {
    /// What may come back stands in the table of messages, where the engine's clocks find it too.
    fn new(request: Payload, by_id: bool, end: End) -> Self {
        let expect = request.kind().policy().expect.as_ref();
        let answers = expect.map_or(&[][..], |expect| expect.answers);
        Self { request: Some(request), by_id, answers, end, window: None, unacknowledged: 0 }
    }

    /// One answer.
    pub(crate) fn single(request: Payload, by_id: bool) -> Self {
        Self::new(request, by_id, End::After(1))
    }

    /// So many answers that name the request.
    pub(crate) fn counted(request: Payload, count: usize) -> Self {
        Self::new(request, true, End::After(count as u64))
    }

    /// What these hashes name, in their order.
    pub(crate) fn named(request: Payload, by_id: bool, hashes: Vec<Hash>) -> Self {
        Self::new(request, by_id, End::Named(hashes.into_iter()))
    }

    /// Answers until one of kind `end`.
    pub(crate) fn until(request: Payload, by_id: bool, end: Kind) -> Self {
        Self::new(request, by_id, End::With(end))
    }

    /// One whole answer, or parts until one of kind `end`.
    pub(crate) fn whole_or_until(request: Payload, whole: Kind, end: Kind) -> Self {
        Self::new(request, true, End::Whole { last: whole, or_with: end })
    }

    /// As many lanes as the metadata promises.
    pub(crate) fn lanes(request: Payload) -> Self {
        Self::new(request, false, End::Lanes { promised: None, come: 0 })
    }

    /// The remote waits for `with` after every so many answers of one kind.
    pub(crate) fn acknowledging(mut self, every: u32, of: Kind, with: Payload) -> Self {
        self.window = Some(Window { every, of, acknowledgement: with });
        self
    }

    pub(crate) fn take_request(&mut self) -> Payload {
        self.request.take().expect("a request is sent once")
    }

    /// Whether nothing more can come.
    pub(crate) fn is_done(&self) -> bool {
        match &self.end {
            End::After(left) => *left == 0,
            End::Named(names) => names.len() == 0,
            End::Lanes { promised, come } => *promised == Some(*come),
            End::With(_) | End::Whole { .. } => false,
        }
    }

    pub(crate) const fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// The remote is about to be told that it may go on.
    pub(crate) fn acknowledge(&mut self) {
        let every = self.window.as_ref().map_or(0, |window| window.every);
        self.unacknowledged = self.unacknowledged.saturating_sub(every);
    }

    /// Takes note of an answer that has come; an error says why it is none.
    pub(crate) fn turn(&mut self, answer: &Payload) -> Result<Turn, &'static str> {
        let kind = answer.kind();
        if kind == Kind::UnexpectedPruningPoint {
            return Ok(Turn::OtherPruningPoint);
        }
        match &mut self.end {
            End::With(end) | End::Whole { or_with: end, .. } if *end == kind => {
                return Ok(Turn::End);
            }
            End::Whole { last, .. } if *last == kind => self.end = End::After(0),
            End::With(_) | End::Whole { .. } => {}
            End::After(left) => *left = left.saturating_sub(1),
            End::Named(names) => match names.next() {
                Some(due) if name(answer) == Some(due) => {}
                _ => return Err("it is not the one that was asked for"),
            },
            End::Lanes { promised, come } => count_lanes(answer, promised, come)?,
        }
        if let Some(window) = self.window.as_ref().filter(|it| it.of == kind) {
            if self.unacknowledged == window.every {
                return Err("more came than was acknowledged");
            }
            self.unacknowledged += 1;
        }
        Ok(Turn::Item)
    }
}

fn count_lanes(
    answer: &Payload,
    promised: &mut Option<u64>,
    come: &mut u64,
) -> Result<(), &'static str> {
    match (answer, &promised) {
        (Payload::SmtMetadata(metadata), None) => *promised = Some(metadata.active_lanes_count),
        (Payload::SmtLaneChunk(chunk), Some(promised)) => {
            *come += chunk.entries.len() as u64;
            if chunk.entries.is_empty() || *come > *promised {
                return Err("it has other lanes than were promised");
            }
        }
        _ => return Err("it came out of order"),
    }
    Ok(())
}

/// The hash that names what an answer carries.
fn name(answer: &Payload) -> Option<Hash> {
    match answer {
        Payload::Block(block) | Payload::IbdBlock(block) => block.header.as_ref()?.hash().ok(),
        Payload::Transaction(transaction) => transaction.id().ok(),
        Payload::TransactionNotFound(not_found) => not_found.id,
        _ => None,
    }
}
