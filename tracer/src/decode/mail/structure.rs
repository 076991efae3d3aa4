//! The structure of a mail's body (RFC 2046): which parts it has, where they
//! begin and end, and which of them are attachments.

use std::sync::LazyLock;

use memchr::{memmem::Finder, memrchr};

use super::{
    attachments::Attachments,
    header::{Header, Name},
    level::Level,
    odd::{ODD, Odd},
    parameters::{kind, parameter},
    size::{Identity, Size},
};
use crate::event::email::Attachment;

/// Multiparts and mails within each other. Servers stop at 100 (Postfix:
/// `mime_nesting_limit`); readers show three or four.
const DEPTH_LIMIT: usize = 32;
/// Longest boundary: RFC 2046 section 5.1.1 allows 70 characters.
const BOUNDARY_LIMIT: usize = 256;
/// Longest line that can be a boundary's (RFC 5322 section 2.1.1), blanks
/// behind it included.
const LINE_LIMIT: usize = 998;
/// Finds lines that may be boundaries: to build it costs as much as to search.
static DASHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n--"));

/// What the next bytes are.
#[derive(Clone, Debug, Default)]
enum Region {
    /// The header of a part.
    Header(Header),
    /// An attachment, by its index.
    Attachment(usize, Size),
    /// Nothing that is looked at: a text, what stands before the first part
    /// and behind the last one.
    #[default]
    Other,
}

/// The structure of a body that passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Structure {
    levels: Vec<Level>,
    region: Region,
    /// The start of a line that may be a boundary's.
    line: Vec<u8>,
    /// The next byte does not begin a line.
    within_line: bool,
    attachments: Attachments,
    /// Bytes are missing.
    disturbed: bool,
    /// Bits by the numbers of [`Odd`].
    odd: u8,
}

impl Structure {
    /// The structure of a mail with this header.
    pub(super) fn new(header: &Header) -> Self {
        let mut structure = Self::default();
        structure.begin_body(header, false);
        structure
    }

    /// Whether the bytes that follow make no difference.
    pub(super) fn is_idle(&self) -> bool {
        self.levels.is_empty() && matches!(self.region, Region::Other)
    }

    /// Takes bytes of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_idle() {
            if self.within_line {
                let taken = self.lines(rest);
                rest = rest.get(taken..).unwrap_or_default();
            } else {
                rest = self.line_start(rest);
            }
        }
    }

    /// Takes all lines up to one that begins as a boundary does; what may
    /// become such a beginning is left.
    fn lines(&mut self, bytes: &[u8]) -> usize {
        let end = match DASHES.find(bytes) {
            Some(at) => Some(at + 1),
            None => {
                match memrchr(b'\n', bytes.get(bytes.len().saturating_sub(2)..).unwrap_or_default())
                {
                    Some(at) => {
                        let end = bytes.len().saturating_sub(2) + at + 1;
                        let behind = bytes.get(end..).unwrap_or_default();
                        b"--".starts_with(behind).then_some(end)
                    }
                    None => None,
                }
            }
        };
        self.within_line = end.is_none();
        let taken = end.unwrap_or(bytes.len());
        self.content(bytes.get(..taken).unwrap_or_default(), 0);
        taken
    }

    /// Takes bytes at the start of a line, as long as it may be a boundary's;
    /// returns the rest.
    fn line_start<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.line.is_empty() && !bytes.starts_with(b"-") {
            self.within_line = true;
            return bytes;
        }
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let room = (LINE_LIMIT + 1).saturating_sub(self.line.len());
        let (line, rest) = bytes.split_at_checked(end.min(room)).unwrap_or((bytes, b""));
        self.line.extend_from_slice(line);
        let whole = self.line.ends_with(b"\n");
        let text = self.line.trim_ascii_end();
        let level = self.levels.iter().rposition(|level| level.may_be(text));
        if level.is_some() && !whole && self.line.len() <= LINE_LIMIT {
            return rest;
        }
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        let delimiter = self.levels.iter().enumerate().rev().find_map(|(at, level)| {
            level.delimiter(text).filter(|_| whole).map(|close| (at, close))
        });
        if let Some((at, close)) = delimiter {
            self.boundary(at, close, &line);
        } else {
            self.within_line = !whole;
            self.content(&line, 0);
        }
        // The line's memory is used again.
        self.line = line;
        self.line.clear();
        rest
    }

    /// A boundary of the level `at`.
    fn boundary(&mut self, at: usize, close: bool, line: &[u8]) {
        self.end_region(true);
        while self.levels.len() > at + 1 {
            let Some(level) = self.levels.pop() else { break };
            self.end_level(&level);
            if level.boundary.is_some() && !self.disturbed {
                self.note(Odd::Unclosed);
            }
        }
        for level in &mut self.levels {
            if let Some((_, bytes)) = &mut level.attachment {
                bytes.push(line);
            }
        }
        self.region = if close { Region::Other } else { Region::Header(Header::of_part()) };
        if close {
            self.levels.truncate(at);
        }
    }

    /// Ends a level before the boundary of one around it.
    fn end_level(&mut self, level: &Level) {
        if let Some((index, bytes)) = &level.attachment {
            self.attachments.set_size(*index, bytes.end(true));
        }
    }

    fn end_region(&mut self, boundary: bool) {
        match std::mem::take(&mut self.region) {
            Region::Header(mut header) => {
                header.end();
                let digest = self.in_digest();
                self.begin_body(&header, digest);
                // A part without a body.
                if let Region::Attachment(index, size) = std::mem::take(&mut self.region) {
                    self.attachments.set_size(index, size.end(boundary));
                }
            }
            Region::Attachment(index, size) => self.attachments.set_size(index, size.end(boundary)),
            Region::Other => {}
        }
    }

    /// Bytes of the region at hand; they count for the levels from `from` on.
    fn content(&mut self, bytes: &[u8], from: usize) {
        for level in self.levels.iter_mut().skip(from) {
            if let Some((_, counted)) = &mut level.attachment {
                counted.push(bytes);
            }
        }
        match &mut self.region {
            Region::Header(header) => {
                let taken = header.push(bytes);
                if header.is_ended() {
                    let mut header = std::mem::take(header);
                    let surplus = header.take_surplus();
                    let (from, digest) = (self.levels.len(), self.in_digest());
                    self.begin_body(&header, digest);
                    self.content(&surplus, from);
                    self.content(bytes.get(taken..).unwrap_or_default(), from);
                }
            }
            Region::Attachment(_, size) => size.push(bytes),
            Region::Other => {}
        }
    }

    fn in_digest(&self) -> bool {
        self.levels.last().is_some_and(|level| level.digest)
    }

    /// A header is over: decides what its body is.
    fn begin_body(&mut self, header: &Header, digest: bool) {
        if header.is_truncated() {
            self.note(Odd::HeaderTooLong);
        }
        let content_type = header.first(Name::ContentType).unwrap_or_default();
        let encoding = header.first(Name::ContentTransferEncoding).and_then(kind);
        let encoding = encoding.unwrap_or_default();
        let stated = kind(content_type);
        let default = if digest { &b"message/rfc822"[..] } else { b"text/plain" };
        let kind = stated.as_deref().unwrap_or(default);
        let size = Size::new(&encoding);
        let plain = matches!(size, Size::Identity(_));
        let mail = plain && matches!(kind, b"message/rfc822" | b"message/global" | b"message/news");
        let (boundary, attachment) = if kind.starts_with(b"multipart/") {
            (self.boundary_of(content_type), None)
        } else {
            (None, self.attachment(header, content_type, stated.as_deref()))
        };
        self.region = attachment.map_or(Region::Other, |index| Region::Attachment(index, size));
        if !mail && boundary.is_none() {
            return;
        }
        if self.levels.len() >= DEPTH_LIMIT {
            return self.note(Odd::TooDeep);
        }
        self.region = if mail { Region::Header(Header::of_part()) } else { Region::Other };
        self.levels.push(Level {
            boundary,
            digest: kind == b"multipart/digest",
            attachment: attachment.map(|index| (index, Identity::default())),
        });
    }

    fn boundary_of(&mut self, content_type: &[u8]) -> Option<Box<[u8]>> {
        let boundary = parameter(content_type, "boundary")
            .map(|boundary| boundary.trim_ascii_end().to_vec())
            .filter(|boundary| (1..=BOUNDARY_LIMIT).contains(&boundary.len()));
        if boundary.is_none() {
            self.note(Odd::NoBoundary);
        }
        boundary.map(Vec::into_boxed_slice)
    }

    /// Keeps a part as an attachment if it is one: has the name of a file, or
    /// is said to be one.
    fn attachment(
        &mut self,
        header: &Header,
        content_type: &[u8],
        stated: Option<&[u8]>,
    ) -> Option<usize> {
        let disposition = header.first(Name::ContentDisposition).unwrap_or_default();
        let name = parameter(disposition, "filename")
            .or_else(|| parameter(content_type, "name"))
            .filter(|name| !name.is_empty());
        if name.is_none() && kind(disposition).as_deref() != Some(b"attachment") {
            return None;
        }
        let index = self.attachments.add(name, stated);
        if index.is_none() {
            self.note(Odd::TooManyAttachments);
        }
        index
    }

    const fn note(&mut self, odd: Odd) {
        self.odd |= 1 << odd as u8;
    }

    /// Bytes are missing: what they belong to, nobody knows, so that sizes of
    /// what is not over are not told.
    pub(super) fn missing(&mut self) {
        self.disturbed = true;
        self.region = Region::Other;
        self.line.clear();
        self.within_line = true;
        for level in &mut self.levels {
            level.attachment = None;
        }
    }

    /// The mail is over.
    pub(super) fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        let delimiter = self.levels.iter().enumerate().rev().find_map(|(at, level)| {
            level.delimiter(line.trim_ascii_end()).map(|close| (at, close))
        });
        match delimiter {
            Some((at, close)) => self.boundary(at, close, &line),
            None => self.content(&line, 0),
        }
        self.end_region(false);
        while let Some(level) = self.levels.pop() {
            if let Some((index, bytes)) = &level.attachment {
                self.attachments.set_size(*index, bytes.end(false));
            }
            if level.boundary.is_some() && !self.disturbed {
                self.note(Odd::Unclosed);
            }
        }
    }

    /// Codes of the anomalies that were found.
    pub(super) fn odd(&self) -> impl Iterator<Item = &'static str> {
        ODD.into_iter().filter(|(odd, _)| self.odd & (1 << *odd as u8) != 0).map(|(_, code)| code)
    }

    /// The attachments.
    pub(super) fn attachments(&self) -> impl Iterator<Item = Attachment<'_>> {
        self.attachments.iter()
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        let boundaries = self.levels.iter().filter_map(|level| level.boundary.as_ref());
        let header = if let Region::Header(header) = &self.region { header.held() } else { 0 };
        self.levels.capacity() * size_of::<Level>()
            + boundaries.map(|boundary| boundary.len()).sum::<usize>()
            + self.line.capacity()
            + self.attachments.held()
            + header
    }
}
