//! A tracer that cannot keep up: it leaves out whole connections, and follows
//! the others completely.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tests::{
    host::Need,
    live::{Traced, Tracer, number, signal, text},
    namespace::Namespace,
    program, wait,
};

use crate::{Test, check};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

const ADDRESS: &str = "127.0.0.1:80";

/// Limit of a socket to have or to take something.
const LIMIT: Duration = Duration::from_secs(20);

/// Connections at a time.
const CLIENTS: usize = 4;

/// Connections of each client while nobody reads: several times what the ring
/// takes.
const MANY: usize = 1000;

/// A ring that is soon full.
const RING: [&str; 4] = ["-i", "lo", "--ring-size", "256K"];

pub(crate) fn tests() -> Vec<Test> {
    let test =
        |name: &str, run: fn() -> Result<()>| Test::new(format!("overload::{name}"), NEEDS, run);
    vec![
        test("a_stalled_reader_costs_whole_connections", stalled),
        test("a_stopped_worker_costs_whole_connections", stopped),
        test("is_left_to_lose_packets_if_the_operator_wants", lose),
    ]
}

/// A server of short connections, and of long ones.
struct Server {
    namespace: Namespace,
}

impl Server {
    fn start() -> Result<Self> {
        let namespace = Namespace::new("overload")?;
        let listener = namespace.within(|| Ok(TcpListener::bind(ADDRESS)?))?;
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                thread::spawn(move || answer(stream));
            }
        });
        Ok(Self { namespace })
    }

    /// As many connections one after the other, each with a request of its
    /// own, by so many clients at a time. Returns how many there were.
    fn visit(&self, from: &'static str, connections: usize, pause: Duration) -> Result<usize> {
        let clients = (0..CLIENTS).map(|client| {
            self.namespace.spawn(move || {
                for number in 0..connections {
                    let mut stream = connect()?;
                    let path = format!("/{from}/{client}/{number}");
                    ask(&mut stream, &path, "Connection: close\r\n")?;
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest)?;
                    thread::sleep(pause);
                }
                Ok(())
            })
        });
        for client in clients.collect::<Vec<_>>() {
            wait::join(client?)?;
        }
        Ok(CLIENTS * connections)
    }
}

fn connect() -> Result<TcpStream> {
    let stream = TcpStream::connect(ADDRESS)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and waits for the head of its response.
fn ask(stream: &mut TcpStream, path: &str, fields: &str) -> Result<()> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())?;
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(())
}

/// Answers requests until the client has no more, or said that it was the last.
fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        let len = stream.read(&mut bytes)?;
        if len == 0 {
            return Ok(());
        }
        held.extend_from_slice(bytes.get(..len).unwrap_or_default());
        while let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            let request: Vec<u8> = held.drain(..end + 4).collect();
            stream.write_all(b"HTTP/1.1 204 No Content\r\nServer: b\r\n\r\n")?;
            if request.windows(5).any(|five| five == b"close") {
                return Ok(());
            }
        }
    }
}

/// Nobody reads the output for a while.
fn stalled() -> Result<()> {
    let server = Server::start()?;
    let command = server.namespace.command(program::tracer());
    let mut tracer = Tracer::start_unread(command, &RING)?;
    let mut long = server.namespace.within(connect)?;
    ask(&mut long, "/long/0", "")?;
    let mut connections = 1 + server.visit("stalled", MANY, Duration::ZERO)?;
    ask(&mut long, "/long/1", "")?;
    tracer.read_on();
    connections += recover(&server, &tracer)?;
    ask(&mut long, "/long/2", "")?;
    drop(long);
    let said = tracer.stop()?;
    completely(&said, connections)
}

/// The worker does nothing for a while.
fn stopped() -> Result<()> {
    let server = Server::start()?;
    let tracer = Tracer::start(&server.namespace, &RING)?;
    let mut long = server.namespace.within(connect)?;
    ask(&mut long, "/long/0", "")?;
    let worker = tracer.worker()?;
    signal(worker, Signal::SIGSTOP)?;
    let mut connections = 1 + server.visit("stopped", MANY, Duration::ZERO)?;
    ask(&mut long, "/long/1", "")?;
    signal(worker, Signal::SIGCONT)?;
    connections += recover(&server, &tracer)?;
    ask(&mut long, "/long/2", "")?;
    drop(long);
    let said = tracer.stop()?;
    completely(&said, connections)
}

/// Waits until the overload is over, and makes some more connections, which are
/// all followed. Returns how many.
fn recover(server: &Server, tracer: &Tracer) -> Result<usize> {
    let state = "/tracer/overload/state";
    tracer.wait_for("the end of the overload", |event| text(event, state) == "over")?;
    let after = server.visit("after", 25, Duration::from_millis(1))?;
    tracer.wait_for("the last connections", |event| {
        text(event, "/url/original") == format!("/after/{}/24", CLIENTS - 1)
    })?;
    Ok(after)
}

/// Every connection was either followed from its SYN to its end, with nothing
/// missing, or not at all; and all of that was told.
fn completely(said: &Traced, connections: usize) -> Result<()> {
    check::whole(said)?;
    let stats = check::adds_up(said)?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}")).unwrap_or_default();
    let (shed, followed) = (count("flows/shed"), count("flows/total"));
    ensure!(shed > 0 && count("shed") >= 4 * shed, "{stats}");
    ensure!(shed + followed == connections as u64, "{connections} connections, {stats}");
    ensure!(count("flows/given_up") == 0, "{stats}");

    let mut flows: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for event in &said.events {
        let id = text(event, "/network/community_id");
        if !id.is_empty() {
            *flows.entry(id).or_default().entry(text(event, "/event/action")).or_default() += 1;
        }
    }
    let opens: Vec<&Value> = said.of("tcp-open").collect();
    ensure!(opens.len() as u64 == followed, "{} opened, {stats}", opens.len());
    ensure!(opens.iter().all(|open| text(open, "/tcp/state") == "syn"), "{opens:?}");
    for (id, actions) in &flows {
        let of = |action: &str| actions.get(action).copied().unwrap_or_default();
        // Ports may come round again.
        let requests = of("http-request");
        ensure!(requests > 0 && requests == of("http-response"), "{id}: {actions:?}");
        ensure!(of("tcp-open") == of("tcp-close"), "{id}: {actions:?}");
    }
    for close in said.of("tcp-close") {
        ensure!(text(close, "/tcp/state") == "closed", "{close}");
    }
    let paths = |from: &str| -> usize {
        said.of("http-request").filter(|event| text(event, "/url/original").contains(from)).count()
    };
    ensure!(paths("/long/") == 3, "{} requests of the long connection", paths("/long/"));
    ensure!(paths("/after/") == CLIENTS * 25, "{} requests after it", paths("/after/"));

    let told: Vec<&Value> = said.of("overload").collect();
    let first = told.first().context("nothing told of the overload")?;
    ensure!(text(first, "/tracer/overload/state") == "shedding", "{first}");
    let last = told.last().context("nothing told of its end")?;
    ensure!(number(last, "/tracer/overload/shed") == Some(shed), "{last}\n{stats}");
    let summary = format!("overload: {shed} flows not followed, 0 given up");
    ensure!(said.log.contains(&summary), "{}", said.log);
    Ok(())
}

/// As before there was shedding.
fn lose() -> Result<()> {
    let server = Server::start()?;
    let command = server.namespace.command(program::tracer());
    let arguments = [&RING[..], &["--overload", "lose"]].concat();
    let mut tracer = Tracer::start_unread(command, &arguments)?;
    server.visit("lost", MANY, Duration::ZERO)?;
    tracer.read_on();
    let said = tracer.stop()?;
    let stats = check::adds_up(&said)?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}")).unwrap_or_default();
    ensure!(count("lost/ring_full") > 0 && count("shed") == 0, "{stats}");
    ensure!(said.of("overload").next().is_none(), "{}", said.log);
    Ok(())
}
