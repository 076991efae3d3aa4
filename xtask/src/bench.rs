//! `cargo xtask bench`

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    process, setup, workspace,
};

/// Sets up, builds tracer and the benchmark as operators run them, and runs
/// the benchmark as root, else through sudo: it makes network namespaces, and
/// runs tools below the tests' Debian root.
pub(crate) fn bench(arguments: &[OsString]) -> Result<ExitCode> {
    setup::for_builds()?;
    setup::for_tests();
    // A quick run holds truths, for which what is there must do.
    if !arguments.iter().any(|argument| argument == "--quick") {
        setup::for_benchmarks();
    }
    let built = build::tracer(Profile::Release)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(workspace::root()).args(["build", "--release", "--package", "bench"]);
    if setup::has_libpcap() {
        cargo.args(["--features", "protolens"]);
    }
    let status = cargo.status().context("starting cargo")?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }

    let release = workspace::target().join("release");
    let mut command = Command::new(if process::is_root() { "env" } else { "sudo" });
    // sudo sets such variables for the program, too.
    command.arg(format!("TRACER={}", release.join("tracer").display()));
    let status = command.arg(release.join("bench")).args(arguments).status();
    let status = status.context("starting the benchmark")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
