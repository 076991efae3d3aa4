//! Several rings and threads, and one output of all.

use std::{collections::HashMap, fs, thread, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;
use tests::{
    host::Need,
    live::{Traced, Tracer, number, text},
    load::Load,
    namespace::Namespace,
    server::Nginx,
    topology::{Ip, Link, Topology},
};

use crate::{LIVE, Test, check, traffic};

const QUIET: &[Need] = &[Need::Namespaces, Need::Tracer];

/// For how long there is a load: enough for many batches.
const LOADED: Duration = Duration::from_millis(700);

/// For how long one looks at a tracer that has nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// How often all threads of an idle tracer may wake up in that time: each
/// second one of them, and a few times more for whatever.
const WAKE_UPS: u64 = 15;

/// Nanoseconds by which a line may be older than one before it: two processors
/// stamp their packets, and one of them is the first to find its place.
const STAMPED: u64 = 1_000_000;

/// Clients at a time.
const CLIENTS: usize = 4;

/// One in so many lines may be late by more, on a host too busy to let a
/// shard's thread run in time.
const LATE: usize = 20;

/// How often a host may be too busy.
const TRIES: usize = 3;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for shards in ["1", "2", "4", "8"] {
        let mut test = |name: &str, run: fn(&str) -> Result<()>| {
            tests.push(Test::new(format!("shards::{name}::{shards}"), LIVE, move || run(shards)));
        };
        test("tell_all_once", once);
        test("keep_the_order", in_order);
        test("stop_under_load", stopped);
    }
    tests.push(Test::new("shards::rows_of_all_segments", LIVE, rows));
    for shards in ["1", "64"] {
        tests.push(Test::new(format!("shards::idle::{shards}"), QUIET, move || idle(shards)));
    }
    tests
}

/// Has a last exchange go by and waits until it is told: what was before it is
/// decoded by then.
fn end(topology: &Topology, tracer: &Tracer) -> Result<()> {
    traffic::curl(topology, Ip::V4, &["/the/last"])?;
    tracer.wait_for("the last response", |event| {
        number(event, "/http/response/status_code") == Some(404)
    })?;
    Ok(())
}

/// Every exchange of a load is told once, and the events of each connection in
/// the order of their times.
fn once(shards: &str) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let arguments = ["--shards", shards, "--ring-size", "64M", "--overload", "lose"];
    let tracer = Tracer::start(topology.traced(), &arguments)?;
    let load = Load::start(&topology)?;
    thread::sleep(LOADED);
    let requests = load.undisturbed(&nginx)?;
    end(&topology, &tracer)?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    let stats = check::adds_up(&said)?;
    ensure!(number(stats, "/tracer/lost/ring_full") == Some(0), "{stats}");
    for action in ["http-request", "http-response"] {
        let told = said.of(action).count() as u64;
        // wrk leaves requests behind that nginx never logged.
        ensure!((requests + 1..=requests + 9).contains(&told), "{told} {action}, {requests}");
    }
    ensure!(said.of("gap").next().is_none(), "gaps\n{}", said.log);
    numbered(&said)?;
    late(&said)?;
    Ok(())
}

/// Clients that leave the tracer time: the events of all connections come in
/// the order of their times, unless the host is busy with something else.
fn in_order(shards: &str) -> Result<()> {
    let mut told = String::new();
    for _ in 0..TRIES {
        let (late, all) = disorder(shards)?;
        if late * LATE <= all {
            return Ok(());
        }
        told = format!("{told}{late} late of {all}; ");
    }
    bail!("{told}each of {TRIES} times")
}

/// How many events are late, and how many there are.
fn disorder(shards: &str) -> Result<(usize, usize)> {
    let topology = Topology::new(Link::Veth)?;
    let _nginx = Nginx::start(topology.server())?;
    let tracer = Tracer::start(topology.traced(), &["--shards", shards])?;
    let paths = ["/index.html"; 50];
    thread::scope(|scope| {
        let clients =
            [(); CLIENTS].map(|()| scope.spawn(|| traffic::curl(&topology, Ip::V4, &paths)));
        let ended =
            clients.map(|client| client.join().map_err(|_| anyhow!("a client panicked"))?);
        ended.into_iter().collect::<Result<()>>()
    })?;
    end(&topology, &tracer)?;
    let said = tracer.stop()?;
    check::whole(&said)?;
    ensure!(said.of("http-exchange").count() + said.of("http-response").count() > CLIENTS * 50);
    numbered(&said)?;
    Ok((late(&said)?, said.events.len()))
}

/// Ctrl-C while there is a load: what is in the rings is told, and the flows
/// are ended.
fn stopped(shards: &str) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let arguments = ["--shards", shards, "--ring-size", "1M", "--overload", "lose"];
    let tracer = Tracer::start(topology.traced(), &arguments)?;
    let load = Load::start(&topology)?;
    thread::sleep(LOADED);
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    load.undisturbed(&nginx)?;
    let stats = check::adds_up(&said)?;
    ensure!(said.of("http-request").next().is_some(), "{}", said.log);
    let (opened, closed) = (said.of("tcp-open").count(), said.of("tcp-close").count());
    ensure!(opened > 0 && opened == closed, "{opened} opened, {closed} closed");
    ensure!(number(stats, "/tracer/flows/open") == Some(0), "{stats}");
    ensure!(number(stats, "/tracer/flows/total") == Some(opened as u64), "{stats}");
    ensure!(number(stats, "/tracer/flows/gaps") == Some(said.of("gap").count() as u64), "{stats}");
    let last = said.events.last().context("no events")?;
    ensure!(text(last, "/event/action") == "stats", "{last}");
    numbered(&said)
}

/// In the view of segments, each packet that was copied has its row.
fn rows() -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let arguments =
        ["--shards", "4", "--ring-size", "64M", "--view", "segments", "--overload", "lose"];
    let tracer = Tracer::start(topology.traced(), &arguments)?;
    let load = Load::start(&topology)?;
    thread::sleep(LOADED);
    load.undisturbed(&nginx)?;
    end(&topology, &tracer)?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    let stats = check::adds_up(&said)?;
    let rows = said.events.iter().filter(|event| number(event, "/tcp/len").is_some()).count();
    ensure!(number(stats, "/tracer/copied") == Some(rows as u64), "{rows} rows, {stats}");
    numbered(&said)
}

/// Nothing to do, and next to nothing done.
fn idle(shards: &str) -> Result<()> {
    let namespace = Namespace::new("idle")?;
    let tracer = Tracer::start(&namespace, &["--shards", shards, "--ring-size", "256K"])?;
    let processes = [tracer.pid(), tracer.worker()?];
    // Until all threads have gone to sleep.
    thread::sleep(Duration::from_millis(500));
    let before = wake_ups(processes)?;
    thread::sleep(IDLE);
    let woken = wake_ups(processes)? - before;
    ensure!(woken <= WAKE_UPS, "{woken} times in {} s", IDLE.as_secs());
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    Ok(())
}

/// How often threads of processes have gone to sleep, which is how often they
/// have woken up.
fn wake_ups(processes: [u32; 2]) -> Result<u64> {
    let mut sum = 0;
    for process in processes {
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let line =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum += line.context("no count of switches")?.trim().parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// The number of an event is its place.
fn numbered(said: &Traced) -> Result<()> {
    for (at, event) in (1..).zip(&said.events) {
        ensure!(number(event, "/event/sequence") == Some(at), "line {at}: {event}");
    }
    Ok(())
}

/// Events of a connection are never late. Returns how many are of different
/// ones.
fn late(said: &Traced) -> Result<usize> {
    let (mut latest, mut late) = (0, 0);
    let mut of_connection: HashMap<&str, u64> = HashMap::new();
    for event in &said.events {
        let time = nanoseconds(event)?;
        late += usize::from(time + STAMPED < latest);
        latest = latest.max(time);
        let connection = text(event, "/network/community_id");
        let before = of_connection.insert(connection, time).filter(|_| !connection.is_empty());
        ensure!(before.is_none_or(|before| before <= time + STAMPED), "{before:?} before {event}");
    }
    Ok(late)
}

/// The time of an event within its month.
fn nanoseconds(event: &Value) -> Result<u64> {
    let time = text(event, "/@timestamp").strip_suffix('Z').context("no time")?;
    let (time, fraction) = time.split_once('.').context("no fraction")?;
    let day = time.rsplit_once('-').map_or(time, |(_, day)| day);
    let seconds = day
        .split(['T', ':'])
        .try_fold(0, |sum, part| part.parse::<u64>().map(|part| sum * 60 + part))?;
    Ok(seconds * 1_000_000_000 + fraction.parse::<u64>()?)
}
