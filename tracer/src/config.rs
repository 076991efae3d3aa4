//! What a run is to do: the operator's choices over the defaults.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use tracer_common::MAX_SHARDS;

use tracer_common::Hosts;

use crate::{
    budget::{self, Parts, Wishes},
    cli::{CommonArgs, Hook, LiveArgs, Mails, Metrics, Overload, PortList, SkipFrom},
    decode::{self, PROTOCOLS, Protocol},
    flow,
    metrics::Address,
    output::{Color, Format, View},
    selection::{self, Directions, MAX_HOSTS},
};

/// Bytes from which on bodies that nobody asked for stay in the kernel.
const SKIP_FROM: u32 = 64 * 1024;

/// Bytes of a budget for which another shard is of use.
const SHARD_MEMORY: usize = 64 * 1024 * 1024;

/// CPUs for which one shard is enough: a second one takes from the traffic what
/// it adds.
const ONE_SHARD_CPUS: usize = 4;

/// Seconds: a client in IMAP's IDLE speaks at least every 29 minutes
/// (RFC 2177), which leaves it two.
const IDLE_TIMEOUT: u64 = 31 * 60;

/// Seconds from one `stats` event to the next.
const STATS_INTERVAL: u32 = 60;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// For `live`: where to look.
    pub live: Live,
    /// Hosts whose packets are wanted.
    pub hosts: Hosts,
    /// Directions that are wanted.
    pub directions: Directions,
    /// For the flow table and, in it, the decoders.
    pub flows: flow::Settings,
    /// How events are written.
    pub format: Format,
    /// Which events are written.
    pub view: View,
    /// Whether text is coloured.
    pub color: Color,
    /// Bytes that may wait for a slow output.
    pub queue: usize,
    /// File to write the events to; `None` for the standard output.
    pub output: Option<PathBuf>,
    /// File to write the captured packets to, if any.
    pub packets: Option<PathBuf>,
    /// Whether what decodes is kept from all that it does not need, beside
    /// privileges.
    pub sandbox: bool,
    /// How much is said on stderr.
    pub log: log::LevelFilter,
}

/// Where `live` looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Names and globs of interfaces; none for all that are up.
    pub interfaces: Vec<String>,
    /// Where in the kernel packets are seen.
    pub hook: Hook,
    /// Bytes of each ring, a power of two.
    pub ring_size: u32,
    /// Bytes from which on a body that nobody asked for is not copied, if the
    /// operator lets it.
    pub skip_from: Option<u32>,
    /// What becomes of new flows when the worker cannot keep up.
    pub overload: Overload,
    /// Rings and the threads that read them, a power of two.
    pub shards: u32,
    /// Seconds from one `stats` event to the next, if there are to be any before
    /// the last.
    pub stats_interval: Option<NonZero<u32>>,
    /// Whether events name the processes of this host.
    pub process: bool,
    /// Where metrics are told, if they are.
    pub metrics: Option<Address>,
}

/// Choices that do not go together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One port, two protocols.
    #[error(
        "port {port} is given to both {first} and {second}; \
         a port has one protocol (--port {first}=none leaves {first} out)"
    )]
    PortTwice {
        /// The port.
        port: u16,
        /// Protocol that has it.
        first: &'static str,
        /// Protocol that wants it, too.
        second: &'static str,
    },
    /// No port is left to trace.
    #[error("no protocol has a port; give one, as in --port http=80")]
    NoPorts,
    /// A part may hold more than the whole.
    #[error("{part} is larger than {whole}; lower the one or raise the other")]
    Limits {
        /// Flag of the part.
        part: &'static str,
        /// Flag of the whole.
        whole: &'static str,
    },
    /// The parts do not fit into the whole.
    #[error(
        "--memory is too little for what is asked for: {} at least, and more for parts that are \
         given a size of their own", megabytes(*.least)
    )]
    Memory {
        /// Bytes that would be enough.
        least: usize,
    },
    /// Say more, and nothing.
    #[error("--quiet and --verbose contradict each other; leave one of them out")]
    Loudness,
    /// Packets are never redacted.
    #[error(
        "-w writes packets as they are, with the passwords in them; \
         give --show-secrets as well if that is what you want"
    )]
    PacketsShowSecrets,
    /// More networks than the kernel side looks through.
    #[error(
        "--host names more than {MAX_HOSTS} networks; put neighbours together under one prefix"
    )]
    Hosts,
    /// Packets are written in the order of one ring.
    #[error("-w writes packets in the order in which one ring has them; leave --shards out")]
    PacketsOfShards,
    /// One output, two formats.
    #[error("the standard output has the events; give -w a file")]
    PacketsOnStdout,
}

impl Config {
    /// Puts the flags over the defaults.
    ///
    /// # Errors
    ///
    /// When choices contradict each other; the message says what to change.
    pub fn new(live: &LiveArgs, common: &CommonArgs) -> Result<Self, Error> {
        let view = common.view.unwrap_or_default();
        let segments = view == View::Segments;
        let detect = detected(&common.ports);
        let packets = common.write.clone();
        let shards = shards(live, common)?;
        let process = live.process.unwrap_or_default();
        let tables = if process { budget::OWNERS } else { 0 };
        let wishes = Wishes {
            memory: common.memory.map(|memory| memory.saturating_sub(tables)),
            ring: live.ring_size.map(|size| size as usize),
            stream: common.stream_limit,
            flow: common.flow_limit,
            flows: common.memory_limit,
        };
        let of = usize::try_from(shards).unwrap_or(1);
        let parts = Parts::new(&wishes, of)
            .ok_or_else(|| Error::Memory { least: Parts::least(of) + tables })?;
        let flows = flow::Settings {
            stream_limit: parts.stream,
            flow_limit: parts.flow,
            total_limit: parts.flows,
            idle_timeout: common.idle_timeout.unwrap_or(IDLE_TIMEOUT) * SECOND,
            ports: ports(&common.ports, &detect)?,
            detect,
            explain: common.explain,
            rows: segments,
            decode: decode::Settings {
                show_secrets: common.show_secrets,
                pieces: segments,
                exchanges: view == View::Exchanges,
                exchanges_only: view == View::Exchanges,
                body: common.body.unwrap_or(0),
                brief: common.format.unwrap_or_default() == Format::Text,
                headless: common.format.unwrap_or_default() == Format::Json,
                envelope: common.mail.unwrap_or_default() == Mails::Envelope,
            },
        };
        fits(&flows, shards)?;
        if packets.as_deref() == Some(Path::new("-")) {
            return Err(Error::PacketsOnStdout);
        }
        if packets.is_some() && !common.show_secrets {
            return Err(Error::PacketsShowSecrets);
        }
        Ok(Self {
            live: Live {
                interfaces: live.interfaces.clone(),
                hook: live.hook.unwrap_or_default(),
                ring_size: u32::try_from(parts.ring).unwrap_or(u32::MAX),
                skip_from: match live.skip_from {
                    None => Some(SKIP_FROM),
                    Some(SkipFrom::Bytes(bytes)) => Some(bytes),
                    Some(SkipFrom::None) => None,
                },
                overload: live.overload.unwrap_or_default(),
                shards,
                metrics: match &live.metrics {
                    Some(Metrics::At(address)) => Some(address.clone()),
                    Some(Metrics::None) | None => None,
                },
                stats_interval: NonZero::new(live.stats_interval.unwrap_or(STATS_INTERVAL)),
                process,
            },
            hosts: selection::hosts(&common.hosts).ok_or(Error::Hosts)?,
            directions: common.direction.unwrap_or_default(),
            flows,
            format: common.format.unwrap_or_default(),
            view,
            color: common.color.unwrap_or_default(),
            queue: parts.queue,
            output: common.output.clone().filter(|path| path != Path::new("-")),
            packets,
            sandbox: !common.no_sandbox,
            log: match (common.quiet, common.verbose) {
                (true, 1..) => return Err(Error::Loudness),
                (true, 0) => log::LevelFilter::Error,
                (false, 0) => log::LevelFilter::Info,
                (false, 1) => log::LevelFilter::Debug,
                (false, _) => log::LevelFilter::Trace,
            },
        })
    }

    /// Bytes from which on a body stays in the kernel; `None` where all of them
    /// are wanted: to be shown, to be written down, as rows of their own, or to
    /// explain what could not be decoded.
    pub fn skip_from(&self) -> Option<u32> {
        let all = self.flows.decode.body > 0
            || self.packets.is_some()
            || self.flows.rows
            || self.flows.explain;
        self.live.skip_from.filter(|_| !all)
    }

    /// Settings of a shard's flow table, which has a part of the memory for
    /// itself.
    pub fn shard_flows(&self) -> flow::Settings {
        let total_limit = part(self.flows.total_limit, self.live.shards);
        flow::Settings { total_limit, ..self.flows.clone() }
    }

    /// Seconds of silence after which a flow is let go.
    pub const fn idle_seconds(&self) -> u64 {
        self.flows.idle_timeout / SECOND
    }

    /// Whether bare acknowledgements are wanted: as rows, or so that others can
    /// follow the connections in the packets that are written.
    pub fn pure_acks(&self) -> bool {
        self.view == View::Segments || self.packets.is_some()
    }
}

/// The part of the memory that a shard has.
fn part(total: usize, shards: u32) -> usize {
    total / usize::try_from(shards).unwrap_or(1).max(1)
}

/// A size as it can be given.
fn megabytes(bytes: usize) -> String {
    format!("{}M", bytes.div_ceil(1024 * 1024))
}

/// How many shards there are.
fn shards(live: &LiveArgs, common: &CommonArgs) -> Result<u32, Error> {
    match (live.shards, &common.write) {
        (Some(2..), Some(_)) => Err(Error::PacketsOfShards),
        (_, Some(_)) => Ok(1),
        (Some(shards), None) => Ok(shards),
        (None, None) => {
            let cpus = thread::available_parallelism().map_or(1, NonZero::get);
            Ok(usual_shards(cpus, useful_shards(common)))
        }
    }
}

/// Whether each limit is within the one that it is a part of.
fn fits(flows: &flow::Settings, shards: u32) -> Result<(), Error> {
    if flows.stream_limit > flows.flow_limit {
        return Err(Error::Limits { part: "--stream-limit", whole: "--flow-limit" });
    }
    if flows.decode.body > flows.stream_limit {
        return Err(Error::Limits { part: "--body", whole: "--stream-limit" });
    }
    if flows.flow_limit > flows.total_limit {
        return Err(Error::Limits { part: "--flow-limit", whole: "--memory-limit" });
    }
    if flows.flow_limit > part(flows.total_limit, shards) {
        let whole = "a shard's part of --memory-limit";
        return Err(Error::Limits { part: "--flow-limit", whole });
    }
    Ok(())
}

/// Shards beyond which a part of the memory would be too little for one.
fn useful_shards(common: &CommonArgs) -> usize {
    if let Some(memory) = common.memory {
        return memory / SHARD_MEMORY;
    }
    let flows = common.memory_limit.unwrap_or(flow::TOTAL_LIMIT);
    flows / common.flow_limit.unwrap_or(flow::FLOW_LIMIT).max(1)
}

/// How many shards there are when nobody says: one as long as one is enough,
/// and half of the CPUs, for the other half has the traffic to bring about. At
/// most `limit`, so that each has a useful part of the memory.
fn usual_shards(cpus: usize, limit: usize) -> u32 {
    let shards = if cpus <= ONE_SHARD_CPUS { 1 } else { cpus / 2 };
    let shards = shards.min(limit).clamp(1, MAX_SHARDS);
    1 << shards.ilog2()
}

/// The ports of `auto`.
fn detected(given: &[PortList]) -> Vec<u16> {
    let auto = given.iter().filter(|list| list.protocol.is_none());
    let mut ports: Vec<u16> = auto.flat_map(|list| list.ports.iter().copied()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Each protocol's ports: those that were given for it, else its usual ones but
/// for those of `auto`.
fn ports(given: &[PortList], auto: &[u16]) -> Result<Vec<(u16, &'static Protocol)>, Error> {
    let mut ports: Vec<(u16, &'static Protocol)> = Vec::new();
    for protocol in PROTOCOLS {
        let label = Some(&protocol.label);
        let of_protocol = || given.iter().filter(|list| list.protocol.map(|of| &of.label) == label);
        let usual = protocol.by_default && of_protocol().next().is_none();
        let usual = if usual { protocol.ports } else { &[] };
        let usual = usual.iter().filter(|port| !auto.contains(port));
        let chosen = of_protocol().flat_map(|list| &list.ports);
        for &port in usual.chain(chosen) {
            let taken = ports.iter().find(|(taken, _)| *taken == port);
            let taken = taken.map(|(_, first)| first.label.name);
            match taken.or_else(|| auto.contains(&port).then_some("auto")) {
                Some(first) if first == protocol.label.name => {}
                Some(first) => {
                    let second = protocol.label.name;
                    return Err(Error::PortTwice { port, first, second });
                }
                None => ports.push((port, protocol)),
            }
        }
    }
    if ports.is_empty() && auto.is_empty() { Err(Error::NoPorts) } else { Ok(ports) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(line: &str) -> Result<Config, Error> {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        Config::new(&cli.live, &cli.common)
    }

    fn ports(line: &str) -> Vec<(u16, &'static str)> {
        let ports = config(line).unwrap().flows.ports;
        ports.into_iter().map(|(port, protocol)| (port, protocol.label.name)).collect()
    }

    #[test]
    fn defaults() {
        let config = config("tracer").unwrap();
        assert_eq!(ports("tracer"), [(80, "http"), (25, "smtp"), (143, "imap")]);
        let live = Live {
            interfaces: Vec::new(),
            hook: Hook::Tc,
            ring_size: 16 << 20,
            skip_from: Some(SKIP_FROM),
            overload: Overload::Shed,
            shards: config.live.shards,
            stats_interval: NonZero::new(60),
            process: false,
            metrics: None,
        };
        assert_eq!(config.live, live);
        assert_eq!((config.format, config.view), (Format::Text, View::Messages));
        assert_eq!(config.flows.stream_limit, flow::STREAM_LIMIT);
        assert_eq!(config.flows.idle_timeout, 1860 * SECOND);
        assert!(!config.flows.rows && !config.flows.decode.show_secrets);
        assert_eq!(config.log, log::LevelFilter::Info);
    }

    #[test]
    fn help_names_the_true_defaults() {
        use clap::CommandFactory as _;
        let help = Cli::command().render_long_help().to_string();
        for (flag, default) in [
            ("--ring-size", 16 << 20),
            ("--stream-limit", flow::STREAM_LIMIT),
            ("--flow-limit", flow::FLOW_LIMIT),
            ("--memory-limit", flow::TOTAL_LIMIT),
        ] {
            let of_flag = help.split(flag).nth(1).unwrap();
            let told = of_flag.split("[default: ").nth(1).unwrap().split(']').next().unwrap();
            let cli = Cli::try_parse_from(["tracer", "--memory-limit", told]).unwrap();
            assert_eq!(cli.common.memory_limit, Some(default), "{flag}");
        }
        assert!(help.contains(&format!("[default: {IDLE_TIMEOUT}]")), "{help}");
    }

    #[test]
    fn ports_given_for_a_protocol_replace_its_usual_ones() {
        assert_eq!(
            ports("tracer --port http=8081,8080 --port http=8080"),
            [(8080, "http"), (8081, "http"), (25, "smtp"), (143, "imap")]
        );
        assert_eq!(ports("tracer --port http=none --port smtp=none"), [(143, "imap")]);
        // A port that its usual protocol has given up is free.
        assert_eq!(
            ports("tracer --port http=8080 --port smtp=80 --port imap=none"),
            [(8080, "http"), (80, "smtp")]
        );
    }

    #[test]
    fn a_port_has_one_protocol() {
        let error = Error::PortTwice { port: 25, first: "http", second: "smtp" };
        assert_eq!(config("tracer --port http=25").unwrap_err(), error);
        let none = "tracer --port http=none --port smtp=none --port imap=none";
        assert_eq!(config(none).unwrap_err(), Error::NoPorts);
    }

    #[test]
    fn the_ports_of_auto_are_no_usual_ones_any_more() {
        assert_eq!(ports("tracer --port auto=8080,25"), [(80, "http"), (143, "imap")]);
        assert_eq!(config("tracer --port auto=8080,25").unwrap().flows.detect, [25, 8080]);
        let error = Error::PortTwice { port: 8080, first: "auto", second: "http" };
        assert_eq!(config("tracer --port auto=8080 --port http=8080").unwrap_err(), error);
        let alone = "tracer --port http=none --port smtp=none --port imap=none --port auto=9";
        assert_eq!(config(alone).unwrap().flows.traced().collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn a_part_holds_no_more_than_the_whole() {
        let error = Error::Limits { part: "--stream-limit", whole: "--flow-limit" };
        assert_eq!(config("tracer --stream-limit 2M").unwrap_err(), error);
        assert!(config("tracer --stream-limit 2M --flow-limit 2M").is_ok());
        let error = Error::Limits { part: "--flow-limit", whole: "--memory-limit" };
        assert_eq!(config("tracer --memory-limit 512K").unwrap_err(), error);
    }

    #[test]
    fn shards_have_their_parts_of_the_memory() {
        let limit = |line| config(line).unwrap().shard_flows().total_limit;
        assert_eq!(limit("tracer --shards 4"), flow::TOTAL_LIMIT / 4);
        assert_eq!(limit("tracer --shards 64"), flow::TOTAL_LIMIT / 64);
        let whole = "a shard's part of --memory-limit";
        let error = Error::Limits { part: "--flow-limit", whole };
        assert_eq!(config("tracer --shards 2 --memory-limit 1M").unwrap_err(), error);
    }

    #[test]
    fn one_budget_holds_all_parts() {
        let config_of = |line| config(line).unwrap();
        let small = config_of("tracer --memory 64M");
        let usual = config_of("tracer");
        assert!(small.live.ring_size < usual.live.ring_size && small.queue < usual.queue);
        assert!(small.flows.total_limit < 40 << 20);
        let given = config_of("tracer --memory 64M --ring-size 1M --stream-limit 64K");
        assert_eq!((given.live.ring_size, given.flows.stream_limit), (1 << 20, 64 << 10));
        let error = config("tracer --memory 8M").unwrap_err().to_string();
        assert!(error.contains("--memory is too little"), "{error}");
        assert!(config("tracer --memory 64M --memory-limit 64M").is_err());
    }

    #[test]
    fn there_are_as_many_shards_as_the_host_has_use_for() {
        for (cpus, limit, expected) in [
            (1, 256, 1),
            (2, 256, 1),
            (4, 256, 1),
            (6, 256, 2),
            (8, 256, 4),
            (16, 256, 8),
            (96, 256, 32),
            (1024, 256, 64),
            (16, 3, 2),
            (16, 1, 1),
        ] {
            assert_eq!(usual_shards(cpus, limit), expected, "{cpus} CPUs");
        }
    }

    #[test]
    fn packets_are_written_out_of_one_ring() {
        let usual = config("tracer -w a.pcapng --show-secrets").unwrap();
        assert_eq!(usual.live.shards, 1);
        let error = config("tracer -w a.pcapng --show-secrets --shards 2").unwrap_err();
        assert_eq!(error, Error::PacketsOfShards);
    }

    #[test]
    fn packets_are_written_to_a_file_and_with_their_secrets() {
        assert_eq!(config("tracer -w a.pcapng").unwrap_err(), Error::PacketsShowSecrets);
        let error = config("tracer -w - --show-secrets").unwrap_err();
        assert_eq!(error, Error::PacketsOnStdout);
        let config = config("tracer --show-secrets -w a.pcapng").unwrap();
        assert_eq!(config.packets.as_deref(), Some(Path::new("a.pcapng")));
        assert!(config.pure_acks() && !config.flows.rows);
    }

    #[test]
    fn nobody_is_quiet_and_verbose() {
        assert_eq!(config("tracer -q -v").unwrap_err(), Error::Loudness);
        assert_eq!(config("tracer -qi lo").unwrap().log, log::LevelFilter::Error);
    }

    #[test]
    fn the_segments_view_wants_rows_and_pieces() {
        let config = config("tracer --view segments --show-secrets").unwrap();
        assert!(config.flows.rows && config.flows.decode.pieces);
        assert!(config.flows.decode.show_secrets);
    }

    #[test]
    fn bodies_stay_in_the_kernel_unless_somebody_wants_them() {
        let skip_from = |line: &str| config(line).unwrap().skip_from();
        assert_eq!(skip_from("tracer"), Some(SKIP_FROM));
        assert_eq!(skip_from("tracer --view exchanges"), Some(SKIP_FROM));
        assert_eq!(skip_from("tracer --skip-from 1M"), Some(1 << 20));
        for wants in [
            "--skip-from none",
            "--body 100",
            "--view segments",
            "--explain",
            "-w a.pcapng --show-secrets",
        ] {
            assert_eq!(skip_from(&format!("tracer {wants}")), None, "{wants}");
        }
    }

    #[test]
    fn common_options_stand_on_either_side_of_the_command() {
        for line in ["tracer --format json read a b", "tracer read a --format json b"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.common.format, Some(Format::Json), "{line}");
            let Some(Command::Read { files }) = cli.command else { panic!("{line}") };
            assert_eq!(files.len(), 2, "{line}");
        }
    }
}
