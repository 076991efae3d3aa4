//! `cargo xtask bench`

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{build, process, setup, workspace};

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
    // In one go, so that what both are made of is built once.
    let mut packages = vec!["--package", "tracer"];
    if !quick {
        packages.extend(["--package", "bench"]);
        if setup::has_libpcap() {
            packages.extend(["--features", "bench/protolens"]);
        }
    }
    let mut built = build::cargo(&[&["--release"], &packages[..]].concat())?;
    if quick && built == ExitCode::SUCCESS {
        // The same that tests are made of.
        let tested = ["--workspace", "--exclude", "tracer-ebpf", "--features", workspace::OPTIONAL];
        built = build::cargo(&tested)?;
    }
    if built != ExitCode::SUCCESS {
        return Ok(built);
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
