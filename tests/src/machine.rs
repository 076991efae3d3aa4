//! A machine of its own in a network namespace: the Debian root with a layer
//! over it that takes what is written and goes with the machine.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{host, namespace::Namespace, wait};

/// Limit of mounting, and of ending all that runs.
const START: Duration = Duration::from_secs(10);

/// Sets the machine up and waits for the end of its standard input, which ends
/// it: as process 1 of its own it takes all others along, and the mounts go
/// with the last of them. It says which process it is, as the host counts.
const INIT: &str = r#"
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mount --rbind /dev /mnt/root/dev
# /proc is the host's here, so this is the number by which the host knows us.
read -r pid rest < /proc/self/stat
mount -t proc proc /mnt/root/proc
echo "$pid"
read -r _ || true
"#;

/// Environment of everything that runs in a machine.
const ENVIRONMENT: [&str; 4] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "TZ=UTC",
];

/// A machine that runs; it ends with the guard, and all that runs in it.
#[derive(Debug)]
pub struct Machine {
    namespace: Namespace,
    init: Child,
    /// Held open: the machine ends when it closes, however this process ends.
    stdin: Option<ChildStdin>,
    pid: u32,
}

impl Machine {
    /// Starts a machine in a namespace of its own.
    pub fn new(label: &str) -> Result<Self> {
        let namespace = Namespace::new(label)?;
        let mut init = namespace
            .command("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", INIT, "init"])
            .arg(host::debian_root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a machine")?;
        let stdin = init.stdin.take();
        let stdout = init.stdout.take().context("a machine without standard output")?;
        let mut machine = Self { namespace, init, stdin, pid: 0 };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        machine.pid = line.trim().parse().context("a machine did not come up")?;
        // No name server is there, and waiting for one takes long.
        machine.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")?;
        Ok(machine)
    }

    /// The namespace it stands in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where the host finds a file of the machine.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/mnt/root", self.pid))
            .join(inside.trim_start_matches('/'))
    }

    /// Reads a file of the machine.
    pub fn read(&self, inside: &str) -> Result<String> {
        let bytes = fs::read(self.path(inside)).with_context(|| format!("reading {inside}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes a file of the machine, with the folders above it.
    pub fn write(&self, inside: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path(inside);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, contents).with_context(|| format!("writing {inside}"))
    }

    /// A program that runs in the machine.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.pid.to_string(), "--mount", "--pid", "--net"])
            .args(["chroot", "/mnt/root", "env", "-i"])
            .args(ENVIRONMENT)
            .arg(program);
        command
    }

    /// Runs a program in the machine to its end; arguments as given.
    pub fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
        wait::success(self.command(program).args(arguments), limit)
    }

    /// Starts a program that goes on in the machine until it ends; what it
    /// prints goes to the file `log` in the machine.
    pub fn start(&self, program: &str, arguments: &[&str], log: &str) -> Result<Child> {
        self.write(log, "")?;
        let file = fs::File::options().append(true).open(self.path(log))?;
        self.command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {program}"))
    }

    /// Waits until something in the machine listens on a TCP port, on IPv4 and
    /// on IPv6.
    pub fn wait_for_port(&self, port: u16, limit: Duration) -> Result<()> {
        self.wait_for_ports(port, limit, &["tcp", "tcp6"])
    }

    /// The same for a server that listens on IPv4 alone.
    pub fn wait_for_port_v4(&self, port: u16, limit: Duration) -> Result<()> {
        self.wait_for_ports(port, limit, &["tcp"])
    }

    fn wait_for_ports(&self, port: u16, limit: Duration, tables: &[&str]) -> Result<()> {
        wait::until(&format!("a server on port {port}"), limit, || {
            let listens = |table: &&str| {
                let text = fs::read_to_string(format!("/proc/{}/net/{table}", self.pid));
                text.unwrap_or_default().lines().any(|line| is_listener(line, port))
            };
            Ok(tables.iter().all(listens).then_some(()))
        })
    }
}

/// Whether a line of /proc/net/tcp is a socket that listens on the port.
fn is_listener(line: &str, port: u16) -> bool {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1).unwrap_or_default();
    // The state behind the remote address; 0A is LISTEN.
    local.ends_with(&format!(":{port:04X}")) && fields.nth(1) == Some("0A")
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if !matches!(wait::end(&mut self.init, START), Ok(Some(_))) {
            let _ = self.init.kill();
            let _ = self.init.wait();
        }
    }
}

/// Says what a server wrote about itself, for an error.
pub fn failed<T>(machine: &Machine, log: &str, error: &anyhow::Error) -> Result<T> {
    bail!("{error:#}\n{log}:\n{}", machine.read(log).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::is_listener;

    #[test]
    fn listeners_are_told_from_connections() {
        let line = "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        assert!(is_listener(line, 80));
        assert!(!is_listener(line, 25));
        let connected =
            "   1: 0100007F:0050 0100007F:C000 01 00000000:00000000 00:00000000 00000000";
        assert!(!is_listener(connected, 80));
    }
}
