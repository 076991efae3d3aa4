//! IMAP.

use super::{Decoder, Input, Out, Progress, Protocol};
use crate::event::{Side, Timestamp};

/// IMAP in the clear.
pub const PROTOCOL: Protocol =
    Protocol { name: "imap", column: "IMAP", ports: &[143], decoder: || Box::new(Imap::default()) };

/// Decoder of one connection.
#[derive(Debug, Default)]
struct Imap {}

impl Decoder for Imap {
    fn data(&mut self, input: &Input<'_>, _out: &mut Out<'_>) -> Progress {
        Progress::more(input.bytes.len())
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _time: Timestamp, _out: &mut Out<'_>) {}

    fn gap(&mut self, _side: Side, _bytes: Option<u64>, _time: Timestamp, _out: &mut Out<'_>) {}

    fn close(&mut self, _side: Side, _time: Timestamp, _out: &mut Out<'_>) {}

    fn finish(&mut self, _time: Timestamp, _out: &mut Out<'_>) {}

    fn held(&self) -> usize {
        0
    }
}
