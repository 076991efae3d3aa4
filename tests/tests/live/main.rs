//! Live traffic of servers and clients that nobody here wrote, in network
//! namespaces. A test that this host cannot run says what is missing.

mod annex;
mod attribution;
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
    let arguments = Arguments::from_args();
    if !host::is_root() {
        become_root();
    }
    Namespace::sweep();
    let host = Host::look();
    let beside = [
        machines::tests(),
        annex::tests(),
        attribution::tests(),
        frames::tests(),
        window::tests(),
        exact::tests(),
        smtp::tests(),
        imap::tests(),
        interfaces::tests(),
        processes::tests(),
        privileges::tests(),
        reload::tests(),
        outcomes::tests(),
        selection::tests(),
        packets::tests(),
        neighbours::tests(),
        metrics::tests(),
        secrets::tests(),
    ];
    // They load all processors by themselves, or time is part of what they test.
    let alone = [
        http::tests(),
        large::tests(),
        readers::tests(),
        shards::tests(),
        service::tests(),
        overload::tests(),
        budget::tests(),
        siege::tests(),
    ];
    let run = |tests: Vec<Vec<Test>>, arguments: &Arguments| {
        // What takes long is asked for, and then there is nothing else.
        let is_wanted =
            |test: &Test| siege::minutes().is_none() || test.name.starts_with("siege::");
        let tests = tests.into_iter().flatten().filter(is_wanted);
        let trials = tests.map(|test| test.trial(&host)).collect();
        libtest_mimic::run(arguments, trials)
    };
    let beside = run(beside.into(), &arguments);
    let alone = run(alone.into(), &Arguments { test_threads: Some(1), ..arguments });
    if beside.has_failed() { beside.exit_code() } else { alone.exit_code() }
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
