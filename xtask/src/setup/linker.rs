//! bpf-linker: found, or built against an LLVM that is there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{log, say};
use crate::{
    process::Step,
    versions::{BPF_LINKER, BPF_LINKER_LLVM},
    workspace,
};

/// Limit of asking it for its version.
const ASK: Duration = Duration::from_secs(20);

/// Limit of building it: 50 s on two cores, and some machines are slow.
const INSTALL: Duration = Duration::from_mins(20);

/// Where set-up installs programs of its own.
pub(crate) fn tools() -> PathBuf {
    workspace::setup().join("tools")
}

/// All that are there, set-up's own first.
pub(super) fn present() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin"));
    let folders = [tools().join("bin")].into_iter().chain(env::split_paths(&path)).chain(home);
    let mut linkers: Vec<PathBuf> =
        folders.map(|folder| folder.join("bpf-linker")).filter(|file| is_current(file)).collect();
    linkers.dedup();
    linkers
}

/// Whether a linker runs, and is the pinned one where set-up has built it.
pub(super) fn is_current(linker: &Path) -> bool {
    let version = Step::new(linker, ASK).args(["--version"]).output();
    let ours = linker.starts_with(tools());
    version.is_ok_and(|version| !ours || version.trim().ends_with(BPF_LINKER))
}

/// LLVM's development files that can read what a compiler with `llvm` writes:
/// version and folder, lowest version first.
pub(super) fn llvm_for(llvm: u32) -> Option<(u32, PathBuf)> {
    let fitting = BPF_LINKER_LLVM.into_iter().filter(|version| *version >= llvm);
    let mut folders =
        fitting.map(|version| (version, PathBuf::from(format!("/usr/lib/llvm-{version}"))));
    folders.find(|(_, folder)| {
        folder.join("include/llvm-c/Core.h").is_file() && folder.join("lib/libLLVM.so").exists()
    })
}

/// Builds it with the host's cargo, against the LLVM in `prefix`.
pub(super) fn install(version: u32, prefix: &Path) -> Result<PathBuf> {
    say(&format!("building bpf-linker {BPF_LINKER} with LLVM {version}"));
    let objects = workspace::setup().join("bpf-linker");
    Step::new(workspace::cargo(), INSTALL)
        .args(["install", "bpf-linker", "--version", BPF_LINKER, "--locked", "--force"])
        .args(["--no-default-features", "--features", &format!("llvm-{version}"), "--root"])
        .args([tools()])
        .env("LLVM_PREFIX", prefix)
        // Kept, so that a build that was cut off goes on where it was.
        .env("CARGO_TARGET_DIR", &objects)
        .log(&log("bpf-linker"))
        .context("building bpf-linker")?;
    // Hundreds of megabytes that nobody needs again.
    let _ = fs::remove_dir_all(&objects);
    Ok(tools().join("bin/bpf-linker"))
}
