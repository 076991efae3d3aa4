//! Live traffic of servers and clients that nobody here wrote, in network
//! namespaces. A test that this host cannot run says what is missing.

mod annex;
mod budget;
mod check;
mod exact;
mod frames;
mod http;
mod imap;
mod interfaces;
mod large;
mod machines;
mod metrics;
mod neighbours;
mod outcomes;
mod overload;
mod packets;
mod privileges;
mod processes;
mod readers;
mod reload;
mod secrets;
mod selection;
mod service;
mod shards;
mod siege;
mod smtp;
mod traffic;
mod window;

use std::{
    env,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
};

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use tests::{
    host::{self, Host, Need},
    namespace::Namespace,
    program,
};

/// What a test of tracer with real servers needs.
const LIVE: &[Need] = &[Need::Namespaces, Need::DebianRoot, Need::Tracer];

/// A test, with what it needs of the host.
struct Test {
    name: String,
    needs: &'static [Need],
    run: Box<dyn FnOnce() -> Result<()> + Send>,
}

impl Test {
    fn new(
        name: impl Into<String>,
        needs: &'static [Need],
        run: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Self {
        Self { name: name.into(), needs, run: Box::new(run) }
    }

    /// The test as the harness runs it. One that cannot run is ignored, and
    /// its name tells why.
    fn trial(self, host: &Host) -> Trial {
        let Self { name, needs, run } = self;
        let lacks = host.lacks(needs);
        let name = lacks.map_or_else(|| name.clone(), |reason| format!("{name} ({reason})"));
        Trial::test(name, move || run().map_err(|error| format!("{error:#}").into()))
            .with_ignored_flag(lacks.is_some())
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They load both cores by themselves, and time is part of what they test.
    arguments.test_threads = Some(1);
    if !host::is_root() {
        become_root();
    }
    Namespace::sweep();
    let host = Host::look();
    let tests = [
        machines::tests(),
        annex::tests(),
        frames::tests(),
        large::tests(),
        window::tests(),
        exact::tests(),
        http::tests(),
        smtp::tests(),
        imap::tests(),
        interfaces::tests(),
        processes::tests(),
        privileges::tests(),
        readers::tests(),
        reload::tests(),
        shards::tests(),
        outcomes::tests(),
        selection::tests(),
        service::tests(),
        overload::tests(),
        packets::tests(),
        neighbours::tests(),
        budget::tests(),
        metrics::tests(),
        secrets::tests(),
        siege::tests(),
    ];
    // What takes long is asked for, and then alone.
    let is_wanted = |test: &Test| siege::minutes().is_none() || test.name.starts_with("siege::");
    let tests = tests.into_iter().flatten().filter(is_wanted);
    let trials = tests.map(|test| test.trial(&host)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Becomes the same program as root, where sudo asks for no password. Else it
/// goes on, and most tests say that they need root.
fn become_root() {
    let asked = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        return;
    }
    if let Ok(program) = env::current_exe() {
        let tracer = format!("TRACER={}", program::tracer().display());
        let minutes = siege::minutes().map(|minutes| format!("{}={minutes}", siege::MINUTES));
        let mut sudo = Command::new("sudo");
        let _failed = sudo
            .args(["-n", "env", &tracer])
            .args(minutes)
            .arg(program)
            .args(env::args_os().skip(1))
            .exec();
    }
}
