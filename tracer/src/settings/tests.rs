use std::{fs, io::Write as _};

use clap::Arg;
use tempfile::NamedTempFile;

use super::*;
use crate::{cli::Command, config::Config};

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The settings of a command line, whose words are separated by spaces, over a
/// file.
fn over(text: &str, line: &str) -> Result<Settings, Error> {
    let file = file(text);
    let config = ["--config".into(), file.path().into()];
    Settings::new(line.split(' ').map(OsString::from).chain(config))
}

fn printed(text: &str, line: &str) -> Vec<String> {
    let settings = over(text, line).unwrap();
    let page = print(&settings, &config(&settings));
    page.lines().map(str::to_owned).collect()
}

fn config(settings: &Settings) -> Config {
    let Cli { live, common, command } = settings.cli.clone();
    let all = match command {
        Some(Command::Config(behind)) => live.merge(behind),
        _ => live,
    };
    Config::new(&all, &common).unwrap()
}

/// What is printed of one setting: its value, and who says so.
fn setting(text: &str, line: &str, key: &str) -> (String, String) {
    let lines = printed(text, line);
    let line = lines.iter().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
    let (said, origin) = line.rsplit_once("  # ").unwrap();
    let origin = origin.rsplit_once(':').map_or(origin, |(_, line)| line);
    (said.split_once(" = ").unwrap().1.trim().to_owned(), origin.to_owned())
}

fn refused(text: &str) -> String {
    over(text, "tracer").unwrap_err().to_string()
}

/// A value for each key, none of them the usual one.
const ALL: &str = r#"interface = ["lo", "veth*"]
hook = "xdp"
ring-size = "1M"
skip-from = "none"
overload = "lose"
shards = 2
stats-interval = 0
process = true
metrics = "127.0.0.1:9464"
format = "json"
view = "exchanges"
color = "never"
host = ["10.0.0.0/8", "!10.0.0.7/32", "fd00::/8"]
direction = "in"
body = 100
mail = "envelope"
explain = true
show-secrets = true
stream-limit = "128K"
flow-limit = "512K"
memory = "128M"
memory-limit = "64M"
idle-timeout = 60
no-sandbox = true
verbose = 2

[port]
http = [80, 8080]
smtp = "none"
imap = 1430
pop3 = "110"
auto = [5000]
"#;

#[test]
fn every_flag_has_a_key_and_is_printed_as_a_file_that_says_the_same() {
    let lines = printed(ALL, "tracer");
    let command = Cli::command();
    for key in file::keys(&command).filter_map(Arg::get_long) {
        let is_there = |start: &str| lines.iter().any(|line| line.starts_with(start));
        let unset = format!("# {key} is not set");
        assert!(is_there(&format!("{key} = ")) || is_there(&format!("{key}.")) || is_there(&unset));
        // Only these are neither given above nor have a default.
        let is_alone = ["output", "write", "quiet"].contains(&key);
        assert!(ALL.contains(&format!("{key} = ")) || key == PORT || is_alone, "{key}");
    }
    let default = lines.iter().filter(|line| line.ends_with("# default"));
    assert_eq!(default.count(), 3, "{lines:#?}");
    let values = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().map(|line| line.rsplit_once("  # ").unwrap().0.to_owned()).collect()
    };
    let again = printed(&lines.join("\n"), "tracer");
    assert_eq!(values(again), values(lines));
}

#[test]
fn the_command_line_wins() {
    let text = "format = \"json\"\nexplain = true\ninterface = \"lo\"\n";
    assert_eq!(setting(text, "tracer", "format"), ("\"json\"".into(), "1".into()));
    let given = |line, key| setting(text, line, key);
    let by = |value: &str| (value.to_owned(), "command line".to_owned());
    assert_eq!(given("tracer --format text", "format"), by("\"text\""));
    assert_eq!(given("tracer --explain=false", "explain"), by("false"));
    // Before the command's name and behind it.
    assert_eq!(given("tracer -i eth0 config", "interface"), by("[\"eth0\"]"));
    assert_eq!(given("tracer config -i eth0", "interface"), by("[\"eth0\"]"));
    assert_eq!(setting("", "tracer", "format"), ("\"text\"".into(), "default".into()));
}

#[test]
fn ports_are_settings_of_their_protocols() {
    let text = "[port]\nhttp = [80, 8080]\nsmtp = 2525\n";
    for line in
        ["tracer --port smtp=26", "tracer --port smtp=26 config", "tracer config --port smtp=26"]
    {
        assert_eq!(setting(text, line, "port.http"), ("[80, 8080]".into(), "2".into()), "{line}");
        assert_eq!(setting(text, line, "port.smtp"), ("[26]".into(), "command line".into()));
        assert_eq!(setting(text, line, "port.imap"), ("[143]".into(), "default".into()));
    }
}

#[test]
fn who_is_quiet_is_not_verbose() {
    let log = |text, line| config(&over(text, line).unwrap()).log;
    assert_eq!(log("verbose = 1", "tracer"), log::LevelFilter::Debug);
    assert_eq!(log("verbose = 1", "tracer -q"), log::LevelFilter::Error);
    assert_eq!(log("quiet = true", "tracer -v"), log::LevelFilter::Debug);
    assert_eq!(log("quiet = true", "tracer --quiet=false"), log::LevelFilter::Info);
}

#[test]
fn settings_of_live_are_not_those_of_other_commands() {
    let text = "interface = \"lo\"\nformat = \"json\"\n";
    let settings = over(text, "tracer read a.pcap").unwrap();
    assert!(settings.cli.live.interfaces.is_empty());
    assert_eq!(settings.cli.common.format, Some(crate::output::Format::Json));
    // These do not even look at it.
    assert!(over("nonsense", "tracer schema").is_ok());
}

#[test]
fn faults_are_told_with_their_line_and_what_would_be_right() {
    for (text, expected) in [
        ("\nformt = \"text\"", ":2: no setting is called 'formt'; is 'format' meant?"),
        ("ring_size = 1", ":1: no setting is called 'ring_size'; is 'ring-size' meant?"),
        ("zzz = 1", "there are interface, hook, ring-size"),
        ("config = \"a\"", ":1: no setting is called 'config'"),
        ("format = \"xml\"", ":1: format: 'xml' is none of text, json"),
        ("\n\nring-size = \"3M\"", ":3: ring-size: the ring is a power of two from 256K to 1G"),
        ("memory-limit = 1.5", "memory-limit: write a string or a number in place of this float"),
        ("host = [\"10.0.0.0/33\"]", "host: '/33' is no prefix of IPv4"),
        ("explain = \"yes\"", "explain: write true or false"),
        ("verbose = -1", "verbose: write how many times -v would stand"),
        ("port = 80", "port: write a table, as [port] and below it http = [80, 8080]"),
        ("[port]\ngopher = 70", ":2: port.gopher: no protocol is called 'gopher'; known are http"),
        ("[port]\nhttp = 0", ":2: port.http: port 0 is never on the wire"),
        ("format = \"text\"\nformat = \"json\"", ":2: duplicate key"),
        ("format = [", ":1: unclosed array"),
    ] {
        let said = refused(text);
        assert!(said.contains(expected), "{text:?}: {said}");
    }
}

#[test]
fn files_that_cannot_be_read_are_told_by_name() {
    let words = |path: &str| ["tracer", "--config", path].map(OsString::from);
    let said = Settings::new(words("/nowhere/at/all")).unwrap_err().to_string();
    assert!(said.starts_with("/nowhere/at/all: No such file"), "{said}");
    let bytes = NamedTempFile::new().unwrap();
    fs::write(bytes.path(), [0xff]).unwrap();
    let said = Settings::new(words(bytes.path().to_str().unwrap())).unwrap_err().to_string();
    assert!(said.contains("UTF-8"), "{said}");
    assert!(Settings::new(words("none")).unwrap().path().is_none());
}

#[test]
fn what_cannot_change_while_it_runs_stays_and_is_named() {
    let file = file("port.http = 80\nmemory = '100M'\n");
    let words = ["tracer", "-i", "lo", "--config", file.path().to_str().unwrap()];
    let settings = Settings::new(words.map(OsString::from)).unwrap();
    let mut running = Running::new(&settings).unwrap();
    let (ring, flows) = (running.config.live.ring_size, running.config.flows.total_limit);
    let mut reread = |text: &str| {
        fs::write(file.path(), text).unwrap();
        let Change { running: now, changed, kept } = running.read_again()?;
        running = now;
        Ok((running.config.clone(), changed, kept))
    };

    let (config, changed, kept) = reread("port.http = [80, 90]\nmemory = '100M'\n").unwrap();
    assert_eq!((changed, kept), (vec!["port.http".to_owned()], vec![]));
    assert_eq!(config.flows.ports.len(), 4);
    // What follows from a budget stays with it, and the command line wins.
    let text = "interface = 'eth0'\nmemory = '40M'\nstream-limit = '8K'\nformat = 'json'\n";
    let (config, changed, kept) = reread(text).unwrap();
    assert_eq!(changed, ["port.http", "stream-limit"]);
    for key in ["memory", "ring-size", "memory-limit", "format"] {
        assert!(kept.contains(&key.to_owned()), "{key}: {kept:?}");
    }
    assert_eq!((config.live.ring_size, config.flows.total_limit), (ring, flows));
    assert_eq!(config.live.interfaces, ["lo"]);
    assert_eq!(config.flows.stream_limit, 8192);
    // A file that makes no sense, by itself or with the rest.
    let refused: Result<_, Error> = reread("memory = '100M'\nflow-limit = '1G'\n");
    let said = refused.unwrap_err().to_string();
    assert!(
        said.ends_with(
            "--flow-limit is larger than --memory-limit; lower the one or raise the other"
        ),
        "{said}"
    );
    assert!(said.starts_with(file.path().to_str().unwrap()), "{said}");
    assert!(reread("format = 'xml'").is_err());
    let (_, changed, kept) = reread("memory = '100M'\n").unwrap();
    assert_eq!((changed, kept), (vec!["stream-limit".to_owned()], vec![]));
}
