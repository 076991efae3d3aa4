//! The .deb: everything in its place, and a service that runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{MOMENT, Release, archive::SHELLS};
use crate::process::Step;

/// Where each shell looks for completions of packages.
const COMPLETIONS: [&str; 3] = [
    "usr/share/bash-completion/completions",
    "usr/share/zsh/vendor-completions",
    "usr/share/fish/vendor_completions.d",
];

/// Documents that come along.
const DOCUMENTS: &[&str] =
    &["README.md", "SECURITY.md", "docs/EVENTS.md", "docs/KERNELS.md", "docs/OPERATING.md"];

/// What dpkg runs, from `packaging/debian`.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// The one file that is the operator's from then on.
const SETTINGS: &str = "etc/tracer/tracer.toml";

impl Release {
    /// Makes it.
    pub(super) fn debian(&self, root: &Path) -> Result<PathBuf> {
        let tree = self.tree("debian")?;
        let source =
            |path: &str| fs::read(root.join(path)).with_context(|| format!("reading {path}"));
        tree.program("usr/bin/tracer", fs::read(&self.binary)?)?;
        tree.file("usr/lib/systemd/system/tracer.service", source("packaging/tracer.service")?)?;
        tree.file(SETTINGS, source("packaging/tracer.toml")?)?;
        for (page, text) in self.manuals()? {
            tree.packed(&format!("usr/share/man/man1/{page}"), text)?;
        }
        for ((shell, file), folder) in SHELLS.iter().zip(COMPLETIONS) {
            tree.file(&format!("{folder}/{file}"), self.says(&["completions", shell])?)?;
        }
        for path in DOCUMENTS {
            let name = path.rsplit('/').next().unwrap_or(path);
            tree.file(&format!("usr/share/doc/tracer/{name}"), source(path)?)?;
        }
        tree.file("usr/share/doc/tracer/copyright", &self.copyright)?;
        tree.packed("usr/share/doc/tracer/changelog", source("CHANGELOG.md")?)?;

        let size = tree.kilobytes()?;
        let version = &self.version;
        let architecture = Self::architecture()?;
        let control = String::from_utf8(source("packaging/debian/control")?)?
            .replace("@VERSION@", version)
            .replace("@ARCHITECTURE@", architecture)
            .replace("@SIZE@", &size.to_string());
        tree.file("DEBIAN/control", control)?;
        tree.file("DEBIAN/conffiles", format!("/{SETTINGS}\n"))?;
        for script in SCRIPTS {
            tree.program(
                &format!("DEBIAN/{script}"),
                source(&format!("packaging/debian/{script}"))?,
            )?;
        }
        tree.settle()?;
        let path = self.folder.join(format!("tracer_{version}_{architecture}.deb"));
        Step::new("dpkg-deb", MOMENT)
            .env("SOURCE_DATE_EPOCH", self.time.to_string())
            // Blocks of several threads would be packed apart from one another.
            .env("DPKG_DEB_THREADS_MAX", "1")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .args([tree.folder(), &path])
            .output()?;
        Ok(path)
    }
}
