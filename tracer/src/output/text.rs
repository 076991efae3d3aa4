//! Text rows, as packet analysers show them: time, source, destination,
//! protocol, info.

use std::{
    fmt,
    io::{self, Write as _},
};

use super::{
    View,
    color::Paint,
    lines::{Body, Head},
    look::{Column, Kept, Look},
    may_control_at, put,
};
use crate::event::{
    Escaped, Exchange, Message, Place, Processes, Side, Timestamp, is_control, is_plain,
};

/// What the protocol column holds where no protocol's message stands.
const TCP: &str = "TCP";

/// Appends a row: the time is counted from `begin`.
///
/// # Errors
///
/// None in practice: a buffer takes everything.
pub(super) fn row(
    buffer: &mut Vec<u8>,
    begin: Timestamp,
    head: &Head<'_>,
    body: Body<'_>,
    view: View,
    look: &mut Look,
) -> io::Result<()> {
    look.column(buffer, Column::Time, Paint::Faint, |buffer| seconds(buffer, head.time, begin))?;
    if let Some(connection) = head.connection {
        let side = head.side.unwrap_or(Side::Client);
        let (source, destination) = (connection.end(side).ip, connection.end(side.other()).ip);
        look.column(buffer, Column::Source, Paint::Plain, |buffer| put::address(buffer, source))?;
        look.column(buffer, Column::Destination, Paint::Plain, |buffer| {
            put::address(buffer, destination);
        })?;
        let label = connection.protocol.filter(|_| head.place != Place::Row);
        let (name, paint) =
            label.map_or((TCP, Paint::Plain), |label| (label.column, Paint::Hue(label.hue)));
        look.column(buffer, Column::Protocol, paint, |buffer| {
            buffer.extend_from_slice(name.as_bytes());
        })?;
    }
    let paint = match head.place {
        _ if head.is_failure => Paint::Failure,
        Place::Note => Paint::Note,
        _ => Paint::Plain,
    };
    let kept = if view == View::Exchanges { Kept::Ends } else { Kept::Begin };
    look.info(buffer, paint, kept, |buffer| {
        if let Some(processes) = head.connection.and_then(|of| of.processes.as_deref()) {
            harmless(buffer, &Between(processes, head.side.unwrap_or(Side::Client)))?;
        }
        match body {
            Body::Message(message) if view == View::Exchanges => {
                harmless(buffer, &Exchange(message.describe()))
            }
            Body::Message(message) => info(buffer, message),
            Body::Formatted(info) => {
                buffer.extend_from_slice(info);
                Ok(())
            }
        }
    })
}

/// Who speaks to whom, as far as they are of this host: `curl[42] > nginx[7]: `.
struct Between<'a>(&'a Processes, Side);

impl fmt::Display for Between<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(processes, side) = self;
        match (processes.of(*side), processes.of(side.other())) {
            (Some(one), Some(other)) => write!(formatter, "{one} > {other}: "),
            (Some(one), None) => write!(formatter, "{one} >: "),
            (None, Some(other)) => write!(formatter, "> {other}: "),
            (None, None) => Ok(()),
        }
    }
}

/// Appends the seconds since the capture began.
fn seconds(buffer: &mut Vec<u8>, time: Timestamp, begin: Timestamp) {
    if time < begin {
        buffer.push(b'-');
    }
    let micros = time.0.abs_diff(begin.0) / 1_000;
    put::decimal(buffer, micros / 1_000_000);
    buffer.push(b'.');
    buffer.extend_from_slice(&put::digits::<6>(micros));
}

/// Appends the info column of a message, with every control character made
/// harmless: a terminal must not obey what stood on the wire.
///
/// # Errors
///
/// None in practice: a buffer takes everything.
pub(super) fn info(buffer: &mut Vec<u8>, message: &Message<'_>) -> io::Result<()> {
    harmless(buffer, &message.describe())
}

fn harmless(buffer: &mut Vec<u8>, text: &dyn fmt::Display) -> io::Result<()> {
    let at = buffer.len();
    put::display(buffer, text);
    let info = buffer.get(at..).unwrap_or_default();
    if may_control(info) {
        // `Display` writes whole characters only, so nothing is replaced here.
        let text = String::from_utf8_lossy(info).into_owned();
        buffer.truncate(at);
        for character in text.chars() {
            if is_control(character) {
                write!(buffer, "{}", Escaped(character))?;
            } else {
                write!(buffer, "{character}")?;
            }
        }
    }
    Ok(())
}

/// Whether there is a control character among the bytes of a text: a quick
/// look that takes some harmless characters for one.
fn may_control(text: &[u8]) -> bool {
    !is_plain(text)
        && (text.iter().any(|byte| *byte < b' ') || may_control_at(text).next().is_some())
}
