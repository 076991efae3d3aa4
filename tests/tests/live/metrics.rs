//! What tracer counts, as operators see it while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tests::{
    host::Need,
    live::{Traced, Tracer, number, text},
    namespace::Namespace,
    program, wait,
    wire::Wire,
};
use tracer::capture::TcpFlags;

use crate::{Test, check, frames::request};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Ends of requests that nobody answers.
const ENDS: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// Limit of a counter to be there, and of an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// Time that each answer takes at least.
const WORK: Duration = Duration::from_millis(3);

/// Connections, and requests on each, a third of which finds nothing.
const CONNECTIONS: u32 = 4;
const REQUESTS: u32 = 9;

/// Clients that stall: more than are heard at a time.
const STALLED: usize = 10;

/// Packets of a stranger.
const STRANGE: u16 = 120;

pub(crate) fn tests() -> Vec<Test> {
    let test =
        |name: &str, run: fn() -> Result<()>| Test::new(format!("metrics::{name}"), NEEDS, run);
    vec![
        test("counters_are_told_at_the_interval", interval),
        test("what_is_told_is_what_was_said::messages", || said("messages")),
        test("what_is_told_is_what_was_said::exchanges", || said("exchanges")),
        test("who_stalls_or_talks_nonsense_does_no_harm", nonsense),
        test("no_label_is_a_strangers", strange),
    ]
}

/// Not only at the end, and as they are by then.
fn interval() -> Result<()> {
    let namespace = Namespace::new("metrics")?;
    let tracer = Tracer::start(&namespace, &["-i", "lo", "--stats-interval", "1"])?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for number in 0..5 {
        wire.send(&request("counted", number, ENDS)?.frame()?)?;
    }
    tracer.wait_for("the counters", |event| {
        text(event, "/event/action") == "stats" && number(event, "/tracer/copied") == Some(5)
    })?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    check::adds_up(&said)?;
    Ok(())
}

/// A tracer of `lo` that tells metrics at a socket.
struct Told {
    namespace: Namespace,
    folder: TempDir,
    tracer: Tracer,
}

impl Told {
    fn start(arguments: &[&str]) -> Result<Self> {
        let (namespace, folder) = (Namespace::new("metrics")?, TempDir::new()?);
        let socket = folder.path().join("metrics.sock");
        let socket = socket.to_str().context("a path in UTF-8")?;
        let arguments = [&["-i", "lo", "--metrics", socket], arguments].concat();
        let tracer = Tracer::start(&namespace, &arguments)?;
        Ok(Self { namespace, folder, tracer })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("metrics.sock")
    }

    /// Says something to the socket; what is answered until its end.
    fn ask(&self, request: &[u8]) -> Result<Vec<u8>> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// The page, and its numbers by their names with labels.
    fn page(&self) -> Result<Page> {
        let answer = self.ask(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let answer = String::from_utf8(answer)?;
        let (head, text) = answer.split_once("\r\n\r\n").context("no head")?;
        ensure!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        ensure!(head.contains(&format!("Content-Length: {}\r\n", text.len())), "{head}");
        ensure!(text.ends_with("# EOF\n"), "{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let (mut numbers, mut seconds) = (BTreeMap::new(), BTreeMap::new());
        for line in lines {
            let (name, number) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
            match number.parse() {
                Ok(number) => drop(numbers.insert(name.to_owned(), number)),
                Err(_) => drop(seconds.insert(name.to_owned(), number.parse()?)),
            }
        }
        Ok(Page { numbers, seconds, text: text.to_owned() })
    }

    /// The page, once it says this of a number.
    fn wait_for(&self, name: &str, number: u64) -> Result<Page> {
        let mut last = String::new();
        wait::until(&format!("{name} to be {number}"), LIMIT, || {
            let page = self.page()?;
            last.clone_from(&page.text);
            Ok((page.number(name) == number).then_some(page))
        })
        .with_context(|| last)
    }

    fn stop(self) -> Result<Traced> {
        let socket = self.socket();
        let said = self.tracer.stop()?;
        ensure!(said.status.success(), "{}\n{}", said.status, said.log);
        ensure!(!socket.exists(), "the socket is left");
        check::adds_up(&said)?;
        Ok(said)
    }
}

struct Page {
    numbers: BTreeMap<String, u64>,
    /// Those that are no whole ones.
    seconds: BTreeMap<String, f64>,
    text: String,
}

impl Page {
    fn number(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or_default()
    }

    /// The numbers of a name, by the value of their one label.
    fn of(&self, name: &str) -> BTreeMap<&str, u64> {
        let all = self.numbers.iter().filter_map(|(key, number)| {
            let labels = key.strip_prefix(name)?.strip_prefix('{')?.strip_suffix("\"}")?;
            Some((labels.split_once("=\"")?.1, *number))
        });
        all.collect()
    }
}

/// Answers each request after a while: every third finds nothing.
fn serve(listener: &TcpListener) -> Result<()> {
    for stream in listener.incoming().take(CONNECTIONS as usize) {
        let mut stream = BufReader::new(stream?);
        for number in 0..REQUESTS {
            while !matches!(read_line(&mut stream)?.as_str(), "\r\n") {}
            thread::sleep(WORK);
            let status = if number % 3 == 0 { "404 Not Found" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
            stream.get_mut().write_all(answer.as_bytes())?;
        }
    }
    Ok(())
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    ensure!(stream.read_line(&mut line)? > 0, "it ended");
    Ok(line)
}

/// Asks one after the other on each connection.
fn talk() -> Result<()> {
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect("127.0.0.1:80")?;
        for number in 0..REQUESTS {
            let request = format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            let mut answer = BufReader::new(&stream);
            while !matches!(read_line(&mut answer)?.as_str(), "\r\n") {}
            answer.read_exact(&mut [0; 2])?;
        }
    }
    Ok(())
}

/// A real dialogue, the truth of which is known.
fn said(view: &str) -> Result<()> {
    let told = Told::start(&["--shards", "2", "--view", view])?;
    let listener = told.namespace.within(|| Ok(TcpListener::bind("127.0.0.1:80")?))?;
    let server = thread::spawn(move || serve(&listener));
    told.namespace.within(talk)?;
    wait::join(server)?;
    let all = u64::from(CONNECTIONS * REQUESTS);
    told.wait_for("tracer_response_seconds_count{protocol=\"http\",port=\"80\"}", all)?;
    told.wait_for("tracer_events_total{action=\"tcp-close\"}", CONNECTIONS.into())?;
    // The last acknowledgement comes behind that.
    let mut seen = 0;
    let page = wait::until("nothing more to come", LIMIT, || {
        let page = told.page()?;
        let before = std::mem::replace(&mut seen, page.of("tracer_packets_total").values().sum());
        Ok((before == seen).then_some(page))
    })?;
    let labels = "protocol=\"http\",port=\"80\"";
    for (name, expected) in [
        (format!("tracer_requests_total{{{labels}}}"), all),
        (format!("tracer_responses_total{{{labels},class=\"2xx\"}}"), all / 3 * 2),
        (format!("tracer_responses_total{{{labels},class=\"4xx\"}}"), all / 3),
        (format!("tracer_response_seconds_bucket{{le=\"0.0025\",{labels}}}"), 0),
        (format!("tracer_response_seconds_bucket{{le=\"+Inf\",{labels}}}"), all),
        ("tracer_requests_total{protocol=\"smtp\",port=\"25\"}".to_owned(), 0),
        ("tracer_flows_total".to_owned(), CONNECTIONS.into()),
        ("tracer_events_lost_total".to_owned(), 0),
        ("tracer_memory_bytes{kind=\"output\"}".to_owned(), 0),
    ] {
        ensure!(page.numbers.contains_key(&name), "{name} is missing\n{}", page.text);
        ensure!(page.number(&name) == expected, "{name}\n{}", page.text);
    }
    let waited = page.seconds.get(&format!("tracer_response_seconds_sum{{{labels}}}"));
    let least = WORK * CONNECTIONS * REQUESTS;
    ensure!(waited.is_some_and(|waited| *waited >= least.as_secs_f64()), "{waited:?} s");
    for name in ["tracer_captured_bytes_total", "process_resident_memory_bytes"] {
        ensure!(page.number(name) > 1000, "{name}\n{}", page.text);
    }
    let asked = Command::new(program::tracer()).arg("status").arg(told.socket()).output()?;
    let status = String::from_utf8(asked.stdout)?;
    ensure!(status.contains(&format!("events     {} written", events(&page))), "{status}");
    let row = status.lines().find(|line| line.starts_with("http ")).context("no http")?;
    ensure!(row.contains(&format!(" {all} ")) && row.contains("2xx 24, 4xx 12"), "{status}");

    // What was told is what the events and their last counters say.
    let said = told.stop()?;
    let counters = check::adds_up(&said)?;
    for (outcome, packets) in page.of("tracer_packets_total") {
        let name = format!("/tracer/{}", outcome.replace("lost_", "lost/"));
        ensure!(number(counters, &name) == Some(packets), "{name}: {counters}\n{}", page.text);
    }
    ensure!(number(counters, "/tracer/seen") == Some(seen), "{counters}\n{}", page.text);
    for (action, count) in page.of("tracer_events_total") {
        ensure!(said.of(action).count() as u64 == count, "{action}\n{}", page.text);
    }
    ensure!(said.events.len() as u64 == events(&page) + 1, "{} events", said.events.len());
    Ok(())
}

fn events(page: &Page) -> u64 {
    page.of("tracer_events_total").values().sum()
}

/// They are dropped after a while, and nobody waits for them.
fn nonsense() -> Result<()> {
    let told = Told::start(&[])?;
    let mut wire = Wire::ethernet(&told.namespace, "lo")?;
    let stalled = (0..STALLED).map(|_| UnixStream::connect(told.socket()));
    let stalled = stalled.collect::<Result<Vec<_>, _>>()?;
    // Half of them begin, and one never takes its answer.
    for (number, mut stream) in stalled.iter().enumerate() {
        stream.set_read_timeout(Some(LIMIT))?;
        if number % 2 == 0 {
            stream.write_all(b"GET /metrics HTT")?;
        }
    }
    for number in 0..50 {
        wire.send(&request("told", number, ENDS)?.frame()?)?;
    }
    told.tracer.wait_for("the last request", |event| {
        text(event, "/url/path") == "/told" && number(event, "/client/port") == Some(40_049)
    })?;
    for mut stream in stalled {
        let mut answer = Vec::new();
        // Dropped: at its end nothing was said.
        let _ended = stream.read_to_end(&mut answer);
        ensure!(answer.is_empty(), "{answer:?}");
    }
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\xff\xfe"[..],
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
        b"BREW /metrics HTTP/1.1\r\n\r\n",
        &[b'x'; 10_000],
    ] {
        // Of what was not read the rest may be refused by the kernel.
        if let Ok(answer) = told.ask(garbage) {
            ensure!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        }
    }
    // A page is told all the same, also to one that asks byte by byte.
    let mut slow = UnixStream::connect(told.socket())?;
    for byte in b"GET /metrics HTTP/1.0\r\n\r\n" {
        slow.write_all(&[*byte])?;
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer)?;
    ensure!(answer.ends_with("# EOF\n"), "{answer}");
    told.wait_for("tracer_packets_total{outcome=\"copied\"}", 50)?;
    told.stop()?;
    Ok(())
}

/// Whatever comes, labels are words of tracer's own, and there are so many.
fn strange() -> Result<()> {
    let told = Told::start(&["--port", "auto=8080"])?;
    let mut wire = Wire::ethernet(&told.namespace, "lo")?;
    for number in 0..STRANGE {
        for (payload, port) in [
            (format!("EVIL{number}\" /evil{number} HTTP/1.1\r\nevil-{number}: 1\r\n\r\n"), 80),
            (format!("HTTP/1.1 {:03} evil\r\n\r\n", number * 3), 80),
            (format!("EVIL{number} evil\r\n{{\"evil\"}}\n"), 25),
            (format!("a{number} EVIL{number} \"evil\r\n* EVIL\r\na{number} EVIL x\r\n"), 143),
            (format!("GET /evil HTTP/1.{number}\r\n\r\n"), 8080),
        ] {
            let mut packet = request("evil", number, ENDS)?;
            // From any port, and to any port: who opened it is anybody's guess.
            let mut packets = [packet.clone(), packet.clone()];
            packets[0].destination.set_port(port);
            packets[1].source.set_port(port);
            packets[1].destination.set_port(20_000 + number);
            packet.flags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
            for mut packet in packets {
                packet.payload = payload.clone().into_bytes();
                wire.send(&packet.frame()?)?;
            }
        }
        if number % 10 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    let page =
        told.wait_for("tracer_packets_total{outcome=\"copied\"}", u64::from(STRANGE) * 10)?;
    let labels = page.numbers.keys().filter_map(|key| Some(key.split_once('{')?.1));
    let values = labels.flat_map(|labels| labels.split('"').skip(1).step_by(2));
    let is_own =
        |value: &str| value.chars().all(|it| it.is_ascii_alphanumeric() || "-_.+".contains(it));
    let foreign: Vec<_> = values.filter(|value| !is_own(value)).collect();
    ensure!(foreign.is_empty(), "{foreign:?}");
    ensure!(!page.text.to_lowercase().contains("evil"), "{}", page.text);
    let ports = page.numbers.keys().filter_map(|key| Some(key.split_once("port=\"")?.1));
    let ports: BTreeSet<_> = ports.filter_map(|rest| rest.split('"').next()).collect();
    let known = ["80", "25", "143", "8080", "other"];
    ensure!(ports.iter().all(|port| known.contains(port)), "{ports:?}");
    ensure!(page.of("tracer_anomalies_total").len() > 2, "{}", page.text);
    told.stop()?;
    Ok(())
}
