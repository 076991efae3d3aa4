//! `-w`: what is written of live traffic gives the same events again, and
//! other analysers read it.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    annex::DIALOGUES,
    host::Need,
    live::{Traced, Tracer, number, signal, text},
    namespace::Namespace,
    packet::Packet,
    program, wait,
    wire::Wire,
};
use tracer::capture::TcpFlags;

use crate::{Test, check};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];
const WITH_TSHARK: &[Need] = &[Need::Namespaces, Need::Tracer, Need::Tshark];

/// Limit of an end, and of other programs.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("packets::give_the_same_events_again", NEEDS, events_again),
        Test::new("packets::are_there_while_it_runs", NEEDS, followed),
        Test::new("packets::are_read_by_tshark", WITH_TSHARK, read_by_tshark),
        Test::new("packets::that_fill_a_disk_do_not_end_the_tracing", NEEDS, full_disk),
    ]
}

/// A request in one segment; the number makes a connection of its own.
fn request(name: &str, number: u16, vlan: &[u16], padding: usize) -> Result<Packet> {
    let padding = "x".repeat(padding);
    Ok(Packet {
        source: ([10, 0, 0, 1], 40_000 + number).into(),
        destination: "10.0.0.2:80".parse()?,
        sequence: 1000,
        acknowledgement: 1,
        flags: TcpFlags(TcpFlags::PSH.0 | TcpFlags::ACK.0),
        window: 100,
        options: vec![],
        payload: format!("GET /{name} HTTP/1.1\r\nHost: h\r\nX: {padding}\r\n\r\n").into_bytes(),
        vlan: vlan.to_vec(),
    })
}

/// A tracer on `lo` that writes packets, after the dialogues of the annex and
/// two frames with tags have passed there.
struct Recording {
    _namespace: Namespace,
    folder: TempDir,
    tracer: Tracer,
}

impl Recording {
    fn new() -> Result<Self> {
        let namespace = Namespace::new("packets")?;
        let folder = TempDir::new()?;
        let path = folder.path().join("packets.pcapng");
        let path = path.to_str().context("a path in UTF-8")?;
        let tracer = Tracer::start(&namespace, &["-i", "lo", "--show-secrets", "-w", path])?;
        let mut wire = Wire::ethernet(&namespace, "lo")?;
        for dialogue in DIALOGUES {
            for (_, frame) in dialogue.capture()?.frames {
                wire.send(&frame)?;
            }
        }
        let tags = [("one-tag", &[100][..]), ("two-tags", &[7, 9]), ("last", &[])];
        for (number, (name, vlan)) in (0..).zip(tags) {
            wire.send(&request(name, number, vlan, 0)?.frame()?)?;
        }
        tracer.wait_for("the last request", |event| text(event, "/url/path") == "/last")?;
        Ok(Self { _namespace: namespace, folder, tracer })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("packets.pcapng")
    }

    /// Ends it as service managers do. The folder holds the file.
    fn end(self) -> Result<(Traced, TempDir)> {
        signal(self.tracer.pid(), Signal::SIGTERM)?;
        let traced = self.tracer.end(LIMIT)?;
        ensure!(traced.status.success(), "{}", traced.log);
        check::adds_up(&traced)?;
        Ok((traced, self.folder))
    }
}

/// The events that `tracer read` makes of what was written.
fn read(path: &Path) -> Result<Vec<Value>> {
    let lines = program::read(path, &["--show-secrets", "--format", "json"])?;
    lines.iter().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The events without the counters, which count packets that were not
/// selected, and without what the end of the run says of open connections.
fn comparable(events: &[Value]) -> Vec<&Value> {
    let is_kept = |event: &&Value| {
        text(event, "/event/action") != "stats" && text(event, "/tcp/state") != "end"
    };
    events.iter().filter(is_kept).collect()
}

fn events_again() -> Result<()> {
    let (traced, folder) = Recording::new()?.end()?;
    let path = folder.path().join("packets.pcapng");
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "mode {mode:o}");
    let again = read(&path)?;
    let (before, after) = (comparable(&traced.events), comparable(&again));
    for (before, after) in before.iter().zip(&after) {
        ensure!(before == after, "{before}\nnot\n{after}");
    }
    ensure!(before.len() == after.len(), "{} events, not {}", after.len(), before.len());
    let vlans: BTreeSet<_> =
        after.iter().filter_map(|event| number(event, "/network/vlan/id")).collect();
    ensure!(vlans == BTreeSet::from([7, 100]), "{vlans:?}");
    let told = format!("packets written to {}", path.display());
    ensure!(traced.log.contains(&told), "{}", traced.log);
    Ok(())
}

fn followed() -> Result<()> {
    let recording = Recording::new()?;
    let path = recording.path();
    wait::until("the last packet to be in the file", LIMIT, || {
        let events = read(&path)?;
        Ok(events.iter().any(|event| text(event, "/url/path") == "/last").then_some(()))
    })?;
    recording.end()?;
    Ok(())
}

fn read_by_tshark() -> Result<()> {
    let (traced, folder) = Recording::new()?.end()?;
    let path = folder.path().join("packets.pcapng");
    let fields = [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "vlan.id",
        "_ws.col.Protocol",
        "frame.cap_len",
        "frame.len",
        "http.request.uri",
    ];
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(&path).args(["-T", "fields", "-E", "separator=;"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let said = wait::success(&mut command, LIMIT)?;
    let rows = said.lines().map(|line| line.split(';').collect::<Vec<_>>().try_into());
    let rows = rows.collect::<Result<Vec<[&str; 7]>, _>>();
    let rows = rows.map_err(|row| anyhow!("{row:?}\n{said}"))?;

    let stats = traced.of("stats").last().context("no stats at the end")?;
    let copied = number(stats, "/tracer/copied").unwrap_or_default();
    ensure!(rows.len() as u64 == copied, "{} packets, not {copied}\n{said}", rows.len());
    ensure!(rows.iter().all(|row| row[0] == "lo"), "{said}");
    // `lo` is looked at where its packets go out.
    ensure!(rows.iter().all(|row| matches!(row[1], "2" | "0x00000002" | "Outbound")), "{said}");
    ensure!(rows.iter().all(|row| row[4] == row[5]), "cut\n{said}");
    for protocol in ["HTTP", "SMTP", "IMAP"] {
        let messages = rows.iter().filter(|row| row[3].starts_with(protocol)).count();
        ensure!(messages > 0, "no {protocol}\n{said}");
    }
    for (path, vlan) in [("/one-tag", "100"), ("/two-tags", "7,9"), ("/last", "")] {
        let row = rows.iter().find(|row| row[6] == path).with_context(|| said.clone())?;
        ensure!(row[2] == vlan, "{path}: {row:?}");
    }
    Ok(())
}

/// A file system of 64 KiB, of which only the tracer knows.
fn full_disk() -> Result<()> {
    let namespace = Namespace::new("full")?;
    let folder = TempDir::new()?;
    let folder = folder.path().to_str().context("a path in UTF-8")?;
    let mut command = namespace.command("sh");
    let script = r#"mount -t tmpfs -o size=64k none "$0" && exec "$@""#;
    command.args(["-c", script, folder]).arg(program::tracer());
    let path = format!("{folder}/packets.pcapng");
    let tracer = Tracer::start_by(command, &["-i", "lo", "--show-secrets", "-w", &path])?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for number in 0..100 {
        wire.send(&request("filling", number, &[], 1000)?.frame()?)?;
    }
    wait::until("the disk to be full", LIMIT, || {
        Ok(tracer.log().contains("No space left on device").then_some(()))
    })?;
    let file = PathBuf::from(format!("/proc/{}/root{path}", tracer.pid()));
    let written = read(&file).context("what was written before is not whole")?;
    ensure!(written.len() > 50, "{} events", written.len());
    wire.send(&request("last", 1000, &[], 0)?.frame()?)?;
    tracer.wait_for("the last request", |event| text(event, "/url/path") == "/last")?;
    let said = tracer.stop()?;
    ensure!(said.status.code() == Some(1), "{}\n{}", said.status, said.log);
    ensure!(said.log.matches("No space left").count() == 1, "{}", said.log);
    check::adds_up(&said)?;
    Ok(())
}
