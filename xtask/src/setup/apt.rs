//! The distribution's packages, where the distribution is of Debian's kind.

use std::{env, path::Path, sync::OnceLock, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{log, say};
use crate::process::Step;

/// Limit of a look-up.
const LOOK_UP: Duration = Duration::from_secs(30);

/// Limit of fetching lists.
const UPDATE: Duration = Duration::from_mins(5);

/// Limit of fetching and installing packages.
const INSTALL: Duration = Duration::from_mins(15);

/// Whether a program is on the path or where only root's path leads.
pub(super) fn find(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// Installs the packages of those programs that are not there.
pub(super) fn provide(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| !find(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Whether the host has apt at all.
fn check() -> Result<()> {
    if Path::new("/usr/bin/apt-get").exists() { Ok(()) } else { bail!("this host has no apt-get") }
}

/// The version of a package that would be installed, if any.
pub(super) fn candidate(package: &str) -> Result<Option<String>> {
    check()?;
    update()?;
    let text = Step::new("apt-cache", LOOK_UP).args(["policy", package]).output()?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(version.filter(|version| *version != "(none)").map(str::to_owned))
}

/// Fetches the lists of packages, once in a run.
fn update() -> Result<()> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        say("fetching the lists of packages");
        Step::as_root("apt-get", UPDATE)
            .and_then(|step| step.args(["update", "--quiet"]).log(&log("apt-update")))
            .map_err(|error| format!("{error:#}"))
    });
    match done {
        Ok(()) => Ok(()),
        Err(error) => bail!("{error}"),
    }
}

/// Installs packages and takes none away.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    check()?;
    update()?;
    say(&format!("installing {}", packages.join(" ")));
    Step::as_root("apt-get", INSTALL)?
        .args(["install", "--yes", "--quiet", "--no-install-recommends", "--no-remove"])
        .args(packages)
        .log(&log("apt-install"))
        .with_context(|| format!("installing {}", packages.join(" ")))
}
