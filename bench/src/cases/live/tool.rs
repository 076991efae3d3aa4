//! The tools that look on, as an operator would call them.

use std::{fs, process::Command};

use anyhow::Result;
use tests::{host, namespace::Namespace, program};

use crate::rivals::{self, Found, Rival};

/// The interface at which all of them look: the server's end of the link.
pub(super) const DEVICE: &str = "eth0";

/// Becomes a program below a root that has a `/proc`.
const BELOW: &str = r#"mount -t proc proc "$0/proc" && exec chroot "$0" "$@""#;

/// A tool, and how its output tells what it has decoded.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// What it is called in tables.
    pub(super) name: &'static str,
    program: Program,
    arguments: Vec<String>,
    /// What stands exactly once in its output for each exchange that it has
    /// decoded; nothing where it decodes nothing.
    pub(super) sign: Option<&'static str>,
    /// Whether it only looks on where it is asked for by its name.
    pub(super) asked: bool,
    /// Whether its ring is larger than by default.
    room: bool,
}

/// Where a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// Nobody looks on.
    None,
    /// The one that was built.
    Tracer,
    /// A rival of that name.
    Rival(&'static str),
}

impl Tool {
    /// Nobody looks on.
    pub(super) fn none() -> Self {
        Self {
            name: "none",
            program: Program::None,
            arguments: Vec::new(),
            sign: None,
            asked: false,
            room: false,
        }
    }

    /// tracer with these arguments.
    pub(super) fn tracer(name: &'static str, arguments: &str, sign: &'static str) -> Self {
        let arguments = format!("-i {DEVICE} {arguments}");
        let (program, arguments) = (Program::Tracer, words(&arguments));
        Self { name, program, arguments, sign: Some(sign), asked: false, room: false }
    }

    /// The same with a ring that holds a second of any load, so that what is
    /// decoded does not depend on who else has the cores meanwhile.
    pub(super) fn with_room(self) -> Self {
        Self { room: self.is_ours(), ..self }
    }

    /// What copies every packet to user space and throws it away.
    pub(super) fn tcpdump(port: u16) -> Self {
        Self {
            name: "tcpdump",
            program: Program::Rival("tcpdump"),
            arguments: words(&format!("-n -i {DEVICE} -w /dev/null tcp port {port}")),
            sign: None,
            asked: false,
            room: false,
        }
    }

    /// A rival that decodes, called by the name of its program.
    pub(super) fn rival(name: &'static str, arguments: &str, sign: &'static str) -> Self {
        let program = Program::Rival(name);
        Self {
            name,
            program,
            arguments: words(arguments),
            sign: Some(sign),
            asked: false,
            room: false,
        }
    }

    /// tshark with all fields of each packet that a filter takes: far too slow
    /// for any load here, so that it looks on only where somebody asks for it.
    pub(super) fn tshark_ek(port: u16, filter: &str, sign: &'static str) -> Self {
        let arguments = format!("-i {DEVICE} -f {{tcp port {port}}} -Y {filter} -T ek");
        let tshark = Self::rival("tshark", &arguments, sign);
        Self { name: "tshark ek", asked: true, ..tshark }
    }

    /// Suricata without rules, on all cores; it takes the checksums that the
    /// link leaves to be made.
    pub(super) fn suricata(sign: &'static str) -> Self {
        let settings = rivals::SURICATA_SETTINGS;
        let arguments = format!("-c {settings} -S /dev/null -k none --af-packet={DEVICE}");
        Self::rival("suricata", &arguments, sign)
    }

    /// Whether it is tracer.
    pub(super) fn is_ours(&self) -> bool {
        self.program == Program::Tracer
    }

    /// Whether it is anything at all.
    pub(super) fn is_there(&self) -> bool {
        self.program != Program::None
    }

    /// Whether it decodes anything.
    pub(super) fn decodes(&self) -> bool {
        self.sign.is_some()
    }

    /// Why it cannot run here; `None` when it can.
    pub(super) fn lacks(&self) -> Option<String> {
        match self.program {
            Program::None => None,
            Program::Tracer => rivals::tracer().err().map(|error| format!("{error:#}")),
            Program::Rival(name) => {
                let found = Rival::of(name).and_then(Rival::find);
                found.is_none().then(|| "not installed".to_owned())
            }
        }
    }

    /// The command that runs it in a namespace, on one core if asked. Each
    /// program on the way becomes the next, so the child is the tool.
    pub(super) fn command(&self, namespace: &Namespace, core: Option<usize>) -> Command {
        let mut command = namespace.command("env");
        command.args(["LC_ALL=C", "TZ=UTC", "TMPDIR=/tmp"]);
        if let Some(core) = core {
            command.args(["taskset", "--cpu-list", &core.to_string()]);
        }
        match self.program {
            Program::None => command.arg("true"),
            Program::Tracer => command.arg(program::tracer()).args(program::NO_SETTINGS),
            Program::Rival(name) => match Rival::of(name).and_then(Rival::find) {
                Some(Found { program, root: Some(root) }) => {
                    // The mounts of `ip netns exec` are its own.
                    command.args(["sh", "-c", BELOW]).arg(root).arg(program)
                }
                Some(Found { program, root: None }) => command.arg(program),
                None => command.arg(name),
            },
        };
        command.args(&self.arguments);
        if self.room {
            command.args(["--ring-size", "256M"]);
        }
        command
    }

    /// Puts in place what it is to be told.
    pub(super) fn prepare(&self) -> Result<()> {
        let Program::Rival(name) = self.program else { return Ok(()) };
        Rival::of(name).map_or(Ok(()), Rival::prepare)
    }

    /// Removes what it leaves behind when it is ended on its way.
    pub(super) fn tidy(&self) {
        let Program::Rival("tshark") = self.program else { return };
        let Ok(entries) = fs::read_dir(host::debian_root().join("tmp")) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with("wireshark_") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Words separated by spaces; `{…}` is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split(['{', '}']).enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests_of_words {
    use super::*;

    #[test]
    fn braces_make_one_word_of_several() {
        assert_eq!(words("-i eth0 {tcp port 80} -q"), ["-i", "eth0", "tcp port 80", "-q"]);
        assert_eq!(words(""), [""; 0]);
    }
}
