//! `cargo xtask build`

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::{setup, workspace};

/// How to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Debug,
    /// Quick to run.
    Release,
}

/// Sets up and builds tracer.
pub(crate) fn build(profile: Profile) -> Result<ExitCode> {
    setup::for_builds()?;
    tracer(profile)
}

/// Builds tracer on a machine that is set up.
pub(crate) fn tracer(profile: Profile) -> Result<ExitCode> {
    let release: &[&str] = if profile == Profile::Release { &["--release"] } else { &[] };
    cargo(&[&["--package", "tracer"], release].concat())
}

/// Builds what these arguments name.
pub(crate) fn cargo(arguments: &[&str]) -> Result<ExitCode> {
    let mut command = Command::new(workspace::cargo());
    command.current_dir(workspace::root()).arg("build").args(arguments);
    let status = command.status().context("starting cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
