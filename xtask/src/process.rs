//! Running programs: with a time limit, without a terminal, with their output
//! kept where a person finds it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// Lines of a failed program's output that its error shows.
const SHOWN_LINES: usize = 12;

/// Exit status by which `timeout` says that it ended the program.
const TIMED_OUT: i32 = 124;

/// A program to run. Nothing it does waits for an answer from the keyboard.
pub(crate) struct Step {
    name: String,
    command: Command,
    limit: Duration,
}

impl Step {
    /// `program`, ended after `limit`.
    pub(crate) fn new(program: impl AsRef<OsStr>, limit: Duration) -> Self {
        Self::under(&[], program.as_ref(), limit)
    }

    /// The same as root: directly, else through a sudo that asks nothing.
    pub(crate) fn as_root(program: impl AsRef<OsStr>, limit: Duration) -> Result<Self> {
        if is_root() {
            return Ok(Self::new(program, limit));
        }
        Self::new("sudo", Duration::from_secs(10))
            .args(["-n", "true"])
            .output()
            .context("neither root nor a sudo that asks for no password")?;
        Ok(Self::under(&["sudo", "-n"], program.as_ref(), limit))
    }

    fn under(wrapper: &[&str], program: &OsStr, limit: Duration) -> Self {
        let mut command = Command::new("timeout");
        // In the terminal's foreground, so that Ctrl-C ends it with this program.
        command.args(["--foreground", "--kill-after=10"]).arg(limit.as_secs().max(1).to_string());
        command.args(wrapper);
        // sudo resets the environment, hence by `env`.
        command.args(["env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "RUST_BACKTRACE=0"]);
        command.arg(program).stdin(Stdio::null());
        let name = Path::new(program).file_name().unwrap_or(program);
        Self { name: name.to_string_lossy().into_owned(), command, limit }
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment; lost behind sudo.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets its working folder.
    pub(crate) fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it and returns what it printed.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self.command.output().with_context(|| format!("starting {}", self.name))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        bail!("{}", self.failure(output.status.code(), &String::from_utf8_lossy(&output.stderr)))
    }

    /// Runs it with its output in `log`; an error shows the end of it.
    pub(crate) fn log(mut self, log: &Path) -> Result<()> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        self.command.stdout(file.try_clone()?).stderr(file);
        let status = self.command.status().with_context(|| format!("starting {}", self.name))?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read(log).unwrap_or_default();
        let failure = self.failure(status.code(), &String::from_utf8_lossy(&text));
        bail!("{failure}\n  (all of it: {})", log.display())
    }

    fn failure(&self, code: Option<i32>, output: &str) -> String {
        let how = match code {
            Some(TIMED_OUT) => format!("not done after {} s", self.limit.as_secs()),
            Some(code) => format!("exit status {code}"),
            None => "ended by a signal".to_owned(),
        };
        let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES));
        shown.fold(format!("{}: {how}", self.name), |text, line| text + "\n    " + line)
    }
}

/// Whether this process may do all.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
