//! The machine, without which no figure says anything.

use std::{fs, process::Command, thread, time::Duration};

use serde::Serialize;
use tests::wait;

use crate::rivals::RIVALS;

/// Limit of asking.
const ASK: Duration = Duration::from_secs(20);

/// What was measured on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that may be used.
    pub processors: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Today, in UTC.
    pub date: String,
    /// How many processes wanted a processor, on average over the last minute
    /// (`/proc/loadavg`), when the run was over.
    pub load: String,
    /// tracer's version.
    pub tracer: String,
    /// Rivals that are installed, and their versions.
    pub rivals: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks at it.
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        let rivals = RIVALS.iter().filter(|rival| rival.find().is_some());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            processors: thread::available_parallelism().map_or(1, usize::from),
            memory: first(&field(&read("/proc/meminfo"), "MemTotal")).parse().unwrap_or(0) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: ask("date", &["-u", "+%Y-%m-%d"]),
            load: first(&read("/proc/loadavg")),
            tracer: commit(),
            rivals: rivals
                .map(|rival| (rival.name, rival.version().unwrap_or_else(|| "?".to_owned())))
                .collect(),
        }
    }
}

/// tracer's version, with the commit where the sources know it.
fn commit() -> String {
    let folder = tests::host::workspace().display().to_string();
    let commit = ask("git", &["-C", &folder, "rev-parse", "--short", "HEAD"]);
    format!("{} {commit}", env!("CARGO_PKG_VERSION")).trim().to_owned()
}

fn ask(program: &str, arguments: &[&str]) -> String {
    let said = wait::success(Command::new(program).args(arguments), ASK);
    said.unwrap_or_default().trim().to_owned()
}

/// What stands behind a name and a colon.
fn field(text: &str, name: &str) -> String {
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod unit {
    use super::field;

    #[test]
    fn fields_of_proc() {
        let text = "processor\t: 0\nmodel name\t: A Processor @ 2 GHz\n";
        assert_eq!(field(text, "model name"), "A Processor @ 2 GHz");
        assert_eq!(field("MemTotal:  24 kB\n", "MemTotal"), "24 kB");
        assert_eq!(field(text, "nothing"), "");
    }
}
