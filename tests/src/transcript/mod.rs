//! Transcripts: dialogues in plain text, with the events that they are made
//! of. Each is a file under `tests/transcripts/PROTOCOL/`, named by the
//! situation, and a test of its own.
//!
//! ```text
//! # What this shows, and where it is written (RFC 9112 section 6.3).
//! C> GET / HTTP/1.1
//! C> Host: h
//! C>
//! S> HTTP/1.1 200 OK
//! S> Content-Length: 2
//! S>
//! S> ok\
//! ---
//! client: GET / HTTP/1.1
//! server: HTTP/1.1 200 OK
//!   {"http":{"response":{"status_code":200}}}
//! ```
//!
//! Above `---` stands what the ends say:
//!
//! | line | |
//! |---|---|
//! | `C> text`, `S> text` | a line of the client's, the server's: its text and CRLF. Escapes are `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN`; a line that ends in a lone `\` has no line end. `‹…›` encloses a secret, which no output may show |
//! | an empty line | ends a message; what one side says in a row is one message, and one segment |
//! | `C~ 12`, `S~ 12` | 12 bytes of that side are missing: they passed, and were not captured |
//! | `C!`, `S!` | that side sends FIN |
//! | `C*`, `S*` | before all that is said: the connection is older than the capture, and this side's SYN was not seen |
//! | `view exchanges` | the events are those of that view, in place of `messages` |
//! | `show-secrets` | secrets are left in events |
//! | `port 2525` | the server's port; one that is not usual is the port of the folder's protocol |
//! | `body 100` | bytes of bodies that are shown |
//! | `mail envelope` | nothing of what stands in mails is told |
//! | `gap-excused 3,5: reason` | what is said when message 3 or 5 (both sides counted, from 1) is lost needs not hold against what is said of all; without numbers, of any. One that is not needed fails the test |
//! | `# text` | explains |
//!
//! Behind it stand the events in their order, each as `side: info column`,
//! `-` for no side; `tcp-open`, `tcp-close` and `stats` are left out. An event may be
//! followed by an indented JSON object which its own fields, with `event.action`,
//! `event.outcome` and `event.duration` beside them, must contain; `null`
//! stands for a field that must not be there. Messages come a millisecond
//! apart.
//!
//! [`check`] says what is held of each.

mod account;
pub mod check;
mod connection;
mod lost;
mod parse;
mod said;

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tracer::{
    decode::{PROTOCOLS, Protocol},
    event::Side,
    output::View,
};

/// A transcript that was read.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The protocol that its folder names; none for `general`.
    pub protocol: Option<&'static Protocol>,
    /// What it is run with.
    pub settings: Settings,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What must be said of it.
    pub expected: Vec<Expected>,
    /// Where secrets stand: the step, and the bytes in it.
    pub secrets: Vec<(usize, Range<usize>)>,
    /// Messages whose loss is excused, by number; `None` stands for any.
    pub excused: BTreeMap<Option<usize>, String>,
}

/// What a transcript is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which events are expected.
    pub view: View,
    /// Leave secrets in events.
    pub show_secrets: bool,
    /// Bytes of bodies that are shown.
    pub body: usize,
    /// Nothing of what stands in mails is told.
    pub envelope: bool,
    /// The server's port.
    pub port: u16,
    /// Whether the SYN of each side was seen: client, server.
    pub opened: [bool; 2],
}

/// Something that an end does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which end.
    pub side: Side,
    /// What it does.
    pub act: Act,
}

/// What an end does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It says a message.
    Say(Vec<u8>),
    /// It says so many bytes that are not captured.
    Lose(u32),
    /// It sends FIN.
    Close,
}

/// An event that is expected.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Number of its line.
    pub line: usize,
    /// Side and info column.
    pub text: String,
    /// What its fields contain.
    pub fields: Option<Value>,
}

impl Transcript {
    /// Reads a transcript; its folder names the protocol.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = path.parent().and_then(Path::file_name).context("a file in a folder")?;
        let protocol = PROTOCOLS.iter().find(|protocol| *protocol.label.name == *folder);
        let text = fs::read_to_string(path)?;
        parse::transcript(protocol, &text)
    }

    /// The messages that are said whole: their steps, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (usize, Side, &[u8])> {
        self.steps.iter().enumerate().filter_map(|(number, step)| match &step.act {
            Act::Say(bytes) => Some((number, step.side, bytes.as_slice())),
            Act::Lose(_) | Act::Close => None,
        })
    }
}

/// All transcripts in a folder and those below it, sorted by path.
///
/// # Errors
///
/// When a folder cannot be read, or nothing is in one.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = || folder.display().to_string();
    let mut entries = fs::read_dir(folder)
        .with_context(place)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!entries.is_empty(), "{} is empty", place());
    entries.sort_unstable();
    let mut files = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            files.extend(self::files(&entry)?);
        } else {
            files.push(entry);
        }
    }
    Ok(files)
}
