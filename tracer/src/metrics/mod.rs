//! What a run counts, for whoever asks while it runs: a Prometheus, and
//! `tracer status`.
//!
//! Each shard counts for itself, in numbers that nobody else writes; whoever
//! asks adds them up. Labels are names of this program's own, and ports that
//! the operator chose: nothing that a stranger sends becomes one.

mod address;
mod board;
mod names;
mod page;
mod serve;
mod snapshot;
mod status;
mod tally;

pub use self::{
    address::{Address, USUAL},
    status::status,
    tally::Counting,
};
pub(crate) use self::{
    address::{Error, Listener},
    board::Board,
    serve::serve,
    snapshot::{Memory, Ring, Snapshot},
};
