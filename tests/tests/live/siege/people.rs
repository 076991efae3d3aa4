//! Bystanders: clients of the same servers who go on as ever, and remember
//! each exchange. Each carries its name, so that events can be held against it.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, ensure};
use tests::{
    server::Dovecot,
    topology::{Ip, Topology},
    wait,
};

/// Limit of a socket to have or to take something.
const LIMIT: Duration = Duration::from_secs(20);

/// From one exchange to the next.
const PACE: Duration = Duration::from_millis(10);

/// Exchanges of a short connection.
const VISIT: u64 = 3;

/// Numbers of connections, never the same.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What somebody does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Requests on one connection.
    Stays,
    /// Short connections with a few requests.
    Visits,
    /// Hands over mails, two on a connection.
    SendsMail,
    /// Looks into an inbox.
    ReadsMail,
}

/// What happened on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// Who it was.
    pub(super) habit: Habit,
    /// Exchanges that were begun.
    pub(super) begun: u64,
    /// Those that were answered.
    pub(super) done: u64,
}

/// What is true.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Connections by their numbers.
    pub(super) connections: HashMap<u64, Said>,
    /// What went wrong.
    pub(super) errors: Vec<String>,
}

impl Truth {
    /// All exchanges that were answered.
    pub(super) fn exchanges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let connections = self.connections.iter();
        connections.flat_map(|(connection, said)| (1..=said.done).map(|n| (*connection, n)))
    }

    /// Requests to the web server: those that were answered, and those that were
    /// begun.
    pub(super) fn requests(&self) -> [u64; 2] {
        let requests = || {
            let web = |said: &&Said| matches!(said.habit, Habit::Stays | Habit::Visits);
            self.connections.values().filter(web)
        };
        [requests().map(|said| said.done).sum(), requests().map(|said| said.begun).sum()]
    }
}

/// Threads that do what they do.
pub(super) struct People {
    enough: Arc<AtomicBool>,
    truth: Arc<Mutex<Truth>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl People {
    /// One for each habit.
    pub(super) fn start(topology: &Topology, habits: &[Habit]) -> Result<Self> {
        let (enough, truth) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let address: IpAddr = topology.address(Ip::V4).parse()?;
        let mut people = Self { enough, truth, threads: Vec::new() };
        for habit in habits.iter().copied() {
            let (enough, truth) = (Arc::clone(&people.enough), Arc::clone(&people.truth));
            people.threads.push(topology.client().namespace().spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let connection = NEXT.fetch_add(1, Ordering::Relaxed);
                    let mut said = Said { habit, begun: 0, done: 0 };
                    let result = habit.live(address, connection, &mut said, &enough);
                    let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
                    truth.connections.insert(connection, said);
                    if let Err(error) = result {
                        truth.errors.push(format!("{habit:?}: {error:#}"));
                    }
                    drop(truth);
                    thread::sleep(PACE);
                }
                Ok(())
            })?);
        }
        Ok(people)
    }

    /// Has them come to an end.
    pub(super) fn stop(self) -> Result<Truth> {
        self.enough.store(true, Ordering::Relaxed);
        for thread in self.threads {
            wait::join(thread)?;
        }
        let mut truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *truth))
    }
}

impl Habit {
    /// One connection.
    fn live(
        self,
        address: IpAddr,
        connection: u64,
        said: &mut Said,
        enough: &AtomicBool,
    ) -> Result<()> {
        let port = match self {
            Self::Stays | Self::Visits => 80,
            Self::SendsMail => 25,
            Self::ReadsMail => 143,
        };
        let mut talk = Talk::open(SocketAddr::new(address, port))?;
        match self {
            Self::Stays => {
                while !enough.load(Ordering::Relaxed) {
                    said.begun += 1;
                    talk.request(connection, said.begun, "")?;
                    said.done = said.begun;
                    thread::sleep(PACE);
                }
            }
            Self::Visits => {
                for number in 1..=VISIT {
                    said.begun += 1;
                    let last = if number == VISIT { "Connection: close\r\n" } else { "" };
                    talk.request(connection, number, last)?;
                    said.done = said.begun;
                }
                talk.wait_for_end()?;
            }
            Self::SendsMail => {
                talk.hear("220")?;
                talk.say("EHLO bystander.example.test", "250")?;
                for number in 1..=2 {
                    said.begun += 1;
                    talk.say("MAIL FROM:<a@example.test>", "250")?;
                    talk.say("RCPT TO:<b@example.test>", "250")?;
                    talk.say("DATA", "354")?;
                    talk.say(&format!("Subject: by-{connection}-{number}\r\n\r\nx\r\n."), "250")?;
                    said.done = said.begun;
                }
                talk.say("QUIT", "221")?;
            }
            Self::ReadsMail => {
                talk.hear("* OK")?;
                let login = format!("LOGIN {} {}", Dovecot::USER, Dovecot::PASSWORD);
                for command in [&login, "SELECT INBOX", "FETCH 1 BODY.PEEK[]", "LOGOUT"] {
                    said.begun += 1;
                    let tag = format!("by-{connection}-{}", said.begun);
                    talk.say(&format!("{tag} {command}"), &format!("{tag} OK"))?;
                    said.done = said.begun;
                }
            }
        }
        Ok(())
    }
}

/// One end of a dialogue in lines.
struct Talk {
    out: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Talk {
    fn open(address: SocketAddr) -> Result<Self> {
        let out = TcpStream::connect_timeout(&address, LIMIT)?;
        out.set_read_timeout(Some(LIMIT))?;
        out.set_nodelay(true)?;
        Ok(Self { lines: BufReader::new(out.try_clone()?), out })
    }

    /// Reads lines up to one that begins so and is the last of its reply.
    fn hear(&mut self, begin: &str) -> Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.lines.read_line(&mut line)? > 0, "the end instead of {begin}");
            if line.starts_with(begin) && line.as_bytes().get(begin.len()) != Some(&b'-') {
                return Ok(());
            }
            let code = line.get(..1).unwrap_or_default();
            ensure!(begin.len() != 3 || code == begin.get(..1).unwrap_or_default(), "{line}");
        }
    }

    fn say(&mut self, line: &str, answer: &str) -> Result<()> {
        self.out.write_all(format!("{line}\r\n").as_bytes())?;
        self.hear(answer)
    }

    /// A request and its answer, which has no body.
    fn request(&mut self, connection: u64, number: u64, fields: &str) -> Result<()> {
        let head = format!("GET /posts/by-{connection}-{number} HTTP/1.1\r\nHost: h\r\n{fields}");
        self.say(&head, "HTTP/1.1 204")?;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            ensure!(self.lines.read_line(&mut line)? > 0, "half an answer");
        }
        Ok(())
    }

    fn wait_for_end(&mut self) -> Result<()> {
        ensure!(self.lines.read_line(&mut String::new())? == 0, "more than was asked for");
        Ok(())
    }
}
