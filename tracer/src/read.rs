//! `tracer read`: capture files through the decoders, without privileges.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::{
    capture::{
        Status,
        file::{Error, FileSource},
        packet::Selection,
    },
    config::Config,
    confine::{self, Role, Sandbox},
    flow::Table,
    output::{
        self, Look, Writer,
        pcapng::{PacketFile, Recorder},
    },
    pipeline::{self, Pipeline},
    stats::Stats,
};

/// Decodes `files` as one capture and writes the events to the standard
/// output, the counters to the standard error.
///
/// # Errors
///
/// When a file cannot be opened (nothing is read then), when one was damaged
/// (everything else was decoded; each damaged one has been logged), or when
/// the output cannot be written. A reader that went away is no error.
pub fn read(files: &[PathBuf], config: &Config) -> Result<()> {
    let inputs = files.iter().map(|file| open(file)).collect::<Result<Vec<_>>>()?;
    let output = match &config.output {
        None => io::stdout().as_fd().try_clone_to_owned().context("the standard output")?.into(),
        Some(path) => anew(output::open(path, inputs.iter().map(|(_, file)| file.as_fd()))?)?,
    };
    let in_use = || inputs.iter().map(|(_, file)| file.as_fd()).chain([output.as_fd()]);
    let packets = config.packets.as_deref().map(|path| PacketFile::open(path, in_use()));
    let packets = packets.transpose()?;
    let inputs = inputs.into_iter().map(|(name, file)| (name, Box::new(file) as _));
    // What comes in a file is hostile, and reading it needs no rights.
    if let Err(error) = confine::confine() {
        log::warn!("reading with all privileges: {error}");
    }
    if config.sandbox
        && let Err(error) = Sandbox::of_this_kernel().enter(Role::Reader)
    {
        log::warn!("reading with all that the system offers: {error}");
    }

    let selection =
        Selection::new(config.flows.traced(), config.pure_acks()).with_hosts(&config.hosts);
    let mut source = FileSource::new(inputs, selection).with_directions(config.directions);
    let begin = source.begin();
    let look = Look::new(&output, config.color).context("the terminal")?;
    let writer = Writer::new(output, config.format, config.view).with_look(look);
    let mut pipeline = Pipeline::new(source, Table::new(config.flows.clone()), writer)
        .with_recorder(packets.map(Recorder::new));
    if let Some(begin) = begin {
        pipeline.begin(begin);
    }

    let mut damaged = Vec::new();
    let stats = loop {
        let step = match pipeline.step() {
            Ok(Status::End) => pipeline.finish().map(Some),
            Ok(Status::More | Status::Idle) => continue,
            Err(pipeline::Error::Source(error)) => {
                damaged.push(error);
                continue;
            }
            Err(error) => Err(error),
        };
        match step {
            Err(error) if error.is_output_gone() => break Ok(None),
            stats => break stats,
        }
    };
    let is_recorded = pipeline.finish_recorder();
    let stats = stats?;
    let has_something = |stats: &Stats| stats.seen > 0 || damaged.is_empty();
    if let Some(stats) = stats.filter(has_something)
        && config.log >= log::LevelFilter::Warn
    {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(io::stderr(), "{stats}");
    }
    verdict(damaged)?;
    if is_recorded { Ok(()) } else { bail!("not all packets were written") }
}

/// What was written to a file before is of no interest any more; the decoders
/// wait for one that is slow.
fn anew(file: File) -> Result<File> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(file)
}

/// One damaged file is the error; of several, each is logged.
fn verdict(mut damaged: Vec<Error>) -> Result<()> {
    let Some(last) = damaged.pop() else { return Ok(()) };
    if damaged.is_empty() {
        return Err(last.into());
    }
    let count = damaged.len() + 1;
    for error in damaged.into_iter().chain([last]) {
        log::error!("{error}");
    }
    bail!("{count} files could not be read to their end")
}

/// Opens an input without reading from it; `-` is the standard input.
fn open(file: &Path) -> Result<(String, File)> {
    if file == Path::new("-") {
        let input = io::stdin().as_fd().try_clone_to_owned().context("the standard input")?;
        return Ok(("standard input".to_owned(), input.into()));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    Ok((file.display().to_string(), opened))
}
