//! Programs that are measured: pinned, counted, with what they cost.

#![expect(
    unsafe_code,
    reason = "wait4(2) has no safe interface in the crates at hand, and what a child does \
              before it becomes the program is unsafe by its nature"
)]

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::{fs::chroot, process::CommandExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use memchr::memmem::Finder;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare},
    sys::signal::{Signal, kill},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// How often a program that runs is looked at.
const PACE: Duration = Duration::from_millis(10);

/// Bytes of a program's output that are read at once.
const BUFFER: usize = 256 * 1024;

/// Bytes of what it says on stderr that are kept.
const SAID: usize = 64 * 1024;

/// Where a program's standard output goes.
#[derive(Clone, Debug)]
pub enum Output {
    /// Nowhere: what it costs to write is in the figures, a reader is not.
    Nowhere,
    /// Read and counted, never stored: how many lines there are, and how many
    /// of them have each of these texts in them.
    Counted(Vec<String>),
    /// Into a file.
    File(PathBuf),
}

/// A program to be measured.
#[derive(Debug)]
pub struct Program {
    command: Command,
    output: Output,
}

impl Program {
    /// That program, with nothing on its standard input.
    pub fn new(mut command: Command, output: Output) -> Self {
        command.stdin(Stdio::null());
        Self { command, output }
    }

    /// Gives it a file as its standard input.
    pub fn read(mut self, input: &Path) -> Result<Self> {
        self.command.stdin(File::open(input).with_context(|| input.display().to_string())?);
        Ok(self)
    }

    /// Has it run on these processors only, and its threads.
    #[must_use]
    pub fn on(mut self, processors: &[usize]) -> Self {
        let mut set = CpuSet::new();
        // More than a set can hold are more than any machine has.
        let known = processors.iter().filter(|cpu| set.set(**cpu).is_ok()).count();
        if known == 0 {
            return self;
        }
        // SAFETY: one system call, which allocates nothing.
        unsafe {
            self.command.pre_exec(move || Ok(sched_setaffinity(Pid::from_raw(0), &set)?));
        }
        self
    }

    /// Has it run below that root, where it finds a `/proc` of its own, without
    /// a process in between: what it costs is its own.
    #[must_use]
    pub fn below(mut self, root: &Path) -> Self {
        let root = root.to_owned();
        let proc = root.join("proc");
        // SAFETY: system calls on paths that were made before.
        unsafe {
            self.command.pre_exec(move || {
                unshare(CloneFlags::CLONE_NEWNS)?;
                let (none, whole) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
                mount(none, "/", none, whole, none)?;
                mount(Some("proc"), &proc, Some("proc"), MsFlags::empty(), none)?;
                chroot(&root)?;
                std::env::set_current_dir("/")
            });
        }
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Result<Running> {
        let name = format!("{:?}", self.command);
        let stdout = match &self.output {
            Output::Nowhere => Stdio::null(),
            Output::Counted(_) => Stdio::piped(),
            Output::File(path) => File::create(path)?.into(),
        };
        let begun = Instant::now();
        let mut child = self
            .command
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let texts = if let Output::Counted(texts) = self.output { texts } else { Vec::new() };
        let counter = child.stdout.take().map(|out| thread::spawn(move || counted(out, &texts)));
        let stderr = child.stderr.take().context("no pipe")?;
        let said = thread::spawn(move || said(stderr));
        Ok(Running { name, child, begun, counter, said: Some(said), peak: 0, ended: false })
    }

    /// Runs it to its end; what is not done after `limit` is ended and an
    /// error.
    pub fn run(self, limit: Duration) -> Result<Cost> {
        self.start()?.finish(limit)
    }
}

/// A program that runs; it is ended with the guard.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    begun: Instant,
    counter: Option<JoinHandle<io::Result<Counts>>>,
    said: Option<JoinHandle<String>>,
    peak: u64,
    ended: bool,
}

impl Running {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid().try_into()?), signal)
            .with_context(|| format!("{signal} to {}", self.name))
    }

    /// Waits for its end.
    pub fn finish(mut self, limit: Duration) -> Result<Cost> {
        loop {
            self.peak = self.peak.max(peak_memory(self.pid()));
            if let Some((status, usage)) = wait4(self.pid(), libc::WNOHANG)? {
                self.ended = true;
                let wall = self.begun.elapsed();
                let counts = match self.counter.take() {
                    Some(counter) => counter.join().unwrap_or_else(|_| Ok(Counts::default()))?,
                    None => Counts::default(),
                };
                let said = self.said.take().map(|said| said.join().unwrap_or_default());
                return Ok(Cost {
                    wall,
                    user: time(usage.ru_utime),
                    system: time(usage.ru_stime),
                    peak: self.peak,
                    counts,
                    said: said.unwrap_or_default(),
                    status,
                    name: self.name.clone(),
                });
            }
            if self.begun.elapsed() > limit {
                bail!("not done after {} s: {}", limit.as_secs(), self.name);
            }
            thread::sleep(PACE);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.signal(Signal::SIGKILL);
            let _ = wait4(self.pid(), 0);
        }
    }
}

/// What a program cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// From its start to its end.
    pub wall: Duration,
    /// Time on a processor for itself, with all threads and children.
    pub user: Duration,
    /// Time on a processor in the kernel for it.
    pub system: Duration,
    /// Most memory that it had at a time, in bytes; 0 where it was too quick
    /// to be seen.
    pub peak: u64,
    /// What was counted of its output.
    pub counts: Counts,
    /// What it said on stderr, as far as it was kept.
    pub said: String,
    /// How it ended.
    pub status: ExitStatus,
    name: String,
}

impl Cost {
    /// Time on a processor.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// An error unless it ended well.
    pub fn success(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        let end: Vec<&str> = self.said.lines().rev().take(5).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        bail!("{}: {}\n{}", self.name, self.status, end.join("\n"))
    }
}

/// What was counted of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Lines with each of the texts that were asked for.
    pub with: Vec<u64>,
}

/// Counts an output to its end.
fn counted(mut output: impl Read, texts: &[String]) -> io::Result<Counts> {
    let finders: Vec<Finder<'_>> = texts.iter().map(|text| Finder::new(text.as_bytes())).collect();
    let mut counts = Counts { with: vec![0; texts.len()], ..Counts::default() };
    let mut buffer = vec![0; BUFFER];
    let mut held = 0;
    loop {
        if held == buffer.len() {
            buffer.resize(2 * held, 0);
        }
        let read = match output.read(buffer.get_mut(held..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counts.bytes += read as u64;
        held += read;
        let bytes = buffer.get(..held).unwrap_or_default();
        let whole = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        counts.add(bytes.get(..whole).unwrap_or_default(), &finders);
        buffer.copy_within(whole..held, 0);
        held -= whole;
    }
    if held > 0 {
        counts.add(buffer.get(..held).unwrap_or_default(), &finders);
        counts.lines += 1;
    }
    Ok(counts)
}

impl Counts {
    /// Adds whole lines.
    fn add(&mut self, lines: &[u8], finders: &[Finder<'_>]) {
        self.lines += memchr::memchr_iter(b'\n', lines).count() as u64;
        for (finder, with) in finders.iter().zip(&mut self.with) {
            let mut rest = lines;
            // A line counts once, however often it has the text.
            while let Some(at) = finder.find(rest) {
                *with += 1;
                rest = rest.get(at..).unwrap_or_default();
                let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                rest = rest.get(end..).unwrap_or_default();
            }
        }
    }
}

/// Reads to the end, and keeps the beginning.
fn said(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = stream.by_ref().take(SAID as u64).read_to_end(&mut kept);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

/// The most memory that a process has had, in bytes; 0 when it is no more.
///
/// Not that of its end (`ru_maxrss`): the kernel counts what this program had
/// when it made a copy of itself to become the other.
pub fn peak_memory(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// The memory that a process has now, in bytes.
pub fn memory(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// A size on a process's status page, in bytes.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// Bytes of this program's heap that are in use, as its allocator counts them.
pub fn heap() -> u64 {
    // SAFETY: it takes nothing and returns plain numbers.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks as u64 + info.hblkhd as u64
}

/// Time on a processor that the calling thread has had.
pub fn thread_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// The last processor, on which what is measured runs alone where the rest of
/// the benchmark can be elsewhere.
pub fn last_processor() -> usize {
    thread::available_parallelism().map_or(1, usize::from) - 1
}

/// Does something on the last processor.
pub fn pinned<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    let this_thread = Pid::from_raw(0);
    let before = sched_getaffinity(this_thread)?;
    let mut set = CpuSet::new();
    set.set(last_processor())?;
    sched_setaffinity(this_thread, &set)?;
    let result = act();
    sched_setaffinity(this_thread, &before)?;
    result
}

/// The end of a child and what it used, if it has ended.
fn wait4(pid: u32, flags: libc::c_int) -> Result<Option<(ExitStatus, libc::rusage)>> {
    let pid = libc::pid_t::try_from(pid)?;
    let mut status = 0;
    // SAFETY: a rusage is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to variables that live across the call.
        match unsafe { libc::wait4(pid, &raw mut status, flags, &raw mut usage) } {
            0 => return Ok(None),
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error).context("waiting for a program");
                }
            }
            _ => return Ok(Some((ExitStatus::from_raw(status), usage))),
        }
    }
}

fn time(time: libc::timeval) -> Duration {
    let seconds = Duration::from_secs(time.tv_sec.try_into().unwrap_or_default());
    seconds + Duration::from_micros(time.tv_usec.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_are_counted_wherever_reads_end() {
        struct Bytewise<'a>(&'a [u8]);
        impl Read for Bytewise<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                buffer[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        let text = b"GET GET\nPOST\n\nGET\nPOST at the end";
        let texts = ["GET".to_owned(), "POST".to_owned()];
        let expected = Counts { lines: 5, bytes: text.len() as u64, with: vec![2, 2] };
        assert_eq!(counted(&text[..], &texts).unwrap(), expected);
        assert_eq!(counted(Bytewise(text), &texts).unwrap(), expected);
    }

    #[test]
    fn a_program_has_costs_counts_and_an_end() {
        let output = Output::Counted(vec!["b".to_owned()]);
        let program = Program::new(shell("echo a; echo b; echo c >&2; exit 3"), output);
        let cost = program.on(&[0]).run(LIMIT).unwrap();
        assert_eq!((cost.counts.lines, cost.counts.with.as_slice()), (2, &[1][..]));
        assert_eq!((cost.said.as_str(), cost.status.code()), ("c\n", Some(3)));
        assert!(cost.success().unwrap_err().to_string().contains("exit status: 3"));
    }

    #[test]
    fn processor_time_and_memory_are_the_programs_own() {
        let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
        let cost = Program::new(shell(busy), Output::Nowhere).run(LIMIT).unwrap();
        assert!(cost.cpu() > Duration::ZERO, "{cost:?}");
        assert!(cost.peak > 100_000, "{cost:?}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let running = Program::new(shell("sleep 100"), Output::Nowhere).start().unwrap();
        let pid = running.pid();
        assert!(running.finish(Duration::from_millis(50)).is_err());
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }
}
