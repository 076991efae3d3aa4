//! HTTP.

use super::{Decoder, Input, Out, Progress, Protocol};
use crate::event::{Side, Timestamp};

/// HTTP in the clear.
pub const PROTOCOL: Protocol =
    Protocol { name: "http", column: "HTTP", ports: &[80], decoder: || Box::new(Http::default()) };

/// Decoder of one connection.
#[derive(Debug, Default)]
struct Http {}

impl Decoder for Http {
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
