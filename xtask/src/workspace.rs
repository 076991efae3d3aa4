//! Places in the workspace.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Features that tracer is built without, and that are checked and tested all
/// the same: code that is not built rots.
pub(crate) const OPTIONAL: &str = "tracer/brotli,tracer/zstd";

/// The folder with the workspace's Cargo.toml.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// What set-up finds and installs stands below this folder. It does not follow
/// `CARGO_TARGET_DIR`, because tracer's build script and the tests look here.
pub(crate) fn setup() -> PathBuf {
    root().join("target/setup")
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
