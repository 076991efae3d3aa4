//! The program under test.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

use crate::schema;

/// Keeps the settings of the host that a test runs on out of it; stands on each
/// command line that names no file of its own.
pub const NO_SETTINGS: [&str; 2] = ["--config", "none"];

/// The tracer that tests run: what the variable `TRACER` names, else what cargo
/// put beside the folder of the test's own executable. Cargo builds no program
/// of another package for a test; `cargo xtask test` does.
pub fn tracer() -> PathBuf {
    env::var_os("TRACER").map_or_else(beside_the_test, PathBuf::from)
}

fn beside_the_test() -> PathBuf {
    let test = env::current_exe().unwrap_or_default();
    let profile = test.parent().and_then(Path::parent);
    profile.map(|profile| profile.join("tracer")).unwrap_or_default()
}

/// The lines that `tracer read` writes of a capture file.
///
/// # Errors
///
/// When it fails; the error says what it says. When a line of JSON is not as
/// the schema has it.
pub fn read(capture: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<Vec<String>> {
    let program = tracer();
    ensure!(
        program.is_file(),
        "{} is missing: build it first (cargo build --package tracer, or cargo xtask test)",
        program.display()
    );
    let output = Command::new(program)
        .arg("read")
        .args(NO_SETTINGS)
        .args(arguments)
        .arg(capture)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {errors}", output.status);
    let lines: Vec<_> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    for line in lines.iter().filter(|line| line.starts_with('{')) {
        schema::event(line)?;
    }
    Ok(lines)
}
