//! What a shard counts of its events, while others may read it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::names::{Known, Names};
use crate::{
    decode::PROTOCOLS,
    event::{Connection, Event, Label, Message, imap, pop3},
    output::View,
};

/// Codes of anomalies with figures of their own: more than the decoders have.
pub(super) const CODES: usize = 128;

/// Upper bounds of the latencies that are counted together, in nanoseconds; the
/// last has none.
pub(super) const LATENCIES: [u64; 14] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// What statuses are counted as, by [`Class`].
pub(super) const CLASSES: [&str; 10] =
    ["1xx", "2xx", "3xx", "4xx", "5xx", "ok", "no", "bad", "err", "other"];

/// An index into [`CLASSES`].
type Class = usize;

/// The class of a status that is none of the others.
const OTHER: Class = CLASSES.len() - 1;

/// A number that one thread adds to and others read.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Not one step, because nobody else writes: as cheap as any addition.
    fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted of a protocol on a port.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) requests: Counter,
    pub(super) classes: [Counter; CLASSES.len()],
    /// By the first of [`LATENCIES`] that they do not exceed.
    pub(super) latencies: [Counter; LATENCIES.len() + 1],
    /// Nanoseconds in all.
    pub(super) waited: Counter,
}

/// What a shard has counted.
#[derive(Debug)]
pub(super) struct Tally {
    /// Lines, by the number of their action.
    pub(super) actions: [Counter; Message::ACTIONS.len()],
    /// By the place of the code; the last for those without one.
    pub(super) anomalies: [Counter; CODES + 1],
    /// For each protocol one for each port that has its own, and one for the
    /// others.
    pub(super) services: Vec<Service>,
}

impl Tally {
    /// For so many ports.
    pub(super) fn new(ports: usize) -> Self {
        let services = PROTOCOLS.len() * (ports + 1);
        Self {
            actions: [const { Counter(AtomicU64::new(0)) }; _],
            anomalies: [const { Counter(AtomicU64::new(0)) }; _],
            services: (0..services).map(|_| Service::default()).collect(),
        }
    }
}

/// Counts the events of a shard.
#[derive(Debug)]
pub struct Counting {
    tally: Arc<Tally>,
    /// Ports with figures of their own.
    ports: Arc<[u16]>,
    codes: Known<&'static str>,
    /// Whether a request and its answer are told of at once.
    has_exchanges: bool,
}

impl Counting {
    pub(super) fn new(
        tally: Arc<Tally>,
        ports: Arc<[u16]>,
        codes: &Arc<Names<&'static str>>,
        view: View,
    ) -> Self {
        let has_exchanges = view == View::Exchanges;
        Self { tally, ports, codes: Known::new(codes), has_exchanges }
    }

    /// Counts a line of the output. `action` is the number of its action.
    pub(crate) fn line(&self, action: usize) {
        if let Some(counter) = self.tally.actions.get(action) {
            counter.add(1);
        }
    }

    /// Counts what an event says, whether it is written or not.
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        if let Message::Anomaly(anomaly) = &event.message {
            let place = self.codes.place(anomaly.tracer.anomaly.code).unwrap_or(CODES);
            if let Some(counter) = self.tally.anomalies.get(place) {
                counter.add(1);
            }
            return;
        }
        let Some(said) = Said::by(&event.message, self.has_exchanges) else { return };
        let Some(service) = event.connection.and_then(|connection| self.service(connection)) else {
            return;
        };
        service.requests.add(said.requests);
        if said.interim > 0 {
            service.classes[0].add(said.interim);
        }
        if let Some(counter) = said.class.and_then(|class| service.classes.get(class)) {
            counter.add(1);
        }
        if let Some(nanoseconds) = said.latency {
            let bucket = LATENCIES.partition_point(|bound| *bound < nanoseconds);
            if let Some(counter) = service.latencies.get(bucket) {
                counter.add(1);
            }
            service.waited.add(nanoseconds);
        }
    }

    fn service(&self, connection: &Connection) -> Option<&Service> {
        let protocol = position(connection.protocol?)?;
        let port = self.ports.iter().position(|port| *port == connection.server.port);
        let of_protocol = protocol * (self.ports.len() + 1);
        self.tally.services.get(of_protocol + port.unwrap_or(self.ports.len()))
    }
}

fn position(label: &Label) -> Option<usize> {
    PROTOCOLS.iter().position(|protocol| protocol.label.name == label.name)
}

/// What an event says of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    /// 1 for a request.
    requests: u64,
    /// Responses before the final one.
    interim: u64,
    class: Option<Class>,
    /// Nanoseconds from a request to its answer.
    latency: Option<u64>,
}

impl Said {
    /// `has_exchanges`: a request and its answer are told of at once, and what
    /// is told of each alone counts for nothing.
    fn by(message: &Message<'_>, has_exchanges: bool) -> Option<Self> {
        match message {
            Message::SmtpCommand(_) => Self::by_part(message),
            Message::SmtpReply(reply) => Some(Self {
                class: Some(of_number(Some(reply.smtp.reply.code))),
                latency: reply.duration,
                ..Self::default()
            }),
            _ if has_exchanges => Self::by_exchange(message),
            Message::HttpRequest(_) | Message::ImapCommand(_) | Message::Pop3Command(_) => {
                Self::by_part(message)
            }
            Message::HttpResponse(response) => Some(Self {
                class: Some(of_number(response.http.response.status_code)),
                latency: response.waited,
                ..Self::default()
            }),
            Message::ImapResponse(response) if response.completes => Some(Self {
                class: response.imap.response.status.map(of_word),
                latency: response.waited,
                ..Self::default()
            }),
            Message::Pop3Response(response) => Some(Self {
                class: of_indicator(response.pop3.response.status),
                latency: response.common.duration,
                ..Self::default()
            }),
            _ => None,
        }
    }

    fn request() -> Self {
        Self { requests: 1, ..Self::default() }
    }

    /// What continues a command is none.
    fn by_part(message: &Message<'_>) -> Option<Self> {
        let is_request = match message {
            Message::ImapCommand(command) => command.imap.command.name.is_some(),
            Message::SmtpCommand(command) => command.smtp.command.verb.is_some(),
            Message::Pop3Command(command) => command.pop3.command.verb.is_some(),
            _ => true,
        };
        is_request.then(Self::request)
    }

    fn by_exchange(message: &Message<'_>) -> Option<Self> {
        Some(match message {
            Message::HttpExchange(exchange) => {
                let response = exchange.http.response.as_ref();
                Self {
                    requests: exchange.http.request.is_some().into(),
                    interim: response.map_or(0, |said| said.interim_status_codes.len() as u64),
                    class: response.map(|said| of_number(said.status_code)),
                    latency: response.and_then(|said| said.time_to_first_byte),
                }
            }
            Message::ImapExchange(imap::Exchange { imap, common }) => {
                let command = imap.command.as_ref();
                let lasts = command.and_then(|command| command.name.as_ref());
                let lasts = lasts.is_some_and(|name| *name.0 == *b"IDLE");
                Self {
                    requests: command.is_some().into(),
                    interim: 0,
                    class: imap.status.filter(|_| command.is_some()).map(of_word),
                    latency: common.duration.filter(|_| command.is_some() && !lasts),
                }
            }
            Message::Pop3Exchange(exchange) => Self {
                requests: exchange.pop3.command.is_some().into(),
                interim: 0,
                class: exchange.pop3.response.as_ref().and_then(|said| of_indicator(said.status)),
                latency: exchange.common.duration,
            },
            _ => return None,
        })
    }
}

/// The class of a status that is a number of three digits.
fn of_number(status: Option<u16>) -> Class {
    match status.map(|status| status / 100) {
        Some(hundreds @ 1..=5) => usize::from(hundreds) - 1,
        _ => OTHER,
    }
}

/// The class of a status that is a word.
fn of_word(status: &str) -> Class {
    let of = CLASSES.iter().position(|class| class.eq_ignore_ascii_case(status));
    of.unwrap_or(OTHER)
}

/// The class of POP3's first word; a challenge is no answer yet.
fn of_indicator(status: pop3::Status) -> Option<Class> {
    match status {
        pop3::Status::Ok => Some(of_word("ok")),
        pop3::Status::Err => Some(of_word("err")),
        pop3::Status::Challenge => None,
    }
}
