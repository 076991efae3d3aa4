//! What holds when bytes of a transcript are lost.
//!
//! A message is lost in two ways: its segment passed and was not captured, so
//! that the loss is certain when more comes, or nobody saw the segment. In the
//! first, what is said must hold against what is said of the whole:
//!
//! - what does not touch the hole is said all the same, in the same order, at
//!   the same time, with the same words; it may lack fields that were learnt in
//!   the hole (the name in HELO, say);
//! - nothing is said that is not said of the whole: an event that touches the
//!   hole may differ from its counterpart, but must have one;
//! - a loss is no fault of the peers: no anomaly comes of it.
//!
//! The hole is the message, the rest of what its side says in a row, and the
//! answer; with an answer that only asks to go on (100, 334, 354, `+`), what
//! follows it, too. An event touches it that begins or ends there.
//!
//! However a message is lost, and where the capture begins in the middle,
//! bytes are accounted for and no secret shows.

use std::{fmt::Write as _, ops::RangeInclusive};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tracer::event::Side;

use super::{
    Transcript,
    check::{accounts, written},
    connection::{Content, Outcome, Piece, time},
    said::Said,
};
use crate::secret::Secrets;

/// Loses each message in turn, and all before each.
pub(super) fn check(transcript: &Transcript, whole: &Outcome, secrets: &Secrets) -> Result<()> {
    let pieces = transcript.pieces();
    let opened = transcript.settings.opened;
    let messages: Vec<usize> = transcript.messages().map(|(step, ..)| step).collect();
    let mut faults = Vec::new();
    for (number, &step) in (1..).zip(&messages) {
        for unseen in [false, true] {
            let how =
                || format!("message {number} {}", if unseen { "not seen" } else { "cut off" });
            let lost = without(&pieces, step, unseen);
            let outcome = transcript.run(&lost).with_context(how)?;
            accounts(&lost, &outcome).with_context(how)?;
            written(transcript, opened, &lost, secrets).with_context(how)?;
            if !unseen {
                let hole = hole(&pieces, step, &whole.hearer.said);
                faults.push((number, hold(&outcome, whole, &hole)));
            }
        }
        let late = pieces.get(step..).unwrap_or_default();
        let how = || format!("from message {number} on");
        let outcome = transcript.run_since([false; 2], late).with_context(how)?;
        accounts(late, &outcome).with_context(how)?;
        written(transcript, [false; 2], late, secrets).with_context(how)?;
    }
    excuse(transcript, &faults)
}

/// The pieces without the bytes of a step.
fn without<'a>(pieces: &[Piece<'a>], step: usize, unseen: bool) -> Vec<Piece<'a>> {
    let mut pieces = pieces.to_vec();
    if let Some(piece) = pieces.get_mut(step) {
        let len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        piece.content = if unseen { Content::Unseen(len) } else { Content::Missing(len) };
    }
    pieces
}

/// The times of the message, of what its side says behind it, and of the
/// answer.
fn hole(pieces: &[Piece<'_>], step: usize, whole: &[Said]) -> RangeInclusive<u64> {
    let turn = |from: usize| {
        let rest = pieces.get(from..).unwrap_or_default();
        let side = rest.first().map(|piece| piece.side);
        from + rest.iter().take_while(|piece| Some(piece.side) == side).count()
    };
    let asks_to_go_on = |from: usize, to: usize| {
        let times = time(from)..time(to);
        let mut events = whole.iter().filter(|event| times.contains(&event.time));
        let only = events.next().filter(|_| events.next().is_none());
        only.is_some_and(|event| is_interim(&event.fields))
    };
    let mut answer = turn(step);
    let mut end = turn(answer);
    let by_server = pieces.get(step).is_some_and(|piece| piece.side == Side::Server);
    if by_server {
        (answer, end) = (end, turn(end));
    }
    while end < pieces.len() && asks_to_go_on(answer, end) {
        answer = turn(end);
        end = turn(answer);
    }
    if by_server { time(step)..=time(answer - 1) } else { time(step)..=time(end - 1) }
}

/// Whether the event is a reply that asks the client to go on.
fn is_interim(fields: &Value) -> bool {
    let at = |pointer| fields.pointer(pointer);
    let code = at("/http/response/status_code").or_else(|| at("/smtp/reply/code"));
    match code.and_then(Value::as_u64) {
        Some(code) => matches!(code, 100..200 | 300..400) && at("/http").is_none_or(|_| code < 200),
        None => at("/imap/response/tag").is_some_and(|tag| tag == "+"),
    }
}

/// Holds what is said against what is said of the whole.
fn hold(outcome: &Outcome, whole: &Outcome, hole: &RangeInclusive<u64>) -> Result<()> {
    let told = |outcome: &Outcome| -> Vec<Said> {
        outcome.hearer.said.iter().filter(|event| !event.is_gap()).cloned().collect()
    };
    let (found, whole) = (told(outcome), told(whole));
    let touches = |event: &Said| event.began <= *hole.end() && event.time >= *hole.start();
    let pairs = pairs(&found, &whole, touches);
    let unpaired = |event: &(usize, &Said)| !pairs.iter().any(|(_, number)| *number == event.0);
    let (mut differs, forgotten): (Vec<_>, Vec<_>) =
        whole.iter().enumerate().filter(unpaired).partition(|(_, event)| touches(event));
    if let Some((_, event)) = forgotten.first() {
        let but: Vec<String> = found.iter().map(Said::to_string).collect();
        bail!("not said any more: {event}\nbut:\n{}", but.join("\n"));
    }
    for (number, event) in found.iter().enumerate() {
        if pairs.iter().any(|(paired, _)| *paired == number) {
            continue;
        }
        let counterpart = differs
            .iter()
            .position(|(_, other)| (other.side, other.action) == (event.side, event.action));
        match counterpart {
            _ if event.action == "anomaly" => bail!("calls a loss the fault of a peer: {event}"),
            Some(place) => drop(differs.remove(place)),
            None => bail!("not said of the whole: {event}"),
        }
    }
    Ok(())
}

/// The events of one list that are those of another, in order: as many as can
/// be, those first that do not touch the hole.
fn pairs(found: &[Said], whole: &[Said], touches: impl Fn(&Said) -> bool) -> Vec<(usize, usize)> {
    const OUTSIDE: u32 = 1_000;
    // The weight of the best pairs of what stands from each two events on.
    let width = whole.len() + 1;
    let mut best = vec![0; (found.len() + 1) * width];
    let weight = |best: &[u32], row: usize, column: usize| {
        best.get(row * width + column).copied().unwrap_or_default()
    };
    let pair = |found: &Said, whole: &Said| match found.is_of(whole) {
        true if touches(whole) => 1,
        true => OUTSIDE,
        false => 0,
    };
    for (row, found) in found.iter().enumerate().rev() {
        for (column, whole) in whole.iter().enumerate().rev() {
            let paired = match pair(found, whole) {
                0 => 0,
                worth => worth + weight(&best, row + 1, column + 1),
            };
            let other = weight(&best, row + 1, column).max(weight(&best, row, column + 1));
            if let Some(cell) = best.get_mut(row * width + column) {
                *cell = paired.max(other);
            }
        }
    }
    let mut pairs = Vec::new();
    let (mut row, mut column) = (0, 0);
    while let (Some(one), Some(other)) = (found.get(row), whole.get(column)) {
        let worth = pair(one, other);
        let here = weight(&best, row, column);
        if worth > 0 && here == worth + weight(&best, row + 1, column + 1) {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if here == weight(&best, row + 1, column) {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

/// Holds faults against what the transcript excuses.
fn excuse(transcript: &Transcript, found: &[(usize, Result<()>)]) -> Result<()> {
    let excused = &transcript.excused;
    let mut faults = String::new();
    for (number, fault) in found {
        match fault {
            Err(_) if excused.contains_key(&None) || excused.contains_key(&Some(*number)) => {}
            Err(fault) => write!(faults, "\nmessage {number} lost: {fault:#}")?,
            Ok(()) => {
                let needed = !excused.contains_key(&Some(*number));
                ensure!(needed, "message {number} needs no excuse any more: gap-excused");
            }
        }
    }
    ensure!(faults.is_empty(), "{faults}");
    let needed = !excused.contains_key(&None) || found.iter().any(|(_, fault)| fault.is_err());
    ensure!(needed, "no excuse is needed any more: gap-excused");
    Ok(())
}
