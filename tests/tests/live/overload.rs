//! A tracer that cannot keep up: it leaves out whole connections, and follows
//! the others completely.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    wait,
};

use crate::{Test, check};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// The server, where the clients are on the same machine, and where a bridge
/// stands between.
const LOCAL: &str = "127.0.0.1:80";
const FAR: &str = "10.0.0.2:80";

/// Limit of a socket to have or to take something.
const LIMIT: Duration = Duration::from_secs(20);

/// Connections at a time.
const CLIENTS: usize = 4;

/// Connections of each client while the worker does nothing: several times what the ring
/// takes.
const MANY: usize = 1000;

/// A ring that is soon full.
const RING: [&str; 4] = ["-i", "lo", "--ring-size", "256K"];

/// The same on a bridge and both of its ports, which see every packet.
const BRIDGE: [&str; 8] = ["-i", "br0", "-i", "port1", "-i", "port2", "--ring-size", "256K"];

/// Connections that bring more than a slow worker takes: enough that some of
/// them are among the first that are given up.
const BUSY: usize = 128;

pub(crate) fn tests() -> Vec<Test> {
    let test =
        |name: &str, run: fn() -> Result<()>| Test::new(format!("overload::{name}"), NEEDS, run);
    vec![
        test("a_stopped_worker_costs_whole_connections", stopped),
        test("what_a_bridge_shows_twice_is_shed_or_followed_as_one", bridged),
        test("followed_connections_are_given_up_whole_as_a_last_resort", given_up),
        test("is_left_to_lose_packets_if_the_operator_wants", lose),
    ]
}

/// Bytes of a field that makes requests fill a ring, however slow the machine.
const PADDING: usize = 2048;

/// A server of short connections, and of long ones.
struct Server {
    clients: Namespace,
    address: &'static str,
    /// Where tracer looks on, unless that is where the clients are, and where
    /// the server is then.
    across: Option<[Namespace; 2]>,
}

impl Server {
    /// On the clients' own machine.
    fn start() -> Result<Self> {
        let clients = Namespace::new("overload")?;
        serve(&clients, LOCAL)?;
        Ok(Self { clients, address: LOCAL, across: None })
    }

    /// Behind a bridge.
    fn across_a_bridge() -> Result<Self> {
        let [clients, switch, server] =
            [Namespace::new("clients")?, Namespace::new("switch")?, Namespace::new("server")?];
        switch.ip("link add br0 type bridge")?;
        switch.ip("link set br0 up")?;
        for (port, end, address) in
            [("port1", &clients, "10.0.0.1/24"), ("port2", &server, "10.0.0.2/24")]
        {
            switch.veth(port, end, "eth0")?;
            switch.ip(&format!("link set {port} master br0"))?;
            end.address("eth0", &[address])?;
        }
        serve(&server, FAR)?;
        Ok(Self { clients, address: FAR, across: Some([switch, server]) })
    }

    /// Where tracer looks on.
    fn traced(&self) -> &Namespace {
        self.across.as_ref().map_or(&self.clients, |[switch, _]| switch)
    }

    fn connect(&self) -> Result<TcpStream> {
        let address = self.address;
        self.clients.within(move || connect(address))
    }

    /// As many connections one after the other, each with a request of its
    /// own, by so many clients at a time. Returns how many there were.
    fn visit(&self, from: &'static str, connections: usize, pause: Duration) -> Result<usize> {
        let address = self.address;
        let clients = (0..CLIENTS).map(|client| {
            self.clients.spawn(move || {
                for number in 0..connections {
                    let mut stream = connect(address)?;
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

/// Answers in a namespace until the process ends.
fn serve(namespace: &Namespace, address: &'static str) -> Result<()> {
    let listener = namespace.within(move || Ok(TcpListener::bind(address)?))?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            thread::spawn(move || answer(stream));
        }
    });
    Ok(())
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
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

/// The worker does nothing for a while.
fn stopped() -> Result<()> {
    unread(&Server::start()?, &RING)
}

/// The same where every packet is seen three times, and decided on three times.
fn bridged() -> Result<()> {
    unread(&Server::across_a_bridge()?, &BRIDGE)
}

fn unread(server: &Server, arguments: &[&str]) -> Result<()> {
    let tracer = Tracer::start(server.traced(), arguments)?;
    let mut long = server.connect()?;
    ask(&mut long, "/long/0", "")?;
    let worker = tracer.worker()?;
    signal(worker, Signal::SIGSTOP)?;
    let mut connections = 1 + server.visit("unread", MANY, Duration::ZERO)?;
    ask(&mut long, "/long/1", "")?;
    signal(worker, Signal::SIGCONT)?;
    connections += recover(server, &tracer)?;
    ask(&mut long, "/long/2", "")?;
    drop(long);
    let said = tracer.stop()?;
    completely(&said, connections)
}

/// Nothing but connections that are followed already, which bring more than
/// the worker has time for.
fn given_up() -> Result<()> {
    let server = Server::start()?;
    let tracer = Tracer::start(server.traced(), &RING)?;
    let mut busy = Vec::new();
    for number in 0..BUSY {
        let mut stream = server.connect()?;
        ask(&mut stream, &format!("/first/{number}"), "")?;
        busy.push(stream);
    }
    tracer.slow_down()?;
    let padding = format!("Cookie: a={}\r\n", "b".repeat(PADDING));
    let enough = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    while !busy.is_empty() {
        let mut streams: Vec<TcpStream> = busy.split_off(busy.len().saturating_sub(BUSY / CLIENTS));
        let (enough, padding) = (Arc::clone(&enough), padding.clone());
        clients.push(thread::spawn(move || {
            while !enough.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    ask(stream, "/more", &padding)?;
                }
            }
            Ok(streams)
        }));
    }
    let is_given_up = |event: &Value| text(event, "/tcp/state") == "shed";
    let waited = tracer.wait_for("a connection to be given up", is_given_up);
    enough.store(true, Ordering::Relaxed);
    tracer.hurry();
    let mut left = Vec::new();
    for client in clients {
        left.extend(wait::join(client)?);
    }
    waited.with_context(|| told(&tracer))?;
    // What waits in the ring has to be read before anything is followed again.
    let gave_up = Cell::new(false);
    let ended = tracer.wait_for("the end of giving up", |event| {
        let state = text(event, "/tracer/overload/state");
        gave_up.set(gave_up.get() || state == "giving-up");
        gave_up.get() && state == "shedding"
    });
    ended.with_context(|| told(&tracer))?;
    for stream in &mut left {
        ask(stream, "/last", "")?;
    }
    drop(left);
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);

    let stats = check::adds_up(&said)?;
    let count = |name: &str| number(stats, &format!("/tracer/flows/{name}")).unwrap_or_default();
    let closes: Vec<&Value> = said.of("tcp-close").collect();
    let given_up = closes.iter().filter(|close| is_given_up(close)).count();
    ensure!(given_up > 0 && count("given_up") == given_up as u64, "{given_up}: {stats}");
    ensure!((count("total"), count("shed")) == (BUSY as u64, 0), "{stats}");
    // Those that were given up are done with; the others went on to their ends.
    ensure!(closes.len() == BUSY, "{} closed", closes.len());
    let last = said.of("http-request").filter(|event| text(event, "/url/original") == "/last");
    ensure!(last.count() == BUSY - given_up, "{given_up} given up, {stats}");
    let mut done = BTreeSet::new();
    for event in &said.events {
        let id = text(event, "/network/community_id");
        ensure!(!done.contains(id), "after it was given up: {event}");
        if is_given_up(event) {
            done.insert(id);
        }
    }
    let told = said.of("overload").map(|event| text(event, "/tracer/overload/state"));
    let told: Vec<&str> = told.collect();
    ensure!(told.first() == Some(&"shedding"), "{told:?}");
    ensure!(told.contains(&"giving-up"), "{told:?}");
    let summary = format!("overload: 0 flows not followed, {given_up} given up");
    ensure!(said.log.contains(&summary), "{}", said.log);
    Ok(())
}

/// What was told of the overload so far.
fn told(tracer: &Tracer) -> String {
    let written = tracer.written();
    let told: Vec<&str> = written.lines().filter(|line| line.contains("\"overload\"")).collect();
    told.join("\n")
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
    let arguments = [&RING[..], &["--overload", "lose"]].concat();
    let tracer = Tracer::start(server.traced(), &arguments)?;
    let worker = tracer.worker()?;
    signal(worker, Signal::SIGSTOP)?;
    server.visit("lost", MANY, Duration::ZERO)?;
    signal(worker, Signal::SIGCONT)?;
    let said = tracer.stop()?;
    let stats = check::adds_up(&said)?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}")).unwrap_or_default();
    ensure!(count("lost/ring_full") > 0 && count("shed") == 0, "{stats}");
    ensure!(said.of("overload").next().is_none(), "{}", said.log);
    Ok(())
}
