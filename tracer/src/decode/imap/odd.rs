//! Anomalies: what a peer must not say, or not now.
//!
//! What can be seen in a line (a bare LF, NUL) is told of once per side. What
//! only the dialogue shows (a tag that nobody used) is told of while every byte
//! of both sides was seen and understood. That bytes of the peer are missing is
//! found out when its next ones come: until then it is in doubt, and for ever
//! when none come.

use memchr::memchr;

use super::{
    Imap,
    line::{Ending, Header},
};
use crate::{
    decode::Out,
    event::{Side, Timestamp},
};

/// Octets of a literal that is sent without waiting, where LITERAL- is what the
/// server offers (RFC 7888 section 5).
const LITERAL_MINUS: u64 = 4096;

/// Anomalies in doubt that are remembered: nobody makes more before the peer
/// says a word, but by malice.
const DOUBTS_LIMIT: usize = 16;

/// An anomaly of a side, unless bytes of its peer are missing.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    side: Side,
    code: &'static str,
    time: Timestamp,
}

/// Anomalies in doubt.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "most connections never have any")]
pub(super) struct Doubts(Option<Box<Vec<Doubt>>>);

impl Doubts {
    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let all = self.0.as_deref();
        all.map_or(0, |all| size_of_val(all) + all.capacity() * size_of::<Doubt>())
    }
}

/// Anomalies of lines that were told of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    bare_lf: bool,
    bare_cr: bool,
    nul: bool,
}

/// How large a literal may be that does not wait for leave, as far as the
/// server has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LiteralLimit {
    /// Any size, or nobody knows.
    #[default]
    None,
    /// LITERAL- without LITERAL+.
    Minus,
}

impl LiteralLimit {
    /// Reads a list of capabilities. `IMAP4rev2` includes LITERAL- (RFC 9051
    /// appendix E).
    pub(super) fn of(capabilities: &[u8]) -> Self {
        let has = |wanted: &str| {
            let mut words = capabilities.split(|byte| *byte == b' ');
            words.any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        if (has("LITERAL-") || has("IMAP4rev2")) && !has("LITERAL+") {
            Self::Minus
        } else {
            Self::None
        }
    }
}

impl Imap {
    /// Looks at a whole line, of which the caller goes on with the ending that
    /// is returned. `text`: braces at its end are only braces; `usual`: there is
    /// neither CR nor NUL in it.
    pub(super) fn odd_line(
        &mut self,
        side: Side,
        (line, ending, text): (&[u8], Ending, bool),
        usual: bool,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Ending {
        let stream = self.stream(side);
        if !stream.synced {
            return if ending == Ending::Malformed { Ending::Plain } else { ending };
        }
        let mut once = |told: &mut bool, odd: bool, code| {
            if odd && !std::mem::replace(told, true) {
                out.anomaly(side, time, code, None);
            }
        };
        once(&mut stream.told.bare_lf, stream.lines.bare, "bare-lf");
        if !usual {
            once(&mut stream.told.bare_cr, memchr(b'\r', line).is_some(), "bare-cr");
            once(&mut stream.told.nul, memchr(0, line).is_some(), "nul");
        }
        if ending != Ending::Malformed {
            return ending;
        }
        if !text {
            out.anomaly(side, time, "invalid-literal", None);
        }
        Ending::Plain
    }

    /// Tells of what does not fit what was said before, if all of that was
    /// seen.
    pub(super) fn odd(
        &self,
        side: Side,
        odd: bool,
        code: &'static str,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        if odd && !self.unseen {
            out.anomaly(side, time, code, None);
        }
    }

    /// The same, of what the peer may have said in bytes whose loss is not known
    /// yet.
    pub(super) fn doubt(&mut self, side: Side, odd: bool, code: &'static str, time: Timestamp) {
        if odd && !self.unseen {
            let doubts = self.doubts.0.get_or_insert_default();
            if doubts.len() < DOUBTS_LIMIT {
                doubts.push(Doubt { side, code, time });
            }
        }
    }

    /// The side goes on where it was: no bytes of it are missing.
    pub(super) fn settle(&mut self, side: Side, out: &mut Out<'_>) {
        if self.unseen {
            self.doubts.0 = None;
        }
        let Some(doubts) = &mut self.doubts.0 else { return };
        for doubt in doubts.extract_if(.., |doubt| doubt.side == side.other()) {
            out.anomaly(doubt.side, doubt.time, doubt.code, None);
        }
        if doubts.is_empty() {
            self.doubts.0 = None;
        }
    }

    /// A literal of the client's begins that waits for no leave.
    pub(super) fn unasked_literal(&self, header: Header, time: Timestamp, out: &mut Out<'_>) {
        let large = self.literal_limit == LiteralLimit::Minus && header.octets > LITERAL_MINUS;
        if large {
            out.anomaly(Side::Client, time, "non-sync-literal-too-large", None);
        }
    }
}
