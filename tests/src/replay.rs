//! Captures through the library: what its flows and decoders say.

use std::io::Cursor;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use tracer::{
    capture::{Source as _, Status, file::FileSource, packet::Selection},
    decode::{self, PROTOCOLS},
    event::{Event, Place, Sink, Timestamp},
    flow::{self, FLOW_LIMIT, STREAM_LIMIT, TOTAL_LIMIT, Table},
};

use crate::{capture::Capture, output};

/// A sink that keeps what does not depend on the packets: whose event it is,
/// what it says, and whether it went well; no times, no segments, no pieces.
#[derive(Debug, Default)]
struct Said(Vec<Value>);

impl Sink for Said {
    fn event(&mut self, event: &Event<'_>) {
        let message = event.message.describe();
        if !matches!(message.place(), Place::Message | Place::Summary | Place::Note) {
            return;
        }
        let fields = serde_json::to_value(&event.message)
            .unwrap_or_else(|error| json!({ "unable_to_serialize": error.to_string() }));
        self.0.push(json!({
            "client": event.connection.map(|connection| connection.client.port),
            "side": event.side,
            "action": event.message.action(),
            "outcome": message.common().outcome,
            "info": message.to_string(),
            "fields": fields,
        }));
    }
}

/// What is said of the capture, ports being the usual ones.
///
/// # Errors
///
/// When the capture cannot be read.
pub fn events(capture: &Capture) -> Result<Vec<Value>> {
    let mut said = Said::default();
    let decode = decode::Settings { show_secrets: true, ..decode::Settings::default() };
    replay(capture, STREAM_LIMIT, false, decode, &mut said)?;
    Ok(said.0)
}

/// Bytes of bodies that are written: all of the short ones that tests make.
const BODY: usize = 4096;

/// All that is written of the capture, in each format and view, one after the
/// other; `stream_limit` in bytes.
///
/// # Errors
///
/// When the capture cannot be read.
pub fn written(capture: &Capture, stream_limit: usize, show_secrets: bool) -> Result<String> {
    let decode = decode::Settings {
        show_secrets,
        pieces: true,
        exchanges: true,
        exchanges_only: false,
        body: BODY,
        brief: false,
        headless: false,
        envelope: false,
    };
    output::everything(|sink| replay(capture, stream_limit, true, decode, sink))
}

fn replay(
    capture: &Capture,
    stream_limit: usize,
    rows: bool,
    decode: decode::Settings,
    sink: &mut dyn Sink,
) -> Result<()> {
    let ports: Vec<_> = PROTOCOLS
        .iter()
        .flat_map(|protocol| protocol.ports.iter().map(move |port| (*port, protocol)))
        .collect();
    let selection = Selection::new(ports.iter().map(|(port, _)| *port), rows);
    let mut source = FileSource::new(
        [("built".to_owned(), Box::new(Cursor::new(capture.pcap()?)) as _)],
        selection,
    );
    let mut table = Table::new(flow::Settings {
        stream_limit,
        flow_limit: FLOW_LIMIT,
        total_limit: TOTAL_LIMIT,
        idle_timeout: u64::MAX,
        ports,
        detect: Vec::new(),
        explain: false,
        rows,
        decode,
    });
    let mut now = Timestamp::default();
    loop {
        let status = source.read(&mut |segment| {
            now = segment.time;
            table.segment(segment, sink);
        });
        if status.map_err(|error| anyhow!("{error}"))? == Status::End {
            break;
        }
    }
    table.finish(now, sink);
    Ok(())
}
