//! Log lines on stderr: `tracer: warning: …`.

use std::io::{self, Write as _};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::event::{Escaped, is_control};

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
        let line = format!("tracer: {level}{}\n", harmless(record.args().to_string()));
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// A message in which a terminal finds nothing to obey, and no line that looks
/// like another message: names of files and interfaces are chosen by others.
fn harmless(message: String) -> String {
    if !message.contains(is_control) {
        return message;
    }
    let mut shown = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            // The verifier's log has many lines.
            '\n' => shown.push_str("\n  "),
            control if is_control(control) => shown.push_str(&Escaped(control).to_string()),
            plain => shown.push(plain),
        }
    }
    shown
}

/// Sends log lines up to `level` to stderr.
pub fn init(level: LevelFilter) {
    // Fails only when a logger is there already, which then stays.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_control_the_terminal() {
        assert_eq!(harmless("eth\u{e9}0 → ok".to_owned()), "eth\u{e9}0 → ok");
        assert_eq!(harmless("a\u{1b}[2J\u{202e}b\nc".to_owned()), "a\\x1b[2J\\u202eb\n  c");
    }
}
