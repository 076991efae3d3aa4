//! What the settings are, and who says so: a file that says the same.

use std::{fmt::Write as _, num::NonZero};

use clap::{Arg, CommandFactory as _, ValueEnum};
use toml::Value;

use super::{
    Origin, Settings,
    file::{PORT, keys},
};
use crate::{
    cli::{Cli, CommonArgs, PortList},
    config::Config,
    decode::PROTOCOLS,
};

/// The column at which origins begin, where the setting leaves room.
const ORIGINS: usize = 40;

/// Every setting with its origin, a line each, as a file for `--config`. What
/// is not set stands there as a remark.
pub fn print(settings: &Settings, config: &Config) -> String {
    let mut page = String::new();
    for (key, value) in values(&settings.cli.common, config) {
        line(&mut page, settings, &key, value);
    }
    page
}

/// Every key with its value, if it has one.
pub(super) fn values(common: &CommonArgs, config: &Config) -> Vec<(String, Option<Value>)> {
    let command = Cli::command();
    let mut values = Vec::new();
    for key in keys(&command).filter_map(Arg::get_long) {
        if key == PORT {
            let of = |(protocol, ports)| (format!("{PORT}.{protocol}"), Some(ports));
            values.extend(ports(config).map(of));
        } else {
            values.push((key.to_owned(), value(key, common, config)));
        }
    }
    values
}

fn line(page: &mut String, settings: &Settings, key: &str, value: Option<Value>) {
    let said = match value {
        Some(value) => format!("{key} = {value}"),
        None => format!("# {key} is not set"),
    };
    let origin = match settings.origin(key) {
        Origin::Default => "default".to_owned(),
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::CommandLine => "command line".to_owned(),
    };
    // A name of a file may hold anything.
    let origin: String = origin.chars().filter(|character| !character.is_control()).collect();
    let _ = writeln!(page, "{said:<ORIGINS$}  # {origin}");
}

/// The ports of each protocol, in words where it has none.
fn ports(config: &Config) -> impl Iterator<Item = (&'static str, Value)> + use<'_> {
    let of = |name: &str| -> Vec<u16> {
        let ports = config.flows.ports.iter();
        ports.filter(|(_, of)| of.label.name == name).map(|(port, _)| *port).collect()
    };
    let protocols = PROTOCOLS.iter().map(|protocol| protocol.label.name);
    let all = protocols.map(move |name| (name, of(name)));
    all.chain([(PortList::AUTO, config.flows.detect.clone())]).map(|(name, ports)| {
        let ports: Vec<Value> = ports.into_iter().map(|port| i64::from(port).into()).collect();
        (name, if ports.is_empty() { PortList::NONE.into() } else { ports.into() })
    })
}

/// What a setting is; `None` where it is not set and has no default either.
fn value(key: &str, common: &CommonArgs, config: &Config) -> Option<Value> {
    let CommonArgs { hosts, mail, quiet, verbose, .. } = common;
    Some(match key {
        "interface" => texts(&config.live.interfaces),
        "hook" => name(&config.live.hook),
        "ring-size" => bytes(config.live.ring_size as usize),
        "skip-from" => match config.live.skip_from {
            Some(size) => bytes(size as usize),
            None => "none".into(),
        },
        "overload" => name(&config.live.overload),
        "shards" => i64::from(config.live.shards).into(),
        "stats-interval" => i64::from(config.live.stats_interval.map_or(0, NonZero::get)).into(),
        "process" => config.live.process.into(),
        "metrics" => match &config.live.metrics {
            Some(address) => address.to_string().into(),
            None => "none".into(),
        },
        "format" => name(&config.format),
        "view" => name(&config.view),
        "output" => config.output.as_ref()?.to_string_lossy().into_owned().into(),
        "color" => name(&config.color),
        "host" => texts(hosts),
        "direction" => name(&config.directions),
        "body" => bytes(config.flows.decode.body),
        "mail" => name(&mail.unwrap_or_default()),
        "explain" => config.flows.explain.into(),
        "show-secrets" => config.flows.decode.show_secrets.into(),
        "write" => config.packets.as_ref()?.to_string_lossy().into_owned().into(),
        "memory" => bytes(common.memory?),
        "stream-limit" => bytes(config.flows.stream_limit),
        "flow-limit" => bytes(config.flows.flow_limit),
        "memory-limit" => bytes(config.flows.total_limit),
        "idle-timeout" => i64::try_from(config.idle_seconds()).unwrap_or(i64::MAX).into(),
        "no-sandbox" => (!config.sandbox).into(),
        "verbose" => i64::from(*verbose).into(),
        "quiet" => (*quiet).into(),
        _ => return None,
    })
}

fn name<T: ValueEnum>(value: &T) -> Value {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default().into()
}

fn texts<T: ToString>(all: &[T]) -> Value {
    all.iter().map(|one| Value::from(one.to_string())).collect::<Vec<_>>().into()
}

/// A size as it is given: `64K` for 65,536.
fn bytes(size: usize) -> Value {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
        if size > 0 && size.trailing_zeros() >= shift {
            return format!("{}{unit}", size >> shift).into();
        }
    }
    i64::try_from(size).unwrap_or(i64::MAX).into()
}
