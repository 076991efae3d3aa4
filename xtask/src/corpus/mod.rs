//! `cargo xtask corpus`: what `tracer read` says of a folder of real captures,
//! held against what the reference analyser says of them.

mod align;
mod difference;
mod evidence;
mod found;
mod index;
mod mail;
mod message;
mod published;
mod reference;
mod report;
mod rules;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::{self, Profile},
    workspace,
};
use difference::{Argued, Count, Difference};
use evidence::Evidence;
use index::Capture;
use message::Kind;
use published::{Check, Expectations, Published};

/// Differences that were looked at one by one, with a reason for each.
const ARGUED: &str = "tests/corpus-differences.tsv";

/// What is asked for.
struct Options {
    folder: PathBuf,
    protocol: Option<String>,
    capture: Option<String>,
    recompute: bool,
    profile: Profile,
}

impl Options {
    fn parse(arguments: &[OsString]) -> Result<Self> {
        let mut options = Self {
            folder: PathBuf::new(),
            protocol: None,
            capture: None,
            recompute: false,
            profile: Profile::Release,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                let value = rest.next().and_then(|value| value.to_str()).map(ToOwned::to_owned);
                value.with_context(|| format!("{} wants a value", argument.display()))
            };
            match argument.to_str() {
                Some("--protocol") => options.protocol = Some(value()?),
                Some("--capture") => options.capture = Some(value()?),
                Some("--recompute") => options.recompute = true,
                Some("--debug") => options.profile = Profile::Debug,
                Some(flag) if flag.starts_with('-') => bail!("corpus: unknown option {flag}"),
                _ if options.folder.as_os_str().is_empty() => options.folder = argument.into(),
                _ => bail!("corpus: one folder is enough"),
            }
        }
        if options.folder.as_os_str().is_empty() {
            bail!("corpus: which folder?");
        }
        Ok(options)
    }

    fn wants(&self, kind: Kind) -> bool {
        self.protocol.as_ref().is_none_or(|protocol| protocol == kind.protocol())
    }

    fn tracer(&self) -> PathBuf {
        workspace::target().join(match self.profile {
            Profile::Debug => "debug/tracer",
            Profile::Release => "release/tracer",
        })
    }
}

/// What the comparison of one capture gave.
#[derive(Default)]
struct Compared {
    counts: Vec<(Kind, Count)>,
    differences: Vec<Difference>,
    checks: Vec<Check>,
    faults: Vec<String>,
}

/// Builds tracer, runs it on each capture, and prints where it differs.
pub(crate) fn corpus(arguments: &[OsString]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let captures: Vec<Capture> = index::read(&options.folder)?
        .into_iter()
        .filter(|capture| options.capture.as_ref().is_none_or(|part| capture.file.contains(part)))
        .collect();
    let published = published::index(&options.folder)?;
    let argued = Argued::read(&workspace::root().join(ARGUED))?;
    let built = build::tracer(options.profile)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let tracer = options.tracer();
    let results = on_all_cores(&captures, |capture| {
        let published = published.get(&capture.file).map_or(&[][..], Vec::as_slice);
        compare(&tracer, &options, capture, published).unwrap_or_else(|error| Compared {
            faults: vec![format!("{error:#}")],
            ..Compared::default()
        })
    });
    let mut report = report::Report::default();
    for (capture, mut result) in captures.iter().zip(results) {
        argued.apply(&mut result.differences);
        for fault in result.faults {
            match argued.reason(&capture.file, "file", "*", "*") {
                Some(reason) => report.argued_fault(&capture.file, &fault, reason),
                None => report.fault(&capture.file, &fault),
            }
        }
        report.add(&result.counts, result.differences);
        for check in result.checks {
            let reason = check.wanted.as_ref().and_then(|_| {
                argued.reason(&capture.file, &check.source, &check.file, &check.place)
            });
            report.check(&capture.file, &check, reason);
        }
    }
    let names: Vec<&str> = captures.iter().map(|capture| capture.file.as_str()).collect();
    if options.protocol.is_none() {
        report.unused(argued.unused(&names));
    }
    Ok(report.print(captures.len()))
}

fn compare(
    tracer: &Path,
    options: &Options,
    capture: &Capture,
    published: &[Published],
) -> Result<Compared> {
    let mut expected = reference::read(&options.folder, capture, options.recompute)?;
    let mut with_ports = capture.clone();
    // The index names the lower port of a stream, which may be the client's.
    for (kind, direction) in expected.keys() {
        if let Some(port) = direction.client_port(*kind) {
            with_ports.remove_port(port);
        }
    }
    for (kind, direction) in expected.keys() {
        if let Some(port) = direction.server_port(*kind) {
            with_ports.add_port(kind.protocol(), port);
        }
    }
    let expectations = Expectations::read(&options.folder, published)?;
    let within_reach = with_ports.clone();
    for (protocol, port) in expectations.ports(|port| within_reach.has_port(port)) {
        with_ports.add_port(protocol, port);
    }
    let mut found = found::run(tracer, &options.folder, &with_ports)?;
    expected.retain(|(kind, _), _| options.wants(*kind));
    found.lists.retain(|(kind, direction), _| {
        let port = direction.server_port(*kind);
        options.wants(*kind) && port.is_some_and(|port| within_reach.has_port(port))
    });
    let evidence = Evidence::read(&options.folder.join(&capture.file))?;
    let (counts, differences) =
        difference::compare(&capture.file, &expected, &found.lists, &evidence);
    let checks = expectations.hold(&found.events);
    Ok(Compared { counts, differences, checks, faults: found.faults })
}

/// Calls `each` for all captures, on as many threads as there are cores, and
/// returns the answers in the order of the captures.
fn on_all_cores<T: Send>(captures: &[Capture], each: impl Fn(&Capture) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut done = Vec::new();
        while let Some((index, capture)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            captures.get(index).map(|capture| (index, capture))
        } {
            done.push((index, each(capture)));
        }
        done
    };
    let mut answers: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
