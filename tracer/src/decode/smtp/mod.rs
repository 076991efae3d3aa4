//! SMTP.

use super::{Decoder, Input, Out, Progress, Protocol};
use crate::event::{Side, Timestamp};

/// SMTP in the clear.
pub const PROTOCOL: Protocol =
    Protocol { name: "smtp", column: "SMTP", ports: &[25], decoder: || Box::new(Smtp::default()) };

/// Decoder of one connection.
#[derive(Debug, Default)]
struct Smtp {}

impl Decoder for Smtp {
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
