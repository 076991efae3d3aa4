//! Everything that the program could write of events.

use anyhow::Result;
use tracer::{
    event::{Event, Sink},
    output::{Format, Output as _, View, Writer},
};

use crate::schema;

/// Every output at once: each format in each view.
struct Everything<'a>(Vec<Writer<&'a mut Vec<u8>>>);

impl Sink for Everything<'_> {
    fn event(&mut self, event: &Event<'_>) {
        for writer in &mut self.0 {
            writer.event(event);
        }
    }
}

/// All that is written of the events that `source` says: each format in each
/// view, one after the other.
///
/// # Errors
///
/// Those of `source`, and when a line of JSON is not an event.
pub fn everything(source: impl FnOnce(&mut dyn Sink) -> Result<()>) -> Result<String> {
    let views = [View::Messages, View::Exchanges, View::Segments];
    let kinds = [Format::Text, Format::Json].map(|format| views.map(|view| (format, view)));
    let mut outputs = [const { Vec::new() }; 6];
    let writers = outputs.iter_mut().zip(kinds.as_flattened());
    let writers = writers.map(|(output, (format, view))| Writer::new(output, *format, *view));
    let mut everything = Everything(writers.collect());
    source(&mut everything)?;
    for writer in &mut everything.0 {
        writer.flush()?;
    }
    for (output, (format, _)) in outputs.iter().zip(kinds.as_flattened()) {
        if *format == Format::Json {
            for line in str::from_utf8(output)?.lines() {
                schema::event(line)?;
            }
        }
    }
    Ok(String::from_utf8(outputs.concat())?)
}
