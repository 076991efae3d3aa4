//! The dialogues of the annex as packets through `lo`: the rows that the
//! kernel's copy gives are those that the capture file gives.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tests::{
    annex::{DIALOGUES, Dialogue},
    host::Need,
    namespace::Namespace,
    program, wait,
    wire::Wire,
};

use crate::Test;

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Limit of starting, and of all rows to be there.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn tests() -> Vec<Test> {
    DIALOGUES
        .into_iter()
        .map(|dialogue| {
            Test::new(format!("annex::{}", dialogue.name), NEEDS, move || through_lo(&dialogue))
        })
        .collect()
}

/// The rows that the capture gives, without their first column, the time.
fn expected(dialogue: &Dialogue) -> Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/annex");
    let rows = fs::read_to_string(folder.join(dialogue.name).with_extension("rows"))?;
    rows.lines().map(|row| without_time(row.get(2..).unwrap_or_default())).collect()
}

fn without_time(row: &str) -> Result<String> {
    let (_, rest) = row.split_once("  ").with_context(|| format!("no columns: {row}"))?;
    Ok(rest.to_owned())
}

fn through_lo(dialogue: &Dialogue) -> Result<()> {
    let namespace = Namespace::new("annex")?;
    let folder = tempfile::tempdir()?;
    let (rows, log) = (folder.path().join("rows"), folder.path().join("log"));
    let mut tracer = namespace
        .command(program::tracer())
        .args(program::NO_SETTINGS)
        .args(["-i", "lo", "--view", "segments", "--show-secrets", "--format", "text"])
        .stdin(Stdio::null())
        .stdout(File::create(&rows)?)
        .stderr(File::create(&log)?)
        .spawn()?;
    let expected = expected(dialogue)?;
    let sent = wait::until("tracer to be ready", LIMIT, || {
        Ok(fs::read_to_string(&log)?.contains("tracer: ready: ").then_some(()))
    })
    .and_then(|()| {
        let mut wire = Wire::ethernet(&namespace, "lo")?;
        for (_, frame) in dialogue.capture()?.frames {
            wire.send(&frame)?;
        }
        wait::until("all rows", LIMIT, || {
            let shown = fs::read_to_string(&rows)?;
            Ok((shown.lines().count() >= expected.len()).then_some(()))
        })
    });
    kill(Pid::from_raw(tracer.id().try_into()?), Signal::SIGINT)?;
    let status = wait::end(&mut tracer, LIMIT)?;
    let log = fs::read_to_string(&log)?;
    sent.with_context(|| log.clone())?;
    ensure!(status.is_some_and(|status| status.success()), "{status:?}\n{log}");

    let shown = fs::read_to_string(&rows)?;
    let shown = shown.lines().map(without_time).collect::<Result<Vec<_>>>()?;
    for (shown, expected) in shown.iter().zip(&expected) {
        ensure!(shown == expected, "{shown}\nnot\n{expected}");
    }
    ensure!(shown.len() == expected.len(), "{} rows, not {}", shown.len(), expected.len());
    Ok(())
}
