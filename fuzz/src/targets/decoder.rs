//! Target per protocol: a conversation against the protocol's decoder, through
//! the flow table, so as the wire would bring it.
//!
//! - What is said is the same however the bytes are cut: whole, at the marks
//!   of the input, and at every byte.
//! - The decoder keeps its contract: it takes no more than it is offered, and
//!   says how much it has on the heap (see [`ledger`]).
//! - Every byte is accounted for: decoded, skipped, or told of in a gap.
//! - Flow and stream keep to their limits.
//! - What is written is whole: text lines without control characters, JSON
//!   lines that are objects.

use tracer::{
    decode::Protocol,
    event::{Side, Sink},
    flow::{self, FLOW_LIMIT, Table},
    output::View,
};

use crate::{
    input::{Item, Op, items},
    ledger::{self, Account},
    said::{Said, written},
    talk::{self, Talk},
};

/// Inputs up to this length are also cut at every byte.
const SHORT: usize = 1024;
/// A limit that is reached: less than a line that decoders take.
const LOW_LIMIT: usize = 256;

/// Bytes of bodies that are wanted: fewer than some have.
const BODY: usize = 48;

/// Bytes of a flow that its limit does not count: its place in the table.
const UNCOUNTED: usize = 4096;

/// How a conversation is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Not at all: as much as a side says at once is a segment.
    Whole,
    /// Where the input says.
    Marks,
    /// At every byte.
    Bytes,
}

/// A conversation and how it is looked at.
struct Script {
    items: Vec<Item>,
    view: View,
    midstream: bool,
    show_secrets: bool,
    body: usize,
    limit: bool,
}

impl Script {
    fn new(data: &[u8]) -> Self {
        let items = items(data);
        let has = |op| items.contains(&Item::Op(op));
        let view = match (has(Op::Exchanges), has(Op::Pieces)) {
            (true, _) => View::Exchanges,
            (false, true) => View::Segments,
            (false, false) => View::Messages,
        };
        let (midstream, show_secrets, limit) =
            (has(Op::Midstream), has(Op::Secrets), has(Op::Limit));
        let body = if has(Op::Bodies) { BODY } else { 0 };
        Self { items, view, midstream, show_secrets, body, limit }
    }

    fn settings(&self, protocol: &'static Protocol) -> flow::Settings {
        let mut settings = talk::settings();
        if self.limit {
            settings.stream_limit = LOW_LIMIT;
        }
        settings.ports = vec![(port(protocol), protocol)];
        settings.rows = self.view == View::Segments;
        settings.decode.pieces = self.view == View::Segments;
        settings.decode.exchanges = self.view == View::Exchanges;
        settings.decode.exchanges_only = self.view == View::Exchanges;
        settings.decode.body = self.body;
        settings.decode.show_secrets = self.show_secrets;
        settings
    }

    /// Plays the conversation; returns how many bytes each side has sent.
    fn play(&self, protocol: &'static Protocol, cut: Cut, sink: &mut dyn Sink) -> [u64; 2] {
        let table = Table::new(self.settings(protocol));
        let mut talk = Talk::new(table, sink, port(protocol), self.midstream);
        let mut side = Side::Client;
        let mut closed = Vec::new();
        let mut waiting = Vec::new();
        for item in &self.items {
            let over = closed.contains(&side);
            match item {
                Item::Bytes(_) if over => {}
                Item::Bytes(bytes) if cut == Cut::Bytes => {
                    for byte in bytes {
                        talk.say(side, &[*byte]);
                    }
                }
                Item::Bytes(bytes) => waiting.extend_from_slice(bytes),
                Item::Op(Op::Cut) if cut == Cut::Whole => {}
                Item::Op(op) => {
                    talk.say(side, &waiting);
                    waiting.clear();
                    match op {
                        Op::Speak(speaker) => side = *speaker,
                        Op::Gap(bytes) if !over => talk.lose(side, *bytes),
                        Op::Close if !over => {
                            talk.close(side);
                            closed.push(side);
                        }
                        _ => {}
                    }
                }
            }
            let held = talk.table.counters().memory;
            assert!(held <= (FLOW_LIMIT + UNCOUNTED) as u64, "holds {held} bytes");
        }
        talk.say(side, &waiting);
        let sent = talk.sent;
        let table = talk.finish();
        assert_eq!(table.counters().open, 0);
        sent
    }

    /// Plays it and returns what was said.
    fn said(&self, protocol: &'static Protocol, cut: Cut) -> Said {
        let mut said = Said::default();
        let sent = self.play(ledger::supervised(protocol), cut, &mut said);
        let [opened, closed] = said.connections;
        assert_eq!(opened, closed);
        let decoded: u64 = ledger::accounts().iter().map(Account::decoded).sum();
        let told = decoded + said.skipped + said.lost.iter().sum::<u64>();
        let all: u64 = sent.iter().sum();
        assert_eq!(
            told, all,
            "{cut:?}: {decoded} decoded, {} skipped, {:?} lost",
            said.skipped, said.lost
        );
        said
    }
}

/// Holds a conversation against all that must be true of it.
pub(crate) fn run(protocol: &'static Protocol, data: &[u8]) {
    let script = Script::new(data);
    let whole = script.said(protocol, Cut::Whole);
    let mut cuts = vec![Cut::Marks];
    if data.len() <= SHORT {
        cuts.push(Cut::Bytes);
    }
    for cut in cuts {
        let said = script.said(protocol, cut);
        // What a limit costs depends on how much is held when it is reached.
        if !script.limit {
            said.equals(&whole, cut);
        }
    }
    written(script.view, |sink| {
        script.play(protocol, Cut::Marks, sink);
    });
}

/// The port on which the protocol is spoken here.
fn port(protocol: &Protocol) -> u16 {
    protocol.ports.first().copied().unwrap_or(1)
}
