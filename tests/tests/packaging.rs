//! What is installed beside the program: the service and its settings.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tests::{host, program};

/// The setting whose default is each host's own.
const OF_THE_HOST: &str = "shards";

fn packaged(name: &str) -> PathBuf {
    host::workspace().join("packaging").join(name)
}

fn tracer(arguments: &[&str]) -> Result<String> {
    let Output { status, stdout, stderr } =
        Command::new(program::tracer()).args(arguments).output().context("starting tracer")?;
    ensure!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8(stdout)?)
}

/// What `tracer config` prints: the keys with their values, if they have one.
fn settings(page: &str) -> BTreeMap<String, Option<String>> {
    let setting = |line: &str| {
        let (said, _origin) = line.rsplit_once("  # ")?;
        if let Some((key, value)) = said.split_once(" = ") {
            return Some((key.to_owned(), Some(value.trim().to_owned())));
        }
        let key = said.trim().strip_prefix("# ")?.strip_suffix(" is not set")?;
        Some((key.to_owned(), None))
    };
    page.lines().filter_map(setting).collect()
}

/// The setting in a remark of the file.
fn remark(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("# ")?.split_once(" = ")?;
    let is_key = key.chars().all(|it| it.is_ascii_lowercase() || "-.3".contains(it));
    is_key.then_some((key, value))
}

#[test]
fn the_file_of_settings_has_each_key_with_what_holds_anyway() -> Result<()> {
    let file = fs::read_to_string(packaged("tracer.toml"))?;
    ensure!(file.lines().all(|line| line.is_empty() || line.starts_with('#')), "it sets something");
    let usual = settings(&tracer(&["config", "--config", "none"])?);
    let explained: BTreeMap<_, _> = file.lines().filter_map(remark).collect();
    let keys = |of: &mut dyn Iterator<Item = &str>| of.map(str::to_owned).collect::<Vec<_>>();
    let there = keys(&mut explained.keys().copied());
    let wanted = keys(&mut usual.keys().map(String::as_str));
    ensure!(there == wanted, "in the file {there:?}\nof tracer {wanted:?}");

    // Set, they say the same; what has no default stays as it is.
    let has_default = |key: &str| usual.get(key).is_some_and(Option::is_some);
    let set = file.lines().filter_map(remark).filter(|(key, _)| has_default(key));
    let set: Vec<_> = set.map(|(key, value)| format!("{key} = {value}\n")).collect();
    let folder = TempDir::new()?;
    let path = folder.path().join("tracer.toml");
    fs::write(&path, set.concat())?;
    let mut said = settings(&tracer(&["config", "--config", path.to_str().context("a path")?])?);
    said.remove(OF_THE_HOST);
    let mut usual = usual;
    usual.remove(OF_THE_HOST);
    ensure!(said == usual, "{said:?}\n{usual:?}");
    Ok(())
}

#[test]
fn the_service_has_the_privileges_that_tracer_names_and_no_others() -> Result<()> {
    let unit = fs::read_to_string(packaged("tracer.service"))?;
    let needed = "CAP_BPF CAP_NET_ADMIN CAP_PERFMON";
    for key in ["CapabilityBoundingSet", "AmbientCapabilities"] {
        let lines: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(key)).collect();
        ensure!(lines == [format!("={needed}")], "{key}: {lines:?}");
    }
    let has = |setting: &str| unit.lines().any(|line| line == setting);
    for setting in [
        "Type=notify",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "MemoryDenyWriteExecute=yes",
        "LimitCORE=0",
        "LogRateLimitIntervalSec=0",
    ] {
        ensure!(has(setting), "{setting} is missing");
    }
    Ok(())
}
