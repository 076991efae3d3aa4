//! The Debian root in which the tests' servers and clients live, and the tools
//! of the benchmark, so that none of them is ever installed on the host.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{apt, log, say};
use crate::{
    process::Step,
    versions::{BACKPORTED_RIVALS, RIVAL_PACKAGES, ROOT_PACKAGES, ROOT_SUITE},
    workspace,
};

/// Limit of fetching and unpacking the base system.
const BASE: Duration = Duration::from_mins(15);

/// Limit of installing the packages.
const PACKAGES: Duration = Duration::from_mins(15);

/// Where packages come from that are in no suite's own list.
pub(super) const MIRROR: &str = "http://deb.debian.org/debian";

/// Limit of moving and removing files.
const FILES: Duration = Duration::from_mins(2);

/// Installs the packages; runs inside the root, `$@` being the packages, with
/// options before them.
const INSTALL: &str = r#"
mount -t proc proc /proc
# Nothing that is installed here may start.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/*
"#;

/// Whether the root was there.
pub(super) enum Found {
    /// It was.
    Before,
    /// It was made.
    Made,
}

/// Where it is.
fn folder() -> PathBuf {
    workspace::setup().join("root")
}

/// What it holds, as written down beside it once it is complete.
fn contents() -> String {
    format!("{ROOT_SUITE}\n{}\n", ROOT_PACKAGES.join("\n"))
}

/// Makes the root unless it is there.
pub(super) fn find_or_make() -> Result<Found> {
    let stamp = workspace::setup().join("root.contents");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == contents()) && folder().is_dir() {
        return Ok(Found::Before);
    }
    let new = workspace::setup().join("root.new");
    fs::create_dir_all(workspace::setup())?;
    remove(&[&new, &folder(), &stamp])?;
    remove(&[&Rivals::Own.stamp(), &Rivals::Backported.stamp()])?;

    say(&format!("making a Debian root ({ROOT_SUITE})"));
    debootstrap(&new, "debootstrap")?;
    say(&format!("installing in the root: {}", ROOT_PACKAGES.join(" ")));
    install(&new, ROOT_PACKAGES, "root-packages")?;
    Step::as_root("mv", FILES)?.args([&new, &folder()]).output()?;
    fs::write(&stamp, contents()).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(Found::Made)
}

/// Packages in the root that the benchmark measures tracer beside.
#[derive(Clone, Copy)]
pub(super) enum Rivals {
    /// Those of the root's own suite.
    Own,
    /// Those that only its backports have.
    Backported,
}

impl Rivals {
    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Own => RIVAL_PACKAGES,
            Self::Backported => BACKPORTED_RIVALS,
        }
    }

    /// What says that they are there.
    fn stamp(self) -> PathBuf {
        workspace::setup().join(match self {
            Self::Own => "root.rivals",
            Self::Backported => "root.backports",
        })
    }

    /// Installs them unless they are there. The root itself must be.
    pub(super) fn find_or_install(self) -> Result<Found> {
        let (stamp, packages) = (self.stamp(), self.packages());
        let contents = packages.join("\n") + "\n";
        if fs::read_to_string(&stamp).is_ok_and(|text| text == contents) {
            return Ok(Found::Before);
        }
        say(&format!("installing in the root: {}", packages.join(" ")));
        match self {
            Self::Own => install(&folder(), packages, "root-rivals")?,
            Self::Backported => {
                let source = folder().join("etc/apt/sources.list.d/backports.list");
                let line = format!("deb {MIRROR} {ROOT_SUITE}-backports main\n");
                let script = "printf '%s' \"$1\" > \"$2\"";
                Step::as_root("sh", FILES)?
                    .args(["-ec", script, "sh", &line])
                    .args([&source])
                    .output()?;
                let release = format!("--target-release={ROOT_SUITE}-backports");
                let packages = [&[release.as_str()], packages].concat();
                let installed = install(&folder(), &packages, "root-backports");
                // Who installs something else later wants no list that may be missing.
                remove(&[&source])?;
                installed?;
            }
        }
        fs::write(&stamp, contents).with_context(|| format!("writing {}", stamp.display()))?;
        Ok(Found::Made)
    }
}

/// Makes a base system that nothing is installed in yet, and that finds the
/// packages' servers.
pub(super) fn debootstrap(new: &Path, name: &str) -> Result<()> {
    apt::provide(&[("debootstrap", "debootstrap")])?;
    Step::as_root("debootstrap", BASE)?
        .args(["--variant=minbase", ROOT_SUITE])
        .args([new])
        .log(&log(name))?;
    Step::as_root("cp", FILES)?
        .args(["--dereference", "/etc/resolv.conf"])
        .args([new.join("etc/resolv.conf")])
        .output()?;
    Ok(())
}

/// Installs packages in a root.
pub(super) fn install(root: &Path, packages: &[&str], name: &str) -> Result<()> {
    inside(root, INSTALL, packages, PACKAGES, name)
}

/// Runs a script in a root.
pub(super) fn inside(
    root: &Path,
    script: &str,
    arguments: &[&str],
    limit: Duration,
    name: &str,
) -> Result<()> {
    // In namespaces of its own: mounts and stray processes end with it.
    Step::as_root("unshare", limit)?
        .args(["--mount", "--pid", "--fork", "--kill-child", "chroot"])
        .args([root])
        .args(["sh", "-ec", script, "sh"])
        .args(arguments)
        .log(&log(name))
}

/// Removes what root made.
pub(super) fn remove(paths: &[&PathBuf]) -> Result<()> {
    Step::as_root("rm", FILES)?.args(["-rf", "--one-file-system", "--"]).args(paths).output()?;
    Ok(())
}
