//! Traffic that is made to hurt, while others go on beside it: the servers do
//! not notice, memory stays below the budget, every packet has its outcome, and
//! what the others say is decoded completely.
//!
//! As tests each runs for moments; with [`MINUTES`] set, as `cargo xtask soak`
//! does it, each runs in full size, and then all of them in turn beside all
//! kinds of traffic.

mod ear;
mod hostile;
mod people;
mod soak;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tests::{
    live::{Tracer, signal},
    program,
    server::{Nginx, Sink},
    topology::{Link, Topology},
    wait,
};

use self::{
    ear::{Ear, Heard, Losses},
    people::{Habit, People, Said, Truth},
};
use crate::{LIVE, Test, budget, check};

/// Minutes of the mixed run; set, only these tests are run.
pub(crate) const MINUTES: &str = "SOAK_MINUTES";

/// The budget, as it is given and in bytes.
const BUDGET: &str = "64M";
const BYTES: u64 = 64 << 20;

/// From one look at the memory to the next.
const LOOK: Duration = Duration::from_millis(50);

/// Limit of what was said to be told, and of the end.
const LIMIT: Duration = Duration::from_secs(30);

/// How much of each.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Connections of a flood.
    connections: u64,
    /// Segments by chance.
    segments: u64,
    /// Connections with slow heads, and for how long.
    slow: (u64, Duration),
    /// Bytes of a mail.
    mail: u64,
    /// Bytes of a literal or a head without an end.
    endless: u64,
}

/// As a test.
const QUICK: Scale = Scale {
    connections: 5_000,
    segments: 100_000,
    slow: (100, Duration::from_secs(1)),
    mail: 64 << 20,
    endless: 10 << 20,
};

/// In full size.
const FULL: Scale = Scale {
    connections: 100_000,
    segments: 10_000_000,
    slow: (500, Duration::from_secs(20)),
    mail: 1 << 30,
    endless: 100 << 20,
};

/// What hurts.
type Siege = fn(&Topology, &Scale) -> Result<()>;

/// The one that is told of as a mail, and the mail's header.
const MAIL: &str = "large_mail";
const SUBJECT: &str = "Subject: large\r\n\r\n";

/// All of it.
const SIEGES: [(&str, Siege); 7] = [
    ("half_open_flood", |topology, scale| hostile::flood(topology, scale.connections, false)),
    ("idle_flood", |topology, scale| hostile::flood(topology, scale.connections, true)),
    ("slowloris", |topology, scale| hostile::slowloris(topology, scale.slow.0, scale.slow.1)),
    ("random_segments", |topology, scale| hostile::random(topology, scale.segments)),
    (MAIL, mail),
    ("literal_without_end", literal),
    ("head_without_end", head),
];

pub(crate) fn tests() -> Vec<Test> {
    let scale = if minutes().is_some() { FULL } else { QUICK };
    let mut tests: Vec<Test> = SIEGES
        .into_iter()
        .map(|(name, siege)| {
            Test::new(format!("siege::{name}"), LIVE, move || {
                let heard = beside(siege, &scale)?;
                let mail = SUBJECT.len() as u64 + scale.mail / 64 * 63;
                ensure!(heard.mail == if name == MAIL { mail } else { 0 }, "{}", heard.mail);
                Ok(())
            })
        })
        .collect();
    if let Some(minutes) = minutes() {
        tests.push(Test::new("siege::soak", LIVE, move || soak::run(minutes)));
    }
    tests
}

/// How long the mixed run is to be, where one is wanted.
pub(crate) fn minutes() -> Option<u64> {
    env::var(MINUTES).ok()?.parse().ok()
}

/// A mail beyond anything, which a server takes.
fn mail(topology: &Topology, scale: &Scale) -> Result<()> {
    let envelope = "EHLO c\r\n\u{1}MAIL FROM:<a@example.test>\r\n\u{1}\
                    RCPT TO:<b@example.test>\r\n\u{1}DATA\r\n\u{1}";
    hostile::pour(
        topology,
        25,
        &format!("{envelope}{SUBJECT}"),
        (LINE, scale.mail),
        ".\r\nQUIT\r\n",
    )
}

/// A line of such a mail, of a length that divides a write. Its first dot is
/// taken off again.
const LINE: &[u8; 64] = b"..a line that begins with a dot, one of very many of this mail\r\n";

/// A literal that says it is as long as a number can be.
fn literal(topology: &Topology, scale: &Scale) -> Result<()> {
    let taking = hostile::take(topology, hostile::IMAP, b"* OK IMAP4rev1 ready\r\n")?;
    let begin = format!("\u{1}a APPEND INBOX {{{}+}}\r\nSubject: x\r\n\r\n", u32::MAX);
    hostile::pour(topology, hostile::IMAP, &begin, (b"literal ", scale.endless), "")?;
    ensure!(wait::join(taking)? > scale.endless, "it was not taken");
    Ok(())
}

/// A request whose head goes on and on, first in one field, then in many.
fn head(topology: &Topology, scale: &Scale) -> Result<()> {
    for piece in [&b"X"[..], b"X-Again: and again\r\n"] {
        let taking = hostile::take(topology, hostile::HTTP, b"")?;
        let begin = "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ";
        hostile::pour(topology, hostile::HTTP, begin, (piece, scale.endless / 2), "")?;
        ensure!(wait::join(taking)? > scale.endless / 2, "it was not taken");
    }
    Ok(())
}

/// A tracer at the server's end, within its budget.
fn start(topology: &Topology) -> Result<(Tracer, Ear)> {
    let command = topology.traced().command(program::tracer());
    let [http, imap] = [hostile::HTTP, hostile::IMAP];
    let ports = [format!("--port=http=80,{http}"), format!("--port=imap=143,{imap}")];
    let mut arguments = vec!["-i", "eth0", "--memory", BUDGET, "--view", "exchanges"];
    arguments.extend(["--stats-interval", "1"]);
    arguments.extend(ports.iter().map(String::as_str));
    let mut tracer = Tracer::start_unread(command, &arguments)?;
    let ear = Ear::listen(&mut tracer);
    Ok((tracer, ear))
}

fn beside(siege: Siege, scale: &Scale) -> Result<Heard> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let _sink = Sink::start(topology.server())?;
    let (tracer, ear) = start(&topology)?;
    let memory = Memory::watch(&tracer)?;
    let people = People::start(&topology, &[Habit::Stays, Habit::Visits, Habit::SendsMail])?;
    let attacked = siege(&topology, scale);
    let truth = people.stop()?;
    attacked?;
    ensure!(truth.errors.is_empty(), "{:#?}", truth.errors);
    // What is not told in time is judged below.
    let _ = wait::until("all to be told", LIMIT, || {
        Ok((ear.has(truth.exchanges()) || ear.losses() != Losses::default()).then_some(()))
    });
    let most = memory.most()?;
    signal(tracer.pid(), Signal::SIGINT)?;
    let ended = tracer.end_unread(LIMIT)?;
    ensure!(ended.status.success(), "{}\n{}", ended.status, ended.log);
    let heard = ear.take();
    // The server's own count.
    let (served, _) = nginx.answers("/posts/by-")?;
    ensure!(truth.requests() == [served; 2], "{:?}, {served} served", truth.requests());
    let verdict = Verdict::of(&truth, &heard);
    verdict.judge(&heard, heard.losses()).with_context(|| ended.log.clone())?;
    ensure!(most <= BYTES, "{most} bytes held, {}", heard.stats);
    check::every_packet_has_one_outcome(&heard.stats)?;
    Ok(heard)
}

/// What was told, held against what happened.
#[derive(Clone, Copy, Debug, Default)]
struct Verdict {
    /// Exchanges that happened.
    exchanges: u64,
    /// Connections that were told of completely, in part, and not at all.
    whole: u64,
    partial: u64,
    absent: u64,
    /// Exchanges of those that were not told.
    missing: u64,
    /// Exchanges that were told more than once, or never happened.
    invented: u64,
}

impl Verdict {
    fn of(truth: &Truth, heard: &Heard) -> Self {
        let mut verdict = Self::default();
        for (connection, Said { begun, done, .. }) in &truth.connections {
            let told = heard.told.get(connection);
            let times = |number| told.and_then(|told| told.get(&number)).copied().unwrap_or(0);
            let missing = (1..=*done).filter(|number| times(*number) == 0).count() as u64;
            verdict.exchanges += done;
            verdict.missing += missing;
            verdict.invented +=
                (1..=*begun).map(|number| times(number).saturating_sub(1)).sum::<u64>();
            match missing {
                0 => verdict.whole += 1,
                _ if missing == *done => verdict.absent += 1,
                _ => verdict.partial += 1,
            }
        }
        let invented = heard.told.keys().filter(|name| !truth.connections.contains_key(name));
        verdict.invented += invented.count() as u64;
        verdict
    }

    /// Nothing is missing but what the tracer itself says it left out: whole
    /// connections, and events that were not written.
    fn judge(&self, heard: &Heard, losses: Losses) -> Result<()> {
        ensure!(heard.wrong.is_empty(), "{:#?}", heard.wrong);
        ensure!(self.exchanges > 0, "nothing happened: {self:?}");
        ensure!(self.invented == 0, "{self:?}");
        let Losses { shed, given_up, ring_full, unwritten } = losses;
        let in_part = given_up + ring_full + unwritten > 0;
        ensure!(self.partial == 0 || in_part, "{self:?}, {losses:?}");
        ensure!(self.absent <= shed || in_part, "{self:?}, {losses:?}");
        Ok(())
    }
}

/// A thread that looks at what both processes hold.
struct Memory {
    most: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Memory {
    fn watch(tracer: &Tracer) -> Result<Self> {
        let processes = [tracer.pid(), tracer.worker()?];
        let (most, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (writing, ends) = (Arc::clone(&most), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                writing.fetch_max(budget::held(processes)?, Ordering::Relaxed);
                thread::sleep(LOOK);
            }
            Ok(())
        });
        Ok(Self { most, is_over, thread })
    }

    /// The most since the last time.
    fn lately(&self) -> u64 {
        self.most.swap(0, Ordering::Relaxed)
    }

    /// The most, at the end.
    fn most(self) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        wait::join(self.thread)?;
        Ok(self.most.load(Ordering::Relaxed))
    }
}
