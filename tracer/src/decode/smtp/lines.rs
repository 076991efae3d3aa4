//! The lines of a mail's data as they are on the wire: what is odd about them,
//! and what some servers take for the end of the data though it is none.

use memchr::{memchr2, memrchr};

/// Longest line, its end included (RFC 5321 section 4.5.3.1.6).
const LIMIT: usize = 1_000;
/// Bytes of a line by which a command is known.
const HEAD: usize = 10;

/// How a line ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Break {
    /// CR LF, or the start of the data.
    #[default]
    CrLf,
    /// LF alone.
    Lf,
    /// CR alone.
    Cr,
    /// It was not seen.
    Unseen,
}

impl Break {
    const fn name(self) -> &'static str {
        match self {
            Self::CrLf => "<CRLF>",
            Self::Lf => "<LF>",
            Self::Cr => "<CR>",
            Self::Unseen => "",
        }
    }
}

/// A line that some servers take for the end of the data, which is what SMTP
/// smuggling lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lookalike {
    before: Break,
    nul: bool,
    after: Break,
    /// The line behind it begins like this command.
    command: Option<&'static str>,
}

/// Commands that a smuggled mail may begin with.
const COMMANDS: [(&[u8], &str); 7] = [
    (b"MAIL FROM:", "MAIL"),
    (b"RCPT TO:", "RCPT"),
    (b"EHLO ", "EHLO"),
    (b"HELO ", "HELO"),
    (b"LHLO ", "LHLO"),
    (b"RSET\r", "RSET"),
    (b"RSET\n", "RSET"),
];

/// What stands somewhere among bytes.
struct Seen {
    /// A CR or LF that is alone, or whose other half is not here.
    breaks: bool,
    nul: bool,
    eight_bit: bool,
}

impl Seen {
    /// Looks at bytes many at a time, without branches.
    fn of(bytes: &[u8]) -> Self {
        let behind = bytes.get(1..).unwrap_or_default();
        let (mut breaks, mut nul, mut high) = (false, false, 0);
        for (byte, next) in bytes.iter().zip(behind) {
            breaks |= (*byte == b'\r') != (*next == b'\n');
            nul |= *byte == 0;
            high |= *byte;
        }
        let ends = |byte: u8| bytes.last() == Some(&byte);
        breaks |= bytes.first() == Some(&b'\n') || ends(b'\r');
        Self { breaks, nul: nul || ends(0), eight_bit: high >= 0x80 || bytes.last() >= Some(&0x80) }
    }
}

/// Reads lines as they pass. It tells of the first thing of each kind.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts of their own, not one state")]
pub(super) struct Lines {
    /// The client ends all lines with a bare LF.
    pub(super) bare: bool,
    /// How the previous line ended.
    before: Break,
    /// Bytes of the line at hand, without its end.
    text: u64,
    /// The first of them.
    head: [u8; HEAD],
    /// The last byte was a CR.
    cr: bool,
    /// Bytes since the last LF.
    since_lf: u64,
    lookalike: Option<Lookalike>,
    /// The line at hand stands behind the lookalike.
    behind: bool,
    bare_lf: bool,
    bare_cr: bool,
    nul: bool,
    long: bool,
    eight_bit: bool,
}

impl Lines {
    /// Takes bytes of the data as they are on the wire.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Seen { breaks, nul, eight_bit } = Seen::of(bytes);
        self.nul |= nul;
        self.eight_bit |= eight_bit;
        let plain = !breaks && !nul;
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if plain && let Some(taken) = self.plain_lines(rest) {
                rest = rest.get(taken..).unwrap_or_default();
                continue;
            }
            if let Some(taken) = self.plain_line(rest) {
                rest = rest.get(taken..).unwrap_or_default();
                continue;
            }
            if std::mem::take(&mut self.cr) {
                if *first == b'\n' {
                    self.end_line(Break::CrLf);
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                self.end_line(Break::Cr);
            }
            let run = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            self.text(rest.get(..run).unwrap_or_default());
            match rest.get(run) {
                Some(b'\r') => self.cr = true,
                Some(_) => self.end_line(Break::Lf),
                None => {}
            }
            rest = rest.get(run + 1..).unwrap_or_default();
        }
    }

    /// Whether a line begins here, behind one that ended with CR LF.
    const fn is_fresh(&self) -> bool {
        let begins = matches!(self.before, Break::CrLf) && self.text == 0 && self.since_lf == 0;
        begins && !self.cr && !self.behind
    }

    /// Takes all whole lines, where all of them end with CR LF and none holds
    /// NUL, so that none is a lookalike. Returns their length.
    fn plain_lines(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = memrchr(b'\n', bytes).filter(|_| self.is_fresh())? + 1;
        let mut rest = bytes.get(..end)?;
        // The last line that ends within the limit, and from there on again.
        while let Some(reach) = rest.get(..LIMIT).filter(|_| !self.long) {
            match memrchr(b'\n', reach) {
                Some(at) => rest = rest.get(at + 1..).unwrap_or_default(),
                None => self.long = true,
            }
        }
        Some(end)
    }

    /// Takes a whole line that is like most: behind one that ended with CR LF,
    /// ended so itself, and too long for a lookalike. Returns its length.
    fn plain_line(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.is_fresh() {
            return None;
        }
        let at = memchr2(b'\r', b'\n', bytes)?;
        if at <= 2 || bytes.get(at..at + 2) != Some(b"\r\n") {
            return None;
        }
        self.long |= at + 2 > LIMIT;
        Some(at + 2)
    }

    fn text(&mut self, run: &[u8]) {
        if let Ok(from) = usize::try_from(self.text)
            && let Some(room) = self.head.get_mut(from..)
        {
            for (head, byte) in room.iter_mut().zip(run) {
                *head = *byte;
            }
        }
        self.text += run.len() as u64;
        self.since_lf += run.len() as u64;
    }

    fn end_line(&mut self, end: Break) {
        let before = std::mem::replace(&mut self.before, end);
        let text = std::mem::take(&mut self.text);
        let nul = text == 2 && self.head.starts_with(b"\0.");
        let dot = nul || (text == 1 && self.head.starts_with(b"."));
        let is_end = |line_end| line_end == Break::CrLf || (self.bare && line_end == Break::Lf);
        let ends = is_end(before) && is_end(end) && !nul;
        if std::mem::take(&mut self.behind)
            && let Some(lookalike) = &mut self.lookalike
        {
            let len = usize::try_from(text).unwrap_or(HEAD).min(HEAD);
            let mut line = self.head;
            if let Some(first) = line.get_mut(len) {
                *first = b'\n';
            }
            let begins = |name: &[u8]| {
                line.get(..name.len()).is_some_and(|line| line.eq_ignore_ascii_case(name))
            };
            lookalike.command =
                COMMANDS.iter().find(|(name, _)| begins(name)).map(|(_, command)| *command);
        }
        let known = self.lookalike.is_some_and(|found| found.command.is_some());
        if dot && !ends && before != Break::Unseen && !known {
            self.lookalike = Some(Lookalike { before, nul, after: end, command: None });
            self.behind = true;
        }
        match end {
            Break::Lf => self.bare_lf = true,
            Break::Cr => self.bare_cr = true,
            Break::CrLf | Break::Unseen => {}
        }
        if end == Break::Cr {
            self.since_lf += 1;
        } else {
            self.long |= self.since_lf + 2 > LIMIT as u64;
            self.since_lf = 0;
        }
        self.head = [0; HEAD];
    }

    /// Bytes are missing here.
    pub(super) fn missing(&mut self) {
        self.before = Break::Unseen;
        self.cr = false;
        self.text = HEAD as u64;
        self.since_lf = 0;
        self.behind = false;
    }

    /// Codes and details of what is odd. `declared`: the client said that the
    /// mail may have bytes beyond ASCII.
    pub(super) fn odd(&self, declared: bool) -> impl Iterator<Item = (&'static str, String)> {
        let lookalike = self.lookalike.map(|lookalike| {
            let Lookalike { before, nul, after, command } = lookalike;
            let nul = if nul { "<NUL>" } else { "" };
            let mut detail = format!("{}{nul}.{}", before.name(), after.name());
            if let Some(command) = command {
                detail.push_str(" and a command: ");
                detail.push_str(command);
            }
            ("end-of-data-lookalike", detail)
        });
        [
            (self.bare_lf && !self.bare, "bare-lf"),
            (self.bare_cr, "bare-cr"),
            (self.nul, "nul"),
            (self.long, "line-too-long"),
            (self.eight_bit && !declared, "8bit-undeclared"),
        ]
        .into_iter()
        .filter(|(found, _)| *found)
        .map(|(_, code)| (code, "data".to_owned()))
        .chain(lookalike)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(data: &[u8]) -> Vec<String> {
        let read = |size| {
            let mut lines = Lines::default();
            for piece in data.chunks(size) {
                lines.push(piece);
            }
            lines.odd(false).map(|(code, detail)| format!("{code}: {detail}")).collect::<Vec<_>>()
        };
        let whole = read(data.len());
        for size in 1..data.len() {
            assert_eq!(read(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn lookalikes_of_the_end() {
        for (data, expected) in [
            (&b"a\n.\r\nMAIL FROM:<a>\r\n"[..], "<LF>.<CRLF> and a command: MAIL"),
            (b"a\n.\nrset\r\n", "<LF>.<LF> and a command: RSET"),
            (b"a\r.\rmail from:<a>\r\n", "<CR>.<CR> and a command: MAIL"),
            (b"a\r\n.\nb\r\n", "<CRLF>.<LF>"),
            (b"a\r\n.\rb\r\n", "<CRLF>.<CR>"),
            (b"a\r\n\0.\r\n", "<CRLF><NUL>.<CRLF>"),
            (b"a\r.\r\n", "<CR>.<CRLF>"),
        ] {
            let expected = format!("end-of-data-lookalike: {expected}");
            assert_eq!(odd(data).last(), Some(&expected), "{data:?}");
        }
        for data in [&b"a\r\n..\r\nb\r\n.\r\n"[..], b"a.\r\n\r\n . \r\n.\r\n", b".\r\n"] {
            assert_eq!(odd(data), [""; 0], "{data:?}");
        }
    }

    #[test]
    fn lines_and_bytes_that_are_odd() {
        assert_eq!(
            odd(b"a\nb\rc\0\xff\r\n"),
            ["bare-lf: data", "bare-cr: data", "nul: data", "8bit-undeclared: data",]
        );
        let mut line = vec![b'a'; 998];
        line.extend_from_slice(b"\r\n");
        assert_eq!(odd(&line), [""; 0]);
        line.insert(0, b'a');
        assert_eq!(odd(&line), ["line-too-long: data"]);
    }
}
