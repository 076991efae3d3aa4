//! A virtual machine in software: qemu without any device but two serial lines,
//! one for the console and one on which an agent inside takes scripts.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use crate::{KERNEL, archive::Archive, guest};

/// Limit of booting; 13 s where nothing else runs.
const BOOT: Duration = Duration::from_mins(5);

/// Limit of a script.
const SCRIPT: Duration = Duration::from_mins(4);

/// What the agent says once it listens.
const LISTENING: &str = "agent: listening";

/// Takes scripts, a line with a number and base64 each, and answers with the
/// number, the exit status and what was printed.
const AGENT: &str = r#"#!/bin/sh
stty raw -echo
echo 'agent: listening'
while read -r number line; do
    printf '%s' "$line" | base64 -d > /run/agent.script
    sh -eu /run/agent.script > /run/agent.output 2>&1 < /dev/null
    status=$?
    printf '%s %s %s\n' "$number" "$status" "$(base64 -w 0 /run/agent.output)"
done
"#;

/// Its service, on the second serial line.
const UNIT: &str = "\
[Service]
Type=idle
ExecStart=/usr/local/sbin/agent
StandardInput=tty
StandardOutput=tty
StandardError=journal
TTYPath=/dev/ttyS1
";

/// What scripts may call. The state, the kernel's and the users, is what stays the
/// same when tracer has come and gone.
const FUNCTIONS: &str = r#"
# Ends the script where a command succeeds: `! command` would go on. What grep
# could not read is no proof that a word is not there.
never() {
    status=0
    "$@" || status=$?
    if [ $status = 0 ]; then
        echo "this went well: $*"
        exit 1
    elif [ "$1" = grep ] && [ $status != 1 ]; then
        exit 1
    fi
}
# Tries until a command succeeds.
eventually() {
    for _ in $(seq 300); do
        if "$@" > /run/eventually 2>&1; then
            return
        fi
        sleep 0.1
    done
    cat /run/eventually
    echo "in vain: $*"
    exit 1
}
# Takes away the modules of clsact, of which the kernel lets go a moment after
# their last filter.
unload() {
    modprobe --remove cls_bpf sch_ingress
    ! grep -e cls_bpf -e sch_ingress /proc/modules
}
# The loaded programs that see packets.
programs() {
    bpftool prog show > /run/programs
    grep -E ': (sched_cls|xdp|ext) ' /run/programs || true
}
state() {
    programs | wc -l
    bpftool net show
    tc qdisc show
    ip -oneline link show | sed 's/^[0-9]*: //'
    cat /etc/passwd /etc/group
}
state_is() {
    state > /run/state
    diff "$1" /run/state
}
"#;

/// What is there from the start: a web server, which has PHP on another port,
/// settings of the servers that a test starts, a second host behind a veth, and the
/// package's files, without it being installed.
const PREPARE: &str = r#"
dpkg-deb --extract "$PACKAGE" /opt/tracer
ip netns add peer
ip link add veth0 type veth peer name eth0 netns peer
ip address add 10.1.0.1/24 dev veth0
ip link set veth0 up
ip -n peer address add 10.1.0.2/24 dev eth0
ip -n peer link set eth0 up
cat > /etc/nginx/conf.d/php.conf << 'END'
server {
    listen 8080;
    root /srv/php;
    location ~ \.php$ {
        include fastcgi.conf;
        fastcgi_pass unix:/run/php/php8.2-fpm.sock;
    }
}
END
mkdir -p /srv/php /srv/mail
echo '<?php echo file_get_contents("http://127.0.0.1/?by=php");' > /srv/php/ask.php
cat > /etc/postfix/main.cf << 'END'
compatibility_level = 3.6
myhostname = mail.example.test
mydestination = example.test
inet_interfaces = loopback-only
inet_protocols = ipv4
local_transport = discard:
local_recipient_maps =
alias_maps =
alias_database =
smtpd_peername_lookup = no
disable_dns_lookups = yes
END
cat > /etc/dovecot/dovecot.conf << 'END'
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 8
mail_location = maildir:/srv/mail/%u
passdb {
  driver = static
  args = password=sesame
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/srv/mail/%u
}
END
chown mail:mail /srv/mail
systemctl start nginx
"#;

/// Where the package is in the machine; scripts have it as `$PACKAGE`.
const PACKAGE: &str = "/usr/local/share/tracer.deb";

/// A running machine; it ends with the guard.
pub(crate) struct Vm {
    qemu: Child,
    agent: ChildStdin,
    answers: Receiver<String>,
    console: PathBuf,
    /// Its kernel's version.
    kernel: String,
    /// Scripts so far.
    scripts: u64,
    _files: TempDir,
}

impl Vm {
    /// Boots a kernel and waits for the agent; the package lies ready, and is
    /// not installed.
    pub(crate) fn boot(kernel: &str, package: &Path) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let initrd = files.path().join("initrd");
        fs::copy(guest().join("guest.cpio"), &initrd).context("copying the guest")?;
        let package = fs::read(package).with_context(|| format!("{}", package.display()))?;
        File::options().append(true).open(&initrd)?.write_all(&over(&package))?;

        let console = files.path().join("console");
        let mut qemu = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            // One processor: the others of the host have work. Without cmpxchg16b,
            // because qemu 7.2 returns wrong flags from it, over which Linux 6.12
            // falls at its start.
            .args(["-accel", "tcg,thread=single", "-cpu", "max,-cx16", "-smp", "1", "-m", "2048"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .arg("-kernel")
            .arg(guest().join(format!("{KERNEL}{kernel}")))
            .arg("-initrd")
            .arg(&initrd)
            .args(["-append", "console=ttyS0 quiet panic=-1 rdinit=/sbin/init"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting qemu-system-x86_64")?;
        let agent = qemu.stdin.take().context("no standard input")?;
        let output = qemu.stdout.take().context("no standard output")?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
                    break;
                }
            }
        });
        let mut vm = Self {
            qemu,
            agent,
            answers,
            console,
            kernel: kernel.to_owned(),
            scripts: 0,
            _files: files,
        };
        while vm.answer(BOOT)? != LISTENING {}
        vm.run(PREPARE).context("preparing the machine")?;
        Ok(vm)
    }

    /// Whether its kernel is at least this one.
    pub(crate) fn is_since(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.kernel.split('.').map_while(|number| number.parse::<u32>().ok());
        (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
    }

    /// Runs a script by `sh -eu` and returns all that it printed; a status other
    /// than 0 is an error that shows it.
    pub(crate) fn run(&mut self, script: &str) -> Result<String> {
        let script = format!("PACKAGE={PACKAGE}\n{FUNCTIONS}{script}");
        self.scripts += 1;
        let number = format!("{} ", self.scripts);
        writeln!(self.agent, "{number}{}", BASE64_STANDARD.encode(script))?;
        // One that was given up answers later, and not to this one.
        let answer = loop {
            if let Some(answer) = self.answer(SCRIPT)?.strip_prefix(&number) {
                break answer.to_owned();
            }
        };
        let (status, output) = answer.split_once(' ').unwrap_or((&answer, ""));
        let output = BASE64_STANDARD.decode(output).with_context(|| answer.clone())?;
        let output = String::from_utf8_lossy(&output).into_owned();
        if status == "0" { Ok(output) } else { bail!("exit status {status}:\n{output}") }
    }

    fn answer(&self, limit: Duration) -> Result<String> {
        self.answers.recv_timeout(limit).map_err(|error| {
            let why = match error {
                RecvTimeoutError::Timeout => format!("no answer in {} s", limit.as_secs()),
                RecvTimeoutError::Disconnected => "the machine has ended".to_owned(),
            };
            let console = fs::read(&self.console).unwrap_or_default();
            let console = String::from_utf8_lossy(&console);
            let lines: Vec<&str> = console.lines().collect();
            let end = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
            anyhow!("{why}; its console:\n{}", end.join("\n"))
        })
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What goes over the guest: the agent, and the package.
fn over(package: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.file("usr/local/sbin/agent", 0o755, AGENT.as_bytes());
    archive.file("etc/systemd/system/agent.service", 0o644, UNIT.as_bytes());
    archive.link("etc/systemd/system/multi-user.target.wants/agent.service", "../agent.service");
    archive.file(PACKAGE.trim_start_matches('/'), 0o644, package);
    archive.end()
}
