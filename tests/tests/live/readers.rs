//! Whoever reads the output: may go away, and may stop reading, and the traced
//! host does not notice either.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
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
};

use nix::sys::signal::Signal;

use crate::{LIVE, Test, check, traffic};

/// Limit of an end.
const END: Duration = Duration::from_secs(3);

/// Until the pipe and a small ring are full: a load fills them at once.
const FULL: Duration = Duration::from_millis(500);

/// For how long nobody reads.
const STALL: Duration = Duration::from_secs(2);

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
    let mut tracer = unread(&topology, &["--ring-size", "256K", "--overload", "lose"])?;
    let load = Load::start(&topology)?;
    thread::sleep(STALL);
    tracer.read_on();
    tracer.wait_for("a gap", |event| text(event, "/event/action") == "gap")?;
    load.undisturbed(&nginx)?;
    traffic::curl(&topology, Ip::V4, &["/after?the=stall"])?;
    tracer.wait_for("the last response", |event| {
        number(event, "/http/response/status_code") == Some(404)
    })?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    let stats = check::adds_up(&said)?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}")).unwrap_or_default();
    ensure!(count("lost/ring_full") > 0, "{stats}");
    let told = said.of("gap").count() as u64;
    ensure!(told > 0 && told == count("flows/gaps"), "{told} gaps, {stats}");
    let lost = format!("lost: {} ring full", count("lost/ring_full"));
    ensure!(said.log.contains(&lost), "{lost}\n{}", said.log);
    let after: Vec<&Value> = said
        .of("http-request")
        .filter(|event| text(event, "/url/original") == "/after?the=stall")
        .collect();
    ensure!(after.len() == 1, "{after:?}");
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
    ensure!(summary.is_some_and(|line| !line.contains(" 0 lost")), "{}", ended.log);
    ensure!(ended.log.contains("its reader has stopped reading"), "{}", ended.log);
    load.undisturbed(&nginx)?;
    Ok(())
}
