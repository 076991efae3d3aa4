//! `cargo xtask run`

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    process, workspace,
};

/// Sets up, builds and becomes tracer, so that signals and the exit status are
/// tracer's own.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let built = build::build(Profile::Release)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let tracer = workspace::target().join("release/tracer");
    let mut command = if process::is_root() {
        Command::new(&tracer)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg(&tracer);
        sudo
    };
    Err(command.args(arguments).exec()).with_context(|| format!("starting {}", tracer.display()))
}
