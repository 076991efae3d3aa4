//! The file of settings: TOML with a key for every flag.

use std::{
    error::Error as _,
    ffi::OsString,
    fs, io, iter,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, Command, CommandFactory as _,
    error::{ContextKind, ContextValue, ErrorKind},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::cli::Cli;

/// The flag whose values are a table.
pub(super) const PORT: &str = "port";

/// Flags that make no sense in a file.
const NO_KEYS: [&str; 3] = ["config", "help", "version"];

/// How alike two words are of which one may be meant for the other.
const ALIKE: f64 = 0.8;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {what}", .path.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct Error {
    path: PathBuf,
    line: Option<usize>,
    what: What,
}

#[derive(Debug, thiserror::Error)]
enum What {
    #[error("{0}")]
    Read(io::Error),
    #[error("{0}")]
    Said(String),
}

impl Error {
    /// Why the file could not be read at all.
    pub(super) fn kind(&self) -> Option<io::ErrorKind> {
        match &self.what {
            What::Read(error) => Some(error.kind()),
            What::Said(_) => None,
        }
    }
}

/// What a file says.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
}

/// What it says about one setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The flag's name; behind a dot, the protocol whose ports these are.
    pub(super) key: String,
    /// Whether it is a setting of all commands.
    pub(super) is_common: bool,
    /// From 1 on.
    pub(super) line: usize,
    /// What says the same on a command line.
    pub(super) arguments: Vec<OsString>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it is not there, is no TOML, or has a key or a value that no flag
    /// would take.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| Error {
            path: path.to_owned(),
            line: None,
            what: What::Read(error),
        })?;
        let entries = entries(&text).map_err(|(at, what)| Error {
            path: path.to_owned(),
            line: Some(line(&text, at)),
            what: What::Said(what),
        })?;
        Ok(Self { path: path.to_owned(), entries })
    }
}

/// A fault, and the place of it in bytes.
type Fault = (usize, String);

fn entries(text: &str) -> Result<Vec<Entry>, Fault> {
    let table = DeTable::parse(text)
        .map_err(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let command = Cli::command();
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        let at = key.span().start;
        let key = key.get_ref();
        let arg = keys(&command).find(|arg| arg.get_long() == Some(key));
        let arg = arg.ok_or_else(|| (at, unknown(key, &command)))?;
        let mut entry = |at: usize, key: String, arguments: Vec<String>| {
            check(&key, &arguments).map_err(|what| (at, what))?;
            let arguments = arguments.into_iter().map(OsString::from).collect();
            let is_common = arg.is_global_set();
            entries.push(Entry { key, is_common, line: line(text, at), arguments });
            Ok(())
        };
        if key == PORT {
            let Some(protocols) = value.get_ref().as_table() else {
                let how = "port: write a table, as [port] and below it http = [80, 8080]";
                return Err((value.span().start, how.to_owned()));
            };
            for (protocol, ports) in protocols {
                let at = protocol.span().start;
                let ports = list(ports)
                    .map_err(|what| (at, format!("port.{}: {what}", protocol.get_ref())))?;
                let given = format!("--{key}={}={}", protocol.get_ref(), ports.join(","));
                entry(at, format!("{key}.{}", protocol.get_ref()), vec![given])?;
            }
        } else {
            let arguments =
                arguments(arg, key, value).map_err(|what| (at, format!("{key}: {what}")))?;
            entry(at, key.to_string(), arguments)?;
        }
    }
    // The table has them in the order of their names.
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

/// The flags that a file may give.
pub(super) fn keys(command: &Command) -> impl Iterator<Item = &Arg> {
    let takes = |arg: &&Arg| arg.get_long().is_some_and(|long| !NO_KEYS.contains(&long));
    command.get_arguments().filter(takes)
}

/// What says the same on a command line.
fn arguments(arg: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let is_switch = arg.get_num_args().is_some_and(|values| values.min_values() == 0);
    match arg.get_action() {
        ArgAction::Count => {
            let times = scalar(value)?.parse::<u8>().ok().filter(|times| *times <= 9);
            let times = times.ok_or_else(|| "write how many times -v would stand".to_owned())?;
            Ok(iter::repeat_n(format!("--{key}"), usize::from(times)).collect())
        }
        ArgAction::Append => Ok(list(value)?.iter().map(|one| format!("--{key}={one}")).collect()),
        _ if is_switch => match value.get_ref().as_bool() {
            Some(value) => Ok(vec![format!("--{key}={value}")]),
            None => Err("write true or false".to_owned()),
        },
        _ => Ok(vec![format!("--{key}={}", scalar(value)?)]),
    }
}

/// One value, or several.
fn list(value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    match value.get_ref().as_array() {
        Some(values) => values.iter().map(scalar).collect(),
        None => Ok(vec![scalar(value)?]),
    }
}

/// A value as a flag takes it.
fn scalar(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        other => Err(format!("write a string or a number in place of this {}", other.type_str())),
    }
}

/// Has the flag's own parser look at what a key says.
fn check(key: &str, arguments: &[String]) -> Result<(), String> {
    let program = iter::once("");
    let parsed =
        Cli::command().try_get_matches_from(program.chain(arguments.iter().map(String::as_str)));
    parsed.map(|_| ()).map_err(|error| format!("{key}: {}", words(&error)))
}

/// What a parser says about a value, without what it says about the flag.
fn words(error: &clap::Error) -> String {
    let told = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    match (error.kind(), error.source()) {
        (_, Some(why)) => why.to_string(),
        (ErrorKind::InvalidValue, None) => {
            let (value, valid) = (told(ContextKind::InvalidValue), told(ContextKind::ValidValue));
            format!("'{value}' is none of {valid}")
        }
        _ => {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// What to say about a key that no flag has.
fn unknown(key: &str, command: &Command) -> String {
    let known = || keys(command).filter_map(Arg::get_long);
    let likeness = |name: &&str| strsim::jaro_winkler(name, key);
    let closest = known().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    if let Some(name) = closest.filter(|name| likeness(name) > ALIKE) {
        return format!("no setting is called '{key}'; is '{name}' meant?");
    }
    let names: Vec<_> = known().collect();
    format!("no setting is called '{key}'; there are {}", names.join(", "))
}

/// The line in which a byte stands, from 1 on.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
