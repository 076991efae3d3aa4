//! `kernel`: what a packet costs in the kernel, beside a program that counts.

use std::{collections::BTreeSet, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tests::{
    foreign::Foreign,
    kernel::{self, Held, Hooks},
    namespace::Namespace,
    packet::Packet,
    program, wait,
    wire::Wire,
};
use tracer::capture::TcpFlags;

use super::Case;
use crate::{
    figures::{Figure, number},
    findings::Findings,
    marks::{Mark, Measure},
    options::Options,
    process::{Output, Program},
    rivals,
};

/// The case.
pub(super) const CASE: Case = Case {
    name: "kernel",
    about: "what a packet costs by the kernel's own count, beside a program on the same hook that counts",
    run,
    marks: &[
        Mark::at_most(
            "not selected",
            "ns beyond the counter",
            Measure::Difference((TRACER, COST.name), (COUNTER, COST.name)),
            30.0,
        ),
        Mark::at_most(
            "copied",
            "ns beyond the counter (270 would be better still)",
            Measure::Difference((TRACER, COST.name), (COUNTER, COST.name)),
            330.0,
        ),
    ],
};

const TRACER: &str = "tracer";
const COUNTER: &str = "counter";
const COST: Figure = Figure::new("a packet", "ns");

/// The device that is traced.
const DEVICE: &str = "eth0";

/// Limit of starting and of ending.
const LIMIT: Duration = Duration::from_secs(30);

/// Packets that are sent at once, and the pause behind them, in which tracer
/// keeps up.
const BURST: u32 = 32;
const PAUSE: Duration = Duration::from_micros(200);

/// Where in a frame without tags and options the TCP sequence number stands.
const SEQUENCE: std::ops::Range<usize> = 14 + 20 + 4..14 + 20 + 8;

/// Packets of one kind.
struct Load {
    name: &'static str,
    about: &'static str,
    port: u16,
    /// Bytes of payload.
    payload: usize,
    /// What tracer calls what becomes of them.
    outcome: &'static str,
}

const LOADS: &[Load] = &[
    Load {
        name: "not selected",
        about: "segments of 200 bytes on a port that is not traced",
        port: 8080,
        payload: 200,
        outcome: "not selected",
    },
    Load {
        name: "pure ACK",
        about: "acknowledgements without payload on a port that is traced",
        port: 80,
        payload: 0,
        outcome: "pure ACK",
    },
    Load {
        name: "copied",
        about: "segments of 200 bytes on a port that is traced, each an HTTP response",
        port: 80,
        payload: 200,
        outcome: "copied",
    },
];

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    Namespace::sweep();
    let (near, far) = (Namespace::new("near")?, Namespace::new("far")?);
    for namespace in [&near, &far] {
        // Nothing is to be sent but what is counted.
        let quiet = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
        wait::success(namespace.command("sh").args(["-c", quiet]), LIMIT)?;
    }
    near.veth(DEVICE, &far, DEVICE)?;
    let _counted = kernel::count_runs()?;
    let packets = if options.quick { 3200 } else { 160_000 };
    for load in LOADS {
        findings.table(load.name, load.about, Some((COUNTER, COST)));
        for _ in 0..options.rounds() {
            let [tracer, counter] = measure(&near, load, packets, findings)?;
            findings.add(COUNTER, COST, counter);
            findings.add(TRACER, COST, tracer);
        }
    }
    Ok(())
}

/// Sends packets past both programs; what each took for one, in nanoseconds.
fn measure(
    namespace: &Namespace,
    load: &Load,
    packets: u32,
    findings: &mut Findings,
) -> Result<[f64; 2]> {
    let mut command = namespace.command(rivals::tracer()?);
    command.args(program::NO_SETTINGS).args(["-i", DEVICE, "--format", "json"]);
    let tracer = Program::new(command, Output::Nowhere).start()?;
    wait::until("tracer to be attached", LIMIT, || {
        let [_, egress] = Hooks::of(namespace, DEVICE)?.tcx;
        Ok((!egress.is_empty()).then_some(()))
    })?;
    let ours = Held::by(tracer.pid())?.programs;
    let counter = Foreign::counting(namespace, DEVICE)?;
    let programs = [ours, BTreeSet::from([counter.id()])];

    let before = programs.each_ref().map(kernel::spent);
    send(namespace, load, packets)?;
    let after = programs.each_ref().map(kernel::spent);
    tracer.signal(Signal::SIGINT)?;
    let said = tracer.finish(LIMIT)?.success()?.said;
    findings.truth(load.outcome, outcome(&said, load.outcome)?, packets.into());

    let [ours, counter] = before
        .into_iter()
        .zip(after)
        .map(|(before, after)| {
            let runs = after.0 - before.0;
            ensure!(runs == u64::from(packets), "{runs} runs for {packets} packets\n{said}");
            Ok(number(after.1.saturating_sub(before.1).as_nanos().try_into()?) / f64::from(packets))
        })
        .collect::<Result<Vec<_>>>()?[..]
    else {
        anyhow::bail!("two programs")
    };
    Ok([ours, counter])
}

fn send(namespace: &Namespace, load: &Load, packets: u32) -> Result<()> {
    let mut wire = Wire::ethernet(namespace, DEVICE)?;
    let mut payload = Vec::new();
    if load.payload > 0 {
        let body = 100;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\nServer: ");
        let filling = load.payload - head.len() - 4 - body;
        payload = format!("{head}{}\r\n\r\n{}", "s".repeat(filling), "b".repeat(body)).into_bytes();
    }
    let len = u32::try_from(payload.len())?;
    let mut sequence = 1;
    let mut frame = Packet {
        source: ([10, 0, 0, 1], load.port).into(),
        destination: ([10, 0, 0, 2], 40_000).into(),
        sequence,
        acknowledgement: 1,
        flags: TcpFlags(TcpFlags::PSH.0 | TcpFlags::ACK.0),
        window: 100,
        options: Vec::new(),
        payload,
        vlan: Vec::new(),
    }
    .frame()?;
    for packet in 1..=packets {
        let field = frame.get_mut(SEQUENCE).context("a TCP header")?;
        field.copy_from_slice(&sequence.to_be_bytes());
        sequence = sequence.wrapping_add(len);
        wire.send(&frame)?;
        if packet % BURST == 0 {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// The packets of an outcome in what tracer says at its end.
fn outcome(said: &str, name: &str) -> Result<u64> {
    let line = said.lines().find(|line| line.contains(" packets seen = ")).context("no summary")?;
    let found = line.split(" = ").nth(1).into_iter().flat_map(|outcomes| outcomes.split(" + "));
    let mut found = found.filter_map(|outcome| outcome.strip_suffix(name));
    Ok(found.next().with_context(|| line.to_owned())?.trim().parse()?)
}
