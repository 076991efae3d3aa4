//! The program under test.

use std::{env, path::PathBuf};

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
