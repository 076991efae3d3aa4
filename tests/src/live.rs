//! tracer, as an operator runs it.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{namespace::Namespace, program, schema, wait};

/// What tracer says on stderr once it sees traffic; interfaces follow.
const READY: &str = "tracer: ready: ";

/// Limit of loading and attaching.
const START: Duration = Duration::from_secs(30);

/// Limit of writing what is left, and the summary.
const END: Duration = Duration::from_secs(20);

/// For how long a worker that is slowed down does nothing, and something.
const PAUSE: Duration = Duration::from_millis(40);
const TURN: Duration = Duration::from_micros(100);

/// Lines that a thread collects while the program runs.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running tracer; it is ended with the guard.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
    /// The standard output, as long as nobody reads it.
    output: Option<ChildStdout>,
    events: Lines,
    log: Lines,
    readers: Vec<JoinHandle<()>>,
    /// Whether its worker is stopped again and again.
    slow: Arc<AtomicBool>,
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

/// The end of a tracer.
#[derive(Debug)]
pub struct Ended {
    /// What it wrote on stderr, the summary last.
    pub log: String,
    /// How it ended.
    pub status: ExitStatus,
}

impl Tracer {
    /// Starts it in a namespace, with JSON on stdout, and waits until it sees
    /// traffic.
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Result<Self> {
        Self::start_by(namespace.command(program::tracer()), arguments)
    }

    /// The same by a command that leads to tracer, as one that changes user.
    pub fn start_by(command: Command, arguments: &[&str]) -> Result<Self> {
        let mut tracer = Self::start_unread(command, arguments)?;
        tracer.read_on();
        Ok(tracer)
    }

    /// The same, and nobody reads its standard output. A format that is among
    /// the arguments takes the place of JSON.
    pub fn start_unread(mut command: Command, arguments: &[&str]) -> Result<Self> {
        let [flag, _] = program::NO_SETTINGS;
        let given = command.get_args().chain(arguments.iter().map(OsStr::new));
        if !given.into_iter().any(|argument| argument == flag) {
            command.args(program::NO_SETTINGS);
        }
        let is_chosen = arguments.iter().any(|argument| argument.starts_with("--format"));
        let mut child = command
            .args(if is_chosen { &[][..] } else { &["--format", "json"] })
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting tracer")?;
        let (events, log) = (Lines::default(), Lines::default());
        let output = child.stdout.take();
        let readers = child.stderr.take().map(|stream| collect(stream, &log)).into_iter().collect();
        let slow = Arc::default();
        let mut tracer = Self { child, output, events, log, readers, slow };
        wait::until("tracer to be ready", START, || {
            if let Some(status) = tracer.child.try_wait()? {
                bail!("tracer ended: {status}");
            }
            Ok(lines(&tracer.log).iter().any(|line| line.starts_with(READY)).then_some(()))
        })
        .with_context(|| tracer.log())?;
        Ok(tracer)
    }

    /// Reads its standard output from now on.
    pub fn read_on(&mut self) {
        let reader = self.output.take().map(|stream| collect(stream, &self.events));
        self.readers.extend(reader);
    }

    /// The same, line by line, for what would be too much to keep.
    pub fn read_by(&mut self, mut hear: impl FnMut(&str) + Send + 'static) {
        let reader = self.output.take().map(|stream| {
            thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    hear(&String::from_utf8_lossy(&line));
                }
            })
        });
        self.readers.extend(reader);
    }

    /// Gives its worker little time to do its work in, until it is told to
    /// [hurry](Self::hurry).
    pub fn slow_down(&self) -> Result<()> {
        let worker = self.worker()?;
        self.slow.store(true, Ordering::Relaxed);
        let slow = Arc::clone(&self.slow);
        thread::spawn(move || {
            let mut is_there = true;
            while is_there && slow.load(Ordering::Relaxed) {
                is_there = signal(worker, Signal::SIGSTOP).is_ok();
                thread::sleep(PAUSE);
                is_there &= signal(worker, Signal::SIGCONT).is_ok();
                thread::sleep(TURN);
            }
        });
        Ok(())
    }

    /// Leaves its worker the time that it takes.
    pub fn hurry(&self) {
        self.slow.store(false, Ordering::Relaxed);
    }

    /// Has the reader of its standard output go away.
    pub fn go_away(&mut self) {
        self.output = None;
    }

    /// Reads one line of its standard output and goes away.
    pub fn read_one_line(&mut self) -> Result<String> {
        let output = self.output.take().context("its output is read already")?;
        let mut line = String::new();
        BufReader::with_capacity(1, output).read_line(&mut line)?;
        Ok(line)
    }

    /// Number of the process that was started: the privileged one.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Number of the worker, which is the other process's only child.
    pub fn worker(&self) -> Result<u32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let [worker] = children.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("not one worker: {children}")
        };
        Ok(worker.parse()?)
    }

    /// What it wrote on stderr so far.
    pub fn log(&self) -> String {
        lines(&self.log).join("\n")
    }

    /// What it wrote on stdout so far.
    pub fn written(&self) -> String {
        lines(&self.events).join("\n")
    }

    /// Waits for the end of both processes and returns all of stdout and of
    /// stderr, whatever the format.
    pub fn written_until_the_end(self, limit: Duration) -> Result<(String, String)> {
        let events = Arc::clone(&self.events);
        let Ended { log, .. } = self.end_unread(limit)?;
        let written = lines(&events).join("\n");
        Ok((written, log))
    }

    /// The events so far.
    pub fn events(&self) -> Result<Vec<Value>> {
        lines(&self.events).iter().map(|line| schema::event(line)).collect()
    }

    /// Waits until an event is there that is as asked for.
    pub fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut seen = 0;
        wait::until(what, START, || {
            let new: Vec<String> = lines(&self.events).iter().skip(seen).cloned().collect();
            seen += new.len();
            for line in new {
                let event = schema::event(&line)?;
                if is(&event) {
                    return Ok(Some(event));
                }
            }
            Ok(None)
        })
        .with_context(|| self.log())
    }

    /// Stops it as Ctrl-C does and returns all that it said.
    pub fn stop(self) -> Result<Traced> {
        signal(self.pid(), Signal::SIGINT)?;
        self.end(END)
    }

    /// Waits for the end of both processes and returns all that they said.
    pub fn end(self, limit: Duration) -> Result<Traced> {
        let events = Arc::clone(&self.events);
        let Ended { log, status } = self.end_unread(limit)?;
        let events =
            lines(&events).iter().map(|line| schema::event(line)).collect::<Result<_>>()?;
        Ok(Traced { events, log, status })
    }

    /// The same, without a look at the events.
    pub fn end_unread(mut self, limit: Duration) -> Result<Ended> {
        let start = Instant::now();
        let Some(status) = wait::end(&mut self.child, limit)? else {
            bail!("tracer did not end within {} s\n{}", limit.as_secs(), self.log())
        };
        // Both processes hold the pipes, which close with the last of them.
        let left = limit.saturating_sub(start.elapsed());
        wait::until("the worker to close its pipes", left, || {
            Ok(self.readers.iter().all(JoinHandle::is_finished).then_some(()))
        })
        .with_context(|| self.log())?;
        Ok(Ended { log: self.log(), status })
    }
}

/// Sends a process a signal.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(pid.try_into()?), signal).with_context(|| format!("{signal} to {pid}"))
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.hurry();
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
