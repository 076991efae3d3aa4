//! The fields of a header (RFC 5322 section 2.2), picked out of its bytes as
//! they come.

use memchr::memchr;

/// Bytes of the values that are kept of a mail's header. Servers take less
/// (Postfix: `header_size_limit`, 100 KiB, trace fields included, which are
/// not kept here).
const MAIL_LIMIT: usize = 64 * 1024;
/// Bytes of the values that are kept of a part's header, which has three
/// fields that matter.
const PART_LIMIT: usize = 8 * 1024;
/// What a field costs beside its value.
const FIELD_COST: usize = size_of::<Field>();
/// Bytes of values for which there is room from the first field on.
const MAIL_ROOM: usize = 512;
/// The same of a part's header.
const PART_ROOM: usize = 128;
/// Longest name of a field; registered ones have 40 characters at most.
const NAME_LIMIT: usize = 128;

/// A field whose value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    Subject,
    Date,
    MessageId,
    XMailer,
    UserAgent,
    ContentType,
    ContentDisposition,
    ContentTransferEncoding,
}

const NAMES: [(&[u8], Name); 14] = [
    (b"From", Name::From),
    (b"Sender", Name::Sender),
    (b"Reply-To", Name::ReplyTo),
    (b"To", Name::To),
    (b"Cc", Name::Cc),
    (b"Bcc", Name::Bcc),
    (b"Subject", Name::Subject),
    (b"Date", Name::Date),
    (b"Message-ID", Name::MessageId),
    (b"X-Mailer", Name::XMailer),
    (b"User-Agent", Name::UserAgent),
    (b"Content-Type", Name::ContentType),
    (b"Content-Disposition", Name::ContentDisposition),
    (b"Content-Transfer-Encoding", Name::ContentTransferEncoding),
];

/// Whether a byte may stand in a field's name (RFC 5322 section 2.2).
const fn is_name(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b':'
}

impl Name {
    fn named(name: &[u8]) -> Option<Self> {
        let same = |known: &[u8]| name.len() == known.len() && name.eq_ignore_ascii_case(known);
        NAMES.iter().find(|(known, _)| same(known)).map(|(_, name)| *name)
    }

    /// Whether the header of a part may have it as well (RFC 2045).
    const fn is_of_parts(self) -> bool {
        matches!(self, Self::ContentType | Self::ContentDisposition | Self::ContentTransferEncoding)
    }
}

/// Where a field's value stands in the bytes that are kept.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: Name,
    start: usize,
    end: usize,
}

/// Where in the header the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// At the start of a line.
    #[default]
    LineStart,
    /// Behind a CR at the start of a line.
    Cr,
    /// In a field's name.
    Name,
    /// In a value.
    Value {
        /// It is one of those that are kept.
        kept: bool,
    },
    /// Behind the header.
    Ended,
}

/// A header on its way: of a mail, or of a part of one.
///
/// It is given bytes as they come, however they are cut, and keeps the values
/// of the fields that an event tells of, unfolded. It ends at the blank line
/// or, as servers see it, before the first line that can be none of a header.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of their own, not one state")]
pub(in crate::decode) struct Header {
    at: At,
    /// The field's name so far; behind a line that was none of the header, its
    /// beginning.
    name: Vec<u8>,
    values: Vec<u8>,
    fields: Vec<Field>,
    /// Where in `values` the current line begins.
    line: usize,
    /// The previous line's value is kept.
    kept: bool,
    /// Lines have passed.
    begun: bool,
    truncated: bool,
    part: bool,
}

impl Header {
    /// The header of a part.
    pub(super) fn of_part() -> Self {
        Self { part: true, ..Self::default() }
    }

    /// Takes bytes. Returns how many of them are the header's, its blank line
    /// included: all, unless it ended within them.
    pub(in crate::decode) fn push(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            at += match self.at {
                At::Ended => return at,
                At::Value { kept } => self.value(kept, bytes.get(at..).unwrap_or_default()),
                At::LineStart => match self.whole_line(bytes, at) {
                    Some(taken) => taken,
                    None => self.line_start(byte),
                },
                At::Cr if byte == b'\n' => {
                    self.at = At::Ended;
                    1
                }
                At::Cr => {
                    self.name.push(b'\r');
                    self.at = At::Ended;
                    0
                }
                At::Name => self.name_byte(byte),
            };
        }
        at
    }

    /// Takes the line at `from` if all of it is there and it is a field's first,
    /// as most are; any other goes byte by byte.
    fn whole_line(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let colon = rest.iter().take(NAME_LIMIT).position(|byte| !is_name(*byte))?;
        let (name, value) = rest.split_at_checked(colon)?;
        let value = value.strip_prefix(b":")?;
        if name.is_empty() || memchr(b'\n', value).is_none() {
            return None;
        }
        self.line = self.values.len();
        self.field(Name::named(name));
        Some(colon + 1 + self.value(self.kept, value))
    }

    fn line_start(&mut self, byte: u8) -> usize {
        self.name.clear();
        self.line = self.values.len();
        match byte {
            b'\n' => self.at = At::Ended,
            b'\r' => self.at = At::Cr,
            b' ' | b'\t' if self.begun => {
                self.at = At::Value { kept: self.kept };
                return 0;
            }
            _ => {
                self.at = At::Name;
                return 0;
            }
        }
        1
    }

    /// A byte of what should be a field's name and its colon, between which
    /// old senders put blanks (RFC 5322 section 4.5).
    fn name_byte(&mut self, byte: u8) -> usize {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let goes_on = match byte {
            b':' => !self.name.is_empty(),
            b' ' | b'\t' => true,
            _ if is_name(byte) => !self.name.last().is_some_and(blank),
            _ => false,
        };
        if !goes_on || self.name.len() >= NAME_LIMIT {
            return self.no_field();
        }
        if byte != b':' {
            self.name.push(byte);
            return 1;
        }
        self.field(Name::named(self.name.trim_ascii_end()));
        1
    }

    /// The value of a field begins.
    fn field(&mut self, name: Option<Name>) {
        let name = name.filter(|name| !self.part || name.is_of_parts());
        self.kept = name.is_some_and(|name| self.begin(name));
        self.begun = true;
        self.at = At::Value { kept: self.kept };
    }

    /// The line at hand is no field's: the line that a mailbox begins with is
    /// passed over, any other is the body's.
    fn no_field(&mut self) -> usize {
        let mailbox = matches!(&*self.name, b"From " | b">From ");
        if !self.begun && mailbox {
            self.kept = false;
            self.at = At::Value { kept: false };
        } else {
            self.at = At::Ended;
        }
        0
    }

    const fn limit(&self) -> usize {
        if self.part { PART_LIMIT } else { MAIL_LIMIT }
    }

    fn room(&self) -> usize {
        self.limit().saturating_sub(self.values.len() + self.fields.len() * FIELD_COST)
    }

    fn begin(&mut self, name: Name) -> bool {
        if self.room() <= FIELD_COST {
            self.truncated = true;
            return false;
        }
        if self.fields.is_empty() {
            // Of most mails all is kept that matters, without moving it.
            self.values.reserve(if self.part { PART_ROOM } else { MAIL_ROOM });
            self.fields.reserve(if self.part { 3 } else { 8 });
        }
        let at = self.values.len();
        self.fields.push(Field { name, start: at, end: at });
        true
    }

    /// Bytes of a value, up to the end of the line.
    fn value(&mut self, kept: bool, bytes: &[u8]) -> usize {
        let end = memchr(b'\n', bytes);
        let run = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if kept {
            let room = self.room();
            self.truncated |= run.len() > room;
            self.values.extend_from_slice(run.get(..room).unwrap_or(run));
            let cr = end.is_some() && self.values.len() > self.line && self.values.ends_with(b"\r");
            self.values.truncate(self.values.len() - usize::from(cr));
            self.mark_end();
        }
        if end.is_some() {
            self.at = At::LineStart;
        }
        run.len() + usize::from(end.is_some())
    }

    /// The last field's value ends where the values do.
    fn mark_end(&mut self) {
        if let Some(field) = self.fields.last_mut() {
            field.end = self.values.len();
        }
    }

    /// Bytes are missing: the line that they cut is not to be trusted, and the
    /// header ends here.
    pub(in crate::decode) fn missing(&mut self) {
        if self.at == (At::Value { kept: true }) {
            self.values.truncate(self.line);
            self.mark_end();
        }
        self.name.clear();
        self.end();
    }

    /// Nothing more will come.
    pub(in crate::decode) fn end(&mut self) {
        self.at = At::Ended;
    }

    /// Whether it is over.
    pub(in crate::decode) fn is_ended(&self) -> bool {
        self.at == At::Ended
    }

    /// Whether values were left out for their size.
    pub(in crate::decode) const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Bytes that were taken, and are the body's first.
    pub(super) fn take_surplus(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.name)
    }

    /// The values of all fields of a name, in order, without the blanks around
    /// them.
    pub(super) fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter().filter(move |field| field.name == name);
        fields.filter_map(|field| self.values.get(field.start..field.end)).map(<[u8]>::trim_ascii)
    }

    /// The value of the first field of a name that has one.
    pub(super) fn first(&self, name: Name) -> Option<&[u8]> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Bytes on the heap.
    pub(in crate::decode) fn held(&self) -> usize {
        self.name.capacity() + self.values.capacity() + self.fields.capacity() * FIELD_COST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a field, and what was taken, in pieces of `size`.
    fn read(header: &str, name: Name, size: usize) -> (Vec<String>, usize) {
        let mut read = Header::default();
        let mut taken = 0;
        for piece in header.as_bytes().chunks(size) {
            taken += read.push(piece);
        }
        let surplus = read.clone().take_surplus().len();
        let surplus = if read.is_ended() { surplus } else { 0 };
        let values = read.all(name).map(|value| String::from_utf8_lossy(value).into_owned());
        (values.collect(), taken - surplus)
    }

    #[test]
    fn fields_are_found_however_cut() {
        for (header, expected, taken) in [
            ("Subject: a\r\n\r\nbody", &["a"][..], 14),
            ("subject : a \r\n b\r\n\tc\r\nX: y\r\n d\r\n\r\n", &["a  b\tc"], 34),
            ("SUBJECT:a\nSubject:b\n\nx", &["a", "b"], 21),
            ("Received: x\r\n\ty\r\nSubject: a\rb\r\n\r\n", &["a\rb"], 33),
            ("Subject: a\r\nno field\r\n", &["a"], 12),
            ("Subject: a\r\n=?bad\r\n", &["a"], 12),
            ("From me Mon Jan 1\r\nSubject: a\r\n\r\n", &["a"], 33),
            ("Subject: a\r\nFrom me\r\n", &["a"], 12),
            ("Subject: a\r\n\rb\r\n", &["a"], 12),
            (" Subject: a\r\n", &[], 0),
            ("\r\nSubject: a\r\n", &[], 2),
            ("Subject:\r\n a\r\n\r\n", &["a"], 16),
        ] {
            for size in 1..=header.len() {
                let found = read(header, Name::Subject, size);
                assert_eq!(found, (expected.iter().map(|one| (*one).to_owned()).collect(), taken));
            }
        }
    }

    #[test]
    fn a_header_without_end_is_bounded() {
        let mut header = Header::default();
        for _ in 0..MAIL_LIMIT {
            header.push(b"To:\r\nTo: a@example.org\r\nReceived: from nobody\r\n");
        }
        assert!(header.is_truncated() && !header.is_ended());
        assert!(header.held() <= 4 * MAIL_LIMIT, "{}", header.held());
    }

    #[test]
    fn a_line_that_is_cut_off_is_not_trusted() {
        for (header, expected) in [("Subject: a", &[""][..]), ("Subject: a\r\n b", &["a"])] {
            let mut read = Header::default();
            read.push(header.as_bytes());
            read.missing();
            let found: Vec<_> = read.all(Name::Subject).map(String::from_utf8_lossy).collect();
            assert_eq!(found, expected);
        }
    }
}
