//! What is said of a body while it passes: its size, what `--body` shows of
//! it, its trailer section, and what was wrong with its framing.

use httparse::Header;

use super::{
    coding::Codings,
    fields::Fields,
    head,
    message::Rewritten,
    name,
    odd::{Odd, Oddities},
    repaired::Repaired,
};
use crate::{
    decode::{
        Settings,
        redact::{self, BodyKind},
    },
    event::{
        Text, Timestamp,
        http::{Body, Omitted},
    },
};

/// Bytes of a trailer section that are told of: some digests and times.
const TRAILER_LIMIT: usize = 8 * 1024;

/// Bytes of a chunk's size that an anomaly shows. Longer, it is likelier a
/// piece of the body.
const SIZE_DETAIL_LIMIT: usize = 20;

/// Fields that must not stand in a trailer section, because they frame, route
/// or modify the message (RFC 9110 section 6.5.1).
const FORBIDDEN_TRAILERS: [&str; 8] = [
    "content-length",
    "transfer-encoding",
    "host",
    "content-encoding",
    "content-type",
    "content-range",
    "trailer",
    "authorization",
];

/// The content of the message at hand.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Bytes of it, without the framing of chunks.
    pub(super) bytes: u64,
    /// When the latest byte of the message came.
    pub(super) latest: Timestamp,
    /// What few contents have.
    rare: Option<Box<Rare>>,
}

/// What there is to say of a content beside its size.
#[derive(Debug, Default)]
struct Rare {
    /// What was wrong and is not told yet.
    odd: Oddities,
    told: Oddities,
    trailer: Vec<u8>,
    shown: Option<Shown>,
}

/// The first bytes of a content, as they were sent.
#[derive(Debug)]
struct Shown {
    bytes: Vec<u8>,
    limit: usize,
    codings: Codings,
    kind: BodyKind,
    /// Something stands behind these bytes, or is missing.
    truncated: bool,
}

impl Content {
    /// The content of a message with these header fields, of which `limit`
    /// bytes are to be shown.
    pub(super) fn new(headers: &[Header<'_>], limit: usize, time: Timestamp) -> Self {
        let rare = (limit > 0).then(|| {
            let kind = BodyKind::of(head::value(headers, "content-type").unwrap_or_default());
            let codings = Codings::of(headers);
            let shown = Shown { bytes: Vec::new(), limit, codings, kind, truncated: false };
            Box::new(Rare { shown: Some(shown), ..Rare::default() })
        });
        Self { bytes: 0, latest: time, rare }
    }

    /// Whether there may be more to say of it than its size.
    pub(super) const fn is_rare(&self) -> bool {
        self.rare.is_some()
    }

    /// Bytes of the content have come.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(shown) = self.shown_mut() {
            shown.add(bytes);
        }
    }

    /// So many bytes of the content have passed unseen.
    pub(super) fn pass(&mut self, bytes: u64) {
        self.bytes += bytes;
        if let Some(shown) = self.shown_mut() {
            shown.truncated = true;
        }
    }

    /// Whether more bytes are wanted than counted.
    pub(super) fn wants_more(&self) -> bool {
        self.shown().is_some_and(|shown| !shown.truncated)
    }

    /// Whether as much of it has come as is shown, and was not shown yet.
    pub(super) fn is_to_be_shown(&self) -> bool {
        self.shown().is_some_and(|shown| shown.truncated)
    }

    fn shown(&self) -> Option<&Shown> {
        self.rare.as_ref()?.shown.as_ref()
    }

    fn shown_mut(&mut self) -> Option<&mut Shown> {
        self.rare.as_mut()?.shown.as_mut()
    }

    /// Notes what was wrong.
    pub(super) fn note(&mut self, odd: Odd) {
        self.rare.get_or_insert_default().odd.insert(odd);
    }

    /// Bytes of the trailer section have come.
    pub(super) fn trailer(&mut self, bytes: &[u8]) {
        let Rare { odd, trailer, .. } = &mut **self.rare.get_or_insert_default();
        let room = TRAILER_LIMIT - trailer.len();
        if bytes.len() > room {
            odd.insert(Odd::TrailerTooLong);
        }
        trailer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Notes how the line of a chunk's size ends.
    pub(super) fn note_line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match line.strip_suffix(b"\r") {
            None => self.note(Odd::BareLf),
            Some(line) if line.contains(&b'\r') => self.note(Odd::BareCr),
            Some(_) => {}
        }
    }

    /// Notes a chunk's line that cannot be read.
    pub(super) fn broken(&mut self, odd: Odd, line: &[u8]) {
        let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
        let line = head::without_cr(line.get(..end).unwrap_or(line));
        let is_size = |byte: &u8| byte.is_ascii_hexdigit() || b"xX+-_. ".contains(byte);
        if odd == Odd::InvalidChunkSize
            && !line.is_empty()
            && line.len() <= SIZE_DETAIL_LIMIT
            && line.iter().all(is_size)
        {
            self.rare.get_or_insert_default().odd.insert_of(odd, line);
        } else {
            self.note(odd);
        }
    }

    /// What is wrong and was not told of this message, and what was.
    pub(super) fn take_odd(&mut self) -> Option<(Oddities, &mut Oddities)> {
        let Rare { odd, told, .. } = &mut **self.rare.as_mut()?;
        Some((std::mem::take(odd), told))
    }

    /// Reads the trailer section, when it is whole.
    pub(super) fn read_trailer(&mut self, show_secrets: bool) -> Fields {
        let Some(rare) = self.rare.as_mut().filter(|rare| !rare.trailer.is_empty()) else {
            return Fields::default();
        };
        let bytes = std::mem::take(&mut rare.trailer);
        if head::has_bare_lf(&bytes) {
            rare.odd.insert(Odd::BareLf);
        }
        let Repaired { fields, odd } = Repaired::new(&bytes);
        rare.odd.extend(odd);
        let mut headers: Vec<_> = fields.iter().take(head::HEADERS_LIMIT).collect();
        for header in &headers {
            if FORBIDDEN_TRAILERS.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
                rare.odd.insert_of(Odd::ForbiddenTrailer, header.name.as_bytes());
            }
        }
        if show_secrets {
            return Fields::of(&headers);
        }
        let names = name::names(&headers);
        let rewritten = Rewritten::new(&mut headers, &names);
        Fields::of(&rewritten.apply(&headers))
    }

    /// What is to be shown, once it is complete: when it is as long as it may
    /// be, or at the content's `end`.
    pub(super) fn take_shown(&mut self, end: bool, settings: Settings) -> Option<Body<'static>> {
        let shown = self.shown()?;
        if !(end || shown.truncated) {
            return None;
        }
        let shown = self.rare.as_mut()?.shown.take()?;
        if self.bytes == 0 {
            return None;
        }
        let bytes = end.then_some(self.bytes);
        Some(Body { bytes, ..shown.body(settings.show_secrets) })
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.rare.as_deref().map_or(0, |rare| {
            let shown = rare.shown.as_ref().map_or(0, |shown| shown.bytes.capacity());
            size_of_val(rare) + rare.trailer.capacity() + shown + rare.odd.held() + rare.told.held()
        })
    }
}

impl Shown {
    /// Keeps what is needed to show the first bytes.
    fn add(&mut self, bytes: &[u8]) {
        if self.truncated {
            return;
        }
        let room = self.codings.input(self.limit).saturating_sub(self.bytes.len());
        self.truncated = bytes.len() > room;
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The body as it is told of.
    fn body(self, show_secrets: bool) -> Body<'static> {
        let Some((content, more)) = self.codings.undo(self.bytes, self.limit) else {
            return Body { omitted: Some(Omitted::Coding), ..Body::default() };
        };
        let truncated = self.truncated || more;
        if show_secrets {
            return Body { content: Some(Text::from(content)), truncated, ..Body::default() };
        }
        let content = if truncated { redact::whole_characters(&content) } else { &content };
        match self.kind.redact(content, truncated) {
            Some(content) => {
                Body { content: Some(Text::from(content)), truncated, ..Body::default() }
            }
            None => Body { omitted: Some(Omitted::Binary), ..Body::default() },
        }
    }
}
