//! What is held of a transcript.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use tracer::event::Side;

use super::{
    Expected, Transcript,
    connection::{Content, Outcome, Piece},
    lost,
    said::{Said, contains},
};
use crate::{output, secret::Secrets};

/// Holds a transcript to all that must be true of it:
///
/// - said whole, its events are those that it expects, in order, no more;
/// - said byte by byte, and with each message cut in two at each position, the
///   same events come at the same times;
/// - with each message lost in turn, and seen only from each message on, what
///   [`lost`] says;
/// - whatever comes of it, each byte was decoded, skipped or told of in a gap,
///   and the decoder keeps its contract with the flow table;
/// - no format and no view shows a secret, and every JSON line is one of the
///   schema.
pub fn check(transcript: &Transcript) -> Result<()> {
    let secrets = secrets(transcript);
    let pieces = transcript.pieces();
    let whole = transcript.run(&pieces).context("whole")?;
    expect(&transcript.expected, &whole.hearer.said)?;
    accounts(&pieces, &whole).context("whole")?;
    written(transcript, transcript.settings.opened, &pieces, &secrets).context("whole")?;
    cut(transcript, &whole.hearer.said)?;
    let bytes = byte_by_byte(&pieces);
    written(transcript, transcript.settings.opened, &bytes, &secrets).context("byte by byte")?;
    lost::check(transcript, &whole, &secrets)
}

fn secrets(transcript: &Transcript) -> Secrets {
    let mut secrets = Secrets::default();
    for (step, range) in &transcript.secrets {
        let said = transcript.messages().find(|(number, ..)| number == step);
        let secret = said.and_then(|(_, _, bytes)| bytes.get(range.clone()));
        secrets.add(secret.unwrap_or_default());
    }
    secrets
}

/// Holds the events against those that are expected.
fn expect(expected: &[Expected], said: &[Said]) -> Result<()> {
    let mut fault = None;
    for (number, event) in said.iter().enumerate() {
        let Some(expected) = expected.get(number) else {
            fault = Some(format!("event {}: nothing more is expected", number + 1));
            break;
        };
        let line = expected.line;
        if event.text() != expected.text {
            fault = Some(format!("line {line}: another event:\n  {}", event.text()));
            break;
        }
        let part = expected.fields.as_ref();
        if let Some(Err(what)) = part.map(|part| contains(&event.fields, part)) {
            fault = Some(format!("line {line}: {what} in the fields"));
            break;
        }
    }
    if fault.is_none()
        && let Some(missing) = expected.get(said.len())
    {
        fault = Some(format!("line {}: nothing more was said", missing.line));
    }
    let Some(mut fault) = fault else { return Ok(()) };
    // What can stand in the file, if it is right.
    fault.push_str("\nwhat was said:\n---");
    for event in said {
        write!(fault, "\n{}\n  {}", event.text(), event.fields)?;
    }
    bail!("{fault}")
}

/// Holds what is said of it byte by byte, and cut in two, against `whole`.
fn cut(transcript: &Transcript, whole: &[Said]) -> Result<()> {
    let pieces = transcript.pieces();
    let found = transcript.run(&byte_by_byte(&pieces)).context("byte by byte")?;
    same(&found.hearer.said, whole).context("byte by byte")?;
    for (number, piece) in pieces.iter().enumerate() {
        let Content::Bytes(bytes) = piece.content else { continue };
        for at in 1..bytes.len() {
            let (head, tail) = bytes.split_at(at);
            let half = |bytes| Piece { content: Content::Bytes(bytes), ..*piece };
            let mut cut = pieces.clone();
            cut.splice(number..=number, [half(head), half(tail)]);
            let place = || format!("cut before {:?}", String::from_utf8_lossy(tail));
            let found = transcript.run(&cut).with_context(place)?;
            same(&found.hearer.said, whole).with_context(place)?;
        }
    }
    Ok(())
}

/// The pieces, each byte in one of its own.
fn byte_by_byte<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece.content {
            Content::Bytes(bytes) => all.extend(
                bytes.chunks(1).map(|byte| Piece { content: Content::Bytes(byte), ..*piece }),
            ),
            _ => all.push(*piece),
        }
    }
    all
}

/// Holds what is said against what was said of it whole.
fn same(found: &[Said], whole: &[Said]) -> Result<()> {
    for (number, (found, whole)) in (1..).zip(found.iter().zip(whole)) {
        ensure!(found == whole, "event {number}:\n{found}\nnot\n{whole}");
    }
    let more = found.get(whole.len()).map(|event| format!("one more event:\n{event}"));
    let fewer = whole.get(found.len()).map(|event| format!("no event\n{event}"));
    match more.or(fewer) {
        Some(fault) => bail!(fault),
        None => Ok(()),
    }
}

/// Holds the accounts of a run: what was sent was decoded, skipped, or told of
/// in gaps.
pub(super) fn accounts(pieces: &[Piece<'_>], outcome: &Outcome) -> Result<()> {
    let Outcome { hearer, accounts, sent, lost, skipped } = outcome;
    if let Some(fault) = accounts.faults.first() {
        bail!("the decoder {fault}");
    }
    ensure!(
        hearer.gaps.iter().sum::<u64>() == *lost,
        "gaps tell of {:?} bytes, tcp-close of {lost}",
        hearer.gaps
    );
    let decoders: u64 = accounts.sides.iter().map(|account| account.skipped).sum();
    if *skipped > decoders {
        // TLS, say: the flow itself passes over what no decoder would want.
        let told: u64 = accounts.sides.iter().map(|account| account.decoded).sum();
        let (all, sent) = (told + skipped + lost, sent.iter().sum::<u64>());
        ensure!(all == sent, "{sent} bytes were sent, {all} are accounted for");
        return Ok(());
    }
    let unseen = pieces.iter().any(|piece| matches!(piece.content, Content::Unseen(_)));
    for (index, side) in [Side::Client, Side::Server].into_iter().enumerate() {
        let of = |values: &[u64; 2]| values.get(index).copied().unwrap_or_default();
        let account = accounts.sides.get(index).copied().unwrap_or_default();
        let (sent, gaps) = (of(sent), of(&hearer.gaps));
        let all = account.decoded + account.skipped + gaps;
        // Of bytes that nobody saw, a FIN behind them may tell. TLS from the
        // first byte is known before a decoder is asked.
        let tls = all == 0 && hearer.said.iter().any(|event| event.action == "upgrade");
        ensure!(
            all == sent || tls || unseen && all > sent,
            "the {side} sent {sent} bytes: {} decoded, {} skipped, {gaps} in gaps make {all}",
            account.decoded,
            account.skipped,
        );
        let said = pieces.iter().filter(|piece| piece.side == side).map(Piece::len).sum::<u64>();
        ensure!(unseen || said == sent, "the {side} sent {said} bytes, tcp-close says {sent}");
    }
    Ok(())
}

/// Holds all that is written of a run to be valid and to show no secret.
pub(super) fn written(
    transcript: &Transcript,
    opened: [bool; 2],
    pieces: &[Piece<'_>],
    secrets: &Secrets,
) -> Result<()> {
    let written = output::everything(|sink| transcript.write(opened, pieces, sink))?;
    match secrets.leak(&written) {
        Some(leak) if !transcript.settings.show_secrets => bail!("shows a secret: {leak}"),
        _ => Ok(()),
    }
}
