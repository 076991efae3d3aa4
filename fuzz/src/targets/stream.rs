//! Target `stream`: segments of a few connections in any order, with overlaps,
//! losses, cut captures, sequence numbers that wrap, resets and time.
//!
//! The first two bytes choose the limits and the initial sequence numbers; then
//! five bytes are one segment each, or what happens between two.
//!
//! - What a decoder is offered is what was sent, at the place at which the
//!   decoder takes it to stand: nothing twice, nothing left out untold, and
//!   nothing of the other side or of another offset.
//! - What is missing or dropped stands in gaps, to the byte.
//! - All flows together keep to their limit, and leave nothing behind.

use tracer::{
    capture::TcpFlags,
    decode::{Decoder, End, Input, Likeness, Out, Progress, Protocol},
    event::{Hue, Label, Side, Timestamp},
    flow::{self, Table},
};

use crate::{
    ledger,
    said::Said,
    talk::{self, NOW, Piece},
};

/// The port on which [`Model`] is spoken.
const PORT: u16 = 1000;
/// The first client's port.
const CLIENT_PORT: u16 = 40_000;
/// Bytes of the flows' own places, and of streams about to be held to their
/// limits, that may stand beside the limit.
const BESIDE: u64 = 64 * 1024;

static PROTOCOL: Protocol = Protocol {
    label: Label { name: "model", column: "MODEL", hue: Hue::Green },
    ports: &[PORT],
    by_default: true,
    decoder: ledger::make,
    recognises: |_| Likeness::Unlike,
};

/// The byte that a side sends at an offset. Three bytes tell the offset, and
/// the first of them is known by its highest bit.
fn content(side: Side, offset: u64) -> u8 {
    let word = offset / 3;
    let side = if side == Side::Client { 0 } else { 0x40 };
    let byte = match offset % 3 {
        0 => 0x80 | side | (word >> 14) & 0x3f,
        1 => word >> 7 & 0x7f,
        _ => word & 0x7f,
    };
    u8::try_from(byte).unwrap_or_default()
}

/// At which offset bytes stand, if enough of them are there to tell.
fn place(bytes: &[u8]) -> Option<u64> {
    let (at, word) = bytes.windows(3).enumerate().find_map(|(at, window)| match window {
        [high @ 0x80..=0xff, middle, low] => {
            let parts = (u64::from(high & 0x3f), u64::from(*middle), u64::from(*low));
            Some((at as u64, parts.0 << 14 | parts.1 << 7 | parts.2))
        }
        _ => None,
    })?;
    (word * 3).checked_sub(at)
}

/// Knows what both sides send, and holds what it is offered against that. How
/// much it takes depends on where the bytes stand.
#[derive(Default)]
struct Model {
    /// Offsets of the next bytes of client and server, where they are known.
    next: [Position; 2],
}

/// Where the next bytes of a side stand.
#[derive(Clone, Copy, Default)]
enum Position {
    /// At the beginning.
    #[default]
    Start,
    /// There.
    At(u64),
    /// Somewhere: the bytes will tell.
    Unknown,
}

impl Model {
    fn position(&mut self, side: Side) -> &mut Position {
        let [client, server] = &mut self.next;
        if side == Side::Client { client } else { server }
    }

    fn advance(&mut self, side: Side, bytes: u64) {
        let position = self.position(side);
        *position = match *position {
            Position::Start => Position::At(bytes),
            Position::At(at) => Position::At(at + bytes),
            Position::Unknown => Position::Unknown,
        };
    }
}

impl Decoder for Model {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let Input { side, bytes, end, .. } = *input;
        let len = bytes.len();
        let at = match *self.position(side) {
            Position::Start => 0,
            Position::At(at) => at,
            Position::Unknown => match place(bytes) {
                Some(at) => at,
                None if end.is_none() => return Progress::more(0),
                None => return Progress::more(len),
            },
        };
        for (offset, byte) in (at..).zip(bytes) {
            assert_eq!(*byte, content(side, offset), "{side}, offset {offset}, {len} from {at}");
        }
        *self.position(side) = Position::At(at);
        let chance = at.wrapping_mul(0x9e37_79b9) >> 16;
        let progress = match chance % 16 {
            0 => Progress::more(len / 2),
            1 if len < 40 => Progress::more(0),
            2 => Progress::peer(0),
            3 => Progress::skip(len, 1 + chance / 16 % 300),
            4 => Progress::more(1),
            5 => {
                out.undecoded(len as u64);
                Progress::more(len)
            }
            _ => Progress::more(len),
        };
        let told = matches!(end, Some(End::Gap | End::Close));
        self.advance(side, if told { len } else { progress.consumed } as u64);
        progress
    }

    fn skipped(&mut self, side: Side, bytes: u64, _: Timestamp, _: &mut Out<'_>) {
        self.advance(side, bytes);
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, _: Timestamp, _: &mut Out<'_>) {
        match bytes {
            Some(bytes) => self.advance(side, bytes),
            None => *self.position(side) = Position::Unknown,
        }
    }

    fn close(&mut self, _: Side, _: Timestamp, _: &mut Out<'_>) {}

    fn finish(&mut self, _: Timestamp, _: &mut Out<'_>) {}

    fn held(&self) -> usize {
        0
    }
}

/// One side of a connection, as its own end knows it.
#[derive(Clone, Copy)]
struct Sender {
    /// Number of the SYN.
    first: u32,
    /// Offset of the next byte.
    next: u64,
}

impl Sender {
    /// The sequence number of an offset.
    fn number(self, offset: u64) -> u32 {
        let offset = u32::try_from(offset & u64::from(u32::MAX)).unwrap_or_default();
        self.first.wrapping_add(1).wrapping_add(offset)
    }
}

/// The limits that a byte chooses.
fn settings(choice: u8) -> flow::Settings {
    let mut settings = talk::settings();
    settings.stream_limit = match choice & 3 {
        0 => 64,
        1 => 1024,
        2 => 16 * 1024,
        _ => flow::STREAM_LIMIT,
    };
    settings.flow_limit = settings.stream_limit << (choice >> 2 & 3);
    settings.total_limit = settings.flow_limit << (choice >> 4 & 3);
    settings.ports = vec![(PORT, &PROTOCOL)];
    settings.rows = choice >> 6 & 1 == 1;
    settings
}

/// What happens, and between whom.
struct Scene {
    table: Table,
    said: Said,
    limit: u64,
    senders: [[Sender; 2]; 4],
    now: Timestamp,
    lost: u64,
}

impl Scene {
    fn new(choice: u8, wraps: u8) -> Self {
        let settings = settings(choice);
        let limit = settings.total_limit as u64;
        let first = u32::from(wraps).wrapping_mul(0x0101_0101).wrapping_sub(0x400);
        let sender = |first| Sender { first, next: 0 };
        let senders = [[sender(first), sender(!first)]; 4];
        ledger::supervise(|| Box::new(Model::default()));
        let (table, said) = (Table::new(settings), Said::default());
        Self { table, said, limit, senders, now: NOW, lost: 0 }
    }

    /// Five bytes of the input.
    fn event(&mut self, bytes: [u8; 5]) {
        let [what, distance, count, scale, more] = bytes;
        let side = if what & 0x20 == 0 { Side::Client } else { Side::Server };
        let number = usize::from(what >> 6);
        let Some([client, server]) = self.senders.get(number).copied() else { return };
        let (from, to) = if side == Side::Client { (client, server) } else { (server, client) };
        let len = u64::from(count) << (2 * (scale & 3));
        let delta = i64::from(distance.cast_signed()) << (scale >> 2 & 7);
        let elsewhere = from.next.saturating_add_signed(delta);
        let mut segment = Parts { at: from.next, len, captured: (0, len), ..Parts::default() };
        let mut next = from.next;
        match what & 0x1f {
            0..=7 => next += len,
            8..=11 => segment.at = elsewhere,
            12 => {
                next += len;
                segment.len = 0;
            }
            13 => {
                next += len;
                segment.captured.1 = len.min(u64::from(more));
            }
            14 => {
                next += len;
                segment.captured.0 = len.min(u64::from(more));
            }
            15 => segment.len = 0,
            16 => {
                segment.len = 0;
                segment.acknowledges = len;
            }
            17 | 18 => {
                segment = Parts { flags: TcpFlags::SYN, ..Parts::default() };
            }
            19 => segment = Parts { flags: TcpFlags::FIN, at: from.next, ..Parts::default() },
            20 => segment = Parts { flags: TcpFlags::RST, at: elsewhere, ..Parts::default() },
            21 => {
                self.now.0 += len * 10_000_000;
                self.table.expire(self.now, &mut self.said);
                return;
            }
            22 => {
                self.lost += 1;
                return;
            }
            23 => {
                next += len;
                segment.interface = 1;
            }
            24 => {
                segment.at = elsewhere;
                segment.interface = 1;
            }
            25 => {
                next += len;
                segment.split = Some(len.min(u64::from(more)));
            }
            26 => {
                segment.at = from.next.saturating_sub(1);
                segment.len = len & 1;
                segment.captured.1 = len & 1;
            }
            _ => return,
        }
        self.send(number, side, (from, to), &segment);
        if let Some(senders) = self.senders.get_mut(number) {
            let [client, server] = senders;
            (if side == Side::Client { client } else { server }).next = next;
        }
    }

    fn send(&mut self, number: usize, side: Side, ends: (Sender, Sender), parts: &Parts) {
        let (from, to) = ends;
        let number = u16::try_from(number).unwrap_or_default();
        let bytes: Vec<u8> =
            (parts.at..parts.at + parts.len).map(|offset| content(side, offset)).collect();
        let syn = parts.flags.has(TcpFlags::SYN);
        let sequence = if syn { from.first } else { from.number(parts.at) };
        let ack = !syn || side == Side::Server;
        let (begin, end) = parts.captured;
        let middle = parts.split.unwrap_or(end).clamp(begin, end.max(begin));
        let records = [(begin, middle), (middle, end)];
        for (record, (begin, end)) in records.into_iter().enumerate() {
            if record > 0 && parts.split.is_none() {
                break;
            }
            let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
            let short = |offset: u64| u32::try_from(offset).unwrap_or(u32::MAX);
            let piece = Piece {
                side,
                flags: if ack { TcpFlags(parts.flags.0 | TcpFlags::ACK.0) } else { parts.flags },
                numbers: [sequence, to.number(to.next + parts.acknowledges)],
                len: short(parts.len),
                bytes: bytes.get(index(begin)..index(end)).unwrap_or_default(),
                offset: short(begin),
                more: record == 0 && parts.split.is_some(),
                lost: self.lost,
                time: self.now,
                interface: parts.interface,
                client_port: CLIENT_PORT + number,
                server_port: PORT,
            };
            piece.enter(&mut self.table, &mut self.said);
        }
        let held = self.table.counters().memory;
        assert!(held <= self.limit + BESIDE, "{held} bytes held");
    }
}

/// A segment about to be sent.
#[derive(Default)]
struct Parts {
    /// Offset of its first byte.
    at: u64,
    /// Bytes on the wire.
    len: u64,
    /// Which of them were captured.
    captured: (u64, u64),
    /// Where it was cut into two records, if it was.
    split: Option<u64>,
    flags: TcpFlags,
    interface: u32,
    /// Bytes that it acknowledges although they were not sent.
    acknowledges: u64,
}

/// Holds what becomes of segments against what was sent.
pub(crate) fn run(data: &[u8]) {
    let [choice, wraps, rest @ ..] = data else { return };
    let mut scene = Scene::new(*choice, *wraps);
    for bytes in rest.as_chunks::<5>().0 {
        scene.event(*bytes);
    }
    let Scene { mut table, mut said, now, .. } = scene;
    table.finish(now, &mut said);
    let counters = table.counters();
    assert_eq!((counters.open, counters.memory), (0, 0));
    let [opened, closed] = said.connections;
    assert_eq!(opened, closed);
    for (account, lost) in ledger::accounts().iter().zip(said.lost) {
        assert_eq!(account.lost(), lost, "in gaps: {account:?}");
    }
}
