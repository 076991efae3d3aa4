//! All kinds of traffic for as long as one likes, and one fault after the other
//! beside it. Each round is held against the truth before the next begins.

#![expect(clippy::print_stdout, reason = "a table for a person who waits")]

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tests::{
    live::{Tracer, signal},
    server::{Dovecot, Nginx, Sink},
    topology::{Link, Topology},
    wait,
};

use super::{
    BYTES, LIMIT, Memory, SIEGES, Scale, Verdict,
    ear::{Ear, Heard, Losses},
    hostile,
    people::{Habit, People, Truth},
};
use crate::{check, traffic};

/// In one round among others.
const SCALE: Scale = Scale {
    connections: 30_000,
    segments: 1_000_000,
    slow: (200, Duration::from_secs(8)),
    mail: 128 << 20,
    endless: 20 << 20,
};

/// Before and after a fault.
const CALM: Duration = Duration::from_secs(2);

/// How long a stopped worker and a stalled output last.
const FAULT: Duration = Duration::from_secs(10);

/// Until the counters are told again, which they are each second.
const COUNTED: Duration = Duration::from_millis(1500);

/// Who is there.
const HABITS: [Habit; 6] =
    [Habit::Stays, Habit::Stays, Habit::Visits, Habit::Visits, Habit::SendsMail, Habit::ReadsMail];

/// What happens in a round.
#[derive(Clone, Copy)]
enum Fault {
    Nothing,
    WorkerStopped,
    OutputStalled,
    ServerRestarted,
    Siege(super::Siege),
}

struct Place<'a> {
    topology: &'a Topology,
    nginx: Nginx<'a>,
    tracer: Tracer,
    ear: Ear,
}

/// Goes on for so many minutes, until all that was begun is through.
pub(super) fn run(minutes: u64) -> Result<()> {
    let topology = &Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let _sink = Sink::start(topology.server())?;
    let mails = traffic::mails(1);
    let mails: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
    let _dovecot = Dovecot::start(topology.server(), &mails)?;
    let (tracer, ear) = super::start(topology)?;
    let memory = Memory::watch(&tracer)?;
    let mut place = Place { topology, nginx, tracer, ear };
    let mut faults = vec![
        ("nothing", Fault::Nothing),
        ("worker_stopped", Fault::WorkerStopped),
        ("output_stalled", Fault::OutputStalled),
        ("server_restarted", Fault::ServerRestarted),
    ];
    faults.extend(SIEGES.map(|(name, siege)| (name, Fault::Siege(siege))));
    println!(
        "\n| minute | beside | packets | exchanges | missing | connections whole, in part, absent \
         | not followed | given up | lost in the ring | events not written | delay, median and \
         99 of 100 (ms) | memory (MiB) |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let start = Instant::now();
    let (mut requests, mut wrong) = ([0; 2], Vec::new());
    let (mut before, mut seen) = (Losses::default(), 0);
    for (name, fault) in faults.into_iter().cycle() {
        if start.elapsed() >= Duration::from_mins(1) * u32::try_from(minutes)? {
            break;
        }
        let (truth, heard) = place.round(fault, before).with_context(|| name.to_owned())?;
        for (sum, more) in requests.iter_mut().zip(truth.requests()) {
            *sum += more;
        }
        let lost = heard.losses().since(before);
        let verdict = Verdict::of(&truth, &heard);
        let held = memory.lately();
        let packets = heard.count("seen") - seen;
        print(start.elapsed(), name, packets, &verdict, lost, &heard, held);
        let judged = verdict.judge(&heard, lost);
        let errors = truth.errors.first().filter(|_| !matches!(fault, Fault::ServerRestarted));
        for fault in [
            judged.err().map(|error| format!("{error:#}")),
            errors.cloned(),
            (held > BYTES).then(|| format!("{held} bytes held")),
            check::every_packet_has_one_outcome(&heard.stats).err().map(|e| e.to_string()),
        ] {
            wrong.extend(fault.map(|fault| format!("{name}: {fault}")));
        }
        (before, seen) = (heard.losses(), heard.count("seen"));
    }
    memory.most()?;
    let Place { nginx, tracer, ear, .. } = place;
    signal(tracer.pid(), Signal::SIGINT)?;
    let ended = tracer.end_unread(LIMIT)?;
    println!("\n{}", ended.log);
    ensure!(ended.status.success(), "{}", ended.status);
    check::every_packet_has_one_outcome(&ear.take().stats)?;
    let (served, _) = nginx.answers("/posts/by-")?;
    let [done, begun] = requests;
    ensure!((done..=begun).contains(&served), "{done} to {begun} requests, {served} in the log");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

impl Place<'_> {
    /// One fault beside all traffic, and what came of it.
    fn round(&mut self, fault: Fault, before: Losses) -> Result<(Truth, Heard)> {
        let people = People::start(self.topology, &HABITS)?;
        thread::sleep(CALM);
        let brought = self.bring(fault);
        thread::sleep(CALM);
        let truth = people.stop()?;
        brought?;
        // What is not told in time is judged by what was lost.
        let _ = wait::until("all to be told", LIMIT, || {
            let is_lossy = self.ear.losses() != before;
            Ok((is_lossy || self.ear.has(truth.exchanges())).then_some(()))
        });
        thread::sleep(COUNTED);
        Ok((truth, self.ear.take()))
    }

    fn bring(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Nothing => thread::sleep(FAULT),
            Fault::WorkerStopped => {
                let worker = self.tracer.worker()?;
                signal(worker, Signal::SIGSTOP)?;
                thread::sleep(FAULT);
                signal(worker, Signal::SIGCONT)?;
            }
            Fault::OutputStalled => {
                self.ear.shut(true);
                // More than its queue takes.
                let flooded = hostile::flood(self.topology, SCALE.connections, true);
                thread::sleep(FAULT);
                self.ear.shut(false);
                flooded?;
            }
            Fault::ServerRestarted => self.nginx.restart()?,
            Fault::Siege(siege) => siege(self.topology, &SCALE)?,
        }
        Ok(())
    }
}

fn print(
    time: Duration,
    name: &str,
    packets: u64,
    verdict: &Verdict,
    lost: Losses,
    heard: &Heard,
    held: u64,
) {
    let Verdict { exchanges, missing, whole, partial, absent, .. } = verdict;
    let Losses { shed, given_up, ring_full, unwritten } = lost;
    let mut delays = heard.delays.clone();
    delays.sort_by(f64::total_cmp);
    let of_hundred =
        |part: usize| 1000.0 * delays.get(delays.len() * part / 100).copied().unwrap_or_default();
    println!(
        "| {:.1} | {name} | {packets} | {exchanges} | {missing} | {whole}, {partial}, {absent} \
         | {shed} | {given_up} | {ring_full} | {unwritten} | {:.1}, {:.1} | {} |",
        time.as_secs_f64() / 60.0,
        of_hundred(50),
        of_hundred(99),
        held >> 20,
    );
}
