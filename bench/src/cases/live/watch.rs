//! One tool, looking on while a load runs.

use std::{
    fs,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use tests::{live::signal, namespace::Namespace, wait};

use super::{family, output::Output, tool::Tool};

/// Limit of a tool's start.
const START: Duration = Duration::from_secs(30);

/// From when a rival has its socket to when it certainly takes packets off it.
const SETTLED: Duration = Duration::from_millis(300);

/// How long after the load's end it is asked again what was decoded.
pub(super) const SOON: Duration = Duration::from_millis(100);

/// How often the length of the output is noted after the load.
const PACE: Duration = Duration::from_millis(2);

/// A tool is done when it has written nothing for so long, and not worked
/// either.
const QUIET: Duration = Duration::from_millis(500);

/// CPU time in that while beyond which it is still at work.
const IDLE: Duration = Duration::from_millis(50);

/// Limit of tracer's end, and of that of others, which are killed then.
const END: Duration = Duration::from_secs(8);
const THEIR_END: Duration = Duration::from_secs(3);

/// Where and how a tool looks on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The namespace with the server's end of the link.
    pub(super) namespace: &'a Namespace,
    /// The only core that the tool may use.
    pub(super) core: Option<usize>,
    /// How long it may go on after the load.
    pub(super) patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Watched<T> {
    /// What the load says.
    pub(super) load: T,
    /// What the tool did; nothing if nobody looked on.
    pub(super) tool: Option<Seen>,
}

/// What a tool did.
#[derive(Debug)]
pub(super) struct Seen {
    /// Exchanges in its output when the load ended.
    pub(super) at_end: u64,
    /// And 100 ms later.
    pub(super) soon: u64,
    /// And when it was through, or ended.
    pub(super) decoded: u64,
    /// When it was through, since the load's end; nothing where it was ended
    /// before that.
    pub(super) done: Option<Duration>,
    /// CPU time of its processes from the load's begin on.
    pub(super) cpu: Duration,
    /// Its processes' peak memory, in bytes.
    pub(super) peak: u64,
    /// What it says it lost, if it says.
    pub(super) lost: Option<u64>,
}

/// A tool that runs; it ends with the guard, and what it started.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    log: Output,
}

impl Running {
    /// Starts it and waits until it sees traffic.
    pub(super) fn start(tool: &Tool, place: &Place<'_>, stdout: Stdio) -> Result<Self> {
        tool.prepare()?;
        let log = Output::new()?;
        let child = tool
            .command(place.namespace, place.core)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log.stdio()?)
            .spawn()
            .with_context(|| format!("starting {}", tool.name))?;
        let mut running = Self { child, log };
        wait::until(&format!("{} to be ready", tool.name), START, || {
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended: {status}\n{}", tool.name, running.log.text()?);
            }
            Ok(running.is_ready(tool)?.then_some(()))
        })
        .with_context(|| running.log.text().unwrap_or_default())?;
        if !tool.is_ours() {
            thread::sleep(SETTLED);
        }
        Ok(running)
    }

    /// tracer says so; the others are when the namespace has a packet socket.
    fn is_ready(&self, tool: &Tool) -> Result<bool> {
        if tool.is_ours() {
            return Ok(self.log.text()?.contains("tracer: ready: "));
        }
        let sockets = fs::read_to_string(format!("/proc/{}/net/packet", self.pid()));
        Ok(sockets.unwrap_or_default().lines().count() > 1)
    }

    /// Number of its first process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as Ctrl-C does; returns what it wrote on stderr. One that does
    /// not end is killed.
    pub(super) fn stop(mut self, tool: &Tool) -> Result<String> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended before it was told to: {status}\n{}", tool.name, self.log.text()?);
        }
        signal(self.pid(), Signal::SIGINT)?;
        let limit = if tool.is_ours() { END } else { THEIR_END };
        let ended = wait::end(&mut self.child, limit)?;
        if ended.is_none() && tool.is_ours() {
            bail!("{} did not end within {} s\n{}", tool.name, END.as_secs(), self.log.text()?);
        }
        self.log.text()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in family::of(self.child.id()).into_iter().rev() {
                let _ = signal(pid, Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// Runs a load while a tool looks on. The tool writes into memory, and nobody
/// looks at that before it is through.
pub(super) fn watch<T>(
    tool: &Tool,
    place: &Place<'_>,
    load: impl FnOnce(Option<&Running>) -> Result<T>,
) -> Result<Watched<T>> {
    if !tool.is_there() {
        return Ok(Watched { load: load(None)?, tool: None });
    }
    let output = Output::new()?;
    let running = Running::start(tool, place, output.stdio()?)?;
    let before = family::cpu(running.pid());
    let load = load(Some(&running)).with_context(|| format!("under {}", tool.name))?;
    let through = Through::wait(&running, &output, place.patience)?;
    let (cpu, peak) = (family::cpu_since(running.pid(), before), family::peak(running.pid()));
    let said = running.stop(tool);
    tool.tidy();
    let said = said?;
    let sign = tool.sign.map(str::as_bytes);
    let ([at_end, soon], decoded) = match sign {
        Some(sign) => output.count(sign, [through.at_end, through.soon])?,
        None => ([0; 2], 0),
    };
    let lost = lost(&said);
    let tool = Seen { at_end, soon, decoded, done: through.done, cpu, peak, lost };
    Ok(Watched { load, tool: Some(tool) })
}

/// How the output grew after the load's end.
#[derive(Debug)]
struct Through {
    at_end: u64,
    soon: u64,
    done: Option<Duration>,
}

impl Through {
    /// Waits until a tool has written nothing, and done nothing, for a while.
    fn wait(running: &Running, output: &Output, patience: Duration) -> Result<Self> {
        let end = Instant::now();
        let at_end = output.len()?;
        let (mut soon, mut length) = (at_end, at_end);
        // When the output grew for the last time; since when it is watched
        // whether the tool works all the same.
        let mut grew = Duration::ZERO;
        let mut watched = (Duration::ZERO, family::cpu(running.pid()));
        loop {
            thread::sleep(PACE);
            let now = end.elapsed();
            let new = output.len()?;
            if now <= SOON {
                soon = new;
            }
            if new != length {
                (length, grew) = (new, now);
                watched = (now, family::cpu(running.pid()));
            } else if now.saturating_sub(watched.0) > QUIET {
                if family::cpu_since(running.pid(), watched.1) < IDLE {
                    return Ok(Self { at_end, soon, done: Some(grew) });
                }
                watched = (now, family::cpu(running.pid()));
            }
            if now > patience {
                return Ok(Self { at_end, soon, done: None });
            }
        }
    }
}

/// What a tool says at its end that it did not see: packets, and gaps.
fn lost(said: &str) -> Option<u64> {
    /// What stands behind the number.
    const BEHIND: [&str; 7] = [
        // tracer
        " shed",
        " ring full",
        " unreadable",
        " gaps of",
        // tcpdump and httpry; tshark
        " packets dropped by kernel",
        " packets dropped,",
        " packets dropped from",
    ];
    /// What stands before it: Suricata's.
    const BEFORE: &str = " drops: ";
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
    let ends = |text: &str| number(text.rsplit([' ', '\n', ',']).next());
    let begins = |text: &str| number(text.split(' ').next());
    let mut numbers: Vec<u64> = Vec::new();
    for sign in BEHIND {
        numbers.extend(said.match_indices(sign).filter_map(|(at, _)| ends(said.get(..at)?)));
    }
    let before = said.match_indices(BEFORE);
    numbers.extend(before.filter_map(|(at, sign)| begins(said.get(at + sign.len()..)?)));
    if numbers.is_empty() { None } else { Some(numbers.iter().sum()) }
}

#[cfg(test)]
mod tests_of_what_is_said {
    use super::lost;

    #[test]
    fn what_was_lost_is_read_from_what_tools_say_at_their_end() {
        assert_eq!(
            lost(
                "9 packets seen = 2 copied + 0 shunted + 1 shed + 5 lost\n\
                 lost: 3 ring full, 2 unreadable; 1 gaps of 90 bytes\n9 flows"
            ),
            Some(7)
        );
        let tcpdump = "118658 packets captured\n121446 packets received by filter\n\
                       2788 packets dropped by kernel\n";
        assert_eq!(lost(tcpdump), Some(2788));
        let httpry = "82442 packets received, 7 packets dropped, 82388 http packets parsed";
        assert_eq!(lost(httpry), Some(7));
        let suricata = "Notice: device: eth0: packets: 6118, drops: 12 (0.20%), invalid chksum: 0";
        assert_eq!(lost(suricata), Some(12));
        assert_eq!(lost("tcpflow: terminating orderly"), None);
    }
}
