//! Log lines on stderr: `tracer: warning: …`.

use std::io::{self, Write as _};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The loader tells of every relocation.
        let loader = ["aya::", "aya_obj::"].iter().any(|part| metadata.target().starts_with(part));
        let wanted = log::max_level();
        metadata.level() <= wanted
            && (!loader || metadata.level() < Level::Info || wanted == LevelFilter::Trace)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug | Level::Trace => "debug: ",
        };
        // One write per line, so that lines of several processes do not mix; a
        // closed stderr leaves nobody to tell.
        let line = format!("tracer: {level}{}\n", record.args());
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Sends log lines up to `level` to stderr.
pub fn init(level: LevelFilter) {
    // Fails only when a logger is there already, which then stays.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(level);
    }
}
