//! The two processes: what each may do, and that neither leaves anything at
//! work when it is killed under load.

use std::{
    fs,
    process::{self, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tests::{
    host,
    kernel::Objects,
    live::Tracer,
    server::Nginx,
    topology::{Ip, Link, Topology},
    wait,
};

use crate::{LIVE, Test, check, traffic};

/// The capabilities that tracer asks for, as `setpriv` names them.
const CAPABILITIES: &str = "-all,+bpf,+net_admin,+perfmon";

/// An ordinary user.
const USER: &str = "1000";

/// For how long something may still be at work after a kill.
const LIMIT: Duration = Duration::from_secs(5);

/// Which process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Privileged,
    Worker,
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new("processes::worker_may_do_nothing", LIVE, unprivileged_worker),
        Test::new("processes::three_capabilities_are_enough", LIVE, three_capabilities),
    ];
    for hook in ["tc", "clsact", "xdp"] {
        for victim in [Victim::Privileged, Victim::Worker] {
            let name = format!("processes::{victim:?}_killed::{hook}").to_lowercase();
            tests.push(Test::new(name, LIVE, move || killed(hook, victim)));
        }
    }
    tests
}

fn unprivileged_worker() -> Result<()> {
    let topology = Topology::new(Link::Loopback)?;
    let program = Tracer::start(topology.traced(), &[])?;
    let worker = program.worker()?;
    holds_nothing(worker)?;
    ensure!(status(worker, "Uid:")? == "65534\t65534\t65534\t65534", "the worker's user");
    ensure!(status(worker, "Groups:")?.is_empty(), "the worker's groups");
    check::whole(&program.stop()?)
}

/// All sets of capabilities are empty, for good.
fn holds_nothing(pid: u32) -> Result<()> {
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let value = status(pid, set)?;
        ensure!(u64::from_str_radix(&value, 16)? == 0, "{set} {value}");
    }
    ensure!(status(pid, "NoNewPrivs:")? == "1", "new privileges");
    Ok(())
}

fn status(pid: u32, field: &str) -> Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    Ok(value.with_context(|| format!("no {field} in /proc/{pid}/status"))?.trim().to_owned())
}

fn three_capabilities() -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    // Where any user can read it, whatever the folders above the workspace say.
    let copy = std::env::temp_dir().join(format!("tracer-test-{}", process::id()));
    fs::copy(host::tracer(), &copy)?;
    let path = copy.to_string_lossy();
    let sets = [
        &format!("--inh-caps={CAPABILITIES}"),
        &format!("--ambient-caps={CAPABILITIES}"),
        &format!("--bounding-set={CAPABILITIES}"),
    ];
    let mut command = topology.traced().command("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs"]);
    let program = Tracer::run(command.args(sets).arg(&*path));
    let _ = fs::remove_file(&copy);
    let program = program?;
    let effective = u64::from_str_radix(&status(program.pid(), "CapEff:")?, 16)?;
    ensure!(effective.count_ones() == 3, "{effective:x}");
    holds_nothing(program.worker()?)?;

    traffic::curl(&topology, Ip::V4, &["/index.html"])?;
    ensure!(nginx.requests()?.len() == 1, "nginx's log");
    let traced = program.stop()?;
    check::whole(&traced)?;
    ensure!(traced.of("http-request").count() == 1, "{:?}", traced.events);
    Ok(())
}

fn killed(hook: &'static str, victim: Victim) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start(topology.server())?;
    let mut program = Tracer::start(topology.traced(), &["--hook", hook])?;
    let objects = Objects::of(program.pid())?;
    ensure!(objects.loaded() > 0, "no program is loaded");
    let worker = program.worker()?;

    let url = format!("http://{}/index.html", topology.authority(Ip::V4));
    let mut load = topology
        .client()
        .command("wrk")
        .args(["--threads", "1", "--connections", "4", "--duration", "60s", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let before = objects.packets()?;
    wait::until("packets to be counted", LIMIT, || {
        Ok((objects.packets()? > before + 1000).then_some(()))
    })?;

    let pid = if victim == Victim::Worker { worker } else { program.pid() };
    kill(Pid::from_raw(pid.try_into()?), Signal::SIGKILL)?;
    ensure!(!program.wait(LIMIT)?.success(), "killed, and yet it ended well");
    wait::until("the worker to end", LIMIT, || Ok(has_ended(worker).then_some(())))?;
    // A clsact filter stays where its owner could not take it away.
    if hook != "clsact" || victim == Victim::Worker {
        wait::until("the programs to go", LIMIT, || Ok((objects.loaded() == 0).then_some(())))?;
    }
    wait::until("packets not to be counted any more", LIMIT, || {
        let before = objects.packets()?;
        thread::sleep(Duration::from_millis(200));
        Ok((objects.packets()? == before).then_some(()))
    })?;
    ensure!(load.try_wait()?.is_none(), "the load ended before that was seen");

    // In a machine of its own, so the name means this one alone.
    topology.client().run("pkill", &["-INT", "-x", "wrk"], LIMIT)?;
    let output = load.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains(" requests in ") && !said.contains("errors"), "wrk: {said}");
    let requests = nginx.requests()?;
    ensure!(requests.iter().all(|request| request.status == 200), "not all 200");

    let next = Tracer::start(topology.traced(), &["--hook", hook])?;
    traffic::curl(&topology, Ip::V4, &["/next"])?;
    let traced = next.stop()?;
    check::whole(&traced)?;
    ensure!(traced.of("http-request").count() == 1, "{:?}", traced.events);
    Ok(())
}

/// Whether a process has gone, or is dead and waits for its parent.
fn has_ended(pid: u32) -> bool {
    status(pid, "State:").map_or(true, |state| state.starts_with('Z'))
}
