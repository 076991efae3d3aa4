//! `cargo xtask setup`: finds or installs all that a build and the tests need.
//!
//! It asks nothing, says what it did, and does nothing when all is there. What
//! it can, it keeps below `target/setup`; of the host it changes at most the
//! packages of a compiler, debootstrap and `ip`, for the benchmark valgrind and
//! libpcap, and for the tests on other kernels qemu.

mod apt;
mod guest;
mod linker;
mod root;
pub(crate) mod toolchain;

pub(crate) use linker::tools;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Says one thing that set-up did or found.
fn say(line: &str) {
    println!("setup: {line}");
}

/// Where a step of set-up writes what its programs print.
pub(crate) fn log(name: &str) -> PathBuf {
    workspace::setup().join("logs").join(name).with_extension("log")
}

/// Finds or installs what a build needs: a BPF tool chain.
pub(crate) fn for_builds() -> Result<()> {
    let start = Instant::now();
    if let Some(toolchain) = toolchain::recorded() {
        say(&format!("BPF tool chain: {toolchain}, as before"));
        return Ok(());
    }
    let toolchain = toolchain::find_or_install()?;
    toolchain.record()?;
    say(&format!("BPF tool chain: {toolchain} ({} s)", start.elapsed().as_secs()));
    Ok(())
}

/// Finds or installs what the fuzzer needs beyond that: libFuzzer is in C++.
pub(crate) fn for_fuzzing() -> Result<()> {
    apt::provide(&[("c++", "g++")])
}

/// Finds or installs what the tests need beyond that: programs of the host and
/// the Debian root with servers and clients. A host that cannot have them is
/// told why; the tests that need them are then skipped.
pub(crate) fn for_tests() {
    if let Err(error) = apt::provide(&[("ip", "iproute2")]) {
        say(&format!("no network namespaces: {error:#}"));
    }
    let start = Instant::now();
    match root::find_or_make() {
        Ok(root::Found::Before) => say("Debian root with the tests' servers: as before"),
        Ok(root::Found::Made) => say(&format!(
            "Debian root with the tests' servers: made ({} s)",
            start.elapsed().as_secs()
        )),
        Err(error) => say(&format!(
            "no Debian root with the tests' servers, the tests that need it will be skipped: {error:#}"
        )),
    }
}

/// Finds or fetches what the tests on other kernels need.
pub(crate) fn for_kernels() -> Result<()> {
    let start = Instant::now();
    match guest::find_or_make().context("no guest with other kernels")? {
        root::Found::Before => say("guest with other kernels: as before"),
        root::Found::Made => {
            say(&format!("guest with other kernels: made ({} s)", start.elapsed().as_secs()));
        }
    }
    Ok(())
}

/// Whether protolens can be linked: it wants libpcap.
pub(crate) fn has_libpcap() -> bool {
    apt::find("pcap-config")
}

/// Finds or installs what the benchmark needs beyond what tests need: the tools
/// that tracer is measured beside. Those that cannot be had are told of; the
/// benchmark then says that they are not installed.
pub(crate) fn for_benchmarks() {
    for (program, package) in [("valgrind", "valgrind"), ("pcap-config", "libpcap-dev")] {
        if let Err(error) = apt::provide(&[(program, package)]) {
            say(&format!("no {package} for the benchmark: {error:#}"));
        }
    }
    for (rivals, what) in [
        (root::Rivals::Own, "the benchmark's tools"),
        (root::Rivals::Backported, "those of backports"),
    ] {
        match rivals.find_or_install() {
            Ok(root::Found::Before) => say(&format!("{what} in that root: as before")),
            Ok(root::Found::Made) => say(&format!("{what} in that root: installed")),
            Err(error) => say(&format!("not in that root: {what}: {error:#}")),
        }
    }
}
