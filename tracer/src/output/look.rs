//! How text rows look: in colour, in columns, cut to the width of a terminal.
//! Into pipes and files they go plain, for programs.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use unicode_width::UnicodeWidthChar as _;

use super::color::{Color, Paint};

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// The columns that are left to the info, however narrow the terminal is:
/// below it rows wrap.
const LEAST_INFO: usize = 20;

/// The part of a terminal's width that a column of addresses may grow to; a
/// longer address sticks out.
const ADDRESS_SHARE: usize = 4;

/// The columns before the info.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Aligned at its end.
    Time,
    Source,
    Destination,
    Protocol,
}

/// How rows look. What is made of a look by cloning writes to the same
/// terminal, in the same columns.
#[derive(Clone, Debug)]
pub struct Look {
    is_colored: bool,
    screen: Option<Screen>,
    /// What the row at hand has filled of its line.
    filled: usize,
}

/// A terminal, and what its rows have in common.
#[derive(Clone, Debug)]
struct Screen {
    device: Option<Arc<OwnedFd>>,
    /// Columns of the terminal, where it says.
    width: Option<usize>,
    /// Whether it is to be asked how wide it is by now.
    is_stale: bool,
    /// How wide each [`Column`] is.
    columns: Arc<[AtomicUsize; 4]>,
}

impl Default for Look {
    /// Plain.
    fn default() -> Self {
        Self { is_colored: false, screen: None, filled: 0 }
    }
}

impl Look {
    /// The look for an output, by the operator's choice and the environment.
    ///
    /// # Errors
    ///
    /// When a terminal's descriptor cannot be had a second time.
    pub fn new(out: impl AsFd, color: Color) -> io::Result<Self> {
        let is_terminal = out.as_fd().is_terminal();
        let device = if is_terminal { Some(out.as_fd().try_clone_to_owned()?) } else { None };
        Ok(Self {
            is_colored: color.is_wanted(is_terminal, env::var_os),
            screen: device.map(|device| Screen::new(Some(device), None)),
            filled: 0,
        })
    }

    /// That of a terminal of a fixed width.
    #[cfg(test)]
    pub(super) fn fixed(width: usize, is_colored: bool) -> Self {
        Self { is_colored, screen: Some(Screen::new(None, Some(width))), filled: 0 }
    }

    /// Has the terminal be asked for its width before the next row.
    pub(super) fn refresh(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.is_stale = true;
        }
    }

    /// Appends a column, two spaces behind the one before. What `write` appends
    /// is ASCII, as times, addresses and names of protocols are.
    ///
    /// # Errors
    ///
    /// None in practice: a buffer takes everything.
    pub(super) fn column(
        &mut self,
        buffer: &mut Vec<u8>,
        column: Column,
        paint: Paint,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        if column == Column::Time {
            self.filled = 0;
        } else {
            buffer.extend_from_slice(b"  ");
            self.filled += 2;
        }
        let end = self.begin(buffer, paint)?;
        let at = buffer.len();
        write(buffer);
        let len = buffer.len() - at;
        let width = match &mut self.screen {
            Some(screen) => screen.grown(column, len),
            None if column == Column::Protocol => 4,
            None => 0,
        };
        let padding = width.saturating_sub(len);
        if padding > 0 {
            buffer.resize(buffer.len() + padding, b' ');
            if column == Column::Time {
                buffer.get_mut(at..).unwrap_or_default().rotate_right(padding);
            }
        }
        self::end(buffer, end);
        self.filled += len + padding;
        Ok(())
    }

    /// Appends the last column, which `write` appends as harmless text.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub(super) fn info(
        &mut self,
        buffer: &mut Vec<u8>,
        paint: Paint,
        kept: Kept,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        buffer.extend_from_slice(b"  ");
        let end = self.begin(buffer, paint)?;
        let at = buffer.len();
        write(buffer)?;
        if let Some(width) = self.screen.as_ref().and_then(|screen| screen.width) {
            cut(buffer, at, width.saturating_sub(self.filled + 2).max(LEAST_INFO), kept);
        }
        self::end(buffer, end);
        buffer.push(b'\n');
        Ok(())
    }

    /// Begins a piece in a colour, if there are any; what is returned ends it.
    #[inline]
    fn begin(&self, buffer: &mut Vec<u8>, paint: Paint) -> io::Result<&'static [u8]> {
        if self.is_colored { Self::color(buffer, paint) } else { Ok(b"") }
    }

    fn color(buffer: &mut Vec<u8>, paint: Paint) -> io::Result<&'static [u8]> {
        match paint.parameter() {
            Some(parameter) => {
                write!(buffer, "\x1b[{parameter}m")?;
                Ok(b"\x1b[m")
            }
            None => Ok(b""),
        }
    }
}

/// Ends a piece, mostly by nothing.
#[inline]
fn end(buffer: &mut Vec<u8>, end: &[u8]) {
    if !end.is_empty() {
        buffer.extend_from_slice(end);
    }
}

impl Screen {
    /// Columns as wide as the rows of IPv4 on a quiet host need them: most rows
    /// then never move.
    fn new(device: Option<OwnedFd>, width: Option<usize>) -> Self {
        let is_stale = device.is_some();
        let columns = Arc::new([9, 13, 13, 4].map(AtomicUsize::new));
        Self { device: device.map(Arc::new), width, is_stale, columns }
    }

    /// The width of a column that has to take `len` characters; columns grow,
    /// and never shrink.
    fn grown(&mut self, column: Column, len: usize) -> usize {
        if std::mem::take(&mut self.is_stale) {
            self.width = self.device.as_deref().and_then(width);
        }
        let limit = match column {
            Column::Time | Column::Protocol => usize::MAX,
            Column::Source | Column::Destination => {
                self.width.map_or(usize::MAX, |width| width / ADDRESS_SHARE)
            }
        };
        let [time, source, destination, protocol] = &*self.columns;
        let grown = match column {
            Column::Time => time,
            Column::Source => source,
            Column::Destination => destination,
            Column::Protocol => protocol,
        };
        if len <= limit {
            grown.fetch_max(len, Ordering::Relaxed).max(len)
        } else {
            grown.load(Ordering::Relaxed)
        }
    }
}

/// Columns of the terminal; `None` where it does not know.
fn width(device: &OwnedFd) -> Option<usize> {
    #![expect(unsafe_code, reason = "the terminal is asked by ioctl")]
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: for this request the kernel writes a `winsize`.
    let asked = unsafe { libc::ioctl(device.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (asked == 0 && size.ws_col > 0).then_some(size.ws_col.into())
}

/// Which part of a text stays when it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Its begin.
    Begin,
    /// Its begin, and how it ended: the answer behind an arrow, or the figures
    /// behind two spaces.
    Ends,
}

/// Cuts the text that the buffer holds from `at` on to `room` columns.
fn cut(buffer: &mut Vec<u8>, at: usize, room: usize, kept: Kept) {
    let text = String::from_utf8_lossy(buffer.get(at..).unwrap_or_default());
    if columns(&text) <= room {
        return;
    }
    // At least a third is left for the begin.
    let fits = |end: &&str| columns(end) <= room / 3 * 2;
    let end = match kept {
        Kept::Begin => None,
        Kept::Ends => {
            [" → ", "  "].into_iter().filter_map(|mark| text.get(text.rfind(mark)?..)).find(fits)
        }
    }
    .unwrap_or_default();
    // One column for the mark of the cut.
    let room = room.saturating_sub(columns(end) + 1);
    let mut filled = 0;
    let begin = text.char_indices().find(|(_, character)| {
        filled += character.width().unwrap_or(0);
        filled > room
    });
    let begin = begin.and_then(|(offset, _)| text.get(..offset)).unwrap_or_default();
    let shown = format!("{begin}{CUT}{end}");
    buffer.truncate(at);
    buffer.extend_from_slice(shown.as_bytes());
}

/// The columns that a text takes. What belongs to the character before it has
/// no width.
fn columns(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_to(text: &str, room: usize, kept: Kept) -> String {
        let mut buffer = b"before ".to_vec();
        buffer.extend_from_slice(text.as_bytes());
        cut(&mut buffer, 7, room, kept);
        String::from_utf8(buffer).expect("cut between characters").split_off(7)
    }

    #[test]
    fn texts_are_cut_by_the_width_they_have() {
        for (text, room, expected) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("", 0, ""),
            // Two columns each.
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本語x", 6, "日本…"),
            // What has no width stays with its character.
            ("e\u{301}e\u{301}e\u{301}", 3, "e\u{301}e\u{301}e\u{301}"),
            ("e\u{301}e\u{301}e\u{301}e\u{301}", 3, "e\u{301}e\u{301}…"),
            ("é\u{200d}\u{200d}\u{200d}", 1, "é\u{200d}\u{200d}\u{200d}"),
            ("ab\u{301}", 2, "ab\u{301}"),
            ("abc\u{301}", 2, "a…"),
        ] {
            assert_eq!(cut_to(text, room, Kept::Begin), expected, "{text} to {room}");
        }
    }

    #[test]
    fn of_an_exchange_the_answer_and_the_figures_stay() {
        let text =
            "GET /a/long/path?with=a%20query HTTP/1.1 → 200 OK  (text/html)  3.4 kB in 12 ms";
        for (room, expected) in [
            (79, text),
            (78, "GET /a/long/path?with=a%20query HTTP/1… → 200 OK  (text/html)  3.4 kB in 12 ms"),
            (64, "GET /a/long/path?with=a%… → 200 OK  (text/html)  3.4 kB in 12 ms"),
            (40, "GET /a/long/path?with=…  3.4 kB in 12 ms"),
            (20, "GET /a/long/path?wi…"),
        ] {
            assert_eq!(cut_to(text, room, Kept::Ends), expected, "to {room}");
        }
        let mail = "subject: hello, from: a@example.test  1.2 kB in 3.4 s";
        assert_eq!(cut_to(mail, 40, Kept::Ends), "subject: hello, from: …  1.2 kB in 3.4 s");
    }
}
