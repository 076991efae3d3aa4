//! However a dialogue is cut into segments, and in whatever order and how often
//! these arrive, its events are the same.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{
    annex::DIALOGUES,
    capture::Capture,
    conversation::Conversation,
    packet::Packet,
    replay::events,
    transcript::{Act, Transcript},
};
use tracer::event::Side::{self, Client, Server};

const CLOCK: u32 = 1_000;
/// Microseconds since the epoch, and between packets.
const BEGIN: u64 = 1_475_232_861_000_000;
const STEP: usize = 100;

/// The ends that all dialogues are replayed between.
const ENDS: [(&str, &str); 2] = [("192.0.2.1", "192.0.2.25"), ("2001:db8::1", "2001:db8::25")];

/// Transcripts that are replayed as packets as well, because in them much
/// depends on where things stand: pipelining, bodies and literals that look
/// like messages, an end that only the FIN tells.
const TRANSCRIPTS: [&str; 5] = [
    "http/pipelined_requests",
    "http/body_until_close",
    "smtp/two_mails_pipelined",
    "imap/literals",
    "imap/idle",
];

/// What the two ends of one connection say to each other.
struct Dialogue {
    /// What it is about.
    name: String,
    /// The server's port.
    port: u16,
    /// Who says what.
    steps: Vec<(Side, Vec<u8>)>,
}

fn transcripts() -> Result<Vec<Dialogue>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let read = |name: &&str| {
        let transcript = Transcript::read(&folder.join(name).with_extension("txt"))?;
        let steps = transcript.steps.into_iter().filter_map(|step| match step.act {
            Act::Say(bytes) => Some((step.side, bytes)),
            Act::Lose(_) | Act::Close => None,
        });
        let (name, port) = ((*name).to_owned(), transcript.settings.port);
        Ok(Dialogue { name, port, steps: steps.collect() })
    };
    TRANSCRIPTS.iter().map(read).collect()
}

/// The dialogues of the annex, one for each connection in them.
fn annex() -> Vec<Dialogue> {
    let mut connections = BTreeMap::new();
    for dialogue in DIALOGUES {
        for (_, packet) in (dialogue.packets)() {
            let ports = (packet.source.port(), packet.destination.port());
            // The servers' ports are the smaller ones.
            let (side, client, port) = if ports.0 > ports.1 {
                (Client, ports.0, ports.1)
            } else {
                (Server, ports.1, ports.0)
            };
            if !packet.payload.is_empty() && port != 22 {
                let steps: &mut Vec<_> = connections.entry((port, client)).or_default();
                steps.push((side, packet.payload));
            }
        }
    }
    connections
        .into_iter()
        .map(|((port, client), steps)| Dialogue {
            name: format!("annex {client} {port}"),
            port,
            steps,
        })
        .collect()
}

/// One segment of a dialogue: who sends which bytes.
type Piece<'a> = (Side, &'a [u8]);

/// A connection from its first SYN to its last acknowledgement, the pieces
/// being its segments.
fn connection(ends: (&str, &str), port: u16, pieces: &[Piece<'_>]) -> Result<Vec<Packet>> {
    let (client, server) = (ends.0.parse()?, ends.1.parse()?);
    // Sequence numbers wrap a little behind the beginning.
    let mut talk =
        Conversation::new(SocketAddr::new(client, 40_001), SocketAddr::new(server, port))
            .starting_at(u32::MAX - 100, u32::MAX - 10);
    let mut packets = talk.open(CLOCK).to_vec();
    packets.extend(pieces.iter().map(|(side, bytes)| talk.say(*side, CLOCK, bytes)));
    packets.extend([talk.fin(Server, CLOCK), talk.fin(Client, CLOCK), talk.ack(Server, CLOCK)]);
    Ok(packets)
}

/// What is said of packets that arrive in this order.
fn said<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Result<Vec<Value>> {
    let times = (BEGIN..).step_by(STEP);
    events(&Capture::new(&times.zip(packets.into_iter().cloned()).collect::<Vec<_>>())?)
}

fn ensure_same(found: &[Value], whole: &[Value], how: impl Fn() -> String) -> Result<()> {
    for (number, (found, whole)) in found.iter().zip(whole).enumerate() {
        ensure!(found == whole, "{}: event {number}:\n{found:#}\nnot\n{whole:#}", how());
    }
    ensure!(found.len() == whole.len(), "{}: {} events, not {}", how(), found.len(), whole.len());
    Ok(())
}

/// Runs a test on every dialogue between all ends: it gets the dialogue, the
/// ends, and what is said of the dialogue when it comes whole.
fn for_all(
    test: impl Fn(&Dialogue, (&'static str, &'static str), &[Value]) -> Result<()>,
) -> Result<()> {
    for dialogue in annex().into_iter().chain(transcripts()?) {
        for ends in ENDS {
            let whole = said(&connection(ends, dialogue.port, &steps(&dialogue))?)?;
            ensure!(!whole.is_empty(), "{}: nothing was said", dialogue.name);
            test(&dialogue, ends, &whole)?;
        }
    }
    Ok(())
}

/// The dialogue's steps, each a piece.
fn steps(dialogue: &Dialogue) -> Vec<Piece<'_>> {
    dialogue.steps.iter().map(|(side, bytes)| (*side, bytes.as_slice())).collect()
}

/// The dialogue's steps, that of the number `step` in two pieces.
fn cut(dialogue: &Dialogue, step: usize, at: usize) -> Vec<Piece<'_>> {
    let mut pieces = steps(dialogue);
    if let Some((side, bytes)) = pieces.get(step).copied() {
        let (head, tail) = bytes.split_at(at);
        pieces.splice(step..=step, [(side, head), (side, tail)]);
    }
    pieces
}

/// Every way to cut one step in two: every other one for IPv4, those between
/// for IPv6.
fn cuts(dialogue: &Dialogue, ends: (&str, &str)) -> impl Iterator<Item = (usize, usize)> {
    let first = if ends.0.contains(':') { 2 } else { 1 };
    let steps = dialogue.steps.iter().enumerate();
    steps.flat_map(move |(step, (_, bytes))| {
        (first..bytes.len()).step_by(2).map(move |at| (step, at))
    })
}

fn bytes(dialogue: &Dialogue) -> Vec<Piece<'_>> {
    let steps = dialogue.steps.iter();
    steps.flat_map(|(side, bytes)| bytes.chunks(1).map(|byte| (*side, byte))).collect()
}

/// Segments before the first one with data.
const HANDSHAKE: usize = 3;

#[test]
fn nothing_is_odd_or_missing() -> Result<()> {
    for_all(|dialogue, _, whole| {
        // The annex's connections are older than what it shows of them.
        let greeted =
            |event: &&Value| event["fields"]["tracer"]["anomaly"]["code"] != "no-greeting";
        let odd = whole
            .iter()
            .filter(greeted)
            .find(|event| event["action"] == "gap" || event["action"] == "anomaly");
        ensure!(odd.is_none(), "{}: {odd:?}", dialogue.name);
        Ok(())
    })
}

#[test]
fn in_frames_with_vlan_tags() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        for vlan in [vec![100], vec![100, 7]] {
            let mut packets = connection(ends, dialogue.port, &steps(dialogue))?;
            for packet in &mut packets {
                packet.vlan.clone_from(&vlan);
            }
            ensure_same(&said(&packets)?, whole, || format!("{}: {vlan:?}", dialogue.name))?;
        }
        Ok(())
    })
}

#[test]
fn byte_by_byte() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        let packets = connection(ends, dialogue.port, &bytes(dialogue))?;
        ensure_same(&said(&packets)?, whole, || dialogue.name.clone())
    })
}

#[test]
fn byte_by_byte_with_neighbours_swapped_and_repeated() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        let mut packets = connection(ends, dialogue.port, &bytes(dialogue))?;
        let repeated: Vec<&Packet> = packets.iter().flat_map(|packet| [packet; 2]).collect();
        ensure_same(&said(repeated)?, whole, || format!("{}: each twice", dialogue.name))?;
        for pair in packets[HANDSHAKE..].chunks_mut(2) {
            // What one end says arrives in any order, but an answer never
            // before what it answers.
            if let [one, other] = pair
                && one.source == other.source
            {
                pair.swap(0, 1);
            }
        }
        ensure_same(&said(&packets)?, whole, || format!("{}: pairs swapped", dialogue.name))
    })
}

#[test]
fn cut_in_two_at_each_position() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        for (step, at) in cuts(dialogue, ends) {
            let packets = connection(ends, dialogue.port, &cut(dialogue, step, at))?;
            ensure_same(&said(&packets)?, whole, || {
                format!("{}: step {step} cut at {at}", dialogue.name)
            })?;
        }
        Ok(())
    })
}

#[test]
fn cut_in_two_at_each_position_with_the_halves_swapped() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        for (step, at) in cuts(dialogue, ends) {
            let mut packets = connection(ends, dialogue.port, &cut(dialogue, step, at))?;
            packets.swap(HANDSHAKE + step, HANDSHAKE + step + 1);
            ensure_same(&said(&packets)?, whole, || {
                format!("{}: step {step} cut at {at}, second half first", dialogue.name)
            })?;
        }
        Ok(())
    })
}

#[test]
fn cut_in_two_at_each_position_and_sent_again_whole() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        let uncut = connection(ends, dialogue.port, &steps(dialogue))?;
        for (step, at) in cuts(dialogue, ends) {
            let mut packets = connection(ends, dialogue.port, &cut(dialogue, step, at))?;
            let first = HANDSHAKE + step;
            // The second half is late, and the whole overtakes it.
            packets.insert(first + 1, uncut[first].clone());
            packets.push(uncut[first].clone());
            ensure_same(&said(&packets)?, whole, || {
                format!("{}: step {step} cut at {at} and sent again whole", dialogue.name)
            })?;
        }
        Ok(())
    })
}

#[test]
fn neighbours_of_one_end_swapped_the_last_bytes_and_their_fin_as_well() -> Result<()> {
    for_all(|dialogue, ends, whole| {
        let packets = connection(ends, dialogue.port, &steps(dialogue))?;
        for first in HANDSHAKE..packets.len() - 1 {
            if packets[first].source == packets[first + 1].source {
                let mut packets = packets.clone();
                packets.swap(first, first + 1);
                ensure_same(&said(&packets)?, whole, || {
                    format!("{}: packets {first} and next swapped", dialogue.name)
                })?;
            }
        }
        Ok(())
    })
}
