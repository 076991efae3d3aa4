//! Whoever reads the output: may go away, and may stop reading, and the traced
//! host does not notice either.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::PathBuf,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    host::Need,
    kernel::{self, Held, Hooks},
    live::{Tracer, number, signal, text},
    load::Load,
    namespace::Namespace,
    program, schema,
    server::Nginx,
    topology::{Ip, Link, Topology},
    wait,
    wire::Wire,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{LIVE, Test, check, frames::request, traffic};

/// Limit of an end.
const END: Duration = Duration::from_secs(3);

/// Until the pipe and the queue are full, under a load.
const FULL: Duration = Duration::from_secs(3);

/// Requests that fill a disk of 64 KiB once, and not twice.
const FILLING: u16 = 90;

/// Ends of a request that nobody answers.
const LOCAL: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// Limit of what the tracer is waited for.
const LIMIT: Duration = Duration::from_secs(20);

/// For how long nobody reads.
const STALL: Duration = Duration::from_secs(3);

const QUIET: &[Need] = &[Need::Namespaces, Need::Tracer];

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("readers::that_goes_away_ends_the_tracer", LIVE, gone),
        Test::new("readers::that_goes_away_on_a_quiet_host_ends_it", QUIET, gone_quietly),
        Test::new("readers::that_stalls_loses_what_is_counted", LIVE, stalled),
        Test::new("readers::that_stalls_for_good_does_not_keep_it_alive", LIVE, || {
            stuck(Signal::SIGINT)
        }),
        Test::new("readers::that_stalls_does_not_keep_an_orphan_alive", LIVE, || {
            stuck(Signal::SIGKILL)
        }),
        Test::new("readers::a_full_disk_is_waited_for", QUIET, full_disk),
    ]
}

fn unread(topology: &Topology, arguments: &[&str]) -> Result<Tracer> {
    Tracer::start_unread(topology.traced().command(program::tracer()), arguments)
}

/// As `tracer | head -1` does.
fn gone() -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let mut tracer = unread(&topology, &[])?;
    let (held, worker) = (Held::by(tracer.pid())?, tracer.worker()?);
    let load = Load::start(&topology)?;
    let line = schema::event(&tracer.read_one_line()?)?;
    ensure!(number(&line, "/event/sequence") == Some(1), "{line}");
    let ended = tracer.end_unread(END)?;
    ensure!(ended.status.code() == Some(0), "{}\n{}", ended.status, ended.log);
    let last = ended.log.lines().last().unwrap_or_default();
    ensure!(last.starts_with("tracer: ready: "), "not quiet: {}", ended.log);
    kernel::wait_for_end(worker, END)?;
    held.wait_for_links_to_go(END)?;
    held.wait_for_programs_to_go(END)?;
    let hooks = Hooks::of(topology.traced(), "eth0")?;
    ensure!(hooks.are_free(), "{hooks:?}");
    load.undisturbed(&nginx)?;
    Ok(())
}

/// The same where no event comes that it would fail to write.
fn gone_quietly() -> Result<()> {
    let namespace = Namespace::new("quiet")?;
    let mut tracer = Tracer::start_unread(namespace.command(program::tracer()), &[])?;
    let worker = tracer.worker()?;
    tracer.go_away();
    let ended = tracer.end_unread(END)?;
    ensure!(ended.status.code() == Some(0), "{}\n{}", ended.status, ended.log);
    kernel::wait_for_end(worker, END)?;
    let hooks = Hooks::of(&namespace, "lo")?;
    ensure!(hooks.are_free(), "{hooks:?}");
    Ok(())
}

/// Nobody reads for a while, then somebody does again.
fn stalled() -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let mut tracer = unread(&topology, &["--overload", "lose"])?;
    let load = Load::start(&topology)?;
    // Longer than the queue has room for.
    thread::sleep(STALL);
    tracer.read_on();
    let is_told = |event: &Value| text(event, "/event/action") == "output-lost";
    tracer.wait_for("what was lost to be told", is_told)?;
    load.undisturbed(&nginx)?;
    traffic::curl(&topology, Ip::V4, &["/after?the=stall"])?;
    tracer.wait_for("the last response", |event| {
        number(event, "/http/response/status_code") == Some(404)
    })?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    let stats = check::adds_up(&said)?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}")).unwrap_or_default();
    let lost = count("events_lost");
    let told =
        said.of("output-lost").filter_map(|event| number(event, "/tracer/output_lost/events"));
    ensure!(lost > 0 && told.sum::<u64>() == lost, "{stats}");
    // What was not written has left its numbers free; the last one is not yet
    // counted in itself.
    let sequences: Vec<u64> =
        said.events.iter().filter_map(|event| number(event, "/event/sequence")).collect();
    ensure!(sequences.is_sorted(), "{stats}");
    ensure!(sequences.len() as u64 + lost == *sequences.last().unwrap_or(&0), "{stats}");
    ensure!(count("events") + 1 == sequences.len() as u64, "{stats}");
    let summary = format!("{lost} not written: the output was too slow");
    ensure!(said.log.contains(&summary), "{summary}\n{}", said.log);
    let after: Vec<&Value> = said
        .of("http-request")
        .filter(|event| text(event, "/url/original") == "/after?the=stall")
        .collect();
    ensure!(after.len() == 1, "{after:?}");
    Ok(())
}

/// Events go to a file on a disk that is full for a while.
fn full_disk() -> Result<()> {
    let namespace = Namespace::new("disk")?;
    let folder = TempDir::new()?;
    let folder = folder.path().to_str().context("a path in UTF-8")?;
    let mut command = namespace.command("sh");
    // A file system of 64 KiB, of which only the tracer knows.
    let script = r#"mount -t tmpfs -o size=64k none "$0" && exec "$@""#;
    command.args(["-c", script, folder]).arg(program::tracer());
    let path = format!("{folder}/events.json");
    let tracer = Tracer::start_by(command, &["-i", "lo", "--output", &path])?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for number in 0..FILLING {
        wire.send(&request("filling", number, LOCAL)?.frame()?)?;
    }
    let says = |words: &'static str| {
        wait::until(words, LIMIT, || Ok(tracer.log().contains(words).then_some(())))
    };
    says("No space left on device")?;
    // What is in it is taken away, as by an operator who needs the room.
    let file = PathBuf::from(format!("/proc/{}/root{path}", tracer.pid()));
    let before = fs::read_to_string(&file)?;
    OpenOptions::new().write(true).open(&file)?.set_len(0)?;
    says("the output is written again")?;
    wire.send(&request("last", 1000, LOCAL)?.frame()?)?;
    let is_last = |text: &str| text.contains("/last");
    let after = || Ok(fs::read_to_string(&file).ok().filter(|text| is_last(text)));
    wait::until("the last request", LIMIT, after)?;
    // The file is seen through the process, which is about to end.
    let open = File::open(&file)?;
    let said = tracer.stop()?;
    ensure!(said.status.success() && said.events.is_empty(), "{}\n{}", said.status, said.log);
    ensure!(said.log.matches("No space left").count() == 1, "{}", said.log);
    let lines = before + &io::read_to_string(open)?;
    let events = lines.lines().map(schema::event).collect::<Result<Vec<_>>>()?;
    let numbers = events.iter().map(|event| number(event, "/event/sequence"));
    ensure!(numbers.eq((1..=events.len() as u64).map(Some)), "{} events", events.len());
    let last = events.last().context("no events")?;
    ensure!(number(last, "/tracer/events_lost") == Some(0), "{last}");
    ensure!(number(last, "/tracer/copied") == Some(u64::from(FILLING) + 1), "{last}");
    Ok(())
}

/// Nobody ever reads, and Ctrl-C ends it all the same, and so does the death
/// of the privileged process.
fn stuck(ending: Signal) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let tracer = unread(&topology, &["--ring-size", "256K"])?;
    let load = Load::start(&topology)?;
    thread::sleep(FULL);
    let worker = tracer.worker()?;
    signal(tracer.pid(), ending)?;
    let ended = tracer.end_unread(END)?;
    kernel::wait_for_end(worker, END)?;
    let status = (ending == Signal::SIGINT).then_some(1);
    ensure!(ended.status.code() == status, "{}\n{}", ended.status, ended.log);
    let summary = ended.log.lines().find(|line| line.contains(" packets seen = "));
    ensure!(summary.is_some(), "{}", ended.log);
    ensure!(ended.log.contains(" not written: the output was too slow"), "{}", ended.log);
    ensure!(ended.log.contains("its reader has stopped reading"), "{}", ended.log);
    load.undisturbed(&nginx)?;
    Ok(())
}
