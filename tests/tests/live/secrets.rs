//! What clients prove themselves with comes out of nothing that a running
//! tracer writes, says to its manager, or leaves behind when it crashes.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::MetadataExt as _, process::ExitStatusExt as _},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tests::{
    conversation::Conversation,
    host::Need,
    live::{Tracer, signal},
    namespace::Namespace,
    packet::Packet,
    program,
    secret::Secrets,
    wait,
    wire::Wire,
};
use tracer::event::Side::{self, Client, Server};

use crate::{Test, service::Manager};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// What must not come out.
const PASSWORD: &str = "qX7vK2mRw9Zt4Lp";

/// The same in a URL, where any byte may be written by its number.
const ESCAPED: &str = "%71X7vK2mRw9Zt4L%70";

/// Limit of what the tracer is waited for.
const LIMIT: Duration = Duration::from_secs(20);

/// Ports on which each protocol is spoken, first those that are its own.
const PORTS: &str = "--port=http=80,8080 --port=smtp=25 --port=imap=143 --port=pop3=110 \
                     --port=auto=2525";

/// The client's port of the last connection: not every view shows the path of
/// its request.
const LAST: u16 = 45_454;

/// Each way in which events are written: to stdout, and to a file meanwhile.
const WAYS: [[&str; 2]; 3] = [
    ["--format=json --view=messages --explain", "--format=text --view=exchanges"],
    ["--format=text --view=messages --body=4096", "--format=json --view=exchanges --explain"],
    ["--format=json --view=segments", "--format=text --view=segments"],
];

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("secrets::stay_out_of_all_that_is_written", NEEDS, written),
        Test::new("secrets::stay_out_of_core_dumps", NEEDS, dumped),
    ]
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// The password in all forms in which it goes over the wire.
fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    for secret in [
        PASSWORD.to_owned(),
        ESCAPED.to_owned(),
        base64(&format!("eve:{PASSWORD}")),
        base64(&format!("\0eve\0{PASSWORD}")),
        base64(PASSWORD),
    ] {
        secrets.add(secret.as_bytes());
    }
    secrets
}

/// Who says what on which port, one after the other.
fn dialogues() -> Vec<(u16, Vec<(Side, String)>)> {
    let client = |text: &str| (Client, format!("{text}\r\n"));
    let server = |text: &str| (Server, format!("{text}\r\n"));
    let basic = base64(&format!("eve:{PASSWORD}"));
    let plain = base64(&format!("\0eve\0{PASSWORD}"));
    let http = vec![
        client(&format!(
            "POST /in?password={ESCAPED}&q=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {basic}\r\n\
             Cookie: session={PASSWORD}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\npassword={PASSWORD}",
            "password=".len() + PASSWORD.len()
        )),
        server(&format!(
            "HTTP/1.1 302 Found\r\nLocation: http://eve:{PASSWORD}@h/?token={PASSWORD}\r\n\
             Set-Cookie: session={PASSWORD}\r\nContent-Length: 0\r\n"
        )),
    ];
    let smtp = vec![
        server("220 h ESMTP"),
        client("EHLO c"),
        server("250-h\r\n250 AUTH PLAIN LOGIN"),
        client(&format!("AUTH PLAIN {plain}")),
        server(&format!("535 5.7.8 no such user with {PASSWORD}")),
        client("AUTH LOGIN"),
        server("334 VXNlcm5hbWU6"),
        client(&base64("eve")),
        server("334 UGFzc3dvcmQ6"),
        client(&base64(PASSWORD)),
        server("235 2.7.0 fine"),
    ];
    let imap = vec![
        server("* OK IMAP4rev1 ready"),
        client(&format!("a LOGIN eve \"{PASSWORD}\"")),
        server(&format!("a NO [AUTHENTICATIONFAILED] LOGIN eve {PASSWORD} failed")),
        client(&format!("b LOGIN eve {{{}}}", PASSWORD.len())),
        server("+ go on"),
        client(PASSWORD),
        server("b OK in"),
    ];
    let pop3 = vec![
        server("+OK ready"),
        client("USER eve"),
        server("+OK"),
        client(&format!("PASS {PASSWORD}")),
        server(&format!("-ERR PASS {PASSWORD}: no")),
    ];
    vec![
        (80, http.clone()),
        (25, smtp.clone()),
        (143, imap.clone()),
        (110, pop3),
        // Where its first bytes are to tell, and where another is expected.
        (2525, smtp.clone()),
        (8080, imap),
    ]
}

/// Says everything on the wire, whole and a second time with pieces missing.
fn say(wire: &mut Wire) -> Result<()> {
    let mut number = 40_000;
    for is_holed in [false, true] {
        for (port, steps) in dialogues() {
            number += 1;
            for (at, packet) in packets(number, port, &steps).iter().enumerate() {
                if !is_holed || at % 4 != 3 {
                    wire.send(&packet.frame()?)?;
                }
            }
        }
    }
    let last = [
        (Client, "GET /last HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (Server, "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
    ];
    for packet in packets(LAST, 80, &last) {
        wire.send(&packet.frame()?)?;
    }
    Ok(())
}

fn packets(client: u16, server: u16, steps: &[(Side, String)]) -> Vec<Packet> {
    let end = |port| SocketAddr::new([127, 0, 0, 1].into(), port);
    let mut talk = Conversation::new(end(client), end(server));
    let mut packets = talk.open(1).to_vec();
    for (side, text) in steps {
        packets.push(talk.say(*side, 1, text));
    }
    packets
}

/// Standard output and error, the file of `--output`, what the service manager
/// hears, and what is printed of the settings.
fn written() -> Result<()> {
    let namespace = Namespace::new("secrets")?;
    let secrets = secrets();
    let folder = TempDir::new()?;
    let manager = Manager::new()?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for [to_stdout, to_file] in WAYS {
        let path = folder.path().join(to_file);
        let output = format!("--output={}", path.display());
        let stdout = Tracer::start(&namespace, &arguments(to_stdout))?;
        let command = manager.command(&namespace);
        let more = [&arguments(to_file)[..], &[output.as_str()]].concat();
        let file = Tracer::start_by(command, &more)?;
        say(&mut wire)?;
        wait::until("the last request", LIMIT, || Ok(has_last(&stdout.written())))?;
        wait::until("the same in the file", LIMIT, || {
            Ok(fs::read_to_string(&path).ok().and_then(|text| has_last(&text)))
        })?;
        for tracer in [stdout, file] {
            signal(tracer.pid(), Signal::SIGINT)?;
            let (stdout, stderr) = tracer.written_until_the_end(LIMIT)?;
            for (stream, text) in [("stdout", stdout), ("stderr", stderr)] {
                ensure!(secrets.leak(&text).is_none(), "{to_stdout}: {stream}\n{text}");
            }
        }
        let text = fs::read_to_string(&path)?;
        ensure!(secrets.leak(&text).is_none(), "{to_file}: {:?}", secrets.leak(&text));
        ensure!(fs::metadata(&path)?.mode() & 0o7777 == 0o640, "who may read it");
        let told = manager.wait_for("STOPPING=1")?.concat();
        ensure!(secrets.leak(&told).is_none(), "{told}");
    }
    // Else nothing has been hidden.
    let shown = [&arguments(WAYS[0][0])[..], &["--show-secrets"]].concat();
    let shown = Tracer::start(&namespace, &shown)?;
    say(&mut wire)?;
    wait::until("the last request", LIMIT, || Ok(has_last(&shown.written())))?;
    ensure!(secrets.leak(&shown.written()).is_some(), "not even when asked to");
    let mut config = Command::new(program::tracer());
    let config = wait::success(config.arg("config").args(PORTS.split_whitespace()), LIMIT)?;
    ensure!(config.contains("show-secrets = false"), "{config}");
    ensure!(secrets.leak(&config).is_none(), "{config}");
    Ok(())
}

fn arguments(way: &str) -> Vec<&str> {
    let shared = ["-i", "lo", "-vv"].into_iter();
    shared.chain(PORTS.split_whitespace()).chain(way.split(' ')).collect()
}

fn has_last(text: &str) -> Option<()> {
    (text.contains("/last") || text.contains(&LAST.to_string())).then_some(())
}

/// A user who lets programs dump as much as they want gets nothing, and may
/// not look into the memory of either process.
fn dumped() -> Result<()> {
    let namespace = Namespace::new("dumped")?;
    let folder = TempDir::new()?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for is_worker in [false, true] {
        let mut command = namespace.command("sh");
        let script = r#"ulimit -c unlimited && cd "$0" && exec "$@""#;
        command.args(["-c", script]).arg(folder.path()).arg(program::tracer());
        let tracer = Tracer::start_by(command, &["-i", "lo"])?;
        let (privileged, worker) = (tracer.pid(), tracer.worker()?);
        for process in [privileged, worker] {
            let limits = fs::read_to_string(format!("/proc/{process}/limits"))?;
            let core = limits.lines().find(|line| line.starts_with("Max core file size"));
            ensure!(core.is_some_and(|line| line.contains("unlimited")), "{limits}");
        }
        say(&mut wire)?;
        tracer.wait_for("the last request", |event| {
            event.pointer("/url/path").is_some_and(|path| path == "/last")
        })?;
        // The files of a process that leaves no dumps belong to root.
        let owner = fs::metadata(format!("/proc/{worker}/environ"))?.uid();
        ensure!(owner == 0, "the worker's memory is user {owner}'s");
        signal(if is_worker { worker } else { privileged }, Signal::SIGABRT)?;
        let ended = tracer.end_unread(LIMIT)?;
        let killed = if is_worker { None } else { Some(libc::SIGABRT) };
        ensure!(ended.status.signal() == killed, "{}\n{}", ended.status, ended.log);
        ensure!(!ended.status.core_dumped(), "{}", ended.status);
        nothing_in(folder.path())?;
    }
    Ok(())
}

fn nothing_in(folder: &Path) -> Result<()> {
    let mut entries = fs::read_dir(folder).context("the folder")?;
    ensure!(entries.next().is_none(), "something was left in {}", folder.display());
    Ok(())
}
