//! Programs, filters and qdiscs of others on the same interface: they stay as
//! they are, and where one may hide traffic, tracer says so.

use std::{net::UdpSocket, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tests::{
    foreign::{Foreign, Hook},
    kernel::{self, Hooks, tc},
    live::{Traced, Tracer, signal, text},
    server::Nginx,
    topology::{Ip, Link, Topology},
};

use crate::{LIVE, Test, check, traffic};

/// Where both are.
const DEVICE: &str = "eth0";

/// What a warning says of somebody else's program or filter.
const BEFORE_OURS: &str = "runs before tracer's; what it drops or redirects is not seen";

pub(crate) fn tests() -> Vec<Test> {
    let test =
        |name: &str, run: fn() -> Result<()>| Test::new(format!("neighbours::{name}"), LIVE, run);
    vec![
        test("tcx_programs_run_after_ours", tcx_after),
        test("tcx_programs_hide_packets_from_clsact", tcx_before_clsact),
        test("native_xdp_program", || xdp(Hook::XDP_NATIVE_PASS)),
        test("generic_xdp_program", || xdp(Hook::XDP_GENERIC_PASS)),
        test("filters_run_after_ours", filters_after),
        test("filters_of_the_first_priority_run_before_ours", filters_before),
        test("ingress_qdisc_in_the_place_of_clsact", ingress_qdisc),
        test("programs_run_before_during_and_after", around),
        test("programs_that_come_meanwhile", meanwhile),
        test("second_tracer", second_tracer),
        test("dead_tracer_beside_a_living_one", dead_beside_living),
    ]
}

/// A server, a client, and what somebody else has put between them.
struct Street {
    topology: Topology,
    before: Hooks,
}

impl Street {
    /// Sets it up; `furnish` puts there what somebody else has.
    fn new<T>(furnish: impl FnOnce(&Topology) -> Result<T>) -> Result<(Self, T)> {
        let topology = Topology::new(Link::Veth)?;
        let others = furnish(&topology)?;
        let before = Hooks::of(topology.traced(), DEVICE)?;
        Ok((Self { topology, before }, others))
    }

    fn hooks(&self) -> Result<Hooks> {
        Hooks::of(self.topology.traced(), DEVICE)
    }

    /// Everything is as it was before the first tracer.
    fn is_as_before(&self) -> Result<()> {
        let after = self.hooks()?;
        ensure!(after == self.before, "before {:?}\nafter {after:?}", self.before);
        Ok(())
    }

    /// Starts a tracer.
    fn trace(&self, hook: &str) -> Result<Tracer> {
        Tracer::start(self.topology.traced(), &["-i", DEVICE, "--hook", hook])
    }

    /// Has the client ask for something.
    fn ask(&self, path: &str) -> Result<()> {
        traffic::curl(&self.topology, Ip::V4, &[path])
    }

    /// A whole run: starts a tracer, asks once, stops it. What it said, and
    /// what was on the interface meanwhile.
    fn run(&self, hook: &str) -> Result<(Traced, Hooks)> {
        let _nginx = Nginx::start(self.topology.server())?;
        let tracer = self.trace(hook)?;
        let during = self.hooks()?;
        self.ask("/index.html")?;
        let said = tracer.stop().with_context(|| hook.to_owned())?;
        self.is_as_before().with_context(|| hook.to_owned())?;
        Ok((said, during))
    }
}

/// These requests were seen with their responses, each once, in this order,
/// and nothing was lost.
fn saw(said: &Traced, paths: &[&str]) -> Result<()> {
    check::whole(said)?;
    let requests: Vec<&str> =
        said.of("http-request").map(|event| text(event, "/url/original")).collect();
    ensure!(requests == paths, "{requests:?} are not {paths:?}\n{}", said.log);
    let responses = said.of("http-response").count();
    ensure!(responses == paths.len(), "{responses} responses\n{}", said.log);
    Ok(())
}

/// One that lets everything pass and asks nobody further, on both sides.
fn tcx_both(topology: &Topology) -> Result<[Foreign; 2]> {
    Ok([
        Foreign::attach(topology.traced(), DEVICE, Hook::TCX_INGRESS_PASS)?,
        Foreign::attach(topology.traced(), DEVICE, Hook::TCX_EGRESS_PASS)?,
    ])
}

fn tcx_after() -> Result<()> {
    let _counted = kernel::count_runs()?;
    let (street, foreign) = Street::new(tcx_both)?;
    let (said, during) = street.run("tc")?;
    saw(&said, &["/index.html"])?;
    ensure!(!said.log.contains("somebody else"), "{}", said.log);
    for (programs, foreign) in during.tcx.iter().zip(&foreign) {
        let [_, second] = programs[..] else { anyhow::bail!("not two programs: {during:?}") };
        ensure!(second == foreign.id(), "not ours before {}: {during:?}", foreign.id());
        // They ran for every packet of the dialogue: ours asks the next one.
        ensure!(foreign.runs() > 3, "{} runs of {foreign:?}", foreign.runs());
    }
    Ok(())
}

fn tcx_before_clsact() -> Result<()> {
    let (street, foreign) = Street::new(tcx_both)?;
    let (said, during) = street.run("clsact")?;
    ensure!(during.tcx == street.before.tcx, "{during:?}");
    ensure!(said.of("http-request").count() == 0, "{:?}", said.events);
    for (side, foreign) in ["ingress", "egress"].iter().zip(&foreign) {
        let warning = format!(
            "tracer: warning: {DEVICE}: TCX {side} program {} of somebody else {BEFORE_OURS}",
            foreign.id()
        );
        ensure!(said.log.matches(&warning).count() == 1, "{warning}\n{}", said.log);
    }
    Ok(())
}

fn xdp(hook: Hook) -> Result<()> {
    let _counted = kernel::count_runs()?;
    let attach = |topology: &Topology| Foreign::attach(topology.traced(), DEVICE, hook);
    let (street, foreign) = Street::new(attach)?;
    for (ours, words) in [("tc", ""), ("xdp", "no XDP: another XDP program is there, and stays")] {
        let runs = foreign.runs();
        let (said, during) = street.run(ours)?;
        saw(&said, &["/index.html"]).with_context(|| ours.to_owned())?;
        ensure!(during.xdp == street.before.xdp && during.xdp.is_some(), "{during:?}");
        ensure!(foreign.runs() > runs + 3, "{} runs of {foreign:?}", foreign.runs());
        ensure!(said.log.contains(words), "{}", said.log);
        ensure!(said.log.contains("TCX ingress, TCX egress"), "{}", said.log);
        let warning = format!(
            "tracer: warning: {DEVICE}: XDP program {} of somebody else {BEFORE_OURS}",
            foreign.id()
        );
        ensure!(said.log.matches(&warning).count() == 1, "{warning}\n{}", said.log);
    }
    Ok(())
}

/// A clsact qdisc with filters that let everything pass and ask nobody
/// further.
fn filters(topology: &Topology, priority: u32) -> Result<()> {
    let namespace = topology.traced();
    tc(namespace, &format!("qdisc add dev {DEVICE} clsact"))?;
    for side in ["ingress", "egress"] {
        let place = format!("dev {DEVICE} {side} pref {priority} protocol all");
        tc(namespace, &format!("filter add {place} u32 match u32 0 0 classid 1:1"))?;
    }
    Ok(())
}

fn filters_after() -> Result<()> {
    let (street, ()) = Street::new(|topology| filters(topology, 10))?;
    for hook in ["clsact", "tc", "xdp"] {
        let (said, during) = street.run(hook)?;
        saw(&said, &["/index.html"]).with_context(|| hook.to_owned())?;
        ensure!(!said.log.contains("somebody else"), "{hook}: {}", said.log);
        ensure!(during.qdiscs == street.before.qdiscs, "{hook}: {during:?}");
        for (before, now) in street.before.filters.iter().zip(&during.filters) {
            ensure!(now.ends_with(before.as_str()), "{hook}: {before}\nnow {now}");
            ensure!((now == before) == (hook != "clsact"), "{hook}: {now}");
        }
    }
    Ok(())
}

fn filters_before() -> Result<()> {
    let (street, ()) = Street::new(|topology| filters(topology, 1))?;
    let (said, during) = street.run("clsact")?;
    ensure!(said.of("http-request").count() == 0, "{:?}", said.events);
    for (before, now) in street.before.filters.iter().zip(&during.filters) {
        ensure!(now.starts_with(before.as_str()) && now != before, "{before}\nnow {now}");
    }
    for side in ["ingress", "egress"] {
        let warning = format!(
            "tracer: warning: {DEVICE}: {side} filter of somebody else (u32, priority 1) {BEFORE_OURS}"
        );
        ensure!(said.log.matches(&warning).count() == 1, "{warning}\n{}", said.log);
    }
    // TCX goes before all filters.
    let (said, _) = street.run("tc")?;
    saw(&said, &["/index.html"])?;
    ensure!(!said.log.contains("somebody else"), "{}", said.log);
    Ok(())
}

fn ingress_qdisc() -> Result<()> {
    let furnish =
        |topology: &Topology| tc(topology.traced(), &format!("qdisc add dev {DEVICE} ingress"));
    let (street, _) = Street::new(furnish)?;
    let (said, during) = street.run("clsact")?;
    ensure!(during.qdiscs == street.before.qdiscs, "{during:?}");
    let warning = format!(
        "tracer: warning: {DEVICE}: an ingress qdisc of somebody else stands where clsact has to \
         be; outgoing packets are not seen"
    );
    ensure!(said.log.matches(&warning).count() == 1, "{warning}\n{}", said.log);
    ensure!(said.of("http-request").count() == 1, "{:?}", said.events);
    ensure!(said.of("http-response").count() == 0, "{:?}", said.events);
    let (said, _) = street.run("tc")?;
    saw(&said, &["/index.html"])
}

/// Packets that nobody answers.
const DATAGRAMS: usize = 50;

/// Somebody else's program runs for every one of some packets.
fn runs_for_all(street: &Street, foreign: &Foreign) -> Result<()> {
    let before = foreign.runs();
    let address = format!("{}:9", street.topology.address(Ip::V4));
    street.topology.client().namespace().within(move || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        for _ in 0..DATAGRAMS {
            socket.send_to(b"x", &address)?;
        }
        Ok(())
    })?;
    let runs = foreign.runs() - before;
    ensure!(runs >= DATAGRAMS as u64, "{runs} runs for {DATAGRAMS} packets: {foreign:?}");
    Ok(())
}

/// Somebody else's program is there first, and ours comes and goes.
fn around() -> Result<()> {
    let _counted = kernel::count_runs()?;
    for (hook, ours) in [
        (Hook::TCX_INGRESS_NEXT, "tc"),
        (Hook::TCX_INGRESS_NEXT, "clsact"),
        (Hook::TCX_INGRESS_NEXT, "xdp"),
        (Hook::XDP_NATIVE_PASS, "clsact"),
        (Hook::XDP_NATIVE_PASS, "xdp"),
        (Hook::XDP_GENERIC_PASS, "tc"),
    ] {
        let run = || {
            let (street, foreign) =
                Street::new(|topology| Foreign::attach(topology.traced(), DEVICE, hook))?;
            let _nginx = Nginx::start(street.topology.server())?;
            runs_for_all(&street, &foreign)?;
            let tracer = street.trace(ours)?;
            runs_for_all(&street, &foreign)?;
            street.ask("/beside")?;
            saw(&tracer.stop()?, &["/beside"])?;
            runs_for_all(&street, &foreign)?;
            street.is_as_before()
        };
        run().with_context(|| format!("{hook:?} beside {ours}"))?;
    }
    Ok(())
}

/// Somebody else's program comes while ours is there, and goes on when ours has
/// gone.
fn meanwhile() -> Result<()> {
    let _counted = kernel::count_runs()?;
    for (hook, ours) in [
        (Hook::TCX_INGRESS_NEXT, "tc"),
        (Hook::TCX_INGRESS_NEXT, "clsact"),
        (Hook::TCX_INGRESS_NEXT, "xdp"),
        (Hook::XDP_NATIVE_PASS, "tc"),
        (Hook::XDP_NATIVE_PASS, "xdp"),
    ] {
        let run = || {
            let (street, ()) = Street::new(|_| Ok(()))?;
            let _nginx = Nginx::start(street.topology.server())?;
            let tracer = street.trace(ours)?;
            street.ask("/alone")?;
            let foreign = Foreign::attach(street.topology.traced(), DEVICE, hook);
            street.ask("/beside")?;
            // The kernel has one place for XDP, which is ours where we use it.
            let has_place = !(ours == "xdp" && hook.is_xdp());
            ensure!(foreign.is_ok() == has_place, "{foreign:?}");
            if let Ok(foreign) = &foreign {
                runs_for_all(&street, foreign)?;
            }
            saw(&tracer.stop()?, &["/alone", "/beside"])?;
            if let Ok(foreign) = &foreign {
                runs_for_all(&street, foreign)?;
            }
            drop(foreign);
            street.is_as_before()
        };
        run().with_context(|| format!("{hook:?} beside {ours}"))?;
    }
    Ok(())
}

/// Two tracers see the same, whichever goes first.
fn second_tracer() -> Result<()> {
    let (street, ()) = Street::new(|_| Ok(()))?;
    let _nginx = Nginx::start(street.topology.server())?;
    let pairs = [("tc", "tc"), ("clsact", "clsact"), ("tc", "clsact"), ("xdp", "xdp")];
    for (first, second) in pairs {
        for first_stays in [true, false] {
            let run = || {
                let (first, second) = (street.trace(first)?, street.trace(second)?);
                street.ask("/both")?;
                let (stays, goes) = if first_stays { (first, second) } else { (second, first) };
                saw(&goes.stop()?, &["/both"])?;
                street.ask("/alone")?;
                saw(&stays.stop()?, &["/both", "/alone"])?;
                street.is_as_before()
            };
            run().with_context(|| format!("{first} and {second}, first stays: {first_stays}"))?;
        }
    }
    Ok(())
}

/// What a killed one left is removed, what a living one has is not.
fn dead_beside_living() -> Result<()> {
    let (street, ()) = Street::new(|_| Ok(()))?;
    let _nginx = Nginx::start(street.topology.server())?;
    let (dies, lives) = (street.trace("clsact")?, street.trace("clsact")?);
    street.ask("/all")?;
    signal(dies.pid(), Signal::SIGKILL)?;
    dies.end_unread(Duration::from_secs(3))?;
    let third = street.trace("clsact")?;
    ensure!(third.log().contains("removed 2 filters of a killed tracer"), "{}", third.log());
    street.ask("/two")?;
    saw(&third.stop()?, &["/two"])?;
    street.ask("/one")?;
    saw(&lives.stop()?, &["/all", "/two", "/one"])?;
    street.is_as_before()
}
