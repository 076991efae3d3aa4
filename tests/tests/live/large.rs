//! Packets as large as the kernel makes them: a mail of some megabytes in
//! writes of a quarter of one, every byte of which the decoder looks at.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    host::Need,
    live::{Tracer, number, text},
    namespace::Namespace,
    program, wait,
};

use crate::Test;

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Lines of the mail. Each begins with a dot, which is doubled on the wire and
/// taken off by the decoder: a byte out of place changes the count.
const LINES: usize = 120_000;
const LINE: &[u8] = b"..one of very many lines that begin with a dot\r\n";

const HEADER: &[u8] = b"Subject: large\r\nFrom: a@example.test\r\n\r\n";

/// Bytes of one write.
const WRITE: usize = 256 * 1024;

/// Bytes that an IP packet of the usual kind can have at most.
const USUAL: u64 = 65_535;

/// Payload of a packet that is written whole by `-w`, at most.
const WRITTEN: u64 = 256 * 1024 - 256;

/// What packets have at least where they cannot have more.
const NEARLY: u64 = 60_000;

/// Limit of a socket to have or to take something.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Test> {
    let test =
        |name: &str, run: fn() -> Result<()>| Test::new(format!("large::{name}"), NEEDS, run);
    vec![
        test("loopback_v4", || loopback("127.0.0.1")),
        test("loopback_v6", || loopback("::1")),
        test("veth_v4", || veth("10.77.0.2", NEARLY)),
        test("veth_v6", || veth("fd77::2", USUAL)),
    ]
}

fn loopback(address: &str) -> Result<()> {
    let namespace = Namespace::new("large")?;
    mail(&namespace, &namespace, "lo", address, USUAL)
}

/// Both ends take packets of 512 KiB (BIG TCP) by IPv6; the limit for IPv4 is
/// another, which not every `ip` can set.
fn veth(address: &str, beyond: u64) -> Result<()> {
    let (client, server) = (Namespace::new("client")?, Namespace::new("server")?);
    client.veth("eth0", &server, "eth0")?;
    for (namespace, addresses) in
        [(&client, ["10.77.0.1/24", "fd77::1/64"]), (&server, ["10.77.0.2/24", "fd77::2/64"])]
    {
        namespace.address("eth0", &addresses)?;
        namespace.ip("link set eth0 gso_max_size 524280 gro_max_size 524280")?;
    }
    mail(&client, &server, "eth0", address, beyond)
}

/// Hands a mail over, and looks at what was seen of it at the server's end:
/// all of it, in packets of which the largest has more than `beyond` bytes, and
/// in the packets that were written as well.
fn mail(
    client: &Namespace,
    server: &Namespace,
    device: &str,
    address: &str,
    beyond: u64,
) -> Result<()> {
    let address = SocketAddr::new(address.parse::<IpAddr>()?, 25);
    let rows = Tracer::start(server, &["-i", device, "--view", "segments"])?;
    let folder = tempfile::tempdir()?;
    let packets = folder.path().join("packets.pcapng");
    let arguments = ["-i", device, "--show-secrets", "-w", packets.to_str().context("UTF-8")?];
    let tracer = Tracer::start(server, &arguments)?;
    let listener = server.within(move || Ok(TcpListener::bind(address)?))?;
    let taken = server.spawn(move || take(&listener))?;
    client.within(move || send(address))?;
    wait::join(taken)?;
    tracer.wait_for("the last reply", |event| number(event, "/smtp/reply/code") == Some(221))?;
    let (said, rows) = (tracer.stop()?, rows.stop()?);
    ensure!(said.status.success(), "{}", said.log);

    let mail = said.of("smtp-message").next().context("no mail")?;
    ensure!(text(mail, "/email/subject") == "large", "{mail}");
    let bytes = (HEADER.len() + LINES * (LINE.len() - 1)) as u64;
    ensure!(number(mail, "/smtp/data/bytes") == Some(bytes), "{bytes} bytes expected\n{mail}");
    ensure!(said.of("gap").next().is_none(), "gaps\n{}", said.log);
    let largest = rows.events.iter().filter_map(|event| number(event, "/tcp/len")).max();
    ensure!(largest > Some(beyond), "the largest segment has {largest:?} bytes");
    let stats = said.of("stats").last().context("no stats at the end")?;
    for name in ["truncated", "malformed", "lost/ring_full", "lost/unreadable"] {
        ensure!(number(stats, &format!("/tracer/{name}")) == Some(0), "{name}\n{stats}");
    }
    if largest <= Some(WRITTEN) {
        let again = program::read(&packets, &["--show-secrets", "--format", "json"])?;
        let again = again.iter().map(|line| Ok(serde_json::from_str(line)?));
        let again = again.collect::<Result<Vec<Value>>>()?;
        let is_mail = |event: &&Value| text(event, "/event/action") == "smtp-message";
        let read = again.iter().find(is_mail).context("no mail in the packets written")?;
        ensure!(read["smtp"] == mail["smtp"], "{read}\nnot\n{mail}");
    }
    Ok(())
}

/// A server that takes one mail.
fn take(listener: &TcpListener) -> Result<()> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(LIMIT))?;
    let (mut out, mut lines) = (stream.try_clone()?, BufReader::with_capacity(WRITE, stream));
    out.write_all(b"220 large.example.test\r\n")?;
    let mut line = Vec::new();
    let mut in_mail = false;
    while lines.read_until(b'\n', &mut line)? > 0 {
        let reply: &[u8] = match line.as_slice() {
            b".\r\n" => b"250 taken\r\n",
            b"DATA\r\n" => b"354 go on\r\n",
            b"QUIT\r\n" => b"221 bye\r\n",
            _ if in_mail => b"",
            _ => b"250 ok\r\n",
        };
        in_mail = reply.starts_with(b"354") || in_mail && reply.is_empty();
        out.write_all(reply)?;
        line.clear();
    }
    Ok(())
}

/// A client that sends one.
fn send(address: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let (mut out, mut replies) = (stream.try_clone()?, BufReader::new(stream));
    let mut reply = String::new();
    replies.read_line(&mut reply)?;
    for command in
        ["HELO c.example.test", "MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA"]
    {
        out.write_all(format!("{command}\r\n").as_bytes())?;
        replies.read_line(&mut reply)?;
    }
    let data = [HEADER, &LINE.repeat(LINES), b".\r\n"].concat();
    for write in data.chunks(WRITE) {
        out.write_all(write)?;
    }
    replies.read_line(&mut reply)?;
    out.write_all(b"QUIT\r\n")?;
    replies.read_line(&mut reply)?;
    Ok(())
}
