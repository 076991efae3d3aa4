//! Classes of differences that the reference alone is the cause of.

use super::message::{Kind, Message};

/// Why a difference is the reference's own; `None` if no rule says so.
pub(super) fn reason(
    _kind: Kind,
    _expected: Option<&Message>,
    _found: Option<&Message>,
    _all_expected: &[Message],
    _all_found: &[Message],
) -> Option<&'static str> {
    None
}
