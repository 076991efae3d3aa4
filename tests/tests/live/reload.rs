//! Settings that change while it runs, and what goes on meanwhile.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    host::Need,
    kernel::Hooks,
    live::{Traced, Tracer, number, signal, text},
    namespace::Namespace,
    wait,
    wire::Wire,
};

use crate::{
    Test, check,
    frames::{quiet, request},
    service::Manager,
};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// For how long something is waited for.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new("reload::a_bad_file_changes_nothing", NEEDS, refused),
        Test::new("reload::what_takes_a_restart_is_named", NEEDS, kept),
        Test::new("reload::limits_hold_from_then_on", NEEDS, limits),
    ];
    for (hook, shards) in [("tc", "1"), ("clsact", "2")] {
        tests.push(Test::new(format!("reload::ports::{hook}"), NEEDS, move || ports(hook, shards)));
    }
    for hook in ["tc", "xdp"] {
        tests.push(Test::new(format!("reload::interfaces::{hook}"), NEEDS, move || {
            interfaces(hook)
        }));
    }
    tests
}

/// A file of settings.
struct Settings {
    folder: TempDir,
}

impl Settings {
    fn new(text: &str) -> Result<Self> {
        let settings = Self { folder: TempDir::new()? };
        settings.say(text)?;
        Ok(settings)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tracer.toml")
    }

    fn say(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.path(), text)?)
    }

    fn start(&self, namespace: &Namespace, flags: &[&str]) -> Result<Tracer> {
        let path = self.path();
        let config = ["--config", path.to_str().context("a path in UTF-8")?];
        Tracer::start(namespace, &[&config, flags].concat())
    }

    /// Says something else, and has tracer read it.
    fn change(&self, tracer: &Tracer, text: &str, expected: &str) -> Result<()> {
        self.say(text)?;
        reload(tracer, expected)
    }
}

/// Has tracer read its settings again, until it has said so often more than
/// before what is expected.
fn reload(tracer: &Tracer, expected: &str) -> Result<()> {
    let said = || tracer.log().matches(expected).count();
    let before = said();
    signal(tracer.pid(), Signal::SIGHUP)?;
    wait::until(expected, LIMIT, || Ok((said() > before).then_some(())))
        .with_context(|| tracer.log())
}

/// A connection over the loopback, both of whose ends are here.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn new(namespace: &Namespace, port: u16) -> Result<Self> {
        namespace.within(move || {
            let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            let (server, _) = listener.accept()?;
            Ok(Self { client, server })
        })
    }

    /// A request and its response.
    fn ask(&mut self, path: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        pass(&mut self.client, &mut self.server, &request)?;
        pass(&mut self.server, &mut self.client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    fn client_port(&self) -> Result<u64> {
        Ok(self.client.local_addr()?.port().into())
    }

    /// Asks on and on, until the result is told to end.
    fn keep_asking(mut self) -> Asking {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut asked = 0;
            while !stopped.load(Ordering::Relaxed) {
                self.ask(&format!("/kept/{asked}"))?;
                asked += 1;
                thread::sleep(Duration::from_millis(1));
            }
            Ok((asked, self))
        });
        Asking { stop, thread }
    }
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, text: &str) -> Result<()> {
    from.write_all(text.as_bytes())?;
    to.read_exact(&mut vec![0; text.len()])?;
    Ok(())
}

/// A connection that is in use.
struct Asking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(usize, Connection)>>,
}

impl Asking {
    /// How often it has asked, and the connection.
    fn end(self) -> Result<(usize, Connection)> {
        self.stop.store(true, Ordering::Relaxed);
        wait::join(self.thread)
    }
}

fn asks(path: &str) -> impl Fn(&Value) -> bool {
    move |event| {
        text(event, "/event/action") == "http-request" && text(event, "/url/original") == path
    }
}

/// The events of the connection of a client's port.
fn of(said: &Traced, port: u64) -> impl Iterator<Item = &Value> {
    said.events.iter().filter(move |event| number(event, "/client/port") == Some(port))
}

/// Of one flow, nothing of all that was asked and answered on a connection is
/// missing.
fn is_complete(said: &Traced, port: u64, asked: usize) -> Result<()> {
    let actions = |action: &'static str| {
        of(said, port).filter(move |event| text(event, "/event/action") == action)
    };
    let paths: Vec<&str> =
        actions("http-request").map(|event| text(event, "/url/original")).collect();
    let expected: Vec<String> = (0..asked).map(|number| format!("/kept/{number}")).collect();
    ensure!(paths == expected, "{} of {asked} requests\n{}", paths.len(), said.log);
    for (action, expected) in
        [("http-response", asked), ("tcp-open", 1), ("tcp-close", 1), ("gap", 0), ("anomaly", 0)]
    {
        let found = actions(action).count();
        ensure!(found == expected, "{found} of {expected} {action}\n{}", said.log);
    }
    check::adds_up(said)?;
    Ok(())
}

fn ports(hook: &str, shards: &str) -> Result<()> {
    let namespace = Namespace::new("reload")?;
    let settings = Settings::new("interface = 'lo'\nport.http = [80, 90]\n")?;
    let tracer = settings.start(&namespace, &["--hook", hook, "--shards", shards])?;
    let kept = Connection::new(&namespace, 80)?;
    let port = kept.client_port()?;
    let kept = kept.keep_asking();
    tracer.wait_for("the first request", asks("/kept/0"))?;
    let mut late = Connection::new(&namespace, 8080)?;
    late.ask("/before")?;
    let mut early = Connection::new(&namespace, 90)?;
    early.ask("/before/removed")?;
    tracer.wait_for("a request on a port that goes", asks("/before/removed"))?;

    let text_of = "interface = 'lo'\nport.http = [8080, 80]\n";
    settings.change(&tracer, text_of, "settings read again: port.http changed")?;
    late.ask("/added")?;
    tracer.wait_for("a request on a connection that was there before", asks("/added"))?;
    let mut new = Connection::new(&namespace, 8080)?;
    new.ask("/new")?;
    tracer.wait_for("a request on a new connection", asks("/new"))?;
    early.ask("/removed")?;
    let early = early.client_port()?;
    tracer.wait_for("the end of a flow", |event| {
        number(event, "/client/port") == Some(early) && text(event, "/tcp/state") == "deselected"
    })?;

    // Back, and the other protocol stays what it was.
    let text_of = "interface = 'lo'\nport.http = [80]\n";
    settings.change(&tracer, text_of, "settings read again: port.http changed")?;
    new.ask("/removed")?;
    reload(&tracer, "nothing has changed")?;
    let (asked, connection) = kept.end()?;
    drop(connection);
    let said = tracer.stop()?;
    is_complete(&said, port, asked)?;
    ensure!(asked > 10, "{asked}");
    let unseen = said.of("http-request").map(|event| text(event, "/url/original"));
    let unseen: Vec<&str> = unseen.filter(|path| ["/before", "/removed"].contains(path)).collect();
    ensure!(unseen.is_empty(), "{unseen:?}");
    let states = |port| {
        of(&said, port)
            .filter_map(|event| event.pointer("/tcp/state")?.as_str())
            .collect::<Vec<_>>()
    };
    ensure!(states(early) == ["syn", "deselected"], "{:?}", states(early));
    let new = new.client_port()?;
    ensure!(states(new) == ["syn", "deselected"], "{:?}", states(new));
    Ok(())
}

fn interfaces(hook: &str) -> Result<()> {
    let (namespace, peer) = (Namespace::new("reload")?, Namespace::new("peer")?);
    quiet(&namespace)?;
    quiet(&peer)?;
    namespace.veth("eth0", &peer, "eth0")?;
    let before = ["lo", "eth0"].map(|device| Hooks::of(&namespace, device));
    let settings = Settings::new("interface = ['lo']\n")?;
    let tracer = settings.start(&namespace, &["--hook", hook])?;
    let kept = Connection::new(&namespace, 80)?;
    let port = kept.client_port()?;
    let kept = kept.keep_asking();
    tracer.wait_for("the first request", asks("/kept/0"))?;
    let mut wire = Wire::ethernet(&peer, "eth0")?;
    let ends = ["10.0.0.1", "10.0.0.2"];

    wire.send(&request("unseen", 0, ends)?.frame()?)?;
    let changed = "settings read again: interface changed";
    settings.change(&tracer, "interface = ['lo', 'eth*']\n", changed)?;
    ensure!(tracer.log().contains("eth0 is traced from now on"), "{}", tracer.log());
    wire.send(&request("added", 1, ends)?.frame()?)?;
    tracer.wait_for("a request on an interface that was added", asks("/added"))?;

    settings.change(&tracer, "interface = ['lo']\n", changed)?;
    ensure!(tracer.log().contains("eth0 is not traced any more"), "{}", tracer.log());
    ensure!(Hooks::of(&namespace, "eth0")?.are_free(), "eth0 is still attached");
    wire.send(&request("unseen", 2, ends)?.frame()?)?;
    let (asked, connection) = kept.end()?;
    drop(connection);
    tracer.wait_for("the end of the flow", |event| {
        number(event, "/client/port") == Some(port) && text(event, "/tcp/state") == "closed"
    })?;

    // From one to another, of which none is left alone.
    settings.change(&tracer, "interface = ['eth0']\n", changed)?;
    ensure!(Hooks::of(&namespace, "lo")?.are_free(), "lo is still attached");
    wire.send(&request("last", 3, ends)?.frame()?)?;
    tracer.wait_for("a request on the only interface", asks("/last"))?;
    let said = tracer.stop()?;
    is_complete(&said, port, asked)?;
    ensure!(!said.events.iter().any(asks("/unseen")), "{:?}", said.events);
    for (device, before) in ["lo", "eth0"].iter().zip(before) {
        ensure!(Hooks::of(&namespace, device)? == before?, "{device} is not as it was");
    }
    Ok(())
}

fn refused() -> Result<()> {
    let namespace = Namespace::new("reload")?;
    let manager = Manager::new()?;
    let settings = Settings::new("interface = 'lo'\nport.http = 80\n")?;
    let path = settings.path();
    let path = path.to_str().context("a path in UTF-8")?;
    let flags = ["--config", path, "--idle-timeout", "100"];
    let tracer = Tracer::start_by(manager.command(&namespace), &flags)?;
    manager.wait_for("READY=1")?;
    let mut connection = Connection::new(&namespace, 80)?;
    let stays = "the settings stay as they are: ";
    for (number, (text, words)) in [
        ("interface = 'lo'\nport.http = 'many'\n", ":2: port.http: 'many' is not a port"),
        ("interface = 'lo'\n\nports = 80\n", ":3: no setting is called 'ports'; is 'port' meant?"),
        ("port.http = 25\n", ": port 25 is given to both http and smtp"),
        ("interface = 'nowhere'\n", "no interface is called nowhere; there are lo"),
        ("flow-limit = '8G'\n", ": --flow-limit is larger than --memory-limit"),
    ]
    .into_iter()
    .enumerate()
    {
        settings.change(&tracer, text, stays)?;
        let log = tracer.log();
        let line = log.lines().rfind(|line| line.contains(stays)).unwrap_or_default();
        ensure!(line.contains(words), "{words}\n{line}");
        ensure!(words.starts_with("no ") || line.contains(path), "no file: {line}");
        // A manager that waits for the end of it has it all the same.
        let told = manager.wait_for("READY=1")?.concat();
        let begin = told.find("RELOADING=1\nMONOTONIC_USEC=").context("no reload")?;
        ensure!(told.get(begin..).is_some_and(|rest| rest.contains("READY=1")), "{told}");
        connection.ask(&format!("/kept/{number}"))?;
    }
    fs::remove_file(path)?;
    reload(&tracer, "tracer.toml: No such file or directory")?;
    manager.wait_for("READY=1")?;

    // The command line wins as it did at the start.
    let text = "interface = 'lo'\nidle-timeout = 1\n";
    settings.change(&tracer, text, "nothing has changed that can while running")?;
    let told = manager.wait_for("READY=1")?;
    ensure!(told.concat().contains("STATUS=tracing lo (TCX egress)"), "{told:?}");
    let port = connection.client_port()?;
    drop(connection);
    let said = tracer.stop()?;
    is_complete(&said, port, 5)
}

fn kept() -> Result<()> {
    let namespace = Namespace::new("reload")?;
    let settings = Settings::new("interface = 'lo'\n")?;
    let tracer = settings.start(&namespace, &[])?;
    let text = "interface = 'lo'\nring-size = '1M'\nview = 'exchanges'\nport.smtp = 2525\n";
    settings.change(&tracer, text, "settings read again: port.smtp changed")?;
    let takes = |log: &str, key: &str| {
        log.matches(&format!("tracer: warning: {key} takes a restart")).count()
    };
    wait::until("warnings", LIMIT, || {
        let log = tracer.log();
        Ok((takes(&log, "ring-size") == 1 && takes(&log, "view") == 1).then_some(()))
    })
    .with_context(|| tracer.log())?;
    // It is said again as long as it is so.
    settings.change(&tracer, "ring-size = '1M'\n", "settings read again: interface, port.smtp")?;
    wait::until("warnings", LIMIT, || Ok((takes(&tracer.log(), "ring-size") == 2).then_some(())))?;
    ensure!(takes(&tracer.log(), "view") == 1, "{}", tracer.log());
    check::whole(&tracer.stop()?)
}

/// Connections that together hold more than the limit will be.
const CROWD: usize = 12;

fn limits() -> Result<()> {
    let namespace = Namespace::new("reload")?;
    let settings = Settings::new("interface = 'lo'\n")?;
    let tracer = settings.start(&namespace, &["--shards", "1"])?;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut connection = Connection::new(&namespace, 80)?;
        connection.ask("/kept/0")?;
        tracer.wait_for("a request", asks("/kept/0"))?;
        crowd.push(connection);
    }
    let state = |name: &'static str| move |event: &Value| text(event, "/tcp/state") == name;
    ensure!(!tracer.events()?.iter().any(state("evicted")), "{:?}", tracer.events());
    let few = "interface = 'lo'\nstream-limit = '4K'\nflow-limit = '4K'\nmemory-limit = '4K'\n";
    let changed = "settings read again: stream-limit, flow-limit, memory-limit changed";
    settings.change(&tracer, few, changed)?;
    tracer.wait_for("the longest silent to go", state("evicted"))?;
    let short = "interface = 'lo'\nidle-timeout = 1\n";
    let changed = "settings read again: stream-limit, flow-limit, memory-limit, idle-timeout";
    settings.change(&tracer, short, changed)?;
    tracer.wait_for("the others to go", state("idle"))?;
    let said = tracer.stop()?;
    let closed = said.of("tcp-close").count();
    ensure!(closed == CROWD, "{closed}");
    check::whole(&said)
}
