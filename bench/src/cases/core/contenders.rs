//! Who decodes what is in memory.

use std::{hint::black_box, io};

use anyhow::{Context as _, Result, ensure};
use tracer::{
    decode::{Decoder, Input, Likeness, Out, Progress, Protocol, Settings},
    event::{Event, Hue, Label, Message, Side, Sink, Timestamp},
    flow::Table,
    output::{Format, Output as _, View, Writer},
};

use super::load::{Load, settings};

/// Somebody who takes a load through once and says how many messages he found.
#[derive(Clone, Copy)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Loads that it can take.
    pub(super) loads: &'static [&'static str],
    /// Whether it must find every message.
    pub(super) finds: bool,
    pub(super) pass: fn(&'static Load) -> Result<u64>,
}

pub(super) const STREAM: &str = "tracer: streams";
pub(super) const DECODED: &str = "tracer: streams, decoded";
pub(super) const HEADS: &str = "tracer: heads";
pub(super) const HTTPARSE: &str = "httparse: heads";
pub(super) const PROTOLENS: &str = "protolens: streams, decoded";

const ALL: &[&str] = &["http", "smtp", "imap"];

/// All of them.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender { name: STREAM, loads: ALL, finds: false, pass: streams },
    Contender { name: DECODED, loads: ALL, finds: true, pass: decoded },
    Contender { name: "tracer: to text", loads: ALL, finds: false, pass: text },
    Contender { name: "tracer: to JSON", loads: ALL, finds: false, pass: json },
    Contender { name: HEADS, loads: &["http"], finds: true, pass: heads },
    Contender { name: HTTPARSE, loads: &["http"], finds: true, pass: httparse },
    #[cfg(feature = "protolens")]
    Contender { name: PROTOLENS, loads: ALL, finds: true, pass: super::protolens::pass },
];

/// Takes ordered bytes and lets them go: what is left is the way there.
struct Nothing;

/// A protocol of which nothing is decoded, for every port.
static NOTHING: Protocol = Protocol {
    label: Label { name: "nothing", column: "", hue: Hue::Green },
    ports: &[80, 25, 143],
    by_default: false,
    decoder: || Box::new(Nothing),
    recognises: |_| Likeness::Unclear,
};

impl Decoder for Nothing {
    fn data(&mut self, input: &Input<'_>, _: &mut Out<'_>) -> Progress {
        Progress::more(input.bytes.len())
    }

    fn skipped(&mut self, _: Side, _: u64, _: Timestamp, _: &mut Out<'_>) {}

    fn gap(&mut self, _: Side, _: Option<u64>, _: Timestamp, _: &mut Out<'_>) {}

    fn close(&mut self, _: Side, _: Timestamp, _: &mut Out<'_>) {}

    fn finish(&mut self, _: Timestamp, _: &mut Out<'_>) {}

    fn held(&self) -> usize {
        0
    }
}

/// Counts messages, in the sense of [`Load::messages`].
#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn event(&mut self, event: &Event<'_>) {
        let counts = matches!(
            event.message,
            Message::HttpRequest(_)
                | Message::HttpResponse(_)
                | Message::SmtpMessage(_)
                | Message::ImapCommand(_)
        );
        self.0 += u64::from(counts);
        black_box(event);
    }
}

fn streams(load: &Load) -> Result<u64> {
    let mut count = Count::default();
    through(load, &NOTHING, &mut count)?;
    Ok(count.0)
}

fn decoded(load: &Load) -> Result<u64> {
    let mut count = Count::default();
    through(load, load.protocol, &mut count)?;
    Ok(count.0)
}

fn text(load: &Load) -> Result<u64> {
    written(load, Format::Text)
}

fn json(load: &Load) -> Result<u64> {
    written(load, Format::Json)
}

fn written(load: &Load, format: Format) -> Result<u64> {
    let mut writer = Writer::new(io::sink(), format, View::Messages);
    through(load, load.protocol, &mut writer)?;
    writer.flush()?;
    Ok(writer.events())
}

/// All segments through a flow table of their own.
fn through(load: &Load, protocol: &'static Protocol, sink: &mut dyn Sink) -> Result<()> {
    let mut table = Table::new(settings(protocol)?);
    let mut now = Timestamp::default();
    for (_, segment) in &load.segments {
        now = segment.time;
        table.segment(segment, sink);
    }
    table.finish(now, sink);
    Ok(())
}

/// The decoder alone: each payload of the load is one message, head and body.
fn heads(load: &Load) -> Result<u64> {
    let mut decoder = (load.protocol.decoder)();
    let mut count = Count::default();
    let mut out = Out::new(&load.connection, Settings::default(), &mut count);
    let time = Timestamp(1);
    // Connections one after the other would do as well: nothing closes here.
    for (side, bytes) in load.heads() {
        let input = Input { side, bytes, started: time, time, end: None };
        let progress = decoder.data(&input, &mut out);
        ensure!(progress.consumed == bytes.len(), "a message was left");
    }
    Ok(count.0)
}

/// The heads of the same messages by httparse alone, into as many fields as
/// any of them has room for.
fn httparse(load: &Load) -> Result<u64> {
    let mut found = 0;
    for (side, bytes) in load.heads() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let complete = match side {
            Side::Client => {
                let mut request = httparse::Request::new(&mut fields);
                let status = request.parse(bytes)?;
                black_box(&request);
                status.is_complete()
            }
            Side::Server => {
                let mut response = httparse::Response::new(&mut fields);
                let status = response.parse(bytes)?;
                black_box(&response);
                status.is_complete()
            }
        };
        found += u64::from(complete);
    }
    Ok(found)
}

/// The one of that name.
pub(super) fn of(name: &str) -> Result<&'static Contender> {
    let known = CONTENDERS.iter().find(|contender| contender.name == name);
    known.with_context(|| format!("nobody is called {name}"))
}
