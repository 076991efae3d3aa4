//! What this host allows tests to do.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::program;

/// What a test needs of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To be root, and to make network namespaces.
    Namespaces,
    /// The Debian root with servers and clients that set-up makes.
    DebianRoot,
    /// tracer, built.
    Tracer,
    /// tshark, which nothing sets up.
    Tshark,
    /// systemd's own judge of services.
    SystemdAnalyze,
    /// The unified hierarchy of control groups (version 2).
    ControlGroups,
}

/// The answers, asked once.
#[derive(Debug)]
pub struct Host {
    namespaces: Result<(), String>,
    debian_root: Result<(), String>,
    tracer: Result<(), String>,
    tshark: Result<(), String>,
    systemd_analyze: Result<(), String>,
    control_groups: Result<(), String>,
}

impl Host {
    /// Looks at the host.
    pub fn look() -> Self {
        let root = debian_root();
        Self {
            namespaces: namespaces(),
            debian_root: if root.join("usr/sbin/nginx").is_file() {
                Ok(())
            } else {
                Err("no Debian root, `cargo xtask setup` says why".to_owned())
            },
            tracer: if program::tracer().is_file() {
                Ok(())
            } else {
                Err("tracer is not built, `cargo xtask test` builds it".to_owned())
            },
            tshark: installed("tshark"),
            systemd_analyze: installed("systemd-analyze"),
            control_groups: control_groups().map(drop),
        }
    }

    /// Why a test with these needs cannot run here; `None` when it can.
    pub fn lacks(&self, needs: &[Need]) -> Option<&str> {
        needs.iter().find_map(|need| {
            let answer = match need {
                Need::Namespaces => &self.namespaces,
                Need::DebianRoot => &self.debian_root,
                Need::Tracer => &self.tracer,
                Need::Tshark => &self.tshark,
                Need::SystemdAnalyze => &self.systemd_analyze,
                Need::ControlGroups => &self.control_groups,
            };
            answer.as_ref().err().map(String::as_str)
        })
    }
}

/// Whether a program is there that nothing sets up.
fn installed(program: &str) -> Result<(), String> {
    match Command::new(program).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("no {program}")),
    }
}

/// Where the unified hierarchy of control groups is.
///
/// # Errors
///
/// Why a test that needs it cannot run: nobody has mounted it.
pub fn control_groups() -> Result<&'static str, String> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|folder| Path::new(folder).join("cgroup.procs").is_file())
        .ok_or_else(|| "no unified hierarchy of control groups".to_owned())
}

/// Whether this process is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn namespaces() -> Result<(), String> {
    if !is_root() {
        return Err("not root".to_owned());
    }
    // A namespace for this one program, which leaves nothing behind.
    let tried = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "ip", "link", "set", "lo", "up"])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "no network namespaces: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("no network namespaces: unshare: {error}")),
    }
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Where set-up makes the Debian root.
pub fn debian_root() -> PathBuf {
    workspace().join("target/setup/root")
}
