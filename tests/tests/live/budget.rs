//! What a run holds in all, under traffic that is made to fill it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tests::{
    host::Need,
    live::{Tracer, number, text},
    namespace::Namespace,
    wait,
    wire::Wire,
};
use tracer::capture::TcpFlags;

use crate::{Test, check, frames::request};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// The budget, as it is given and in bytes.
const BUDGET: &str = "64M";
const BYTES: u64 = 64 << 20;

/// Connections, each of which says something, and something behind a hole.
const CONNECTIONS: u32 = 60_000;

/// Bytes behind the hole: of all connections more than the budget.
const BEHIND: usize = 1400;

/// Connections between two pauses, so that the rings are not what is full.
const BATCH: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Until the ring has been read, at the end.
const REST: Duration = Duration::from_secs(2);

/// From one look at the memory to the next.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("budget::holds_whatever_comes", NEEDS, whatever_comes)]
}

/// Connections that never end, with holes that are never filled.
fn whatever_comes() -> Result<()> {
    let namespace = Namespace::new("budget")?;
    let arguments = ["-i", "lo", "--memory", BUDGET, "--overload", "lose"];
    let tracer = Tracer::start(&namespace, &arguments)?;
    let processes = [tracer.pid(), tracer.worker()?];
    let through = Arc::new(AtomicBool::new(false));
    let watching = {
        let through = Arc::clone(&through);
        thread::spawn(move || {
            let mut most = 0;
            while !through.load(Ordering::Relaxed) {
                most = most.max(held(processes)?);
                thread::sleep(LOOK);
            }
            Ok(most)
        })
    };
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for connection in 0..CONNECTIONS {
        let mut packet = request("held", 0, ["127.0.0.1", "127.0.0.2"])?;
        packet.source.set_ip(IpAddr::V4(Ipv4Addr::from(0x7f01_0000 + connection)));
        wire.send(&packet.frame()?)?;
        packet.sequence += 10_000;
        packet.payload = vec![b'x'; BEHIND];
        packet.flags = TcpFlags(TcpFlags::ACK.0);
        wire.send(&packet.frame()?)?;
        if connection % BATCH == 0 {
            thread::sleep(PAUSE);
        }
    }
    // What the rings still hold.
    thread::sleep(REST);
    wire.send(&request("last", 0, ["127.0.0.3", "127.0.0.2"])?.frame()?)?;
    let told = tracer
        .wait_for("the last connection", |event| text(event, "/url/path") == "/last")
        .map(|_| ());
    through.store(true, Ordering::Relaxed);
    let most = wait::join(watching)?;
    told?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    let stats = check::adds_up(&said)?;
    ensure!(most <= BYTES, "{most} bytes held, {stats}");
    // It was full: else nothing has been shown.
    let evicted = said.of("tcp-close").filter(|close| text(close, "/tcp/state") == "evicted");
    ensure!(evicted.count() > 1000, "{most} bytes held, {stats}");
    let seen = 2 * u64::from(CONNECTIONS) + 1;
    ensure!(number(stats, "/tracer/seen") == Some(seen), "{stats}");
    Ok(())
}

/// Bytes that processes hold; what two of them have, or one has twice, is
/// shared among them.
pub(crate) fn held(processes: [u32; 2]) -> Result<u64> {
    processes.into_iter().map(of_one).sum()
}

fn of_one(process: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(1024 * kibibytes.context("no Pss")?.parse::<u64>()?)
}
