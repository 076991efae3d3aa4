//! What users would pick instead, and where it is found.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tests::{host, wait};

/// Limit of asking a tool for its version.
const VERSION: Duration = Duration::from_secs(20);

/// A tool beside which tracer is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name, which is that of its program.
    pub name: &'static str,
    /// What has it say its version.
    version: &'static str,
    /// What it does less, or does not do, than tracer.
    pub less: &'static str,
}

/// All of them.
pub const RIVALS: &[Rival] = &[
    Rival {
        name: "tcpdump",
        version: "--version",
        less: "`-w /dev/null`: copies packets and decodes nothing; the floor",
    },
    Rival {
        name: "httpry",
        version: "-h",
        less: "request and status lines of HTTP, each out of one packet; no streams, no bodies, \
               no pairing; nothing of mail",
    },
    Rival {
        name: "tcpflow",
        version: "--version",
        less: "`-c`: puts streams in order and dumps them; decodes nothing, pairs nothing, has no \
               times of messages",
    },
    Rival {
        name: "ngrep",
        version: "-V",
        less: "prints packets that match an expression; no streams, decodes nothing",
    },
    Rival {
        name: "tshark",
        version: "--version",
        less: "`-T fields`, the fields of one line a message: all that it decodes beyond is not \
               written; `-T ek` writes all fields of a packet as JSON",
    },
    Rival {
        name: "suricata",
        version: "-V",
        less: "EVE `http` and `smtp` into a file, no rules: a record of each transaction without \
               the times of its parts; of SMTP the envelope and the mail's header; no IMAP",
    },
];

/// What Suricata is told: records of HTTP and SMTP on standard output, what it
/// has to say on stderr, and nothing else that it could do. What is not named
/// is as its makers set it.
const SURICATA: &str = "%YAML 1.1
---
default-log-dir: /tmp
stats: { enabled: no }
logging:
  default-log-level: notice
  outputs:
    - console: { enabled: no }
    - file: { enabled: yes, level: notice, filename: /dev/stderr }
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: /dev/stdout
      types:
        - http: { extended: yes }
        - smtp: { extended: yes }
af-packet:
  - interface: default
    cluster-id: 99
    cluster-type: cluster_flow
    defrag: yes
app-layer:
  protocols:
    http: { enabled: yes }
    smtp: { enabled: yes, mime: { decode-mime: yes } }
";

/// Where it finds that, below its root.
pub const SURICATA_SETTINGS: &str = "/tmp/tracer-bench-suricata.yaml";

impl Rival {
    /// The one of that name.
    pub fn of(name: &str) -> Option<&'static Self> {
        RIVALS.iter().find(|rival| rival.name == name)
    }

    /// Where it is: in the tests' Debian root, else on the host.
    pub fn find(&self) -> Option<Found> {
        let root = host::debian_root();
        let places = ["usr/bin", "usr/sbin", "bin", "sbin"];
        for place in places {
            if root.join(place).join(self.name).is_file() {
                let program = Path::new("/").join(place).join(self.name);
                return Some(Found { program, root: Some(root) });
            }
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let program = env::split_paths(&path).map(|folder| folder.join(self.name));
        let program = program.into_iter().find(|program| program.is_file())?;
        Some(Found { program, root: None })
    }

    /// Puts in place what it is to be told, where that is more than arguments.
    pub fn prepare(&self) -> Result<()> {
        if let ("suricata", Some(found)) = (self.name, self.find()) {
            let root = found.root.unwrap_or_else(|| PathBuf::from("/"));
            let path = root.join(SURICATA_SETTINGS.trim_start_matches('/'));
            fs::write(&path, SURICATA).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// What it says its version is; `None` when it is not installed or does not
    /// say.
    pub fn version(&self) -> Option<String> {
        let found = self.find()?;
        let mut command = found.plain();
        command.arg(self.version);
        let output = wait::output(&mut command, VERSION).ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        number(&text).map(str::to_owned)
    }
}

/// The first word that looks like a version.
fn number(text: &str) -> Option<&str> {
    let words =
        text.split([' ', '\n', ',', '(', ')']).map(|word| word.trim_matches(['V', 'v', ':']));
    let mut numbers = words.filter(|word| {
        let begins = word.starts_with(|first: char| first.is_ascii_digit());
        begins && word.contains('.') && !word.ends_with('.')
    });
    numbers.next()
}

/// A tool that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its program, as it is called below its root.
    pub program: PathBuf,
    /// The root below which it is, unless that is the host's.
    pub root: Option<PathBuf>,
}

impl Found {
    /// The program, for [`Program::below`](crate::process::Program::below) its
    /// root.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("LC_ALL", "C.UTF-8").env("HOME", "/tmp").env("TZ", "UTC");
        command
    }

    /// The program by way of `chroot`, for what is not measured.
    fn plain(&self) -> Command {
        match &self.root {
            None => self.command(),
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(&self.program);
                command
            }
        }
    }
}

/// tracer itself, which whoever starts the benchmark has built.
pub fn tracer() -> Result<PathBuf> {
    let program = tests::program::tracer();
    anyhow::ensure!(
        program.is_file(),
        "{} is missing: `cargo xtask bench` builds it, and says by TRACER where it is",
        program.display()
    );
    Ok(program)
}

#[cfg(test)]
mod unit {
    use super::number;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        for (said, expected) in [
            ("tcpdump version 4.99.3\nlibpcap version 1.10.3", "4.99.3"),
            ("TCPFLOW 1.6.1", "1.6.1"),
            ("ngrep: V1.47 (4.2007)", "1.47"),
            ("httpry version 0.1.8 -- HTTP", "0.1.8"),
            ("This is Suricata version 7.0.10 RELEASE", "7.0.10"),
            ("TShark (Wireshark) 4.0.17 (Git v4.0.17)", "4.0.17"),
        ] {
            assert_eq!(number(said), Some(expected));
        }
        assert_eq!(number("no number here."), None);
    }
}
