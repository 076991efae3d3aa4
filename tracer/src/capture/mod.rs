//! Where segments come from: the kernel's rings or a capture file.

mod counters;
mod element;
pub mod file;
mod fragments;
pub mod link;
pub mod live;
mod options;
pub mod owners;
pub mod packet;
mod ring;
mod segment;
mod tunnel;
mod unwrap;
pub mod windows;

pub use counters::Counters;
pub use options::{SackBlocks, TcpOption, TcpOptions, Timestamps};
pub use ring::Fill;
pub use segment::{Captured, Direction, Interface, Point, Segment, TcpFlags, TcpHeader, Vlan};

use crate::stats::Outcomes;

/// What a [`Source`] can say after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There may be more at once.
    More,
    /// Nothing is ready; wait for the source's descriptor.
    Idle,
    /// Nothing will ever come again.
    End,
}

/// A place that segments come from, in the order in which they were captured.
///
/// [`Source::read`] hands over a bounded batch, so that the caller gets to
/// flush its output and to look at its signals in between.
pub trait Source {
    /// What can break the source.
    type Error;

    /// Calls `each` for every segment of the next batch.
    ///
    /// # Errors
    ///
    /// When the source broke; every segment before the break was handed over.
    fn read(&mut self, each: &mut dyn FnMut(&Segment<'_>)) -> Result<Status, Self::Error>;

    /// What became of the packets so far; all but those that the flow table
    /// takes for duplicates.
    fn outcomes(&self) -> Outcomes;
}
