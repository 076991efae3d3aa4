//! Network namespaces and the links in them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::Path,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use crate::wait;

/// Limit of one call of `ip`.
const IP: Duration = Duration::from_secs(10);

/// What the names of all of them begin with; the number of the process that
/// made it follows.
const PREFIX: &str = "tracer-test-";

/// A network namespace of its own, with `lo` up; it goes with the guard.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one. The label helps who looks on; the name is unique.
    pub fn new(label: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{label}", process::id());
        wait::success(Command::new("ip").args(["netns", "add", &name]), IP)?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Removes what test programs left that were killed.
    pub fn sweep() {
        let list = wait::success(Command::new("ip").args(["netns", "list"]), IP);
        for line in list.unwrap_or_default().lines() {
            let name = line.split(' ').next().unwrap_or_default();
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let owner = rest.split('-').next().unwrap_or_default();
            if !Path::new("/proc").join(owner).exists() {
                drop(Self { name: name.to_owned() });
            }
        }
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in it; the arguments are separated by spaces.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        let mut command = Command::new("ip");
        command.args(["-n", &self.name]).args(arguments.split(' '));
        wait::success(&mut command, IP).with_context(|| format!("ip {arguments}"))
    }

    /// A program in it. `ip` becomes that program, so the child is the program.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Starts a thread in it.
    pub fn spawn<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let path = Path::new("/run/netns").join(&self.name);
        let namespace = File::open(&path).with_context(|| path.display().to_string())?;
        Ok(thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            act()
        }))
    }

    /// Does something in it. Sockets that are made there stay there.
    pub fn within<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        wait::join(self.spawn(act)?)
    }

    /// Makes a veth pair with one end here and one in another namespace; both
    /// are up. Ends are named in the order given.
    pub fn veth(&self, here: &str, other: &Self, there: &str) -> Result<()> {
        let Self { name: peer } = other;
        self.ip(&format!("link add {here} type veth peer name {there} netns {peer}"))?;
        self.ip(&format!("link set {here} up"))?;
        other.ip(&format!("link set {there} up"))?;
        Ok(())
    }

    /// Bytes that a link here has taken and given so far, headers of the link
    /// included.
    pub fn bytes(&self, link: &str) -> Result<u64> {
        let name = format!("{link}:");
        self.within(move || {
            let table = fs::read_to_string("/proc/thread-self/net/dev")?;
            let mut lines = table.lines().map(str::trim_start);
            let row = lines.find_map(|row| row.strip_prefix(name.as_str()));
            let row = row.with_context(|| format!("no {name} in\n{table}"))?;
            // Eight numbers of what it took, then those of what it gave.
            let numbers: Vec<&str> = row.split_whitespace().collect();
            let number =
                |at: usize| Ok::<u64, anyhow::Error>(numbers.get(at).context("short")?.parse()?);
            Ok(number(0)? + number(8)?)
        })
    }

    /// Gives a link addresses, usable at once.
    pub fn address(&self, link: &str, addresses: &[&str]) -> Result<()> {
        for address in addresses {
            // IPv6 would first listen for a second whether another has it.
            let nodad = if address.contains(':') { " nodad" } else { "" };
            self.ip(&format!("address add {address} dev {link}{nodad}"))?;
        }
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = wait::output(Command::new("ip").args(["netns", "del", &self.name]), IP);
    }
}
