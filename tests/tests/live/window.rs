//! Large answers of nginx, of whose bodies most stay in the kernel: each is
//! told of, with all of its bytes.

use std::{
    cell::Cell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tests::{
    kernel::Held,
    live::{Traced, Tracer, number, text},
    rings::Rings,
    server::Nginx,
    topology::{Ip, Link, Topology},
};

use crate::{LIVE, Test, check};

/// Bytes of a body.
const BODY: usize = 1 << 20;

/// Answers that are asked for in all.
const ANSWERS: u64 = 40;

/// Of so many packets of the server that carry payload, one may be copied: the
/// first of each connection are, until both sides are in step.
const COPIED: u64 = 4;

/// Of so many bytes of bodies, one may come into the rings, with what stands
/// between chunks.
const WRITTEN: u64 = 4;

/// Limit of a read.
const LIMIT: Duration = Duration::from_secs(20);

/// nginx does not know the length of what it looks through for commands of its
/// own, and sends it in chunks.
const CONFIGURATION: &str = "
daemon off;
worker_processes 1;
error_log /var/log/nginx/error.log warn;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    server {
        listen 80;
        listen [::]:80;
        root /srv/www;
        location /chunked { ssi on; ssi_types *; }
    }
}
";

/// How answers are asked for.
#[derive(Clone, Copy)]
struct Way {
    target: &'static str,
    /// Requests that are sent at once.
    pipelined: u64,
    /// Requests of a connection.
    connection: u64,
}

pub(crate) fn tests() -> Vec<Test> {
    let one = Way { target: "/large", pipelined: 1, connection: ANSWERS };
    let ways = [
        ("kept_alive", one),
        ("short", Way { connection: 1, ..one }),
        ("pipelined", Way { pipelined: 4, ..one }),
        ("chunked", Way { target: "/chunked", ..one }),
        ("chunked_short", Way { target: "/chunked", connection: 1, ..one }),
        ("chunked_pipelined", Way { target: "/chunked", pipelined: 4, ..one }),
    ];
    let test = |(name, way)| Test::new(format!("window::{name}"), LIVE, move || answers(way));
    ways.into_iter().map(test).collect()
}

fn answers(way: Way) -> Result<()> {
    let topology = Topology::new(Link::Veth)?;
    let nginx = Nginx::start_with(topology.server(), CONFIGURATION)?;
    // Bodies that look like what stands between them.
    let looks: &[u8] = b"\r\n8000\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n";
    let body: Vec<u8> = looks.iter().copied().cycle().take(BODY).collect();
    for name in ["large", "chunked"] {
        nginx.document(name, &body)?;
    }
    let tracer = Tracer::start(topology.traced(), &["--view", "exchanges"])?;
    let rings = Rings::of(&Held::by(tracer.pid())?)?;
    let authority = topology.authority(Ip::V4);
    topology.client().namespace().within(move || {
        for _ in 0..ANSWERS / way.connection {
            connection(&authority, way)?;
        }
        Ok(())
    })?;
    let count = Cell::new(0);
    tracer.wait_for("the last answer", |event| {
        count.set(count.get() + u64::from(text(event, "/event/action") == "http-exchange"));
        count.get() == ANSWERS
    })?;
    let written = rings.written();
    ensure!(written * WRITTEN < ANSWERS * BODY as u64, "{written} bytes in the rings");
    let said = tracer.stop()?;
    check::whole(&said)?;
    for exchange in said.of("http-exchange") {
        let bytes = number(exchange, "/http/response/body/bytes");
        ensure!(bytes == Some(BODY as u64), "{exchange}");
    }
    // Between chunks every segment has something that is copied.
    if way.target == "/large" { stayed(&said) } else { Ok(()) }
}

/// Most of what the server sent stayed in the kernel.
fn stayed(said: &Traced) -> Result<()> {
    let stats = said.of("stats").last().context("no stats")?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}")).unwrap_or_default();
    let (copied, shunted) = (count("copied"), count("shunted"));
    ensure!(shunted * COPIED > copied, "{stats}");
    Ok(())
}

/// Asks for as many answers as one connection has, and reads them.
fn connection(authority: &str, way: Way) -> Result<()> {
    let mut stream = TcpStream::connect((authority, 80))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut answers = BufReader::with_capacity(1 << 18, stream.try_clone()?);
    let request = format!("GET {} HTTP/1.1\r\nHost: {authority}\r\n\r\n", way.target);
    for _ in 0..way.connection / way.pipelined {
        stream.write_all(request.repeat(usize::try_from(way.pipelined)?).as_bytes())?;
        for _ in 0..way.pipelined {
            ensure!(answer(&mut answers)? == BODY as u64, "not the whole body");
        }
    }
    Ok(())
}

/// Reads an answer; returns the bytes of its body.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<u64> {
    let mut length = None;
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = Some(value.parse::<u64>()?);
        }
    }
    if let Some(length) = length {
        return pass(stream, length);
    }
    let mut total = 0;
    loop {
        let size = u64::from_str_radix(&line(stream)?, 16)?;
        total += pass(stream, size)?;
        line(stream)?;
        if size == 0 {
            return Ok(total);
        }
    }
}

fn pass(stream: &mut BufReader<TcpStream>, bytes: u64) -> Result<u64> {
    Ok(std::io::copy(&mut stream.take(bytes), &mut std::io::sink())?)
}

fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.ends_with('\n'), "the server went away");
    Ok(line.trim_end().to_owned())
}
