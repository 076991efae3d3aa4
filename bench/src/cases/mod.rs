//! What is measured, a case each.

mod core;
mod kernel;
mod live;
mod read;
mod scale;

use anyhow::Result;

use crate::{findings::Findings, marks::Mark, options::Options};

/// A case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name on the command line; `live-small` is one of those that `live`
    /// asks for.
    pub name: &'static str,
    /// What it measures, in a few words.
    pub about: &'static str,
    /// Measures: begins a table for each load, has every tool its turn in each
    /// round, adds what came out. With [`Options::quick`] it is short and holds
    /// the same truths.
    pub run: fn(&Options, &mut Findings) -> Result<()>,
    /// What is to be reached.
    pub marks: &'static [Mark],
}

/// Passes of a contender of the case `core` and nothing else, for who counts
/// instructions.
pub fn pass(load: &str, contender: &str, passes: &str) -> Result<()> {
    core::pass(load, contender, passes)
}

/// All cases, in the order in which they run.
pub const fn all() -> &'static [Case] {
    &[
        kernel::CASE,
        live::SMALL,
        live::PACED,
        live::LARGE,
        live::MAIL,
        read::CASE,
        core::CASE,
        scale::CASE,
    ]
}
