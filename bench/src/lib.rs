//! The benchmark of `cargo xtask bench`: tracer beside what users would pick
//! instead, interleaved, on the same bytes, in one run.
//!
//! A case ([`cases`]) measures in [`rounds`], runs programs by [`process`] and
//! [`rivals`], and puts what it measured into [`findings`]; [`marks`] says what
//! is to be reached, [`figures`] what several rounds amount to, and [`report`]
//! writes it all down. A number that is missed is a number in the report; a
//! truth that is missed (a message that was not decoded) fails the run.

#![expect(clippy::missing_errors_doc, reason = "an error is a benchmark that could not run")]
#![expect(clippy::print_stderr, reason = "whoever waits for a benchmark is told how far it is")]

pub mod cases;
pub mod figures;
pub mod findings;
pub mod machine;
pub mod made;
pub mod marks;
pub mod options;
pub mod process;
pub mod report;
pub mod rivals;
pub mod rounds;

/// Tells whoever waits how far it is.
pub fn say(line: &str) {
    eprintln!("bench: {line}");
}
