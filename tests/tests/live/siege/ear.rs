//! Listens to what a tracer says, however long that is: keeps which exchanges
//! of bystanders were told, what was counted last, and how late it all came.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tests::{
    live::{Tracer, number},
    schema,
};

/// Lines that are held against the schema: all of the first, then some.
const FIRST: u64 = 100;
const SOME: u64 = 499;

/// What stands in front of the name of an exchange, by what tells of it.
const PLACES: [&str; 3] = ["\"original\":\"/posts/by-", "\"subject\":\"by-", "\"tag\":\"by-"];

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// What was heard since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// By the number of a connection, how often each of its exchanges was told.
    pub(super) told: HashMap<u64, HashMap<u64, u64>>,
    /// Seconds from the last packet of such an exchange to its event.
    pub(super) delays: Vec<f64>,
    /// All events.
    pub(super) lines: u64,
    /// The last counters.
    pub(super) stats: Value,
    /// Bytes of the largest mail whose subject says that it is large.
    pub(super) mail: u64,
    /// Lines that are no events.
    pub(super) wrong: Vec<String>,
}

/// How often a reader that does not read looks whether it is to.
const STALL: Duration = Duration::from_millis(20);

/// A thread that reads a tracer's standard output.
#[derive(Clone)]
pub(super) struct Ear {
    heard: Arc<Mutex<Heard>>,
    is_shut: Arc<AtomicBool>,
}

impl Ear {
    /// Reads all that the tracer says from now on.
    pub(super) fn listen(tracer: &mut Tracer) -> Self {
        let ear = Self { heard: Arc::default(), is_shut: Arc::default() };
        let listening = ear.clone();
        tracer.read_by(move |line| {
            while listening.is_shut.load(Ordering::Relaxed) {
                thread::sleep(STALL);
            }
            listening.heard().hear(line);
        });
        ear
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads nothing for a while.
    pub(super) fn shut(&self, is_shut: bool) {
        self.is_shut.store(is_shut, Ordering::Relaxed);
    }

    /// Whether all these exchanges were told.
    pub(super) fn has(&self, exchanges: impl Iterator<Item = (u64, u64)>) -> bool {
        let heard = self.heard();
        exchanges.into_iter().all(|(connection, number)| {
            heard.told.get(&connection).is_some_and(|told| told.contains_key(&number))
        })
    }

    /// What the tracer said of its losses so far.
    pub(super) fn losses(&self) -> Losses {
        self.heard().losses()
    }

    /// What was heard, to begin anew; the last counters stay.
    pub(super) fn take(&self) -> Heard {
        let mut heard = self.heard();
        let stats = heard.stats.clone();
        mem::replace(&mut *heard, Heard { stats, ..Heard::default() })
    }
}

impl Heard {
    fn hear(&mut self, line: &str) {
        self.lines += 1;
        if (self.lines <= FIRST || self.lines.is_multiple_of(SOME))
            && let Err(error) = schema::event(line)
        {
            self.wrong.push(format!("{error:#}"));
        }
        // It stands near the beginning of each line, and is looked for once.
        let action = line.split_once("\"action\":\"").map_or("", |(_, rest)| rest);
        match action.split('"').next().unwrap_or_default() {
            "stats" => self.stats = serde_json::from_str(line).unwrap_or_default(),
            "smtp-message" if line.contains("\"subject\":\"large\"") => {
                let event: Value = serde_json::from_str(line).unwrap_or_default();
                self.mail = self.mail.max(number(&event, "/smtp/data/bytes").unwrap_or_default());
            }
            "http-exchange" | "smtp-message" | "imap-exchange" => self.exchange(line),
            _ => {}
        }
    }

    fn exchange(&mut self, line: &str) {
        if let Some((connection, number)) = name(line) {
            *self.told.entry(connection).or_default().entry(number).or_default() += 1;
            self.delays.extend(delay(line));
        }
    }

    /// A counter, as it was told last.
    pub(super) fn count(&self, name: &str) -> u64 {
        number(&self.stats, &format!("/tracer/{name}")).unwrap_or_default()
    }

    /// What the tracer said of its losses so far.
    pub(super) fn losses(&self) -> Losses {
        let [shed, given_up, ring_full, unwritten] =
            ["flows/shed", "flows/given_up", "lost/ring_full", "events_lost"]
                .map(|name| self.count(name));
        Losses { shed, given_up, ring_full, unwritten }
    }
}

/// What was left out, by the tracer's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Connections that were not followed.
    pub(super) shed: u64,
    /// Those that were given up.
    pub(super) given_up: u64,
    /// Packets for which there was no room.
    pub(super) ring_full: u64,
    /// Events that were not written.
    pub(super) unwritten: u64,
}

impl Losses {
    /// What was lost since.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            shed: self.shed - before.shed,
            given_up: self.given_up - before.given_up,
            ring_full: self.ring_full - before.ring_full,
            unwritten: self.unwritten - before.unwritten,
        }
    }
}

/// The numbers of a connection and of an exchange on it.
fn name(line: &str) -> Option<(u64, u64)> {
    let rest = PLACES.iter().find_map(|place| Some(line.split_once(place)?.1))?;
    let mut numbers = rest.split('"').next()?.split('-').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Seconds since the time that an event gives.
fn delay(line: &str) -> Option<f64> {
    let time = line.split_once("\"@timestamp\":\"")?.1.split_once('T')?.1.split_once('Z')?.0;
    let mut of_day = 0.0;
    for part in time.split(':') {
        of_day = of_day * 60.0 + part.parse::<f64>().ok()?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64() % DAY;
    Some((now - of_day).rem_euclid(DAY))
}
