//! The tar.gz: for hosts without dpkg, and for who wants to look first.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{MOMENT, Release, binary};
use crate::process::Step;

/// Files of the sources that are in it, and where.
const FILES: &[(&str, &str)] = &[
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("SECURITY.md", "SECURITY.md"),
    ("docs/EVENTS.md", "docs/EVENTS.md"),
    ("docs/KERNELS.md", "docs/KERNELS.md"),
    ("docs/OPERATING.md", "docs/OPERATING.md"),
    ("docs/events.schema.json", "docs/events.schema.json"),
    ("packaging/tracer.service", "tracer.service"),
    ("packaging/tracer.toml", "tracer.toml"),
];

/// Shells whose completions are handed out, with the names that they look for.
pub(super) const SHELLS: [(&str, &str); 3] =
    [("bash", "tracer"), ("zsh", "_tracer"), ("fish", "tracer.fish")];

impl Release {
    /// Makes it.
    pub(super) fn archive(&self, root: &Path) -> Result<PathBuf> {
        let name = format!("tracer-{}-{}", self.version, binary::target()?);
        let tree = self.tree(&name)?;
        tree.program("tracer", fs::read(&self.binary)?)?;
        tree.file("copyright", &self.copyright)?;
        for (from, to) in FILES {
            tree.file(to, fs::read(root.join(from))?)?;
        }
        for (page, text) in self.manuals()? {
            tree.file(&format!("man/{page}"), text)?;
        }
        for (shell, file) in SHELLS {
            tree.file(&format!("completions/{file}"), self.says(&["completions", shell])?)?;
        }
        tree.settle()?;
        let path = self.folder.join(format!("{name}.tar.gz"));
        Step::new("tar", MOMENT)
            .current_dir(&self.folder)
            .args(["--sort=name", "--format=ustar", "--owner=root:0", "--group=root:0"])
            .args(["--use-compress-program=gzip -9n", "--create", "--file"])
            .args([&path])
            .args([&name])
            .output()?;
        Ok(path)
    }
}
