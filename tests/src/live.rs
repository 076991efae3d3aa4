//! tracer, as an operator runs it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{host, namespace::Namespace, wait};

/// What tracer says on stderr once it sees traffic; interfaces follow.
const READY: &str = "tracer: ready: ";

/// Limit of loading and attaching.
const START: Duration = Duration::from_secs(30);

/// Limit of writing what is left, and the summary.
const END: Duration = Duration::from_secs(20);

/// Lines that a thread collects while the program runs.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running tracer; it is ended with the guard.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
    events: Lines,
    log: Lines,
    readers: Vec<JoinHandle<()>>,
}

/// What a tracer that was stopped leaves.
#[derive(Debug)]
pub struct Traced {
    /// All events, in the order in which they came.
    pub events: Vec<Value>,
    /// What it wrote on stderr, the summary last.
    pub log: String,
    /// How it ended.
    pub status: ExitStatus,
}

impl Tracer {
    /// Starts it in a namespace, with JSON on stdout, and waits until it sees
    /// traffic.
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Result<Self> {
        Self::run(namespace.command(host::tracer()).args(arguments))
    }

    /// Starts it by a command that becomes tracer, and waits likewise.
    pub fn run(command: &mut Command) -> Result<Self> {
        let mut child = command
            .args(["--format", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting tracer")?;
        let (events, log) = (Lines::default(), Lines::default());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stream| collect(stream, &events)));
        readers.extend(child.stderr.take().map(|stream| collect(stream, &log)));
        let mut tracer = Self { child, events, log, readers };
        wait::until("tracer to be ready", START, || {
            if let Some(status) = tracer.child.try_wait()? {
                bail!("tracer ended: {status}");
            }
            Ok(lines(&tracer.log).iter().any(|line| line.starts_with(READY)).then_some(()))
        })
        .with_context(|| tracer.log())?;
        Ok(tracer)
    }

    /// Number of the process that was started: the privileged one.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Number of the process that it started: the worker.
    pub fn worker(&self) -> Result<u32> {
        let parent = format!("PPid:\t{}", self.pid());
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let status = fs::read_to_string(path.join("status")).unwrap_or_default();
            if status.lines().any(|line| line == parent) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Ok(name.parse()?);
            }
        }
        bail!("no process has {parent}")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait::end(&mut self.child, limit)?.context("tracer goes on")
    }

    /// What it wrote on stderr so far.
    pub fn log(&self) -> String {
        lines(&self.log).join("\n")
    }

    /// The events so far.
    pub fn events(&self) -> Result<Vec<Value>> {
        lines(&self.events).iter().map(|line| parse(line)).collect()
    }

    /// Waits until an event is there that is as asked for.
    pub fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut seen = 0;
        wait::until(what, START, || {
            let new: Vec<String> = lines(&self.events).iter().skip(seen).cloned().collect();
            seen += new.len();
            for line in new {
                let event = parse(&line)?;
                if is(&event) {
                    return Ok(Some(event));
                }
            }
            Ok(None)
        })
        .with_context(|| self.log())
    }

    /// Stops it as Ctrl-C does and returns all that it said.
    pub fn stop(mut self) -> Result<Traced> {
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGINT)?;
        let Some(status) = wait::end(&mut self.child, END)? else {
            bail!("tracer did not end\n{}", self.log())
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Ok(Traced { events: self.events()?, log: self.log(), status })
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Traced {
    /// The events of one kind.
    pub fn of(&self, action: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |event| text(event, "/event/action") == action)
    }
}

/// A text in an event, by its JSON pointer; empty when it is not there.
pub fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A number in an event, by its JSON pointer.
pub fn number(event: &Value, pointer: &str) -> Option<u64> {
    event.pointer(pointer).and_then(Value::as_u64)
}

fn parse(line: &str) -> Result<Value> {
    serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))
}

fn lines(lines: &Lines) -> std::sync::MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(stream: impl Read + Send + 'static, into: &Lines) -> JoinHandle<()> {
    let into = Arc::clone(into);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            lines(&into).push(String::from_utf8_lossy(&line).into_owned());
        }
    })
}
