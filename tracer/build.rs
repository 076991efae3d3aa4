//! Builds the kernel side (`tracer-ebpf`) for the BPF target, with the tool
//! chain that `cargo xtask setup` wrote down, so that the binary holds its
//! BPF object.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where set-up writes the tool chain that it found, below the workspace.
const TOOLCHAIN_FILE: &str = "target/setup/bpf-toolchain";

/// Programs that together build a BPF object.
#[derive(Default)]
struct Toolchain {
    /// A cargo that has the sources of `core` beside its compiler.
    cargo: PathBuf,
    /// Its compiler.
    rustc: PathBuf,
    /// bpf-linker, built against the compiler's LLVM.
    linker: PathBuf,
}

fn main() {
    // An error that is logged fails the build, without the page on exit status
    // and output that cargo prints for a script that fails by itself.
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let variable =
        |name: &str| env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"));
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package.parent().ok_or("the package has no workspace around it")?;
    let out = PathBuf::from(variable("OUT_DIR")?);

    for source in ["tracer-ebpf", "tracer-common", TOOLCHAIN_FILE] {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let toolchain = toolchain(&workspace.join(TOOLCHAIN_FILE))?;
    let object = compile(&toolchain, workspace, &out)?;
    fs::copy(&object, out.join("tracer.bpf.o"))
        .map_err(|error| format!("copying {}: {error}", object.display()))?;
    Ok(())
}

/// Reads the `key=value` lines that set-up wrote.
fn toolchain(file: &Path) -> Result<Toolchain, String> {
    let missing = || "no BPF tool chain: run `cargo xtask setup`".to_owned();
    let text = fs::read_to_string(file).map_err(|_| missing())?;
    let mut toolchain = Toolchain::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "cargo" => toolchain.cargo = value.into(),
            "rustc" => toolchain.rustc = value.into(),
            "linker" => toolchain.linker = value.into(),
            _ => {}
        }
    }
    let all = [&toolchain.cargo, &toolchain.rustc, &toolchain.linker];
    if all.iter().all(|program| program.is_file()) { Ok(toolchain) } else { Err(missing()) }
}

/// Runs the tool chain's cargo and returns the object that it made.
fn compile(toolchain: &Toolchain, workspace: &Path, out: &Path) -> Result<PathBuf, String> {
    const TARGET: &str = "bpfel-unknown-none";
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").map_err(|error| error.to_string())?;
    let target_dir = out.join("tracer-ebpf");
    // No folder of this machine stands in the object: it is the same wherever
    // it is built.
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let user = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let registry = home.or(user).unwrap_or_else(|| workspace.to_owned());
    let mut command = Command::new(&toolchain.cargo);
    command
        .current_dir(workspace)
        .args(["build", "--package", "tracer-ebpf", "--release", "--target", TARGET])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(&target_dir)
        .env("RUSTC", &toolchain.rustc)
        // A stable compiler builds `core` as well as a nightly one when told so.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [
                &format!("--cfg=bpf_target_arch=\"{architecture}\""),
                "-Cdebuginfo=2",
                &format!("-Clinker={}", toolchain.linker.display()),
                "-Clink-arg=--btf",
                &remap(&registry, "/usr/src/cargo"),
                &remap(workspace, "/usr/src/tracer"),
            ]
            .join("\x1f"),
        );
    // The outer cargo's choice of tool chain must not reach the inner one.
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO", "RUSTDOC"]
    {
        command.env_remove(name);
    }
    let output =
        command.output().map_err(|error| format!("{}: {error}", toolchain.cargo.display()))?;
    if !output.status.success() {
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            println!("cargo::error={line}");
        }
        return Err("the kernel side (tracer-ebpf) did not build".to_owned());
    }
    Ok(target_dir.join(TARGET).join("release/tracer-ebpf"))
}
