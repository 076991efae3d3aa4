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

/// Sets up, builds tracer and the benchmark, and runs the benchmark as root,
/// else through sudo: it makes network namespaces, and runs tools below the
/// tests' Debian root.
///
/// A quick run holds truths: what is there must do, and the benchmark itself is
/// built as the tests are, which is done in a fraction of the time.
pub(crate) fn bench(arguments: &[OsString]) -> Result<ExitCode> {
    setup::for_builds()?;
    setup::for_tests();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    if !quick {
        setup::for_benchmarks();
    }
    let built = build::tracer(Profile::Release)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(workspace::root()).args(["build", "--package", "bench"]);
    if !quick {
        cargo.arg("--release");
        if setup::has_libpcap() {
            cargo.args(["--features", "protolens"]);
        }
    }
    let status = cargo.status().context("starting cargo")?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }

    let tracer = workspace::target().join("release/tracer");
    let bench = workspace::target().join(if quick { "debug/bench" } else { "release/bench" });
    let mut command = Command::new(if process::is_root() { "env" } else { "sudo" });
    // sudo sets such variables for the program, too.
    command.arg(format!("TRACER={}", tracer.display()));
    let status = command.arg(bench).args(arguments).status();
    let status = status.context("starting the benchmark")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
