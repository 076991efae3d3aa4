//! wrk, as long as a test wants.

use std::{
    fs,
    io::Read as _,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::{
    live::signal,
    server::Nginx,
    topology::{Ip, Topology},
    wait,
};

/// Connections, each with one request at a time.
const CONNECTIONS: u64 = 8;

/// Limit of wrk's end.
const END: Duration = Duration::from_secs(10);

/// A running wrk.
#[derive(Debug)]
pub struct Load {
    child: Child,
}

impl Load {
    /// Starts it against the server of a topology.
    pub fn start(topology: &Topology) -> Result<Self> {
        let url = format!("http://{}/index.html?from=wrk", topology.authority(Ip::V4));
        let child = topology
            .client()
            .command("wrk")
            // It counts what is slower than its time-out as an error.
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            .args(["--duration", "10m", "--timeout", "5s", &url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting wrk")?;
        Ok(Self { child })
    }

    /// Ends it. Every request was answered well, and is in the server's log:
    /// nothing between the two was disturbed. Returns how many there were.
    pub fn undisturbed(mut self, nginx: &Nginx<'_>) -> Result<u64> {
        signal(self.wrk()?, Signal::SIGINT)?;
        let Some(status) = wait::end(&mut self.child, END)? else { bail!("wrk did not end") };
        let mut said = String::new();
        for stream in [
            self.child.stdout.take().map(|mut stream| stream.read_to_string(&mut said)),
            self.child.stderr.take().map(|mut stream| stream.read_to_string(&mut said)),
        ] {
            stream.context("no pipe")??;
        }
        ensure!(status.success(), "{status}\n{said}");
        for wrong in ["Socket errors", "Non-2xx"] {
            ensure!(!said.contains(wrong), "{said}");
        }
        let line = said.lines().find(|line| line.contains(" requests in ")).context("no count")?;
        let count: u64 = line.split_whitespace().next().unwrap_or_default().parse()?;
        let (all, good) = nginx.answers("from=wrk")?;
        ensure!(all == good, "{all} requests, {good} of them answered well");
        // wrk does not count what it has no answer to when it ends.
        ensure!((count..=count + CONNECTIONS).contains(&all), "{all} requests in the log\n{said}");
        Ok(all)
    }

    /// The number of wrk, which a process without a number namespace waits
    /// for.
    fn wrk(&self) -> Result<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        children.trim().parse().with_context(|| format!("one child: {children}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            if let Ok(wrk) = self.wrk() {
                let _ = signal(wrk, Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}
