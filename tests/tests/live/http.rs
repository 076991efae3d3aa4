//! nginx with curl and wrk: events are the lines of its access log, all of
//! them, and once.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{
    live::{Traced, Tracer, number, text},
    server::{Access, Nginx},
    topology::{Ip, Link, Topology},
};

use crate::{LIVE, Test, check, traffic};

/// A body that takes many segments.
const LARGE: usize = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (link, hook) in traffic::places() {
        let name = traffic::place(link, hook);
        tests.push(Test::new(format!("http::{name}::curl"), LIVE, move || curl(link, hook)));
        tests.push(Test::new(format!("http::{name}::wrk"), LIVE, move || wrk(link, hook)));
    }
    tests
}

fn curl(link: Link, hook: &'static str) -> Result<()> {
    let topology = Topology::new(link)?;
    let nginx = Nginx::start(topology.server())?;
    nginx.document("large", &vec![b'x'; LARGE])?;
    let program = Tracer::start(topology.traced(), &["--hook", hook])?;
    for ip in [Ip::V4, Ip::V6] {
        let paths = ["/index.html", "/missing?page=2&lang=en", "/large", "/moved", "/posts"];
        traffic::curl(&topology, ip, &paths)?;
        let url = format!("http://{}/posts", topology.authority(ip));
        for more in [["--head", "--silent"], ["--data", "name=value"]] {
            let arguments = [more.as_slice(), &["--globoff", "--output", "/dev/null", &url]];
            topology.client().run("curl", &arguments.concat(), Duration::from_secs(20))?;
        }
    }
    let requests = nginx.requests()?;
    ensure!(requests.len() == 2 * 7, "{requests:?}");
    hold_against(&program.stop()?, &requests)
}

/// As much as wrk sends in a second over a few connections.
fn wrk(link: Link, hook: &'static str) -> Result<()> {
    let topology = Topology::new(link)?;
    let nginx = Nginx::start(topology.server())?;
    let program = Tracer::start(topology.traced(), &["--hook", hook])?;
    for ip in [Ip::V4, Ip::V6] {
        let url = format!("http://{}/index.html?from=wrk", topology.authority(ip));
        let arguments = ["--threads", "1", "--connections", "4", "--duration", "1s", &url];
        topology.client().run("wrk", &arguments, Duration::from_secs(20))?;
    }
    let requests = nginx.requests()?;
    ensure!(requests.len() > 100, "wrk sent only {} requests", requests.len());
    hold_against(&program.stop()?, &requests)
}

/// What a connection is known by: the client's address and port.
type Connection = (String, u64);

/// The events of each connection are, in their order, its lines in the log.
fn hold_against(traced: &Traced, requests: &[Access]) -> Result<()> {
    check::whole(traced)?;
    let mut logged: BTreeMap<Connection, Vec<&Access>> = BTreeMap::new();
    for request in requests {
        logged.entry((request.client.clone(), request.port)).or_default().push(request);
    }
    let asked = by_connection(traced, "http-request");
    let answered = by_connection(traced, "http-response");
    let count: usize = asked.values().map(Vec::len).sum();
    ensure!(count == requests.len(), "{count} requests seen, {} logged", requests.len());
    let count: usize = answered.values().map(Vec::len).sum();
    ensure!(count == requests.len(), "{count} responses seen, {} logged", requests.len());

    for (connection, lines) in &logged {
        let none = Vec::new();
        let requests = asked.get(connection).unwrap_or(&none);
        let responses = answered.get(connection).unwrap_or(&none);
        ensure!(requests.len() == lines.len(), "requests of {connection:?}");
        ensure!(responses.len() == lines.len(), "responses of {connection:?}");
        for ((line, request), response) in lines.iter().zip(requests).zip(responses) {
            let seen = Access {
                client: connection.0.clone(),
                port: connection.1,
                method: text(request, "/http/request/method").to_owned(),
                target: text(request, "/url/original").to_owned(),
                status: number(response, "/http/response/status_code").unwrap_or_default(),
                length: text(response, "/http/response/header/content-length/0").parse().ok(),
                agent: text(request, "/user_agent/original").to_owned(),
            };
            ensure!(seen == **line, "logged {line:?}\nseen   {seen:?}");
        }
    }
    Ok(())
}

fn by_connection<'a>(traced: &'a Traced, action: &str) -> BTreeMap<Connection, Vec<&'a Value>> {
    let mut events: BTreeMap<Connection, Vec<&Value>> = BTreeMap::new();
    for event in traced.of(action) {
        let ip = text(event, "/client/ip").to_owned();
        let port = number(event, "/client/port").unwrap_or_default();
        events.entry((ip, port)).or_default().push(event);
    }
    events
}
