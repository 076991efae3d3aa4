//! A BPF tool chain: a compiler with the sources of `core`, and a linker.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{apt, linker, log, say};
use crate::{
    process::Step,
    versions::{NIGHTLY, RUST_MINIMUM, RUST_PACKAGES, RustPackages},
    workspace,
};

/// Limit of asking a program for its version.
const ASK: Duration = Duration::from_secs(20);

/// Limit of building `core` and a program of a few lines.
const PROOF: Duration = Duration::from_mins(10);

/// Limit of rustup's download, which hangs on some networks.
const RUSTUP: Duration = Duration::from_mins(5);

/// Programs that together build a BPF object.
pub(crate) struct Toolchain {
    compiler: Compiler,
    linker: PathBuf,
}

/// A compiler that has the sources of `core` beside it.
#[derive(Clone)]
struct Compiler {
    cargo: PathBuf,
    rustc: PathBuf,
    /// Its first line about itself.
    version: String,
    /// Major version of its LLVM.
    llvm: u32,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compiler: Compiler { version, rustc, llvm, .. }, linker } = self;
        write!(formatter, "{version} ({}, LLVM {llvm}), {}", rustc.display(), linker.display())
    }
}

impl Toolchain {
    /// Where tracer's build script finds it.
    fn file() -> PathBuf {
        workspace::setup().join("bpf-toolchain")
    }

    /// Writes it down for tracer's build script.
    pub(super) fn record(&self) -> Result<()> {
        let Self { compiler: Compiler { cargo, rustc, version, .. }, linker } = self;
        let text = format!(
            "cargo={}\nrustc={}\nlinker={}\nversion={version}\n",
            cargo.display(),
            rustc.display(),
            linker.display()
        );
        fs::create_dir_all(workspace::setup())?;
        fs::write(Self::file(), text).with_context(|| format!("writing {}", Self::file().display()))
    }
}

/// The tool chain that was proved before, if its programs are still the same.
pub(crate) fn recorded() -> Option<Toolchain> {
    let text = fs::read_to_string(Toolchain::file()).ok()?;
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let compiler = Compiler::ask(value("cargo")?.into(), value("rustc")?.into()).ok()?;
    let linker = PathBuf::from(value("linker")?);
    let same = compiler.version == value("version")? && linker::is_current(&linker);
    same.then_some(Toolchain { compiler, linker })
}

/// Cargo of the recorded tool chain, and its compiler.
pub(crate) fn programs() -> Option<(PathBuf, PathBuf)> {
    recorded().map(|toolchain| (toolchain.compiler.cargo, toolchain.compiler.rustc))
}

/// Installs the lints of a compiler that came as a package without them.
pub(crate) fn provide_clippy(cargo: &Path) -> Result<()> {
    let ours = |packages: &&RustPackages| cargo.starts_with(packages.bin);
    for packages in RUST_PACKAGES.iter().filter(ours) {
        // The package of the compiler that is installed, not of its namesakes.
        let installed = Step::new("dpkg-query", ASK).args(["--show", packages.rustc]).output();
        if installed.is_ok_and(|line| !line.trim().ends_with(packages.rustc)) {
            return apt::install(&[packages.clippy]);
        }
    }
    bail!("it came without, and no package has them")
}

/// A way to a tool chain.
type Way = fn() -> Result<Toolchain>;

/// Tries the ways to a tool chain in their order.
pub(super) fn find_or_install() -> Result<Toolchain> {
    let ways: [(&str, Way); 3] = [
        ("one that is there already", present),
        ("the distribution's packages", distribution),
        ("rustup's nightly with rust-src", rustup),
    ];
    let mut failures = Vec::new();
    for (name, way) in ways {
        match way() {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => {
                say(&format!("not by {name}"));
                failures.push(format!("  {name}: {error:#}"));
            }
        }
    }
    bail!("no way leads to a BPF tool chain:\n{}", failures.join("\n"))
}

/// First way: a compiler with its sources, and a linker or an LLVM for one.
fn present() -> Result<Toolchain> {
    let mut failures = Vec::new();
    for bin in folders() {
        let (cargo, rustc) = (bin.join("cargo"), bin.join("rustc"));
        if !rustc.is_file() {
            continue;
        }
        match Compiler::ask(cargo, rustc).and_then(with_linker) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => failures.push(format!("    {}: {error:#}", bin.display())),
        }
    }
    if failures.is_empty() {
        bail!("no Rust compiler found");
    }
    bail!("\n{}", failures.join("\n"))
}

/// Folders where compilers are: the system's, and those of rustup, nightlies
/// before others. What rustup puts on the path is no compiler but a proxy.
fn folders() -> Vec<PathBuf> {
    let home = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".rustup")));
    let toolchains = home.and_then(|home| fs::read_dir(home.join("toolchains")).ok());
    let mut rustup: Vec<PathBuf> =
        toolchains.into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
    rustup.sort_by_key(|bin| (!bin.to_string_lossy().contains("nightly"), bin.clone()));
    let packages = RUST_PACKAGES.iter().map(|packages| packages.bin);
    let mut folders: Vec<PathBuf> = packages.chain(["/usr/local/bin"]).map(PathBuf::from).collect();
    folders.dedup();
    folders.extend(rustup);
    folders
}

/// Second way: packages of a compiler with its sources, and of its LLVM.
fn distribution() -> Result<Toolchain> {
    let mut seen = Vec::new();
    for packages in RUST_PACKAGES {
        let Some(candidate) = apt::candidate(packages.rustc)? else { continue };
        if release(&candidate).is_none_or(|release| release < RUST_MINIMUM) {
            seen.push(format!("{} is {candidate}", packages.rustc));
            continue;
        }
        let mut names = vec![packages.rustc];
        names.extend(packages.others);
        if apt::candidate(packages.clippy)?.is_some() {
            names.push(packages.clippy);
        }
        apt::install(&names)?;
        let bin = Path::new(packages.bin);
        let compiler = Compiler::ask(bin.join("cargo"), bin.join("rustc"))?;
        if linker::llvm_for(compiler.llvm).is_none() {
            // LLVM's static libraries stay out: what it links to is the shared one.
            apt::install(&[&format!("llvm-{}-dev", compiler.llvm)])?;
        }
        return with_linker(compiler);
    }
    let (major, minor) = RUST_MINIMUM;
    bail!("no package of Rust {major}.{minor} or later ({})", seen.join(", "))
}

/// Third way: rustup fetches a nightly with its sources.
fn rustup() -> Result<Toolchain> {
    say(&format!("fetching {NIGHTLY} by rustup (at most {} s)", RUSTUP.as_secs()));
    Step::new("rustup", RUSTUP)
        .args(["toolchain", "install", NIGHTLY, "--profile", "minimal", "--no-self-update"])
        .args(["--component", "rust-src", "--component", "clippy"])
        .log(&log("rustup"))?;
    let rustc =
        Step::new("rustup", ASK).args(["which", "rustc", "--toolchain", NIGHTLY]).output()?;
    let rustc = PathBuf::from(rustc.trim());
    let compiler = Compiler::ask(rustc.with_file_name("cargo"), rustc)?;
    if linker::present().is_empty() && linker::llvm_for(compiler.llvm).is_none() {
        apt::install(&[&format!("llvm-{}-dev", compiler.llvm)])?;
    }
    with_linker(compiler)
}

/// Finds or builds a linker that works with the compiler.
fn with_linker(compiler: Compiler) -> Result<Toolchain> {
    let mut failure = anyhow!("no bpf-linker, and no LLVM {} to build it with", compiler.llvm);
    for linker in linker::present() {
        match prove(&compiler, &linker) {
            Ok(()) => return Ok(Toolchain { compiler, linker }),
            Err(error) => failure = error.context(linker.display().to_string()),
        }
    }
    let Some((version, prefix)) = linker::llvm_for(compiler.llvm) else { return Err(failure) };
    let linker = linker::install(version, &prefix)?;
    prove(&compiler, &linker)?;
    Ok(Toolchain { compiler, linker })
}

impl Compiler {
    /// Asks a compiler what it is, and whether the sources of `core` are there.
    fn ask(cargo: PathBuf, rustc: PathBuf) -> Result<Self> {
        let text = Step::new(&rustc, ASK).args(["--version", "--verbose"]).output()?;
        let version = text.lines().next().unwrap_or_default().to_owned();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let (major, minor) = RUST_MINIMUM;
        if field("release: ").and_then(release).is_none_or(|release| release < RUST_MINIMUM) {
            bail!("{version} is older than {major}.{minor}");
        }
        let llvm = field("LLVM version: ").and_then(|llvm| llvm.split('.').next());
        let llvm = llvm.and_then(|major| major.parse().ok()).context("it names no LLVM version")?;
        let sysroot = Step::new(&rustc, ASK).args(["--print", "sysroot"]).output()?;
        let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
        if !core.is_dir() {
            bail!("the sources of `core` are not there ({})", core.display());
        }
        if !cargo.is_file() {
            bail!("no cargo beside it");
        }
        Ok(Self { cargo, rustc, version, llvm })
    }
}

/// Major and minor number at the start of a version.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Manifest of the program that proves a tool chain: a workspace of its own.
const PROOF_MANIFEST: &str = "\
[package]
name = \"proof\"
edition = \"2024\"

[profile.release]
panic = \"abort\"

[workspace]
";

/// The program: it needs `core`, and its link needs a working linker.
const PROOF_SOURCE: &str = "\
#![no_std]
#![no_main]

#[unsafe(no_mangle)]
#[unsafe(link_section = \"classifier\")]
pub extern \"C\" fn proof(context: *mut u32) -> i32 {
    if context.is_null() { 0 } else { -1 }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
";

/// Builds a small program for BPF, `core` included, the way tracer's build
/// script does.
fn prove(compiler: &Compiler, linker: &Path) -> Result<()> {
    let folder = workspace::setup().join("proof");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), PROOF_MANIFEST)?;
    fs::write(folder.join("src/main.rs"), PROOF_SOURCE)?;
    say(&format!("trying {} with {}", compiler.version, linker.display()));
    let mut step = Step::new(&compiler.cargo, PROOF)
        .current_dir(&folder)
        .args(["build", "--release", "--target", "bpfel-unknown-none", "-Z", "build-std=core"])
        .args(["--target-dir", "target"])
        .env("RUSTC", &compiler.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!("-Clinker={}\x1f-Clink-arg=--btf\x1f-Cdebuginfo=2", linker.display()),
        );
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO"] {
        step = step.env_remove(name);
    }
    step.log(&log("proof"))?;
    // A compiler that was satisfied before does not link anew: the next try
    // with another linker must.
    fs::remove_file(folder.join("target/bpfel-unknown-none/release/proof"))
        .context("it built no object")
}
