//! Waiting, with an end to it.

use std::{
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How often something is looked at that cannot say when it is ready.
const PACE: Duration = Duration::from_millis(20);

/// Waits until `ready` gives something; after `limit` the error says what for.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if start.elapsed() > limit {
            bail!("waited {} s for {what}", limit.as_secs());
        }
        thread::sleep(PACE);
    }
}

/// Waits for a thread's end; its panic is an error.
pub fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
}

/// Waits for a program's end; `None` when it has not ended after `limit`.
pub fn end(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            return Ok(None);
        }
        thread::sleep(PACE);
    }
}

/// Runs a program to its end and returns what it printed, whatever its exit
/// status; a program that is not done after `limit` is ended.
pub fn output(command: &mut Command, limit: Duration) -> Result<Output> {
    let name = format!("{command:?}");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let pid = nix::unistd::Pid::from_raw(child.id().try_into()?);
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let late = ended.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if late {
            // Not yet waited for, so the number is still this child's.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        late
    });
    let output = child.wait_with_output()?;
    drop(done);
    if watch.join().unwrap_or(false) {
        bail!(
            "not done after {} s: {name}\n{}{}",
            limit.as_secs(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// The same, and an exit status other than 0 is an error that shows stderr.
pub fn success(command: &mut Command, limit: Duration) -> Result<String> {
    let output = output(command, limit)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!(
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
