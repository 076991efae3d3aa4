//! Ways in which packets may arrive.

use anyhow::Result;
use tests::{capture::Capture, packet::Packet};
use tracer::flow::STREAM_LIMIT;

use super::{CLIENT_PORT, Dialogue};

/// Microseconds since the epoch, and between packets.
const BEGIN: u64 = 1_475_232_861_000_000;
const STEP: usize = 100;
/// Segments before the first one with data.
const HANDSHAKE: usize = 3;
/// One in so many of the ways to arrive is tried with each dialogue: another
/// one with each, and hundreds with all.
const SAMPLE: usize = 151;

/// A way to arrive: what it is called, what is captured, and the limit of a
/// stream.
pub(crate) type Way = (String, Capture, usize);

/// Packets as they were captured, a moment apart.
pub(crate) fn capture<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Result<Capture> {
    let times = (BEGIN..).step_by(STEP);
    Capture::new(&times.zip(packets.into_iter().cloned()).collect::<Vec<_>>())
}

/// A sample of the ways in which packets are lost, cut, late or too many.
pub(crate) fn arrivals(packets: &[Packet], all: &mut usize) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    let mut sampled = || {
        *all += 1;
        all.is_multiple_of(SAMPLE)
    };
    for at in 1..packets.len() {
        if sampled() {
            ways.push((format!("from {at} on"), capture(&packets[at..])?, STREAM_LIMIT));
        }
    }
    for (at, packet) in packets.iter().enumerate().skip(HANDSHAKE) {
        for lost in [1, 3] {
            if sampled() {
                let left = packets[..at].iter().chain(packets.iter().skip(at + lost));
                ways.push((format!("{lost} lost at {at}"), capture(left)?, STREAM_LIMIT));
            }
        }
        if sampled() {
            let mut cut = capture(packets)?;
            let frame = &mut cut.frames[at].1;
            frame.truncate(frame.len() - packet.payload.len() / 2);
            ways.push((format!("{at} cut in half"), cut, STREAM_LIMIT));
        }
        if sampled() && at + 1 < packets.len() {
            let mut swapped = packets.to_vec();
            swapped.swap(at, at + 1);
            ways.push((format!("{at} and next swapped"), capture(&swapped)?, STREAM_LIMIT));
        }
    }
    for side in [0, 1] {
        if sampled() {
            let end = packets[side].source;
            let left = packets.iter().filter(|packet| packet.source == end);
            ways.push((format!("only what {end} says"), capture(left)?, STREAM_LIMIT));
        }
    }
    for limit in (8..400).step_by(8) {
        if sampled() {
            ways.push((format!("a limit of {limit}"), capture(packets)?, limit));
        }
    }
    Ok(ways)
}

/// Each step with a secret cut in two at every byte of it; and what remains of
/// the dialogue from there on, with the bytes before it missing.
pub(crate) fn cuts(dialogue: &Dialogue) -> Result<Vec<Way>> {
    let mut ways = Vec::new();
    for (number, (_, bytes)) in dialogue.steps.iter().enumerate() {
        if dialogue.secrets.leak(&String::from_utf8_lossy(bytes)).is_none() {
            continue;
        }
        for at in 1..bytes.len() {
            let packets = dialogue.said(CLIENT_PORT, |step, bytes| {
                let at = if step == number { at } else { bytes.len() };
                [&bytes[..at], &bytes[at..]].into_iter().map(<[u8]>::to_vec).collect()
            })?;
            ways.push((format!("step {number} cut at {at}"), capture(&packets)?, STREAM_LIMIT));
        }
        let whole = dialogue.packets(usize::MAX)?;
        let first = HANDSHAKE + number;
        let late = capture(&whole[first..])?;
        ways.push((format!("from step {number} on"), late, STREAM_LIMIT));
        for from in 0..number {
            let kept = whole[..HANDSHAKE + from].iter().chain(&whole[first..]);
            ways.push((format!("step {from} to {number} lost"), capture(kept)?, STREAM_LIMIT));
        }
    }
    Ok(ways)
}
