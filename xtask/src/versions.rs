//! All that set-up installs, with its versions: the only place that names them.

/// Lowest Rust that builds the workspace, major and minor: `rust-version` in
/// Cargo.toml, below which a distribution's compiler is not considered.
pub(crate) const RUST_MINIMUM: (u32, u32) = (1, 95);

/// rustup's tool chain for the kernel side, where nothing else is there.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// bpf-linker, built from source against an LLVM that is there.
pub(crate) const BPF_LINKER: &str = "0.13.0";

/// LLVM versions that this bpf-linker has a feature for. It must be at least
/// as new as the compiler's LLVM to read its bitcode.
pub(crate) const BPF_LINKER_LLVM: [u32; 3] = [21, 22, 23];

/// cargo-deny, for `cargo xtask lint`.
pub(crate) const CARGO_DENY: &str = "0.20.2";

/// Packages of a distribution that together hold a Rust compiler with the
/// sources of `core`.
pub(crate) struct RustPackages {
    /// The compiler's package, whose version decides.
    pub(crate) rustc: &'static str,
    /// What else is needed.
    pub(crate) others: &'static [&'static str],
    /// Taken where the distribution has it: lints for the kernel side.
    pub(crate) clippy: &'static str,
    /// Where its programs are then.
    pub(crate) bin: &'static str,
}

/// Sets of packages, the first that is new enough is taken.
pub(crate) const RUST_PACKAGES: &[RustPackages] = &[
    // Debian 12 and 13: the compiler kept current for the sake of browsers.
    RustPackages {
        rustc: "rustc-web",
        others: &["cargo-web", "rust-web-src", "rust-web-llvm"],
        clippy: "rust-web-clippy",
        bin: "/usr/bin",
    },
    // Debian testing and unstable.
    RustPackages {
        rustc: "rustc",
        others: &["cargo", "rust-src", "rust-llvm"],
        clippy: "rust-clippy",
        bin: "/usr/bin",
    },
    // Ubuntu: versions beside each other.
    RustPackages {
        rustc: "rustc-1.96",
        others: &["cargo-1.96", "rust-1.96-src", "rust-1.96-llvm"],
        clippy: "rust-1.96-clippy",
        bin: "/usr/lib/rust-1.96/bin",
    },
    RustPackages {
        rustc: "rustc-1.95",
        others: &["cargo-1.95", "rust-1.95-src", "rust-1.95-llvm"],
        clippy: "rust-1.95-clippy",
        bin: "/usr/lib/rust-1.95/bin",
    },
];

/// Release of the Debian root in which the tests' servers live.
pub(crate) const ROOT_SUITE: &str = "bookworm";

/// Servers and clients for the tests, with what they need to run.
pub(crate) const ROOT_PACKAGES: &[&str] = &[
    "curl",
    "dovecot-imapd",
    "isync",
    "libio-socket-inet6-perl",
    "nginx-light",
    "postfix",
    "procps",
    "swaks",
    "wrk",
];

/// What the benchmark measures tracer beside; installed in the same root, but
/// not before somebody runs the benchmark.
pub(crate) const RIVAL_PACKAGES: &[&str] = &["httpry", "ngrep", "tcpdump", "tcpflow-nox", "tshark"];

/// Of these, what the suite itself lacks and its backports have.
pub(crate) const BACKPORTED_RIVALS: &[&str] = &["suricata"];

/// A kernel that the packaged program is tested on.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The first two numbers of its version.
    pub(crate) series: &'static str,
    /// Debian's suite that has it.
    pub(crate) suite: &'static str,
}

/// Kernels for `cargo xtask test --kernels`: the oldest that is supported, and
/// one with TCX.
pub(crate) const KERNELS: &[Kernel] = &[
    Kernel { series: "6.1", suite: "bookworm" },
    Kernel { series: "6.12", suite: "bookworm-backports" },
];

/// The Debian that these kernels boot: systemd as init, servers and a client,
/// and what shows the kernel's state.
pub(crate) const GUEST_PACKAGES: &[&str] = &[
    "bpftool",
    "cpio",
    "curl",
    "dovecot-imapd",
    "iproute2",
    "kmod",
    "nginx-light",
    "php-fpm",
    "postfix",
    "procps",
    "systemd-sysv",
];
