//! Privileges: what tracer needs of them, says of them, and gives up.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{self, Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tests::{
    host::Need,
    kernel::{self, Hooks},
    live::{Tracer, text},
    namespace::Namespace,
    program,
    server::Nginx,
    topology::{Ip, Link, Topology},
    wait,
};

use crate::{LIVE, Test, check, traffic};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Limit of a run that ends by itself.
const LIMIT: Duration = Duration::from_secs(20);

/// An ordinary user, whom no system has.
const USER: &str = "54321";

/// All that tracer needs, as the kernel names it and as setpriv does.
const CAPABILITIES: [(&str, &str); 3] =
    [("CAP_BPF", "bpf"), ("CAP_NET_ADMIN", "net_admin"), ("CAP_PERFMON", "perfmon")];

/// A capability set without anything in it.
const EMPTY: &str = "0000000000000000";

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new("privileges::worker_has_none", NEEDS, worker),
        Test::new("privileges::sandbox_of_worker_and_read", NEEDS, sandbox),
        Test::new("privileges::each_missing_capability_is_named", NEEDS, missing),
        Test::new("privileges::check_says_what_is_allowed", NEEDS, page),
        Test::new("privileges::mistakes_are_told_before_anything_is_done", NEEDS, mistakes),
    ];
    for hook in ["tc", "clsact", "xdp"] {
        let name = format!("privileges::three_capabilities_suffice::{hook}");
        tests.push(Test::new(name, LIVE, move || suffice(hook)));
    }
    tests
}

/// tracer where every user may run it: the build's folder may be closed.
struct Program {
    path: PathBuf,
}

impl Program {
    fn new(label: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tracer-test-{}-{label}", process::id()));
        fs::copy(program::tracer(), &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { path })
    }

    /// A command that runs it as an ordinary user with these capabilities.
    fn command(&self, namespace: &Namespace, capabilities: &[&str]) -> Command {
        let set = [&["-all"], capabilities].concat().join(",+");
        let mut command = namespace.command("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
            .args(["inh-caps", "ambient-caps", "bounding-set"].map(|of| format!("--{of}={set}")))
            .arg(&self.path)
            .args(program::NO_SETTINGS);
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The process that parses what strangers send is nobody, may do nothing, and
/// holds nothing but the maps, its pipes and what wakes it.
fn worker() -> Result<()> {
    let namespace = Namespace::new("worker")?;
    // A careless parent leaves a file open that it may read and nobody may not.
    let mut command = namespace.command("sh");
    command.args(["-c", r#"exec "$@" 9</etc/shadow"#, "sh"]).arg(program::tracer());
    let tracer = Tracer::start_by(command, &[])?;
    let pid = tracer.worker()?;
    for (name, expected) in [
        ("Uid", "65534\t65534\t65534\t65534"),
        ("Gid", "65534\t65534\t65534\t65534"),
        ("Groups", ""),
        ("CapInh", EMPTY),
        ("CapPrm", EMPTY),
        ("CapEff", EMPTY),
        ("CapBnd", EMPTY),
        ("CapAmb", EMPTY),
        ("NoNewPrivs", "1"),
    ] {
        let found = kernel::status(pid, name)?;
        ensure!(found == expected, "{name}: {found}");
    }
    let mut descriptors = descriptors(pid)?;
    descriptors.sort();
    let expected = [
        "/dev/null",
        // What wakes the shard, and the round by which it shows that it lives.
        "anon_inode:[eventfd]",
        "anon_inode:[eventfd]",
        "anon_inode:[signalfd]",
        "anon_inode:[timerfd]",
        // The ring, the counters, and the tables of flows that are not followed;
        // the other maps are in memory, and their descriptors closed.
        "anon_inode:bpf-map",
        "anon_inode:bpf-map",
        "anon_inode:bpf-map",
        "anon_inode:bpf-map",
        "pipe",
        "pipe",
        "pipe",
        "socket",
    ];
    ensure!(descriptors == expected, "{descriptors:?}");
    // Netlink sockets are listed by their inodes.
    let netlink = fs::read_to_string(format!("/proc/{pid}/net/netlink"))?;
    for inode in sockets(pid)? {
        let is_listed = netlink.lines().any(|line| line.split_whitespace().last() == Some(&inode));
        ensure!(!is_listed, "a netlink socket\n{netlink}");
    }
    check::whole(&tracer.stop()?)
}

/// Whoever reads what strangers send has few system calls left, on all threads,
/// unless the operator does not want that.
fn sandbox() -> Result<()> {
    let namespace = Namespace::new("sandbox")?;
    for (flags, mode) in [(&["--shards", "2"][..], "2"), (&["--no-sandbox"], "0")] {
        let tracer = Tracer::start(&namespace, flags)?;
        for entry in fs::read_dir(format!("/proc/{}/task", tracer.worker()?))? {
            let thread = entry?.file_name().to_string_lossy().parse()?;
            confined(thread, mode)?;
        }
        let privileged = kernel::status(tracer.pid(), "Seccomp")?;
        ensure!(privileged == "0", "the privileged process: {privileged}");
        check::whole(&tracer.stop()?)?;
        let mut command = namespace.command(program::tracer());
        command
            .args(["read", "-"])
            .args(program::NO_SETTINGS)
            .args(flags.iter().filter(|flag| **flag == "--no-sandbox"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut read = command.spawn()?;
        let found = wait::until("read to give up its privileges", LIMIT, || {
            let has = kernel::status(read.id(), "NoNewPrivs")? == "1";
            // The last to be given up.
            Ok((has && kernel::status(read.id(), "Seccomp")? == mode).then_some(()))
        });
        let confined = found.and_then(|()| confined(read.id(), mode));
        drop(read.stdin.take());
        let _ = read.wait()?;
        confined?;
    }
    Ok(())
}

fn confined(pid: u32, mode: &str) -> Result<()> {
    for (name, expected) in [("NoNewPrivs", "1"), ("Seccomp", mode)] {
        let found = kernel::status(pid, name)?;
        ensure!(found == expected, "{pid}: {name}: {found}");
    }
    Ok(())
}

/// What the descriptors of a process are, without the numbers in them.
fn descriptors(pid: u32) -> Result<Vec<String>> {
    let kind = |target: String| match target.split_once(":[") {
        Some(("anon_inode", _)) | None => target,
        Some((kind, _)) => kind.to_owned(),
    };
    Ok(targets(pid)?.into_iter().map(kind).collect())
}

/// Inodes of a process's sockets.
fn sockets(pid: u32) -> Result<Vec<String>> {
    let inode =
        |target: String| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    Ok(targets(pid)?.into_iter().filter_map(inode).collect())
}

fn targets(pid: u32) -> Result<Vec<String>> {
    let folder = format!("/proc/{pid}/fd");
    let links = fs::read_dir(&folder).context(folder)?;
    let target = |link: std::io::Result<fs::DirEntry>| fs::read_link(link?.path());
    let targets: Vec<PathBuf> = links.map(target).collect::<Result<_, _>>()?;
    Ok(targets.iter().map(|path: &PathBuf| path.display().to_string()).collect())
}

/// An ordinary user with the three capabilities, and no other, traces.
fn suffice(hook: &'static str) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let _nginx = Nginx::start(topology.server())?;
    let program = Program::new(hook)?;
    let names = CAPABILITIES.map(|(_, name)| name);
    let command = program.command(topology.traced(), &names);
    let tracer = Tracer::start_by(command, &["--hook", hook])?;
    for (pid, effective) in [(tracer.pid(), "000000c000001000"), (tracer.worker()?, EMPTY)] {
        let found = kernel::status(pid, "CapEff")?;
        ensure!(found == effective, "process {pid}: {found}");
        let user = kernel::status(pid, "Uid")?;
        ensure!(user.split('\t').all(|id| id == USER), "{user}");
    }
    ensure!(kernel::status(tracer.worker()?, "CapPrm")? == EMPTY, "permitted");
    ensure!(kernel::status(tracer.worker()?, "CapAmb")? == EMPTY, "ambient");
    let way = match hook {
        "tc" => "eth0 (TCX ingress, TCX egress)",
        "clsact" => "eth0 (clsact ingress, clsact egress)",
        _ => "eth0 (native XDP ingress, TCX egress)",
    };
    ensure!(tracer.log().contains(way), "{}", tracer.log());
    traffic::curl(&topology, Ip::V4, &["/index.html"])?;
    let said = tracer.stop()?;
    check::whole(&said)?;
    let requests: Vec<&str> =
        said.of("http-request").map(|event| text(event, "/url/original")).collect();
    ensure!(requests == ["/index.html"], "{requests:?}");
    ensure!(said.of("http-response").count() == 1, "{:?}", said.events);
    let hooks = Hooks::of(topology.traced(), "eth0")?;
    ensure!(hooks.are_free(), "{hooks:?}");
    Ok(())
}

/// With one of the three taken away, or all, it ends and says which.
fn missing() -> Result<()> {
    let namespace = Namespace::new("missing")?;
    let program = Program::new("missing")?;
    let before = Hooks::of(&namespace, "lo")?;
    let alone = CAPABILITIES.map(|(name, _)| vec![name]);
    let all = vec![CAPABILITIES.map(|(name, _)| name).to_vec()];
    for missing in alone.into_iter().chain(all) {
        let held: Vec<&str> = CAPABILITIES
            .iter()
            .filter(|(name, _)| !missing.contains(name))
            .map(|(_, name)| *name)
            .collect();
        for hook in ["tc", "clsact", "xdp"] {
            let mut command = program.command(&namespace, &held);
            let output = wait::output(command.args(["--hook", hook]), LIMIT)?;
            let said = stderr(&output);
            ensure!(output.status.code() == Some(1), "{}\n{said}", output.status);
            let [line] = said.lines().collect::<Vec<_>>()[..] else {
                anyhow::bail!("not one line: {said}")
            };
            ensure!(line.starts_with("tracer: error: missing "), "{line}");
            for (name, _) in CAPABILITIES {
                let is_named = line.contains(&format!("{name} (to "))
                    || line.contains(&format!("{name} (so "));
                ensure!(is_named == missing.contains(&name), "{name} of {missing:?}: {line}");
            }
            for way in [
                "sudo tracer",
                "setcap cap_bpf,cap_net_admin,cap_perfmon=ep",
                "AmbientCapabilities=",
            ] {
                ensure!(line.contains(way), "no {way}: {line}");
            }
            ensure!(output.stdout.is_empty(), "{}", stdout(&output));
        }
    }
    let after = Hooks::of(&namespace, "lo")?;
    ensure!(after == before, "before {before:?}\nafter {after:?}");
    Ok(())
}

/// `tracer check` with all privileges, with the three, and without.
fn page() -> Result<()> {
    let namespace = Namespace::new("check")?;
    let peer = Namespace::new("peer")?;
    namespace.veth("eth0", &peer, "eth0")?;
    let program = Program::new("check")?;
    let before = Hooks::of(&namespace, "eth0")?;
    let names = CAPABILITIES.map(|(_, name)| name);
    let mut privileged = namespace.command(&program.path);
    privileged.args(program::NO_SETTINGS);
    let commands = [privileged, program.command(&namespace, &names)];
    for mut command in commands {
        let output = wait::output(command.arg("check"), LIMIT)?;
        let said = stdout(&output);
        ensure!(output.status.code() == Some(0), "{}\n{said}{}", output.status, stderr(&output));
        ensure!(output.stderr.is_empty(), "{}", stderr(&output));
        let words = [
            "kernel: Linux ",
            "CAP_BPF: ",
            "CAP_NET_ADMIN: ",
            "CAP_PERFMON: ",
            "sandbox: seccomp and Landlock ",
            "programs: loaded",
            "hook: TCX",
            "interface lo: TCX egress",
            "interface eth0: TCX ingress, TCX egress; XDP by its driver (veth)",
            "live tracing: works here",
        ];
        for words in words {
            let mut lines = said.lines();
            ensure!(
                lines.any(|line| line.starts_with(&format!("yes  {words}"))),
                "{words}\n{said}"
            );
        }
        ensure!(!said.lines().any(|line| line.starts_with("NO")), "{said}");
    }
    let output = wait::output(program.command(&namespace, &[]).arg("check"), LIMIT)?;
    let said = stdout(&output);
    ensure!(output.status.code() == Some(1), "{}\n{said}", output.status);
    ensure!(output.stderr.is_empty(), "{}", stderr(&output));
    for words in [
        "NO   CAP_BPF: ",
        "NO   CAP_NET_ADMIN: ",
        "NO   CAP_PERFMON: ",
        "       -> Run it as root (sudo tracer)",
        "note programs: not tried",
        "NO   live tracing: does not work here as this user",
        "yes  capture files: ",
    ] {
        ensure!(said.lines().any(|line| line.starts_with(words)), "{words}\n{said}");
    }
    let after = Hooks::of(&namespace, "eth0")?;
    ensure!(after == before, "before {before:?}\nafter {after:?}");
    Ok(())
}

/// A name that is not there and flags that make no sense: one clear line, a
/// status, and no program in the kernel.
fn mistakes() -> Result<()> {
    let namespace = Namespace::new("mistakes")?;
    let before = Hooks::of(&namespace, "lo")?;
    for (arguments, status, words) in [
        ("-i nowhere", 1, "tracer: error: no interface is called nowhere; there are lo"),
        ("-i lo -i nowhere", 1, "no interface is called nowhere; there are lo"),
        ("--hook kprobe", 2, "[possible values: tc, xdp, clsact]"),
        ("--port http=25", 2, "port 25 is given to both http and smtp"),
        ("-i lo read capture.pcap", 2, "are options of `live`"),
        ("--ring-size 3M", 2, "the ring is a power of two from 256K to 1G"),
        ("--no-such-flag", 2, "unexpected argument '--no-such-flag'"),
    ] {
        let mut command = namespace.command(program::tracer());
        command.args(program::NO_SETTINGS).args(arguments.split(' '));
        let output = wait::output(&mut command, LIMIT)?;
        let said = stderr(&output);
        ensure!(output.status.code() == Some(status), "{arguments}: {}\n{said}", output.status);
        ensure!(said.contains(words), "{arguments}: {said}");
        ensure!(output.stdout.is_empty(), "{arguments}: {}", stdout(&output));
        ensure!(!said.contains("panicked"), "{arguments}: {said}");
    }
    let after = Hooks::of(&namespace, "lo")?;
    ensure!(after == before, "before {before:?}\nafter {after:?}");
    Ok(())
}
