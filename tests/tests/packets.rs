//! `tracer read -w`: what is written reads as what it was made of.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tests::{annex::DIALOGUES, examples, live::text, program};

/// The kept captures.
fn captures() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let annex = DIALOGUES.iter().map(|dialogue| format!("annex/{}.pcap", dialogue.name));
    let short = examples::captures()?.map(|(name, _)| format!("examples/{name}.pcap"));
    Ok(annex.chain(short).map(|name| folder.join(name)).collect())
}

/// Runs `tracer read` with words for arguments, and paths behind them.
fn read(words: &str, paths: &[&Path]) -> Result<Output> {
    let mut command = Command::new(program::tracer());
    command.arg("read").args(program::NO_SETTINGS).args(words.split_whitespace()).args(paths);
    command.output().context("starting tracer")
}

/// The events of a run but the counters and the numbers of frames, which packets
/// on other ports change.
fn events(output: &Output) -> Result<Vec<Value>> {
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{log}", output.status);
    let lines = str::from_utf8(&output.stdout)?.lines();
    let mut events =
        lines.map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<Vec<Value>>>()?;
    events.retain(|event| text(event, "/event/action") != "stats");
    for tcp in events.iter_mut().filter_map(|event| event.get_mut("tcp")?.as_object_mut()) {
        tcp.remove("frame");
    }
    ensure!(!events.is_empty(), "nothing was said\n{log}");
    Ok(events)
}

fn same(left: &[Value], right: &[Value], what: &str) -> Result<()> {
    for (left, right) in left.iter().zip(right) {
        ensure!(left == right, "{what}: {left}\nis not\n{right}");
    }
    ensure!(left.len() == right.len(), "{what}: {} events, not {}", left.len(), right.len());
    Ok(())
}

#[test]
fn packets_of_a_file_give_the_same_events_again() -> Result<()> {
    let folder = TempDir::new()?;
    let (packets, copy) = (folder.path().join("packets.pcapng"), folder.path().join("copy.pcapng"));
    for capture in captures()? {
        let name = capture.display();
        for view in ["messages", "exchanges", "segments"] {
            let words = format!("--show-secrets --format json --view {view} --port pop3=110");
            let written = events(&read(&format!("{words} -w"), &[&packets, &capture])?)?;
            // Written as well, so that acknowledgements are copied here, too.
            let again = events(&read(&format!("{words} -w"), &[&copy, &packets])?)?;
            same(&again, &written, &format!("{view} of {name} again"))?;
            ensure!(fs::read(&packets)? == fs::read(&copy)?, "{name}: the copy differs");
            if view == "segments" {
                // The one view that has the acknowledgements anyway.
                let alone = events(&read(&words, &[&capture])?)?;
                same(&written, &alone, &format!("{name} while writing"))?;
            }
        }
    }
    Ok(())
}

#[test]
fn nothing_is_written_unless_secrets_may_be_shown() -> Result<()> {
    let folder = TempDir::new()?;
    let packets = folder.path().join("packets.pcapng");
    let capture = captures()?.remove(0);
    let refused = read("-w", &[&packets, &capture])?;
    let log = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(2) && refused.stdout.is_empty(), "{log}");
    ensure!(log.contains("--show-secrets"), "{log}");
    ensure!(!packets.exists(), "the file was made all the same");
    Ok(())
}

#[test]
fn a_capture_is_not_overwritten_while_it_is_read() -> Result<()> {
    let folder = TempDir::new()?;
    let capture = folder.path().join("capture.pcap");
    fs::copy(captures()?.remove(0), &capture)?;
    let before = fs::read(&capture)?;
    let refused = read("--show-secrets -w", &[&capture, &capture])?;
    let log = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1) && log.contains("at the same time"), "{log}");
    ensure!(fs::read(&capture)? == before, "the capture was changed");
    Ok(())
}
