//! The lines behind a status line, up to the one that is a dot.

use crate::{decode::mail::Content, event::pop3::Data};

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// At the start of a line.
    #[default]
    Start,
    /// Behind a dot that begins the line.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
    /// Somewhere in a line.
    Within,
}

/// The lines behind a status line, as they pass.
#[derive(Debug, Default)]
pub(super) struct Body {
    at: At,
    /// The mail that they are.
    pub(super) mail: Option<Box<Content>>,
    pub(super) data: Data,
    ended: bool,
}

impl Body {
    /// One that is a mail.
    pub(super) fn of_mail() -> Self {
        Self { mail: Some(Box::default()), ..Self::default() }
    }

    /// Takes bytes; returns how many belong to it, which is all unless it ends
    /// within them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            match (self.at, byte) {
                _ if self.ended => break,
                (At::Start, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::Dot | At::DotCr, b'\n') => {
                    self.ended = true;
                    if let Some(mail) = &mut self.mail {
                        mail.end();
                    }
                }
                (at, _) => {
                    // A CR behind the dot was no line's end.
                    if at == At::DotCr {
                        self.take(b"\r");
                    }
                    let end = memchr::memchr(b'\n', rest);
                    let (line, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
                    self.data.lines += u64::from(end.is_some());
                    self.at = if end.is_some() { At::Start } else { At::Within };
                    self.take(line);
                    rest = behind;
                    continue;
                }
            }
            rest = behind;
        }
        bytes.len() - rest.len()
    }

    /// Bytes of it are missing, or it breaks off. Servers write whole lines, so
    /// that behind a hole one probably begins.
    pub(super) fn missing(&mut self, bytes: u64) {
        self.at = At::Start;
        self.data.incomplete = true;
        if let Some(mail) = &mut self.mail {
            mail.missing(bytes);
        }
    }

    /// Whether its end was seen.
    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        self.mail.as_ref().map_or(0, |mail| size_of::<Content>() + mail.held())
    }

    fn take(&mut self, bytes: &[u8]) {
        self.data.bytes += bytes.len() as u64;
        if let Some(mail) = &mut self.mail {
            mail.push(bytes);
        }
    }
}
