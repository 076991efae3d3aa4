//! Settings as they were given: on the command line, and in a file where that
//! is silent.
//!
//! The file has a key for every flag, called as the flag is, and each value is
//! read by the flag's own parser: there is one definition of both. What the
//! file says is put in front of the command line, but for what that says
//! itself, so that everything behind this sees a command line only.

mod change;
mod file;
mod print;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, CommandFactory as _, Parser as _, parser::ValueSource};

use self::file::{Entry, File, PORT};
pub use self::{
    change::{Change, Running},
    print::print,
};
use crate::{
    cli::{Cli, Command, LiveArgs, PortList},
    config,
};

/// The file that is read where none is named, if it is there.
pub const USUAL_FILE: &str = "/etc/tracer/tracer.toml";

/// In place of a file's name: none.
const NO_FILE: &str = "none";

/// Flags that say one thing together: who gives one gives both.
const LOUDNESS: [&str; 2] = ["quiet", "verbose"];

/// Commands that take the options of `live`, or one of them.
const LIVE: [&str; 3] = ["live", "config", "status"];

/// Commands that do the same whatever the settings are.
const WITHOUT_SETTINGS: [&str; 4] = ["schema", "completions", "man", "help"];

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the command line says is wrong, or it asks for help.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// What the file says is wrong.
    #[error(transparent)]
    File(#[from] file::Error),
    /// Each of both makes sense, and all together does not.
    #[error("{}{what}", .path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Together {
        /// The file, if there is one.
        path: Option<PathBuf>,
        /// What does not go together.
        what: config::Error,
    },
}

/// Who says what a setting is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Nobody.
    Default,
    /// A file.
    File {
        /// Which.
        path: &'a Path,
        /// The line, from 1 on.
        line: usize,
    },
    /// The command line.
    CommandLine,
}

/// The settings of a run.
#[derive(Debug)]
pub struct Settings {
    /// The command line, behind what the file says.
    pub cli: Cli,
    file: Option<File>,
    given: ArgMatches,
    /// What was given.
    words: Vec<OsString>,
}

impl Settings {
    /// Reads the command line, of which the first word is the program's name,
    /// and the file.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read or says what makes no sense, and where
    /// help or the version is asked for.
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let words: Vec<OsString> = words.into_iter().collect();
        let given = Cli::command().try_get_matches_from(&words)?;
        let file = match given.subcommand_name() {
            Some(command) if WITHOUT_SETTINGS.contains(&command) => None,
            _ => file(given.get_one("config").map(PathBuf::as_path))?,
        };
        let entries = file.iter().flat_map(|file| &file.entries);
        let entries = entries.filter(|entry| counts(&given, entry));
        let (program, rest) =
            words.split_first().map_or((None, &[][..]), |(program, rest)| (Some(program), rest));
        let mut line: Vec<OsString> = program.into_iter().cloned().collect();
        line.extend(entries.flat_map(|entry| &entry.arguments).cloned());
        let of_file = Cli::try_parse_from(&line)?;
        line.extend_from_slice(rest);
        let mut cli = Cli::try_parse_from(&line)?;
        if is_given(&given, PORT) {
            // Lists behind a command's name hide those before it. Those that
            // are named twice now are the same.
            cli.common.ports.splice(..0, of_file.common.ports);
        }
        Ok(Self { cli, file, given, words })
    }

    /// What was said of `live`, before its name and behind it.
    pub fn live(&self) -> LiveArgs {
        let live = self.cli.live.clone();
        match &self.cli.command {
            Some(Command::Live(more) | Command::Config(more)) => live.merge(more.clone()),
            _ => live,
        }
    }

    /// The file that was read.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| &*file.path)
    }

    /// Who says what a setting is, by its key.
    pub fn origin(&self, key: &str) -> Origin<'_> {
        if is_given(&self.given, key) {
            return Origin::CommandLine;
        }
        let Some(file) = &self.file else { return Origin::Default };
        match file.entries.iter().find(|entry| entry.key == key) {
            Some(entry) => Origin::File { path: &file.path, line: entry.line },
            None => Origin::Default,
        }
    }
}

/// Whether what the file says counts for a command line.
fn counts(given: &ArgMatches, entry: &Entry) -> bool {
    let is_given = if LOUDNESS.contains(&&*entry.key) {
        LOUDNESS.iter().any(|key| is_given(given, key))
    } else {
        is_given(given, &entry.key)
    };
    let of_live = || given.subcommand_name().is_none_or(|command| LIVE.contains(&command));
    !is_given && (entry.is_common || of_live())
}

/// Whether the command line itself says what a setting is.
fn is_given(given: &ArgMatches, key: &str) -> bool {
    let (flag, protocol) = match key.split_once('.') {
        Some((flag, protocol)) => (flag, Some(protocol)),
        None => (key, None),
    };
    let command = Cli::command();
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(flag)) else {
        return false;
    };
    let id = arg.get_id().as_str();
    // Options of `live` may stand before its name and behind it.
    let behind = given.subcommand().map(|(_, matches)| matches);
    [Some(given), behind].into_iter().flatten().any(|matches| {
        let is_there = matches.try_contains_id(id).unwrap_or(false);
        let is_given = is_there && matches.value_source(id) == Some(ValueSource::CommandLine);
        is_given && protocol.is_none_or(|protocol| has_ports(matches, id, protocol))
    })
}

/// Whether ports are given for a protocol.
fn has_ports(matches: &ArgMatches, id: &str, protocol: &str) -> bool {
    let lists = matches.get_many::<PortList>(id).into_iter().flatten();
    lists.map(PortList::name).any(|name| name == protocol)
}

/// Reads the file that is named, or the usual one if it is there.
fn file(named: Option<&Path>) -> Result<Option<File>, file::Error> {
    match named {
        Some(path) if path == Path::new(NO_FILE) => Ok(None),
        Some(path) => File::read(path).map(Some),
        None => match File::read(Path::new(USUAL_FILE)) {
            Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            read => read.map(Some),
        },
    }
}

#[cfg(test)]
mod tests;
