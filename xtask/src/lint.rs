//! `cargo xtask lint`

use std::{
    env, fs,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    process::Step,
    setup::{self, toolchain, tools},
    versions::CARGO_DENY,
    workspace,
};

/// Limit of building cargo-deny.
const INSTALL: Duration = Duration::from_mins(30);

/// Limit of fetching the list of known vulnerabilities.
const ADVISORIES: Duration = Duration::from_mins(2);

/// Runs all checks and says at the end which failed.
pub(crate) fn lint() -> Result<ExitCode> {
    setup::for_builds()?;
    let cargo = workspace::cargo();
    let host = ["--workspace", "--exclude", "tracer-ebpf"];

    let mut format = Command::new(&cargo);
    format.args(["fmt", "--all", "--check"]);

    let mut clippy = Command::new(&cargo);
    clippy
        .arg("clippy")
        .args(host)
        .args(["--all-targets", "--features", "fuzz/fuzzer"])
        .args(["--features", workspace::OPTIONAL]);
    clippy.args(["--", "-D", "warnings"]);

    let mut documentation = Command::new(&cargo);
    // Its readers are developers: what is private is documented, and linked to.
    documentation.arg("doc").args(host).args(["--no-deps", "--document-private-items"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links");

    let mut failed = Vec::new();
    let mut check = |name, mut command: Command| -> Result<()> {
        println!("lint: {name}");
        let status = command.current_dir(workspace::root()).status();
        if !status.with_context(|| format!("starting the check of {name}"))?.success() {
            failed.push(name);
        }
        Ok(())
    };
    check("formatting", format)?;
    check("clippy", clippy)?;
    check("kernel side", kernel_side()?)?;
    check("documentation", documentation)?;
    // Last, because it may have to be built first.
    check("licences", deny(&["bans", "licenses", "sources"])?)?;
    if let Err(error) = advisories() {
        failed.push("advisories");
        println!("{error:#}");
    }
    if failed.is_empty() {
        println!("lint: all good");
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Clippy of the BPF tool chain for the kernel side; where that has none, its
/// compiler's own warnings.
fn kernel_side() -> Result<Command> {
    let (cargo, rustc) = toolchain::programs().context("the BPF tool chain has gone")?;
    let clippy = cargo.with_file_name("cargo-clippy");
    if !clippy.is_file()
        && let Err(error) = toolchain::provide_clippy(&cargo)
    {
        println!("lint: no clippy for {}: {error:#}", cargo.display());
    }
    let mut command = if clippy.is_file() {
        let mut command = Command::new(&clippy);
        // It calls the cargo beside it rather than the one that runs us.
        command.args(["clippy"]).env("CARGO", &cargo);
        command
    } else {
        println!("lint: kernel side: the compiler's own warnings must do");
        let mut command = Command::new(&cargo);
        command.arg("check");
        command.env_remove("CARGO");
        command
    };
    let flags =
        format!("--cfg=bpf_target_arch=\"{}\"\x1f-Cdebuginfo=2\x1f-Dwarnings", env::consts::ARCH);
    command
        .args(["--package", "tracer-ebpf", "--target", "bpfel-unknown-none"])
        .args(["--release", "-Z", "build-std=core", "--target-dir"])
        .arg(workspace::target().join("lint"))
        .env("RUSTC", rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Known vulnerabilities of what the workspace depends on, where their list can
/// be fetched.
fn advisories() -> Result<()> {
    println!("lint: advisories");
    let program = tools().join("bin/cargo-deny");
    let fetched = Step::new(&program, ADVISORIES)
        .current_dir(workspace::root())
        .args(["fetch", "db"])
        .log(&setup::log("advisories"));
    if fetched.is_err() {
        println!("lint: not checked, the list of advisories cannot be fetched from here");
        return Ok(());
    }
    let mut check = Command::new(program);
    check.args(["--offline", "check", "advisories"]).current_dir(workspace::root());
    if check.status()?.success() { Ok(()) } else { bail!("a dependency has an advisory") }
}

/// cargo-deny, installed below target/ when it is not there.
fn deny(checks: &[&str]) -> Result<Command> {
    let program = tools().join("bin/cargo-deny");
    let version = Step::new(&program, ADVISORIES).args(["--version"]).output();
    if !version.is_ok_and(|version| version.trim().ends_with(CARGO_DENY)) {
        println!("lint: building cargo-deny {CARGO_DENY}");
        install_deny()?;
    }
    let mut command = Command::new(program);
    command.args(["--all-features", "check", "--hide-inclusion-graph"]).args(checks);
    Ok(command)
}

fn install_deny() -> Result<()> {
    let objects = workspace::setup().join("cargo-deny");
    Step::new(workspace::cargo(), INSTALL)
        .args(["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--force", "--root"])
        .args([tools()])
        .env("CARGO_TARGET_DIR", &objects)
        .log(&setup::log("cargo-deny"))
        .context("building cargo-deny")?;
    let _ = fs::remove_dir_all(&objects);
    Ok(())
}
