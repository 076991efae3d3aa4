//! Requests without a version, as HTTP/0.9 had them: servers answer the line at
//! once, and some clients mean more by it and send a whole head.

use memchr::memchr;

use super::{
    Http,
    body::Line,
    content::Content,
    framing::Framing,
    half::{State, Step},
    head,
    rest::Rest,
};
use crate::{
    decode::{Out, Want},
    event::{Side, Timestamp, http::Ended},
};

/// Bytes of header fields behind such a request line that are told of.
const HEAD_LIMIT: usize = 8 * 1024;

/// A request line without a version, and the header fields behind it so far.
/// It is told of when they are whole, or something else comes: an answer.
#[derive(Debug)]
pub(super) struct Simple {
    lines: Vec<u8>,
    /// When the latest of the lines came.
    time: Timestamp,
}

impl Simple {
    /// Bytes held on the heap.
    pub(super) const fn held(&self) -> usize {
        self.lines.capacity()
    }
}

impl Http {
    /// Begins with a request line that has no version.
    pub(super) fn simple_request(&mut self, bytes: &[u8], time: Timestamp) -> Step {
        let length = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let lines = bytes.get(..length).unwrap_or_default().to_vec();
        self.client.state = State::Simple(Box::new(Simple { lines, time }));
        Step::Next(length)
    }

    /// Takes header fields behind such a line.
    pub(super) fn simple_fields(
        &mut self,
        bytes: &[u8],
        ended: bool,
        time: Timestamp,
        out: &mut Out<'_>,
    ) -> Step {
        let State::Simple(simple) = &mut self.client.state else {
            return Step::Wait(0, Want::More);
        };
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let room = HEAD_LIMIT.saturating_sub(simple.lines.len());
            let line = memchr(b'\n', rest).and_then(|end| rest.get(..=end));
            match line {
                Some([b'\n'] | [b'\r', b'\n']) => {
                    let length = taken + line.map_or(0, <[u8]>::len);
                    let lines = std::mem::take(&mut simple.lines);
                    let head =
                        self.repaired_head(Side::Client, &lines, Framing::default(), time, out);
                    self.head_ends(Side::Client, head, time, out);
                    return Step::Next(length);
                }
                Some(line)
                    if line.len() <= room
                        && (head::split_field(line).is_some() || is_fold(line)) =>
                {
                    simple.lines.extend_from_slice(line);
                    simple.time = time;
                    taken += line.len();
                }
                None if rest.len() <= room && !ended => return Step::Wait(taken, Want::More),
                _ => {
                    self.simple_told(out);
                    return Step::Next(taken);
                }
            }
        }
    }

    /// Tells of such a request when no more of its head is waited for.
    pub(super) fn simple_told(&mut self, out: &mut Out<'_>) {
        let State::Simple(simple) = &mut self.client.state else { return };
        let (lines, time) = (std::mem::take(&mut simple.lines), simple.time);
        let head = self.repaired_head(Side::Client, &lines, Framing::default(), time, out);
        let Some(mut head) = head else {
            self.lose(Side::Client, time, out);
            return;
        };
        std::mem::take(&mut head.framing.odd).tell(Side::Client, time, out);
        self.content_ends(Side::Client, Ended::Whole, time, out);
        self.client.state = State::Rest(Box::new(Rest::new(head, Line::Empty)));
    }

    /// The answer to a request without a version has no head.
    pub(super) fn simple_response(&mut self, time: Timestamp, out: &Out<'_>) {
        self.asked.pop_front();
        self.server.content = Some(Content::new(&[], out.settings.body, time));
        self.server.state = State::Body(super::Body::UntilClose);
        if out.settings.exchanges {
            self.records.response(true, None, self.server.started);
        }
    }
}

/// Whether a line goes on with the one before (RFC 9112 section 5.2).
const fn is_fold(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..])
}
