//! tracer as a service manager sees it: told when it is ready, how it goes,
//! that both processes live, and when it ends.

use std::{fs, os::unix::net::UnixDatagram, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tests::{
    host::{self, Need},
    live::{Tracer, number, signal},
    namespace::Namespace,
    program, schema, wait,
    wire::Wire,
};

use crate::{Test, check, frames::request};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// For how long a message is waited for.
const LIMIT: Duration = Duration::from_secs(20);

/// How often the tracer is to give a sign of life, as systemd tells it: in
/// microseconds.
const WATCHDOG: &str = "400000";

/// Several times as long: a tracer that says nothing for this is taken for
/// dead.
const SILENCE: Duration = Duration::from_secs(2);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("service::the_manager_is_told_how_it_goes", NEEDS, told),
        Test::new("service::a_worker_that_is_stopped_gives_no_sign_of_life", NEEDS, || {
            stopped("1")
        }),
        Test::new("service::is_as_closed_as_it_can_be", &[Need::SystemdAnalyze], closed),
        Test::new("service::a_file_that_was_moved_away_is_opened_anew", NEEDS, rotated),
        Test::new("service::one_of_several_shards_vouches_for_none", NEEDS, || stopped("2")),
    ]
}

/// Requests before a file is moved away, and after it.
const REQUESTS: u16 = 40;

/// Ends of requests that nobody answers.
const ENDS: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// As logrotate does it, while events come.
fn rotated() -> Result<()> {
    let namespace = Namespace::new("service")?;
    let folder = TempDir::new()?;
    let [path, moved] = ["events.json", "events.json.1"].map(|name| folder.path().join(name));
    let output = path.to_str().context("a path in UTF-8")?;
    let tracer = Tracer::start(&namespace, &["-i", "lo", "--output", output])?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    let mut send = |numbers: std::ops::Range<u16>| -> Result<()> {
        for number in numbers {
            wire.send(&request("rotated", number, ENDS)?.frame()?)?;
        }
        Ok(())
    };
    send(0..REQUESTS)?;
    wait::until("the first event", LIMIT, || {
        Ok(fs::read_to_string(&path).ok().filter(|text| text.contains("/rotated")))
    })?;
    fs::rename(&path, &moved)?;
    signal(tracer.pid(), Signal::SIGHUP)?;
    send(REQUESTS..2 * REQUESTS)?;
    wait::until("the file to be there again", LIMIT, || {
        Ok(tracer.log().contains("opened anew").then_some(()))
    })?;
    send(2 * REQUESTS..3 * REQUESTS)?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    // What was said first stands in the file that was moved away, the rest in
    // the new one; each event once, and whole.
    let files = [&moved, &path].map(fs::read_to_string);
    let [old, new] = files;
    let (old, new) = (old?, new?);
    ensure!(!old.is_empty() && new.contains("/rotated"), "{old}\n{new}");
    let lines = old + &new;
    let events = lines.lines().map(schema::event).collect::<Result<Vec<_>>>()?;
    let numbers = events.iter().map(|event| number(event, "/event/sequence"));
    ensure!(numbers.eq((1..=events.len() as u64).map(Some)), "{} events", events.len());
    let last = events.last().context("no events")?;
    ensure!(number(last, "/tracer/copied") == Some(3 * u64::from(REQUESTS)), "{last}");
    Ok(())
}

/// The exposure that systemd may find in the service, in tenths.
const EXPOSURE: &str = "--threshold=20";

/// systemd itself finds little that the service could do beside its work.
fn closed() -> Result<()> {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=true", "--no-pager", EXPOSURE]);
    let said =
        wait::success(analyze.arg(host::workspace().join("packaging/tracer.service")), LIMIT)?;
    ensure!(said.contains("Overall exposure level"), "{said}");
    Ok(())
}

/// The socket of a service manager.
pub(crate) struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    pub(crate) fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(Self { socket, folder })
    }

    /// A tracer in a namespace, started by this manager.
    pub(crate) fn command(&self, namespace: &Namespace) -> Command {
        let mut command = namespace.command(program::tracer());
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command
    }

    /// The next message.
    fn next(&self) -> Result<String> {
        let mut message = [0; 4096];
        let len = self.socket.recv(&mut message).context("no message")?;
        Ok(String::from_utf8(message.get(..len).unwrap_or_default().to_vec())?)
    }

    /// Waits for a message with such a line; all until then with it.
    pub(crate) fn wait_for(&self, line: &str) -> Result<Vec<String>> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().with_context(|| format!("{line} after {messages:?}"))?;
            let is_it = message.lines().any(|of_it| of_it.starts_with(line));
            messages.push(message);
            if is_it {
                return Ok(messages);
            }
        }
    }

    /// Waits until nothing is said for longer than a watchdog waits.
    fn wait_for_silence(&self) -> Result<()> {
        self.socket.set_read_timeout(Some(SILENCE))?;
        while self.next().is_ok() {}
        self.socket.set_read_timeout(Some(LIMIT))?;
        Ok(())
    }
}

fn told() -> Result<()> {
    let namespace = Namespace::new("service")?;
    let manager = Manager::new()?;
    let tracer = Tracer::start_by(manager.command(&namespace), &["-i", "lo"])?;
    let ready = manager.next()?;
    ensure!(ready == "READY=1\nSTATUS=tracing lo (TCX egress)\n", "{ready:?}");
    let status = manager.next()?;
    let expected = "STATUS=0 packets, 0 events, 0 flows open, 0 packets lost\n";
    ensure!(status == expected, "{status:?}");
    let rates = manager.next()?;
    ensure!(rates.starts_with("STATUS=0 packets/s, 0 events/s, 0 flows open"), "{rates:?}");
    // Nobody has asked for a watchdog.
    signal(tracer.pid(), Signal::SIGTERM)?;
    let last = manager.wait_for("STOPPING=1")?;
    ensure!(!last.concat().contains("WATCHDOG"), "{last:?}");
    let said = tracer.end(LIMIT)?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    check::whole(&said)
}

fn stopped(shards: &str) -> Result<()> {
    let namespace = Namespace::new("service")?;
    let manager = Manager::new()?;
    let mut command = manager.command(&namespace);
    command.env("WATCHDOG_USEC", WATCHDOG);
    let tracer = Tracer::start_by(command, &["-i", "lo", "--shards", shards])?;
    // On a quiet host all of it sleeps, and has to be woken for this.
    for _ in 0..3 {
        let told = manager.wait_for("WATCHDOG=1")?.concat();
        ensure!(told.contains("STATUS="), "{told}");
    }
    let worker = tracer.worker()?;
    signal(worker, Signal::SIGSTOP)?;
    manager.wait_for_silence()?;
    signal(worker, Signal::SIGCONT)?;
    manager.wait_for("WATCHDOG=1")?;
    manager.wait_for("WATCHDOG=1")?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    check::whole(&said)
}
