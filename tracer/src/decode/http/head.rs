//! The head of a message: where it ends, and what stands in it
//! (RFC 9112 sections 2 and 5).

use std::mem::MaybeUninit;

use httparse::{EMPTY_HEADER, Header, Status};
use memchr::memchr;

use super::start_line::{
    METHOD_LIMIT, RequestLine, StartLine, StatusLine, known_version, status_line,
};
use crate::event::Side;

/// Header fields of a message that are told of. Servers refuse more than about
/// a hundred (Apache's `LimitRequestFields` is 100); what stands behind is
/// still read for the framing.
pub(super) const HEADERS_LIMIT: usize = 128;

/// Finds the end of a head that arrives in pieces, looking at each byte once.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Start of the line that was not yet seen whole.
    line: usize,
    /// Bytes looked at.
    looked: usize,
}

impl Search {
    /// Whether nothing was looked at.
    pub(super) const fn is_new(&self) -> bool {
        self.looked == 0
    }

    /// Whether a whole line was seen: the start line is known to be one.
    pub(super) const fn has_line(&self) -> bool {
        self.line > 0
    }

    /// Bytes of the whole lines seen so far.
    pub(super) const fn lines(&self) -> usize {
        self.line
    }

    /// The length of the head, its empty line included, if it is whole.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(at) = bytes.get(self.looked..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.looked + at;
            let empty = matches!(bytes.get(self.line..end), Some([] | [b'\r']));
            self.looked = end + 1;
            self.line = self.looked;
            if empty {
                return Some(self.line);
            }
        }
        self.looked = bytes.len();
        None
    }
}

/// The value of the first field with this name, which is in lower case.
pub(super) fn value<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Whether the bytes are a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What stands before a CR that ends no line: behind it stands a field of its
/// own, for those who take it for a line's end (RFC 9112 section 2.2).
pub(super) fn before_bare_cr(value: &[u8]) -> &[u8] {
    memchr(b'\r', value).and_then(|at| value.get(..at)).unwrap_or(value)
}

pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Splits a field line at its colon; `None` when its name is no token.
pub(super) fn split_field(line: &[u8]) -> Option<(&str, &[u8])> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    let name = name.trim_ascii_end();
    if !is_token(name) {
        return None;
    }
    Some((str::from_utf8(name).ok()?, value.strip_prefix(b":")?.trim_ascii()))
}

/// Room for the header fields of one head.
pub(super) type Uninit<'a> = [MaybeUninit<Header<'a>>; HEADERS_LIMIT];

/// Reads a head that breaks no rule, if the bytes begin with a whole one;
/// returns its length as well.
pub(super) fn parse<'h, 'b>(
    side: Side,
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
) -> Option<(usize, StartLine<'b>, &'h mut [Header<'b>])> {
    match side {
        Side::Client => request(bytes, room),
        Side::Server => response(bytes, room),
    }
}

fn request<'h, 'b>(
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
) -> Option<(usize, StartLine<'b>, &'h mut [Header<'b>])> {
    let mut request = httparse::Request::new(&mut []);
    let Status::Complete(length) = request.parse_with_uninit_headers(bytes, room).ok()? else {
        return None;
    };
    let (method, target) = (request.method?, request.path?.as_bytes());
    let line = RequestLine { method, target, version: known_version(request.version?) };
    let fits = method.len() <= METHOD_LIMIT;
    fits.then_some((length, StartLine::Request(line), request.headers))
}

fn response<'h, 'b>(
    bytes: &'b [u8],
    room: &'h mut Uninit<'b>,
) -> Option<(usize, StartLine<'b>, &'h mut [Header<'b>])> {
    let mut response = httparse::Response::new(&mut []);
    let Status::Complete(length) = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, room)
        .ok()?
    else {
        return None;
    };
    let reason = match response.reason {
        // None, or one that is not ASCII.
        None | Some("") => {
            memchr(b'\n', bytes).and_then(|end| status_line(without_cr(bytes.get(..end)?)))?.reason
        }
        Some(reason) => reason.as_bytes().trim_ascii(),
    };
    let version = known_version(response.version?);
    let line = StatusLine { version, status: response.code?, reason };
    Some((length, StartLine::Status(line), response.headers))
}

/// Room for the header fields of a head that was repaired.
pub(super) const NO_HEADERS: [Header<'static>; HEADERS_LIMIT] = [EMPTY_HEADER; HEADERS_LIMIT];

/// Splits a head, cut or whole, behind its first line.
pub(super) fn split_start_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (without_cr(line.strip_suffix(b"\n").unwrap_or(line)), rest)
}

/// Whether a line of the bytes ends without the CR it should have.
pub(super) fn has_bare_lf(bytes: &[u8]) -> bool {
    // Without an early end, so that the compiler looks at many bytes at once.
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let is_bare = |before: u8, byte: u8| u8::from(byte == b'\n') & u8::from(before != b'\r');
    let bare = pairs.fold(0, |bare, (before, byte)| bare | is_bare(*before, *byte));
    bare != 0 || bytes.first() == Some(&b'\n')
}
