//! The program under test.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// Where cargo put `tracer`: beside the folder of the test's own executable.
///
/// # Errors
///
/// When it is not there: cargo builds no program of another package for a
/// test, so somebody else has to, and `cargo xtask test` does.
pub fn tracer() -> Result<PathBuf> {
    let test = env::current_exe().context("where is this test?")?;
    let profile = test.parent().and_then(|deps| deps.parent()).context("no folder above deps")?;
    let program = profile.join("tracer");
    ensure!(
        program.is_file(),
        "{} is missing: build it first (cargo build --package tracer, or cargo xtask test)",
        program.display()
    );
    Ok(program)
}

/// The lines that `tracer read` writes of a capture file.
///
/// # Errors
///
/// When it fails; the error says what it says.
pub fn read(capture: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<Vec<String>> {
    let output = Command::new(tracer()?).arg("read").args(arguments).arg(capture).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {errors}", output.status);
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
