//! Flows that are not to be followed.

use crate::capture::Segment;

/// Keeps flows away from the table, because the tracer cannot keep up.
///
/// Those whose begin somebody saw are decided on before they get here; the gate
/// is asked of the rest. So what the table follows, it follows from its begin
/// or has followed before.
pub trait Gate: Send {
    /// Whether a flow may be followed that the segment shows first, in
    /// mid-stream.
    fn admits(&mut self, segment: &Segment<'_>) -> bool;

    /// New flows that were kept away so far, by whomever.
    fn shed(&self) -> u64;
}
