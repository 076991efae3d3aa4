//! Which packets `--host` and `--direction` select, told by what was counted:
//! what is not selected is not copied.

use anyhow::{Context as _, Result, ensure};
use tests::{
    host::Need,
    live::{Tracer, number, text},
    namespace::Namespace,
    wire::Wire,
};

use crate::{
    Test,
    frames::{quiet, request},
};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for hook in ["tc", "clsact", "xdp"] {
        for (name, rules, selected) in RULES {
            tests.push(Test::new(format!("selection::hosts::{name}::{hook}"), NEEDS, move || {
                hosts(hook, rules, selected)
            }));
        }
        for (direction, selected) in
            [("in", &["in"][..]), ("out", &["out"]), ("both", &["in", "out"])]
        {
            let name = format!("selection::direction::{direction}::{hook}");
            tests.push(Test::new(name, NEEDS, move || crossing(hook, direction, selected)));
        }
    }
    for direction in ["in", "out"] {
        let name = format!("selection::direction::{direction}::loopback");
        tests.push(Test::new(name, NEEDS, move || loopback(direction)));
    }
    tests
}

/// Requests between hosts, each for the path that is its name; the last is
/// selected by all the rules, so that one can wait for it.
const REQUESTS: [(&str, [&str; 2]); 7] = [
    ("near", ["10.1.0.1", "10.2.0.1"]),
    ("back", ["10.2.0.1", "10.1.0.1"]),
    ("far", ["192.0.2.1", "192.0.2.2"]),
    ("spared", ["10.1.0.7", "10.2.0.1"]),
    ("six", ["fd00:1::1", "fd00:2::1"]),
    ("six-far", ["2001:db8::1", "2001:db8::2"]),
    ("last", ["10.9.0.1", "192.0.2.9"]),
];

/// Rules, and the requests that they select.
const RULES: [(&str, &[&str], &[&str]); 5] = [
    (
        "network",
        &["--host", "10.1.0.0/16", "--host", "10.9.0.1"],
        &["near", "back", "spared", "last"],
    ),
    ("but_one", &["--host", "10.0.0.0/8,!10.1.0.7"], &["near", "back", "last"]),
    ("all_but", &["--host", "!10.1.0.0/16"], &["far", "six", "six-far", "last"]),
    ("ipv6", &["--host", "fd00::/8", "--host", "10.9.0.0/24"], &["six", "last"]),
    (
        "both_versions",
        &["--host", "!2001:db8::2", "--host", "!192.0.2.1/32"],
        &["near", "back", "spared", "six", "last"],
    ),
];

/// Sends all requests, and a bare acknowledgement of each connection behind it.
fn hosts(hook: &str, rules: &[&str], selected: &[&str]) -> Result<()> {
    let (near, far) = connected()?;
    let mut wire = Wire::ethernet(&far, "eth0")?;
    let tracer = Tracer::start(&near, &[&["-i", "eth0", "--hook", hook], rules].concat())?;
    for (number, (name, ends)) in (0..).zip(REQUESTS) {
        let mut packet = request(name, number, ends)?;
        let asked = packet.frame()?;
        packet.sequence += u32::try_from(packet.payload.len())?;
        packet.payload.clear();
        wire.send(&packet.frame()?)?;
        wire.send(&asked)?;
    }
    let (all, wanted) = (REQUESTS.len() as u64, selected.len() as u64);
    check(
        tracer,
        selected,
        [("seen", 2 * all), ("pure_ack", wanted), ("not_selected", 2 * (all - wanted))],
    )
}

/// Sends a request each way across the interface.
fn crossing(hook: &str, direction: &str, selected: &[&str]) -> Result<()> {
    let (near, far) = connected()?;
    let mut inwards = Wire::ethernet(&far, "eth0")?;
    let mut outwards = Wire::ethernet(&near, "eth0")?;
    let arguments = ["-i", "eth0", "--hook", hook, "--direction", direction];
    let tracer = Tracer::start(&near, &arguments)?;
    inwards.send(&request("in", 1, ["10.0.0.1", "10.0.0.2"])?.frame()?)?;
    outwards.send(&request("out", 2, ["10.0.0.2", "10.0.0.3"])?.frame()?)?;
    // The program of the other direction did not run.
    let seen = selected.len() as u64;
    check(tracer, selected, [("seen", seen), ("pure_ack", 0), ("not_selected", 0)])
}

/// On the loopback everything goes out and comes in, and is told once.
fn loopback(direction: &str) -> Result<()> {
    let namespace = Namespace::new("loopback")?;
    quiet(&namespace)?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    let tracer = Tracer::start(&namespace, &["-i", "lo", "--direction", direction])?;
    wire.send(&request("looped", 1, ["127.0.0.1", "127.0.0.1"])?.frame()?)?;
    check(tracer, &["looped"], [("seen", 1), ("pure_ack", 0), ("not_selected", 0)])
}

/// Two namespaces with a wire between them on which nothing else is said.
fn connected() -> Result<(Namespace, Namespace)> {
    let (near, far) = (Namespace::new("near")?, Namespace::new("far")?);
    quiet(&near)?;
    quiet(&far)?;
    near.veth("eth0", &far, "eth0")?;
    Ok((near, far))
}

/// Stops it once it has told of the last of the selected requests. It told of
/// these alone, copied nothing else, and counted the rest as said.
fn check(tracer: Tracer, selected: &[&str], rest: [(&str, u64); 3]) -> Result<()> {
    let last = format!("/{}", selected.last().context("something is selected")?);
    tracer.wait_for("the last request", |event| text(event, "/url/path") == last)?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}", said.log);
    let mut told: Vec<&str> =
        said.of("http-request").map(|event| text(event, "/url/path")).collect();
    let mut expected: Vec<String> = selected.iter().map(|name| format!("/{name}")).collect();
    told.sort_unstable();
    expected.sort_unstable();
    ensure!(told == expected, "{told:?}, expected {expected:?}");
    let stats = said.of("stats").last().context("no stats at the end")?;
    for (name, expected) in [("copied", selected.len() as u64)].into_iter().chain(rest) {
        let counted = number(stats, &format!("/tracer/{name}"));
        ensure!(counted == Some(expected), "{name}: {expected} expected\n{stats}");
    }
    Ok(())
}
