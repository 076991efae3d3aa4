//! The command line, as it was typed: what was not given is `None`, so that
//! [`Config`](crate::config::Config) can tell a choice from a default.

use std::{path::PathBuf, str::FromStr};

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use tracer_common::MAX_SHARDS;

use crate::{
    decode::{PROTOCOLS, Protocol},
    flow::LEAST_LIMIT,
    metrics::Address,
    output::{Color, Format, View},
    selection::{Directions, HostRule},
};

/// What the program is called.
const NAME: &str = "tracer";

const EXAMPLES: &str = "\
Examples:
  tracer                                   all interfaces that are up, as text
  tracer -i lo --format json               the loopback only, one JSON object a line
  tracer -i 'veth*' --port http=80,8080    several interfaces, HTTP on two ports
  tracer --host 10.0.0.0/8 --host '!10.0.0.7'  what one network says, but for one host
  tracer --port auto=8080,2525 --explain   ports whose protocol the first bytes show
  tracer read mail.pcapng                  a capture file through the same decoders
  tracer read --view segments - <web.pcap  one row per TCP segment, from a pipe
  tracer read --view exchanges web.pcap    one line per request with its answer, and the time it took
  tracer -w all.pcapng --show-secrets      the packets as well, for other analysers
  tracer check                             what this kernel and these privileges allow
  tracer status                            how the service that runs goes
  tracer config --port http=8080           what a run would do, and who says so";

/// Shows what the web, mail and IMAP servers of this host say, live out of
/// the kernel's packet path.
#[derive(Clone, Debug, Parser)]
#[command(name = NAME, version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do; `live` when nothing else is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `live`, which may stand without its name.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Options of all commands.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Trace the interfaces of this host (this is what `tracer` alone does)
    Live(LiveArgs),
    /// Decode capture files (pcap, pcapng) in the order given, as one capture
    Read {
        /// Capture files; - is the standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say what this kernel and these privileges allow, and what to do about each "no"
    Check,
    /// Ask a tracer that runs how it goes, and print a page for people
    Status {
        /// Where it tells metrics [default: that of --metrics, or of the packaged service]
        #[arg(value_name = "ADDRESS")]
        address: Option<Address>,
    },
    /// Print every setting of a run with the place it comes from, as a file for --config
    Config(LiveArgs),
    /// Print the JSON Schema of what --format json writes
    Schema,
    /// Print what makes a shell complete this program's command line
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or that of a command
    Man {
        /// The command
        command: Option<String>,
    },
}

/// Options of `live`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct LiveArgs {
    /// Interface by name or glob (veth*), repeatable [default: all that are up]
    #[arg(short, long = "interface", value_name = "NAME|GLOB", value_parser = interface)]
    pub interfaces: Vec<String>,
    /// Where in the kernel packets are seen [default: tc]
    #[arg(long, value_enum)]
    pub hook: Option<Hook>,
    /// Bytes of each ring between kernel and tracer, a power of two [default: 16M]
    #[arg(long, value_name = "BYTES", value_parser = ring_size)]
    pub ring_size: Option<u32>,
    /// Bytes from which on a body that nobody asked for is not copied out of the kernel; none
    /// for all of them to be copied [default: 64K]
    #[arg(long, value_name = "BYTES|none", value_parser = skip_from)]
    pub skip_from: Option<SkipFrom>,
    /// What becomes of new connections when tracer cannot keep up: shed leaves some of them
    /// out whole, lose tears holes into all [default: shed]
    #[arg(long, value_enum)]
    pub overload: Option<Overload>,
    /// Rings, and threads that read them, a power of two up to 64 [default: 1 on up to 4 CPUs,
    /// else half as many as CPUs]
    #[arg(long, value_name = "NUMBER", value_parser = shards)]
    pub shards: Option<u32>,
    /// Seconds from one stats event to the next, in JSON; 0 for one at the end alone [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub stats_interval: Option<u32>,
    /// Name the processes of this host that have a connection's ends, with their units and
    /// containers
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_missing_value = "true", hide_possible_values = true)]
    pub process: Option<bool>,
    /// Where counters are told while it runs, to Prometheus and `tracer status`: a socket
    /// (/run/tracer/metrics.sock) or a loopback address (127.0.0.1:9464) [default: none]
    #[arg(long, value_name = "ADDRESS|none", value_parser = metrics)]
    pub metrics: Option<Metrics>,
}

/// Where metrics are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// There.
    At(Address),
    /// Nowhere.
    None,
}

fn metrics(text: &str) -> Result<Metrics, String> {
    if text == "none" { Ok(Metrics::None) } else { text.parse().map(Metrics::At) }
}

/// What becomes of new connections when tracer cannot keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Overload {
    /// Some of them are not followed at all, so that the others are followed
    /// completely.
    #[default]
    Shed,
    /// All are followed, and what finds no room in the ring is missing.
    Lose,
}

impl LiveArgs {
    /// Options given before the name of the command, and those behind it, which win.
    #[must_use]
    pub fn merge(mut self, later: Self) -> Self {
        self.interfaces.extend(later.interfaces);
        Self {
            interfaces: self.interfaces,
            hook: later.hook.or(self.hook),
            ring_size: later.ring_size.or(self.ring_size),
            skip_from: later.skip_from.or(self.skip_from),
            overload: later.overload.or(self.overload),
            shards: later.shards.or(self.shards),
            stats_interval: later.stats_interval.or(self.stats_interval),
            process: later.process.or(self.process),
            metrics: later.metrics.or(self.metrics),
        }
    }
}

/// Options of all commands.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that can be given alone")]
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// How events are written [default: text]
    #[arg(long, value_enum, global = true)]
    pub format: Option<Format>,
    /// Which events are written: each message, one line per exchange, or one row per TCP
    /// segment [default: messages]
    #[arg(long, value_enum, global = true)]
    pub view: Option<View>,
    /// File that events are written to, behind what is in it, in place of the standard output
    /// (`read` writes it anew)
    #[arg(short, long, value_name = "FILE", global = true)]
    pub output: Option<PathBuf>,
    /// Whether text is coloured [default: auto]
    #[arg(long, value_enum, value_name = "WHEN", global = true)]
    pub color: Option<Color>,
    /// Ports of a protocol, in place of its usual ones; none leaves it out, and
    /// auto stands for whatever the first bytes show
    #[arg(long = "port", value_name = "PROTO=N[,N]…", global = true)]
    pub ports: Vec<PortList>,
    /// Networks or addresses one end of which is traced, or with ! in front is not
    /// [default: all]
    #[arg(long = "host", value_name = "[!]CIDR", value_delimiter = ',', global = true)]
    pub hosts: Vec<HostRule>,
    /// Which way traced packets go, as this host's interfaces see them [default: both]
    #[arg(long, value_enum, global = true)]
    pub direction: Option<Directions>,
    /// Show the first bytes of bodies (HTTP), without gzip and deflate (512, 4K)
    #[arg(long, value_name = "BYTES", value_parser = body, global = true)]
    pub body: Option<usize>,
    /// How much of mails is looked at: all that decoders know of, or how they were handed
    /// over alone, and nothing of what stands in them [default: full]
    #[arg(long, value_enum, global = true)]
    pub mail: Option<Mails>,
    /// Say of each connection in which nothing was decoded why
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(hide_possible_values = true, action = ArgAction::Set)]
    pub explain: bool,
    /// Leave passwords, cookies and the like readable
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(hide_possible_values = true, action = ArgAction::Set)]
    pub show_secrets: bool,
    /// Write the captured packets, too, as they are, to a pcapng file; wants --show-secrets
    #[arg(short, long, value_name = "FILE", global = true)]
    pub write: Option<PathBuf>,
    /// Bytes that a run may hold in all, rings included (64M, 1G); what is not said of its parts
    /// (rings, streams, flows) follows from it [default: their sum]
    #[arg(long, value_name = "BYTES", value_parser = size, global = true)]
    pub memory: Option<usize>,
    /// Bytes that one stream may hold (64K, 1M) [default: 256K]
    #[arg(long, value_name = "BYTES", value_parser = size, global = true)]
    pub stream_limit: Option<usize>,
    /// Bytes that one flow may hold [default: 1M]
    #[arg(long, value_name = "BYTES", value_parser = size, global = true)]
    pub flow_limit: Option<usize>,
    /// Bytes that all flows together may hold [default: 256M]
    #[arg(long, value_name = "BYTES", value_parser = size, global = true)]
    pub memory_limit: Option<usize>,
    /// Seconds of silence after which a flow is let go [default: 1860]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, global = true)]
    pub idle_timeout: Option<u64>,
    /// Do without seccomp and Landlock, which leave what decodes neither files nor network
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(hide_possible_values = true, action = ArgAction::Set)]
    pub no_sandbox: bool,
    /// File whose settings count where the command line gives none; none for no file
    /// [default: /etc/tracer/tracer.toml, where that is there]
    #[arg(long, value_name = "FILE|none", global = true)]
    pub config: Option<PathBuf>,
    /// Say more on stderr
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(hide_possible_values = true, action = ArgAction::Set)]
    pub quiet: bool,
}

/// How much of mails is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mails {
    /// Headers, structure and what is odd about them
    #[default]
    Full,
    /// Senders, recipients, replies and sizes
    Envelope,
}

/// Where in the kernel packets are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// TC in both directions: TCX where the kernel has it, else clsact
    #[default]
    Tc,
    /// XDP for what comes in, TC for what goes out
    Xdp,
    /// TC by way of clsact, even where the kernel has TCX
    Clsact,
}

impl Hook {
    /// The name by which it is chosen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Xdp => "xdp",
            Self::Clsact => "clsact",
        }
    }
}

/// The ports on which a protocol is spoken, as given by `--port`.
#[derive(Clone, Debug)]
pub struct PortList {
    /// The protocol; `None` for `auto`.
    pub protocol: Option<&'static Protocol>,
    /// Its ports; none if it is left out.
    pub ports: Vec<u16>,
}

impl PortList {
    /// In place of a protocol: whatever the first bytes show.
    pub const AUTO: &str = "auto";

    /// In place of ports: it is left out.
    pub const NONE: &str = "none";

    /// What the protocol is called.
    pub fn name(&self) -> &'static str {
        self.protocol.map_or(Self::AUTO, |protocol| protocol.label.name)
    }
}

impl FromStr for PortList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, list) = text
            .split_once('=')
            .ok_or_else(|| "write a protocol and its ports, as in http=80,8080".to_owned())?;
        let protocol = protocol(name)?;
        if list == Self::NONE {
            return Ok(Self { protocol, ports: Vec::new() });
        }
        let mut ports = list.split(',').map(port).collect::<Result<Vec<_>, _>>()?;
        ports.sort_unstable();
        ports.dedup();
        Ok(Self { protocol, ports })
    }
}

/// The protocol of that name; `None` for `auto`.
fn protocol(name: &str) -> Result<Option<&'static Protocol>, String> {
    let known = PROTOCOLS.iter().find(|protocol| protocol.label.name == name);
    if known.is_some() || name == PortList::AUTO {
        return Ok(known);
    }
    let known: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.label.name).collect();
    Err(format!("no protocol is called '{name}'; known are {}, auto", known.join(", ")))
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) => Err("port 0 is never on the wire; ports are 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
        Err(_) => Err(format!("'{text}' is not a port; ports are 1 to 65535")),
    }
}

/// Length of an interface name in the kernel, without its closing NUL.
const INTERFACE_NAME_LEN: usize = 15;

/// An interface's name, or a glob for such names.
fn interface(text: &str) -> Result<String, String> {
    let is_glob = text.contains(['*', '?', '[']);
    if text.is_empty() {
        Err("an interface has a name; leave -i out to trace all that are up".to_owned())
    } else if text.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
        Err("interface names hold no spaces and no slashes".to_owned())
    } else if !is_glob && text.len() > INTERFACE_NAME_LEN {
        Err(format!("interface names have at most {INTERFACE_NAME_LEN} bytes"))
    } else {
        Ok(text.to_owned())
    }
}

/// A number of bytes, with K, M or G for powers of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (text.get(..end), 10),
        Some((end, 'm' | 'M')) => (text.get(..end), 20),
        Some((end, 'g' | 'G')) => (text.get(..end), 30),
        _ => (Some(text), 0),
    };
    digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| {
            format!("'{text}' is not a size; write a number of bytes, as 65536, 64K or 1M")
        })
}

fn size(text: &str) -> Result<usize, String> {
    match bytes(text)? {
        limit if limit < LEAST_LIMIT as u64 => {
            Err("less than 4K would cut the heads of usual messages; give 4K or more".to_owned())
        }
        limit => usize::try_from(limit).map_err(|_| format!("{text} is beyond this machine")),
    }
}

fn body(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| format!("{text} is beyond this machine"))
}

/// What the kernel takes for a ring buffer: a power of two, whole pages, and
/// here at least one of the largest records.
fn ring_size(text: &str) -> Result<u32, String> {
    const SMALLEST: u32 = 256 * 1024;
    const LARGEST: u32 = 1 << 30;
    u32::try_from(bytes(text)?)
        .ok()
        .filter(|size| (SMALLEST..=LARGEST).contains(size) && size.is_power_of_two())
        .ok_or_else(|| "the ring is a power of two from 256K to 1G, as 16M".to_owned())
}

/// From which size on bodies are skipped in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipFrom {
    /// From so many bytes on.
    Bytes(u32),
    /// They are not.
    None,
}

fn skip_from(text: &str) -> Result<SkipFrom, String> {
    // Less would leave nothing to skip behind what is copied with each head.
    const SMALLEST: u32 = 1024;
    const LARGEST: u32 = 1 << 30;
    if text == "none" {
        return Ok(SkipFrom::None);
    }
    u32::try_from(bytes(text)?)
        .ok()
        .filter(|size| (SMALLEST..=LARGEST).contains(size))
        .map(SkipFrom::Bytes)
        .ok_or_else(|| "bodies are skipped from 1K to 1G on, as 64K, or none are".to_owned())
}

fn shards(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|shards: &u32| shards.is_power_of_two() && *shards as usize <= MAX_SHARDS)
        .ok_or_else(|| format!("shards are a power of two from 1 to {MAX_SHARDS}"))
}

fn seconds(text: &str) -> Result<u64, String> {
    // A century, so that nanoseconds cannot overflow.
    const LONGEST: u64 = 100 * 366 * 86_400;
    text.parse()
        .ok()
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(|| format!("'{text}' is not a number of seconds from 1 on"))
}

/// What makes a shell complete the command line.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page of the program, or of one of its commands, for `man -l`.
///
/// # Errors
///
/// The message for somebody who asks for a command that there is not.
pub fn manual(of: Option<&str>) -> Result<String, String> {
    let mut program = Cli::command();
    // Gives the commands' pages the options of all.
    program.build();
    let (command, title) = match of {
        None => (program.clone(), NAME.to_owned()),
        Some(name) => {
            let known = || program.get_subcommands().filter(|command| command.get_name() != "help");
            let Some(command) = known().find(|command| command.get_name() == name) else {
                let names: Vec<_> = known().map(clap::Command::get_name).collect();
                return Err(format!(
                    "no command is called '{name}'; there are {}",
                    names.join(", ")
                ));
            };
            (command.clone(), format!("{NAME}-{name}"))
        }
    };
    let source = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(command).title(title).source(source).render(&mut page);
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        Cli::try_parse_from(line.split(' ')).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn there_is_a_page_for_every_command_and_completion_for_every_shell() {
        let page = manual(None).unwrap();
        assert!(page.contains(".TH tracer 1") && page.contains("ring\\-size"), "{page}");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let page = manual(Some(name)).unwrap();
            assert!(page.contains(&format!(".TH tracer-{name} 1")), "{page}");
        }
        assert!(manual(Some("reed")).unwrap_err().contains("there are live, read, check"));
        for shell in Shell::value_variants() {
            assert!(completions(*shell).contains("idle-timeout"), "{shell}");
        }
    }

    #[test]
    fn bad_values_are_told_with_what_to_do() {
        for (line, expected) in [
            (
                "tracer --port pop4=110",
                "no protocol is called 'pop4'; known are http, smtp, imap, pop3, auto",
            ),
            ("tracer --port http", "as in http=80,8080"),
            ("tracer --port http=", "'' is not a port; ports are 1 to 65535"),
            ("tracer --port http=0", "port 0 is never on the wire"),
            ("tracer --port http=65536", "'65536' is not a port"),
            ("tracer --stream-limit 64Q", "write a number of bytes, as 65536, 64K or 1M"),
            ("tracer --stream-limit K", "'K' is not a size"),
            ("tracer --stream-limit -1", "unexpected argument"),
            ("tracer --stream-limit 1K", "give 4K or more"),
            ("tracer --memory-limit 99999999999G", "is not a size"),
            ("tracer --ring-size 3M", "a power of two from 256K to 1G"),
            (
                "tracer --host localhost",
                "'localhost' is not an IP address (names are not looked up)",
            ),
            ("tracer --host !", "'' is not an IP address"),
            ("tracer --host 10.0.0.0/33", "'/33' is no prefix of IPv4, which has 0 to 32 bits"),
            ("tracer --host ::1/129", "'/129' is no prefix of IPv6, which has 0 to 128 bits"),
            ("tracer --host 10.0.0.1/", "'/' is no prefix of IPv4"),
            ("tracer --host 10.0.0.1,", "'' is not an IP address"),
            ("tracer --host fe80::1%eth0", "'fe80::1%eth0' is not an IP address"),
            ("tracer --direction up", "possible values: in, out, both"),
            ("tracer --metrics 0.0.0.0:9464", "may be reached from elsewhere"),
            ("tracer --metrics 9464", "nor an address of the loopback with a port"),
            ("tracer --shards 3", "a power of two from 1 to 64"),
            ("tracer --shards 128", "a power of two from 1 to 64"),
            ("tracer --idle-timeout 0", "not a number of seconds from 1 on"),
            ("tracer -i a/b", "no spaces and no slashes"),
            ("tracer -i an-interface-name", "at most 15 bytes"),
            ("tracer --format xml", "possible values: text, json"),
            ("tracer read", "<FILE>"),
        ] {
            let message = refused(line);
            assert!(message.contains(expected), "{line}: {message}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_1024() {
        for (text, expected) in [("5", 5), ("64K", 65_536), ("1m", 1 << 20), ("2G", 1 << 31)] {
            assert_eq!(bytes(text), Ok(expected));
        }
    }

    #[test]
    fn live_options_stand_with_and_without_its_name() {
        let cli = Cli::try_parse_from("tracer -i lo live -i veth* --hook xdp".split(' ')).unwrap();
        let Some(Command::Live(later)) = cli.command else { panic!() };
        let live = cli.live.merge(later);
        assert_eq!(live.interfaces, ["lo", "veth*"]);
        assert_eq!(live.hook, Some(Hook::Xdp));
        let cli = Cli::try_parse_from(["tracer", "-i", "lo", "--hook", "tc"]).unwrap();
        assert_eq!((cli.live.interfaces.len(), cli.live.hook), (1, Some(Hook::Tc)));
    }
}
