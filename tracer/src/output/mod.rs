//! Writes events, as text rows or JSON lines, and packets as they are.

mod color;
mod file;
mod json;
mod lines;
mod look;
mod order;
pub mod pcapng;
mod put;
mod schema;
mod segments;
mod text;
mod writer;

use std::io;

#[cfg(test)]
mod tests;

pub use color::Color;
pub use file::{FileError, open};
pub use look::Look;
pub use order::{Feed, Order, ShardWriter};
pub use schema::schema;
pub use writer::Writer;

use memchr::memchr3_iter;

use crate::event::{Sink, Timestamp};

/// The first byte, in UTF-8, of U+0080 to U+00BF; the lower half of them control
/// terminals as the characters below U+0020 do.
const C1_LEAD: u8 = 0xc2;

/// The first byte of U+2000 to U+2FFF; those that control the direction of
/// writing, or end a line, have one of the first two second bytes.
const GENERAL_LEAD: u8 = 0xe2;

/// Where control characters from U+007F on may begin.
fn may_control_at(text: &[u8]) -> impl Iterator<Item = usize> {
    memchr3_iter(0x7f, C1_LEAD, GENERAL_LEAD, text).filter(|at| {
        // Arrows, dashes and the like are frequent.
        text.get(*at) != Some(&GENERAL_LEAD) || matches!(text.get(at + 1), Some(0x80 | 0x81))
    })
}

/// The same error once more.
pub(crate) fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(
        || io::Error::new(error.kind(), error.to_string()),
        io::Error::from_raw_os_error,
    )
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Rows of time, source, destination, protocol and info.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Which events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// Each message of a protocol as it happens.
    #[default]
    Messages,
    /// One line for each request with its answer, each mail, each command with
    /// its completion: when it is complete, and with the time it took.
    Exchanges,
    /// One row for each TCP segment: the first message that stands in it, else
    /// its TCP header.
    Segments,
}

/// A sink that writes what it takes.
pub trait Output: Sink {
    /// Tells when the capture began; text rows count their time from there.
    /// Only the first call counts; before it the first event's time does.
    fn begin(&mut self, _time: Timestamp) {}

    /// Hands everything that was written so far to the reader. Called between
    /// two segments, never between the events of one.
    ///
    /// # Errors
    ///
    /// When writing failed, now or since the last call;
    /// [`io::ErrorKind::BrokenPipe`] when the reader went away.
    fn flush(&mut self) -> io::Result<()>;

    /// Tells what was added to the clock of the packets, which nobody steps,
    /// to make the times of the events that come from now on; nanoseconds.
    fn set_clock_offset(&mut self, _nanoseconds: u64) {}

    /// Tells what is added to the times of events where they are shown as times
    /// of the day, because the clock was stepped; nanoseconds, which wrap.
    fn set_clock_step(&mut self, _nanoseconds: u64) {}

    /// Whether a flush is to come soon, because lines wait for those of other
    /// shards.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Hands everything over as [`Output::flush`] does, for the last time: but
    /// for `stats`, no event comes any more.
    ///
    /// # Errors
    ///
    /// As for [`Output::flush`].
    fn close(&mut self) -> io::Result<()> {
        self.flush()
    }

    /// Events that were written so far.
    fn events(&self) -> u64;
}
