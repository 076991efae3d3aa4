//! Which processes have the ends of connections: of each of many that live for a
//! moment, of a server that forks, of who was there before the tracer.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{self, Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context as _, Error, Result, ensure};
use aya::programs::loaded_programs;
use serde_json::Value;
use tests::{
    host::{self, Need},
    kernel::{self, Held},
    live::{Traced, Tracer, number, text},
    namespace::Namespace,
    server::Nginx,
    topology::{Ip, Link, Topology},
    wait,
};

use crate::{LIVE, Test, check};

/// Processes that make one request each; `TRACER_CURLS` says otherwise.
const CURLS: usize = 200;

/// Of which so many at once.
const AT_ONCE: usize = 8;

/// Limit of what takes a moment.
const LIMIT: Duration = Duration::from_secs(10);

const UNITS: &[Need] = &[Need::Namespaces, Need::Tracer, Need::ControlGroups];

pub(crate) fn tests() -> Vec<Test> {
    let links = [(Link::Loopback, Ip::V4), (Link::Veth, Ip::V6)];
    let mut tests: Vec<_> = links
        .into_iter()
        .map(|(link, ip)| {
            let name = format!("attribution::one_shots::{link:?}").to_lowercase();
            Test::new(name, LIVE, move || one_shots(link, ip))
        })
        .collect();
    tests.push(Test::new("attribution::older_than_the_tracer", LIVE, older));
    tests.push(Test::new("attribution::unit_of_its_group", UNITS, unit));
    tests.push(Test::new("attribution::not_asked_for", LIVE, off));
    tests
}

/// Each curl is a process of its own, and gone when its answer is there.
fn one_shots(link: Link, ip: Ip) -> Result<()> {
    let count = match env::var("TRACER_CURLS") {
        Ok(count) => count.parse().context("TRACER_CURLS")?,
        Err(_) => CURLS,
    };
    let topology = Topology::new(link)?;
    let nginx = Nginx::start(topology.server())?;
    let tracer = Tracer::start(topology.traced(), &["--process"])?;
    let mut pids = Vec::new();
    let mut running: Vec<Child> = Vec::new();
    for turn in 0..count {
        let url = format!("http://{}/index.html?turn={turn}", topology.authority(ip));
        let mut curl = topology.client().namespace().command("curl");
        curl.args(["--silent", "--globoff", "--output", "/dev/null", &url]);
        let curl = curl.stdin(Stdio::null()).spawn().context("starting curl")?;
        pids.push(u64::from(curl.id()));
        running.push(curl);
        if running.len() == AT_ONCE {
            end(&mut running)?;
        }
    }
    end(&mut running)?;
    let servers = servers()?;
    let said = tracer.stop()?;
    check::whole(&said)?;
    drop(nginx);
    let (mut turns, mut connections) = (BTreeSet::new(), BTreeMap::new());
    for request in said.of("http-request") {
        let turn = text(request, "/url/query").strip_prefix("turn=").context("no turn")?;
        let turn: usize = turn.parse()?;
        let pid = *pids.get(turn).context("no such turn")?;
        ensure!(number(request, "/client/process/pid") == Some(pid), "{turn}: {request}");
        ensure!(text(request, "/client/process/name") == "curl", "{request}");
        ensure!(text(request, "/client/process/executable").ends_with("/curl"), "{request}");
        ensure!(text(request, "/client/process/certainty") == "kernel", "{request}");
        turns.insert(turn);
        // Ports come again where there are many.
        connections.insert((number(request, "/client/port"), pid), turn);
    }
    ensure!(turns.len() == count, "{} of {count} curls", turns.len());
    for action in ["http-response", "tcp-close"] {
        let events: Vec<&Value> = said.of(action).collect();
        ensure!(events.len() == count, "{} of {count}: {action}", events.len());
        for event in events {
            let pid = number(event, "/client/process/pid").with_context(|| event.to_string())?;
            let end = (number(event, "/client/port"), pid);
            ensure!(connections.contains_key(&end), "{event}");
            ensure!(text(event, "/server/process/name") == "nginx", "{event}");
            let server = number(event, "/server/process/pid");
            ensure!(server.is_some_and(|pid| servers.contains(&pid)), "{servers:?}: {event}");
        }
    }
    Ok(())
}

fn end(running: &mut Vec<Child>) -> Result<()> {
    for mut curl in running.drain(..) {
        let status = wait::until("curl to end", LIMIT, || Ok(curl.try_wait()?))?;
        ensure!(status.success(), "curl: {status}");
    }
    Ok(())
}

/// Workers of nginx: those whose parent is one, too.
fn servers() -> Result<Vec<u64>> {
    let is_nginx = |pid: u32| kernel::status(pid, "Name").is_ok_and(|name| name == "nginx");
    let mut servers = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(parent) = kernel::status(pid, "PPid") else { continue };
        if is_nginx(pid) && parent.parse().is_ok_and(is_nginx) {
            servers.push(u64::from(pid));
        }
    }
    Ok(servers)
}

/// Two ends, one of which only has its socket open; the other one speaks.
fn older() -> Result<()> {
    let namespace = Namespace::new("older")?;
    let (mut server, client) = namespace.within(|| {
        let listener = TcpListener::bind("127.0.0.1:25")?;
        let client = TcpStream::connect("127.0.0.1:25")?;
        Ok((listener.accept()?.0, client))
    })?;
    let tracer = Tracer::start(&namespace, &["-i", "lo", "--process"])?;
    server.write_all(b"220 mail.example ESMTP\r\n")?;
    let mut read_on = client.try_clone()?;
    let said = tracer.stop()?;
    let reply = said.of("smtp-reply").next().context("no reply")?;
    read_on.read_exact(&mut [0])?;
    check::whole(&said)?;
    let me = u64::from(process::id());
    ensure!(number(reply, "/client/process/pid") == Some(me), "{reply}");
    ensure!(text(reply, "/client/process/certainty") == "proc", "{reply}");
    ensure!(number(reply, "/server/process/pid") == Some(me), "{reply}");
    // Who speaks first may be told of only after it has.
    let certainty = text(reply, "/server/process/certainty");
    ensure!(["kernel", "proc"].contains(&certainty), "{reply}");
    Ok(())
}

/// A process in a group that is called like a unit.
fn unit() -> Result<()> {
    let hierarchy = host::control_groups().map_err(Error::msg)?;
    let namespace = Namespace::new("unit")?;
    let container = "0123456789abcdef".repeat(4);
    let slice = Group::new(format!("{hierarchy}/tracer-test-{}.slice", process::id()))?;
    let places = [("some.service".to_owned(), ""), (format!("docker-{container}.scope"), "inner")];
    let tracer = Tracer::start(&namespace, &["-i", "lo", "--process"])?;
    let (sender, receiver) = mpsc::channel();
    let server = namespace.spawn(move || {
        let listener = TcpListener::bind("127.0.0.1:80")?;
        sender.send(())?;
        for _ in 0..2 {
            let (mut stream, _) = listener.accept()?;
            let read = stream.read(&mut [0; 1024])?;
            ensure!(read > 0, "no request");
            stream.write_all(b"HTTP/1.0 204 No Content\r\n\r\n")?;
        }
        Ok(())
    })?;
    receiver.recv_timeout(LIMIT)?;
    let mut groups = Vec::new();
    for (group, inner) in &places {
        let mut path = format!("{}/{group}", slice.path);
        groups.push(Group::new(path.clone())?);
        if !inner.is_empty() {
            path = format!("{path}/{inner}");
            groups.push(Group::new(path.clone())?);
        }
        // In the namespace the hierarchy is not to be seen.
        let mut shell = Command::new("sh");
        let script = format!(
            "echo $$ >{path}/cgroup.procs && exec ip netns exec {} curl -s http://127.0.0.1/",
            namespace.name()
        );
        wait::success(shell.args(["-c", &script]), LIMIT)?;
    }
    server.join().map_err(|_| anyhow::anyhow!("the server"))??;
    let said = tracer.stop()?;
    while groups.pop().is_some() {}
    let requests: Vec<&Value> = said.of("http-request").collect();
    let [first, second] = requests[..] else { anyhow::bail!("{} requests", requests.len()) };
    ensure!(text(first, "/client/service/name") == "some.service", "{first}");
    ensure!(first.pointer("/client/container").is_none(), "{first}");
    ensure!(text(second, "/client/container/id") == container, "{second}");
    ensure!(second.pointer("/client/service").is_none(), "{second}");
    Ok(())
}

/// A control group, gone with the guard.
struct Group {
    path: String,
}

impl Group {
    fn new(path: String) -> Result<Self> {
        fs::create_dir(&path).with_context(|| format!("making {path}"))?;
        Ok(Self { path })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// Without the flag nothing is loaded for it, and nothing is said.
fn off() -> Result<()> {
    let namespace = Namespace::new("off")?;
    let own = |tracer: &Tracer| -> Result<usize> {
        let held = Held::by(tracer.pid())?.programs;
        let loaded = loaded_programs().filter_map(Result::ok);
        let own = loaded.filter(|info| {
            held.contains(&info.id())
                && info.name_as_str().is_some_and(|name| name.starts_with("own_"))
        });
        Ok(own.count())
    };
    let with = Tracer::start(&namespace, &["-i", "lo", "--process"])?;
    ensure!(own(&with)? > 0, "no program with --process");
    with.stop()?;
    let without = Tracer::start(&namespace, &["-i", "lo"])?;
    let count = own(&without)?;
    ensure!(count == 0, "{count} programs without --process");
    namespace.within(|| {
        let listener = TcpListener::bind("127.0.0.1:80")?;
        let mut client = TcpStream::connect("127.0.0.1:80")?;
        client.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        listener.accept()?.0.write_all(b"HTTP/1.0 204 No Content\r\n\r\n")?;
        Ok(())
    })?;
    let said: Traced = without.stop()?;
    let request = said.of("http-request").next().context("no request")?;
    ensure!(request.pointer("/client/process").is_none(), "{request}");
    Ok(())
}
