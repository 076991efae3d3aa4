//! What a run is to do: the operator's choices over the defaults.

use crate::{
    cli::{CommonArgs, Hook, LiveArgs, PortList},
    decode::{self, PROTOCOLS, Protocol},
    flow,
    output::{Format, View},
};

/// Bytes of the ring between kernel and worker: about 50 ms of full-size
/// segments at 2.5 Gbit/s.
const RING_SIZE: u32 = 16 * 1024 * 1024;

/// Seconds: a client in IMAP's IDLE speaks at least every 29 minutes
/// (RFC 2177), which leaves it two.
const IDLE_TIMEOUT: u64 = 31 * 60;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// For `live`: where to look.
    pub live: Live,
    /// For the flow table and, in it, the decoders.
    pub flows: flow::Settings,
    /// How events are written.
    pub format: Format,
    /// Which events are written.
    pub view: View,
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
        let flows = flow::Settings {
            stream_limit: common.stream_limit.unwrap_or(flow::STREAM_LIMIT),
            flow_limit: common.flow_limit.unwrap_or(flow::FLOW_LIMIT),
            total_limit: common.memory_limit.unwrap_or(flow::TOTAL_LIMIT),
            idle_timeout: common.idle_timeout.unwrap_or(IDLE_TIMEOUT) * SECOND,
            ports: ports(&common.ports)?,
            rows: segments,
            decode: decode::Settings { show_secrets: common.show_secrets, pieces: segments },
        };
        if flows.stream_limit > flows.flow_limit {
            return Err(Error::Limits { part: "--stream-limit", whole: "--flow-limit" });
        }
        if flows.flow_limit > flows.total_limit {
            return Err(Error::Limits { part: "--flow-limit", whole: "--memory-limit" });
        }
        Ok(Self {
            live: Live {
                interfaces: live.interfaces.clone(),
                hook: live.hook.unwrap_or_default(),
                ring_size: live.ring_size.unwrap_or(RING_SIZE),
            },
            flows,
            format: common.format.unwrap_or_default(),
            view,
            log: match (common.quiet, common.verbose) {
                (true, _) => log::LevelFilter::Error,
                (false, 0) => log::LevelFilter::Warn,
                (false, 1) => log::LevelFilter::Info,
                (false, _) => log::LevelFilter::Debug,
            },
        })
    }
}

/// Each protocol's ports: those that were given for it, else its usual ones.
fn ports(given: &[PortList]) -> Result<Vec<(u16, &'static Protocol)>, Error> {
    let mut ports: Vec<(u16, &'static Protocol)> = Vec::new();
    for protocol in PROTOCOLS {
        let of_protocol = || given.iter().filter(|list| list.protocol.name == protocol.name);
        let usual = if of_protocol().next().is_none() { protocol.ports } else { &[] };
        let chosen = of_protocol().flat_map(|list| &list.ports);
        for &port in usual.iter().chain(chosen) {
            match ports.iter().find(|(taken, _)| *taken == port) {
                Some((_, first)) if first.name == protocol.name => {}
                Some((_, first)) => {
                    let (first, second) = (first.name, protocol.name);
                    return Err(Error::PortTwice { port, first, second });
                }
                None => ports.push((port, protocol)),
            }
        }
    }
    if ports.is_empty() { Err(Error::NoPorts) } else { Ok(ports) }
}
