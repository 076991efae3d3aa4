//! The two processes: however either ends, under load, nothing of them works
//! on, and the traffic does not notice.

use std::{os::unix::process::CommandExt as _, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tests::{
    kernel::{self, Held, Hooks},
    live::{Ended, Tracer, signal, text},
    load::Load,
    program,
    server::Nginx,
    topology::{Link, Topology},
};

use crate::{LIVE, Test};

/// Limit of everything to be gone.
const END: Duration = Duration::from_secs(3);

/// Where the server's end of the wire is.
const DEVICE: &str = "eth0";

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for hook in ["tc", "clsact", "xdp"] {
        let mut test = |name: &str, endings: &'static [Ending]| {
            let name = format!("processes::{name}::{hook}");
            tests.push(Test::new(name, LIVE, move || under_load(hook, endings)));
        };
        test("worker_is_killed", &[Ending::WorkerKilled]);
        test("privileged_one_is_killed", &[Ending::PrivilegedKilled]);
        test("told_to_end", &[Ending::CtrlC, Ending::Terminated, Ending::WorkerTerminated]);
        if hook == "tc" {
            test("either_aborts", &[Ending::WorkerAborts, Ending::PrivilegedAborts]);
        }
    }
    tests.push(Test::new("processes::killed_one_leaves_inert_filters", LIVE, inert));
    tests
}

/// How a tracer comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// `kill -9` of the worker.
    WorkerKilled,
    /// The worker fails as badly as a program can.
    WorkerAborts,
    /// `kill -9` of the privileged process.
    PrivilegedKilled,
    /// The privileged process fails as badly.
    PrivilegedAborts,
    /// Ctrl-C at a terminal, which both processes hear.
    CtrlC,
    /// SIGTERM to the privileged process, whose number is the known one.
    Terminated,
    /// SIGTERM to the worker.
    WorkerTerminated,
}

impl Ending {
    /// Brings it about.
    fn act(self, tracer: &Tracer) -> Result<()> {
        match self {
            Self::WorkerKilled => signal(tracer.worker()?, Signal::SIGKILL),
            Self::WorkerAborts => signal(tracer.worker()?, Signal::SIGABRT),
            Self::WorkerTerminated => signal(tracer.worker()?, Signal::SIGTERM),
            Self::PrivilegedKilled => signal(tracer.pid(), Signal::SIGKILL),
            Self::PrivilegedAborts => signal(tracer.pid(), Signal::SIGABRT),
            Self::Terminated => signal(tracer.pid(), Signal::SIGTERM),
            Self::CtrlC => Ok(killpg(Pid::from_raw(tracer.pid().try_into()?), Signal::SIGINT)?),
        }
    }

    /// Whether the privileged process had no chance to remove filters.
    fn leaves_filters(self) -> bool {
        matches!(self, Self::PrivilegedKilled | Self::PrivilegedAborts)
    }

    /// Holds the exit status and the last words against what one expects.
    fn check(self, ended: &Ended) -> Result<()> {
        use std::os::unix::process::ExitStatusExt as _;
        let (status, signal, words) = match self {
            Self::WorkerKilled => (
                Some(1),
                None,
                "tracer: error: the worker was killed by SIGKILL; nothing is traced any more",
            ),
            Self::WorkerAborts => (
                Some(1),
                None,
                "tracer: error: the worker was killed by SIGABRT; nothing is traced any more",
            ),
            Self::PrivilegedKilled => (None, Some(libc::SIGKILL), ORPHANED),
            Self::PrivilegedAborts => (None, Some(libc::SIGABRT), ORPHANED),
            Self::CtrlC | Self::Terminated | Self::WorkerTerminated => {
                (Some(0), None, " packets seen = ")
            }
        };
        ensure!(
            (ended.status.code(), ended.status.signal()) == (status, signal),
            "{}",
            ended.status
        );
        ensure!(ended.log.contains(words), "not said: {words}");
        ensure!(!ended.log.contains("panicked"), "a panic");
        Ok(())
    }
}

const ORPHANED: &str = "tracer: error: the privileged process died; nothing is traced any more";

/// One load on the wire, and under it tracers that come and end.
fn under_load(hook: &str, endings: &[Ending]) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let before = Hooks::of(topology.traced(), DEVICE)?;
    ensure!(before.are_free(), "{before:?}");
    let load = Load::start(&topology)?;
    for ending in endings {
        let tracer = grouped(&topology, hook)?;
        ends(&topology, hook, tracer, *ending).with_context(|| format!("{ending:?}"))?;
    }
    if endings.iter().any(|ending| ending.leaves_filters()) && hook == "clsact" {
        // The next one takes away what a killed one left.
        let tracer = grouped(&topology, hook)?;
        ensure!(tracer.log().contains("removed 2 filters of a killed tracer"), "{}", tracer.log());
        ends(&topology, hook, tracer, Ending::Terminated)?;
    }
    let after = Hooks::of(topology.traced(), DEVICE)?;
    ensure!(after == before, "before {before:?}\nafter {after:?}");
    load.undisturbed(&nginx)?;
    Ok(())
}

/// A tracer in a process group of its own, as a shell starts it.
fn grouped(topology: &Topology, hook: &str) -> Result<Tracer> {
    let mut command = topology.traced().command(program::tracer());
    command.process_group(0);
    Tracer::start_by(command, &["--hook", hook])
}

/// Ends a tracer that sees traffic, and looks for what is left of it.
fn ends(topology: &Topology, hook: &str, tracer: Tracer, ending: Ending) -> Result<()> {
    tracer.wait_for("a request", |event| text(event, "/event/action") == "http-request")?;
    let (held, worker) = (Held::by(tracer.pid())?, tracer.worker()?);
    ensure!(!held.programs.is_empty(), "no programs");
    ensure!(held.links.is_empty() == (hook == "clsact"), "{held:?}");
    let during = Hooks::of(topology.traced(), DEVICE)?;
    ensure!(!during.are_free(), "{during:?}");

    ending.act(&tracer)?;
    let ended = tracer.end_unread(END)?;
    ending.check(&ended).with_context(|| ended.log.clone())?;
    kernel::wait_for_end(worker, END)?;
    held.wait_for_links_to_go(END)?;
    if ending.leaves_filters() && hook == "clsact" {
        return Ok(());
    }
    held.wait_for_programs_to_go(END)?;
    let after = Hooks::of(topology.traced(), DEVICE)?;
    ensure!(after.are_free(), "{after:?}");
    Ok(())
}

/// The filters of a killed tracer still run, and do nothing.
fn inert() -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let _counted = kernel::count_runs()?;
    let load = Load::start(&topology)?;
    let tracer = grouped(&topology, "clsact")?;
    let programs = Held::by(tracer.pid())?.hold()?;
    signal(tracer.pid(), Signal::SIGKILL)?;
    tracer.end_unread(END)?;
    // Its stamp holds for two seconds.
    std::thread::sleep(Duration::from_millis(2100));
    let (runs, counted) = (programs.runs(), programs.counted()?);
    ensure!(counted > 0, "it saw nothing");
    std::thread::sleep(Duration::from_millis(300));
    let more = programs.runs();
    ensure!(more > runs + 100, "the filters are gone: {runs}, {more} runs");
    ensure!(programs.counted()? == counted, "they go on counting");
    load.undisturbed(&nginx)?;
    Ok(())
}
