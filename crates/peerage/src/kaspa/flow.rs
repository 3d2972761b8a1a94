//! How the answers to each request come: how many, what ends them, what acknowledges them.

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
    acknowledge: Option<Acknowledge>,
}

/// What ends the answers.
#[derive(Clone, Debug)]
enum End {
    /// That many more have come.
    After(u64),
    /// An answer of this kind, which says nothing else.
    With(Kind),
    /// An answer of the first kind, which says all, or one of the second, which says nothing else.
    Whole(Kind, Kind),
    /// These blocks or transactions have come, in this order.
    Named(std::vec::IntoIter<Hash>),
    /// As many lanes have come as the first answer has promised.
    Lanes { promised: Option<u64>, come: u64 },
}

/// What the remote wants to hear before it goes on.
#[derive(Clone, Debug)]
struct Acknowledge {
    /// After so many answers of this kind.
    every: u32,
    of: Kind,
    count: u32,
    with: Payload,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Item,
    End,
    OtherPruningPoint,
}

impl Flow {
    fn new(request: Payload, by_id: bool, answers: &'static [Kind], end: End) -> Self {
        Self { request: Some(request), by_id, answers, end, acknowledge: None }
    }

    /// How many answers there can be.
    pub(crate) fn most(&self) -> u64 {
        match &self.end {
            End::After(count) => *count,
            End::Named(names) => names.len() as u64,
            End::With(_) | End::Whole(..) | End::Lanes { .. } => u64::MAX,
        }
    }

    /// One answer.
    pub(crate) fn single(request: Payload, by_id: bool, answers: &'static [Kind]) -> Self {
        Self::new(request, by_id, answers, End::After(1))
    }

    /// So many answers that name the request.
    pub(crate) fn counted(request: Payload, answers: &'static [Kind], count: usize) -> Self {
        Self::new(request, true, answers, End::After(count as u64))
    }

    /// What these hashes name, in their order.
    pub(crate) fn named(
        request: Payload,
        by_id: bool,
        answers: &'static [Kind],
        hashes: Vec<Hash>,
    ) -> Self {
        Self::new(request, by_id, answers, End::Named(hashes.into_iter()))
    }

    /// Answers until one of kind `end`.
    pub(crate) fn until(
        request: Payload,
        by_id: bool,
        answers: &'static [Kind],
        end: Kind,
    ) -> Self {
        Self::new(request, by_id, answers, End::With(end))
    }

    /// One whole answer, or parts until one of kind `end`.
    pub(crate) fn whole_or_until(
        request: Payload,
        answers: &'static [Kind],
        whole: Kind,
        end: Kind,
    ) -> Self {
        Self::new(request, true, answers, End::Whole(whole, end))
    }

    /// As many lanes as the metadata promises.
    pub(crate) fn lanes(request: Payload, answers: &'static [Kind]) -> Self {
        Self::new(request, false, answers, End::Lanes { promised: None, come: 0 })
    }

    /// The remote waits for `with` after every so many answers of one kind.
    pub(crate) fn acknowledging(mut self, every: u32, of: Kind, with: Payload) -> Self {
        self.acknowledge = Some(Acknowledge { every, of, count: 0, with });
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
            End::With(_) | End::Whole(..) => false,
        }
    }

    /// What has to be said before the next answer can come.
    pub(crate) fn acknowledgement(&self) -> Option<&Payload> {
        let due = self.acknowledge.as_ref()?;
        (due.count == due.every).then_some(&due.with)
    }

    pub(crate) fn acknowledged(&mut self) {
        if let Some(acknowledge) = &mut self.acknowledge {
            acknowledge.count = 0;
        }
    }

    /// Takes note of an answer; an error says why it is none.
    pub(crate) fn turn(&mut self, answer: &Payload) -> Result<Turn, &'static str> {
        let kind = answer.kind();
        if kind == Kind::UnexpectedPruningPoint {
            return Ok(Turn::OtherPruningPoint);
        }
        match &mut self.end {
            End::With(end) | End::Whole(_, end) if *end == kind => return Ok(Turn::End),
            End::Whole(whole, _) if *whole == kind => self.end = End::After(0),
            End::With(_) | End::Whole(..) => {}
            End::After(left) => *left = left.saturating_sub(1),
            End::Named(names) => match names.next() {
                Some(due) if name(answer) == Some(due) => {}
                _ => return Err("it is not the one that was asked for"),
            },
            End::Lanes { promised, come } => count_lanes(answer, promised, come)?,
        }
        if let Some(acknowledge) = self.acknowledge.as_mut().filter(|it| it.of == kind) {
            // More than the remote may send unacknowledged.
            if acknowledge.count == acknowledge.every {
                return Err("more came than was acknowledged");
            }
            acknowledge.count += 1;
        }
        Ok(Turn::Item)
    }
}

/// What ends the answers to whatever was asked. No request has two of these among its answers but as
/// alternatives.
pub(crate) const LAST: &[Kind] = &[
    Kind::DoneHeaders,
    Kind::PruningPointProof,
    Kind::PruningPointProofChunksEnd,
    Kind::DoneBlocksWithTrustedData,
    Kind::DonePruningPointUtxoSetChunks,
    Kind::UnexpectedPruningPoint,
];

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
