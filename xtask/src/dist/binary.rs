//! The binary that is handed out: one file, linked statically.
//!
//! Against glibc, not musl: its static library is in the package that every
//! build on Debian needs anyway, where musl wants a standard library that only
//! rustup has; and the allocator and memory functions are those that were
//! measured. What glibc cannot do statically (names of users and hosts) is
//! never asked of it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{process::Step, workspace};

/// Limit of asking the compiler.
const ASK: Duration = Duration::from_secs(20);

/// The profile in Cargo.toml: release, without names and lines.
const PROFILE: &str = "shipped";

/// What paths of the building machine are called in the binary.
const SOURCES: &str = "/usr/src/tracer";
const REGISTRY: &str = "/usr/src/cargo";

/// The target of this host.
pub(super) fn target() -> Result<String> {
    let text = Step::new("rustc", ASK).args(["--version", "--verbose"]).output()?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// Builds the sources in `root` and returns the binary.
pub(super) fn build(root: &Path, folder: &Path) -> Result<PathBuf> {
    let target = target()?;
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .context("no HOME")?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        // The last one that fits counts.
        remap(&home, REGISTRY),
        remap(folder, &format!("{SOURCES}/target")),
        remap(root, SOURCES),
    ];
    let status = Command::new(workspace::cargo())
        .current_dir(root)
        .args(["build", "--locked", "--package", "tracer", "--profile", PROFILE])
        // Named although it is the host's: only then are build scripts and
        // macros, which cannot be static, built without these flags.
        .args(["--target", &target, "--target-dir"])
        .arg(folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "tracer did not build");
    let binary = folder.join(&target).join(PROFILE).join("tracer");
    is_static(&binary)?;
    Ok(binary)
}

/// Holds the binary against what it is for: it asks for no library, and names
/// no folder of this machine.
fn is_static(binary: &Path) -> Result<()> {
    let bytes = std::fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
    let headers = Step::new("readelf", ASK)
        .args(["--wide", "--program-headers", "--dynamic"])
        .args([binary])
        .output()?;
    for mark in ["INTERP", "(NEEDED)"] {
        ensure!(!headers.contains(mark), "{} is not static:\n{headers}", binary.display());
    }
    let root = workspace::root().as_os_str().as_encoded_bytes();
    let named = bytes.windows(root.len()).any(|window| window == root);
    ensure!(!named, "{} names {}", binary.display(), workspace::root().display());
    Ok(())
}
