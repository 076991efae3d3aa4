//! What is said of a dialogue is the same whether its bodies stay in the kernel
//! or not, also where a body is not what was announced: beside a tracer that
//! copies everything, one that does not gets the same frames.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    conversation::Conversation,
    host::Need,
    kernel::Held,
    live::{Traced, Tracer, number, text},
    namespace::Namespace,
    packet::Packet,
    slots::Slots,
    wait,
    wire::Wire,
};
use tracer::{capture::TcpFlags, event::Side};

use crate::{Test, frames::quiet};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Bytes of a body, which stays in the kernel.
const BODY: usize = 140_000;

/// Payload of a segment.
const SEGMENT: usize = 1400;

/// Limit of what was sent to be seen.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Test> {
    let cases: [(&str, Make, Hidden); 8] = [
        ("short_fin", || Ok(short(|talk| talk.end(Side::Server, TcpFlags::FIN))), Hidden::Half),
        ("short_reset", || Ok(short(|talk| talk.end(Side::Server, TcpFlags::RST))), Hidden::Half),
        ("client_resets", || Ok(short(|talk| talk.end(Side::Client, TcpFlags::RST))), Hidden::Half),
        ("head", || Ok(bare("HEAD", "200 OK")), Hidden::None),
        ("not_modified", || Ok(bare("GET", "304 Not Modified")), Hidden::None),
        ("head_then_body", || Ok(head_then_body()), Hidden::Most),
        ("interim", || Ok(interim()), Hidden::Any),
        ("whole", || Ok(pipelined().0), Hidden::Most),
    ];
    let mut tests: Vec<Test> = cases
        .into_iter()
        .map(|(name, make, hidden)| {
            Test::new(format!("exact::{name}"), NEEDS, move || same(&make()?, hidden))
        })
        .collect();
    for (name, place) in [
        ("head", Place::Head),
        ("first_hidden", Place::Hidden(0)),
        ("last_hidden", Place::Last),
        ("straddling", Place::Straddling),
        ("behind", Place::Behind),
    ] {
        tests.push(Test::new(format!("exact::lost::{name}"), NEEDS, move || lost(place)));
    }
    tests.push(Test::new("exact::late", NEEDS, late));
    tests.push(Test::new("exact::evicted", NEEDS, evicted));
    tests
}

type Make = fn() -> Result<Vec<Packet>>;

/// How many of the segments with payload stay in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    None,
    /// Nearly all of half a body.
    Half,
    /// Nearly all of a body.
    Most,
    /// The reader arms, when it has got so far.
    Any,
}

/// A connection, and what was said so far.
struct Talk {
    conversation: Conversation,
    packets: Vec<Packet>,
}

impl Talk {
    fn new() -> Self {
        let end = |host, port| SocketAddr::from(([10, 0, 0, host], port));
        let mut conversation = Conversation::new(end(1, 40_000), end(2, 80));
        let packets = conversation.open(0).to_vec();
        Self { conversation, packets }
    }

    fn say(&mut self, side: Side, bytes: &[u8]) {
        for segment in bytes.chunks(SEGMENT) {
            self.packets.push(self.conversation.say(side, 0, segment));
        }
    }

    fn ask(&mut self, method: &str, target: &str) {
        self.say(Side::Client, request(method, target).as_bytes());
    }

    fn end(&mut self, side: Side, flag: TcpFlags) {
        let mut last = self.conversation.fin(side, 0);
        last.flags = TcpFlags(flag.0 | TcpFlags::ACK.0);
        self.packets.push(last);
    }

    /// Both sides close, as they do when all was said.
    fn closed(mut self) -> Vec<Packet> {
        self.end(Side::Server, TcpFlags::FIN);
        self.end(Side::Client, TcpFlags::FIN);
        self.packets
    }
}

fn request(method: &str, target: &str) -> String {
    format!("{method} /{target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn head(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {BODY}\r\n\r\n").into_bytes()
}

/// A body that looks like messages; not where it begins, for then the kernel
/// side leaves to the reader what it is.
fn body() -> Vec<u8> {
    let looks = b"<html>HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n";
    looks.iter().copied().cycle().take(BODY).collect()
}

fn answer() -> Vec<u8> {
    [head("200 OK"), body()].concat()
}

/// Half of the body that was announced comes.
fn short(end: fn(&mut Talk)) -> Vec<Packet> {
    let mut talk = Talk::new();
    talk.ask("GET", "short");
    let mut half = answer();
    half.truncate(BODY / 2);
    talk.say(Side::Server, &half);
    end(&mut talk);
    talk.packets
}

/// Responses whose length is that of a body that does not come.
fn bare(method: &str, status: &str) -> Vec<Packet> {
    let mut talk = Talk::new();
    for number in 0..8 {
        talk.ask(method, &number.to_string());
        talk.say(Side::Server, &head(status));
    }
    talk.closed()
}

fn head_then_body() -> Vec<Packet> {
    let mut talk = Talk::new();
    talk.ask("GET", "first");
    talk.say(Side::Server, &answer());
    talk.ask("HEAD", "head");
    talk.say(Side::Server, &head("200 OK"));
    talk.ask("GET", "body");
    talk.say(Side::Server, &answer());
    talk.ask("GET", "unmodified");
    talk.say(Side::Server, &head("304 Not Modified"));
    talk.closed()
}

/// Responses before the one that has the body.
fn interim() -> Vec<Packet> {
    let mut talk = Talk::new();
    for number in 0..2 {
        talk.ask("GET", &number.to_string());
        talk.say(Side::Server, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        talk.say(Side::Server, &answer());
    }
    talk.say(
        Side::Client,
        b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    talk.say(Side::Server, b"HTTP/1.1 100 Continue\r\n\r\n");
    talk.say(Side::Client, b"body");
    talk.say(Side::Server, &answer());
    talk.closed()
}

/// Two requests at once, whose answers follow each other within a segment: the
/// packets, and which of them brings the first of the server's bytes.
fn pipelined() -> (Vec<Packet>, usize) {
    let mut talk = Talk::new();
    talk.say(Side::Client, [request("GET", "a"), request("GET", "b")].concat().as_bytes());
    let first = talk.packets.len();
    talk.say(Side::Server, &[answer(), answer()].concat());
    (talk.closed(), first)
}

/// A segment by where it stands to the first of two bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where the body begins.
    Head,
    /// So many behind that.
    Hidden(usize),
    /// The last that only has bytes of it.
    Last,
    /// Where it ends and the next head stands.
    Straddling,
    /// Behind that.
    Behind,
}

impl Place {
    const fn index(self, first: usize, len: usize) -> usize {
        let straddling = first + len / SEGMENT;
        match self {
            Self::Head => first,
            Self::Hidden(at) => first + 1 + at,
            Self::Last => straddling - 1,
            Self::Straddling => straddling,
            Self::Behind => straddling + 1,
        }
    }
}

/// A segment comes behind three that were sent after it, each in a connection
/// of its own.
fn late() -> Result<()> {
    let places = [Place::Head, Place::Hidden(0), Place::Last, Place::Straddling, Place::Behind];
    let mut all = Vec::new();
    for (number, place) in (0..).zip(places) {
        let (mut packets, first) = pipelined();
        let at = place.index(first, answer().len());
        let packet = packets.remove(at);
        packets.insert(at + 3, packet);
        for packet in &mut packets {
            for end in [&mut packet.source, &mut packet.destination] {
                if end.port() != 80 {
                    end.set_port(end.port() + number);
                }
            }
        }
        all.extend(packets);
    }
    same(&all, Hidden::Most)
}

/// A segment never comes. Of bytes that stay in the kernel nobody knows whether
/// they have passed, so that those of a body are no gap; all else is as it is
/// where everything is copied.
fn lost(place: Place) -> Result<()> {
    let (mut packets, first) = pipelined();
    packets.remove(place.index(first, answer().len()));
    let pair = send(&packets, |_, _| Ok(()))?;
    if place == Place::Head {
        return equal(&pair);
    }
    let Pair { all, skipping } = &pair;
    let straddles = place == Place::Straddling;
    // Of a body that a gap has cut short only the tracer that saw it knows.
    let from = usize::from(straddles);
    let exchanges = |said| outline_of(said, "http-exchange").skip(from).collect::<Vec<_>>();
    alike(&exchanges(skipping), &exchanges(all))?;
    let gaps = |said: &Traced| -> Vec<u64> {
        said.of("gap").filter_map(|gap| number(gap, "/tracer/gap/bytes")).collect()
    };
    let (mut expected, found) = (gaps(all), gaps(skipping));
    ensure!(expected.first() == Some(&(SEGMENT as u64)), "{expected:?}");
    let missed = if straddles { SEGMENT - answer().len() % SEGMENT } else { 0 };
    let missed = (missed > 0).then_some(missed as u64);
    let expected: Vec<u64> = missed.into_iter().chain(expected.drain(1..)).collect();
    ensure!(found == expected, "gaps of {found:?} bytes, not {expected:?}");
    Ok(())
}

/// What both tracers said.
struct Pair {
    all: Traced,
    skipping: Traced,
}

/// Sends the packets to two tracers; `between` is called before each with its
/// number and the process of that one which skips.
fn send(packets: &[Packet], mut between: impl FnMut(usize, &Tracer) -> Result<()>) -> Result<Pair> {
    let (sender, receiver) = (Namespace::new("sender")?, Namespace::new("receiver")?);
    for namespace in [&sender, &receiver] {
        quiet(namespace)?;
    }
    sender.veth("eth0", &receiver, "eth0")?;
    let start = |more: &[&str]| {
        Tracer::start(&receiver, &[&["-i", "eth0", "--view", "exchanges"], more].concat())
    };
    let (all, skipping) = (start(&["--skip-from", "none"])?, start(&[])?);
    let mut wire = Wire::ethernet(&sender, "eth0")?;
    for (number, packet) in packets.iter().enumerate() {
        between(number, &skipping)?;
        wire.send(&packet.frame()?)?;
    }
    // Frames come in one after the other: behind the last this one.
    let mut sign = Talk::new();
    let (client, server) =
        (SocketAddr::from(([10, 0, 0, 3], 1)), SocketAddr::from(([10, 0, 0, 2], 80)));
    sign.conversation = Conversation::new(client, server);
    sign.packets = sign.conversation.open(0).to_vec();
    sign.ask("GET", "sign");
    sign.say(Side::Server, b"HTTP/1.1 204 No Content\r\n\r\n");
    for packet in &sign.packets {
        wire.send(&packet.frame()?)?;
    }
    for tracer in [&all, &skipping] {
        tracer.wait_for("the sign", |event| text(event, "/url/path") == "/sign")?;
    }
    Ok(Pair { all: all.stop()?, skipping: skipping.stop()? })
}

/// What was said, without what depends on the time and on how many of the
/// segments were looked at.
fn outline(said: &Traced) -> Vec<String> {
    let of_use = said.events.iter().filter(|event| text(event, "/event/action") != "stats");
    of_use.map(bare_of_time).collect()
}

/// The same of one kind of event.
fn outline_of(said: &Traced, action: &str) -> impl Iterator<Item = String> {
    said.of(action).map(bare_of_time)
}

fn bare_of_time(event: &Value) -> String {
    let mut event = event.clone();
    for (of, names) in [
        ("", ["@timestamp"].as_slice()),
        ("/event", &["sequence", "duration"]),
        ("/http/response", &["time_to_first_byte"]),
        ("/tcp", &["retransmissions", "out_of_order", "skipped_bytes"]),
    ] {
        if let Some(of) = event.pointer_mut(of).and_then(Value::as_object_mut) {
            of.retain(|name, _| !names.contains(&name.as_str()));
        }
    }
    event.to_string()
}

fn shunted(said: &Traced) -> Result<usize> {
    let stats = said.of("stats").last().context("no stats")?;
    Ok(usize::try_from(number(stats, "/tracer/shunted").context("no count")?)?)
}

/// Both tracers say the same.
fn same(packets: &[Packet], hidden: Hidden) -> Result<()> {
    let pair = send(packets, |_, _| Ok(()))?;
    equal(&pair)?;
    let shunted = shunted(&pair.skipping)?;
    let of_body = BODY / SEGMENT;
    let as_many = match hidden {
        Hidden::None => shunted == 0,
        Hidden::Half => shunted >= of_body / 2 - 4,
        Hidden::Most => shunted >= of_body - 4,
        Hidden::Any => true,
    };
    ensure!(as_many, "{shunted} segments stayed in the kernel");
    Ok(())
}

fn equal(Pair { all, skipping }: &Pair) -> Result<()> {
    ensure!(all.status.success() && skipping.status.success(), "{}", skipping.log);
    alike(&outline(skipping), &outline(all))
}

fn alike(found: &[String], expected: &[String]) -> Result<()> {
    for (found, expected) in found.iter().zip(expected) {
        ensure!(found == expected, "{found}\nnot\n{expected}");
    }
    ensure!(found.len() == expected.len(), "{found:#?}\nnot\n{expected:#?}");
    Ok(())
}

/// Another flow takes the slot in the midst of a body.
fn evicted() -> Result<()> {
    const BEFORE: usize = 50;
    let (packets, first) = pipelined();
    let mut slots = None;
    let mut taken = 0;
    let pair = send(&packets, |number, tracer| {
        if number == 0 {
            slots = Some(Slots::of(&Held::by(tracer.pid())?)?);
        }
        if let Some(slots) = slots.as_ref().filter(|_| number == first + BEFORE) {
            wait::until("bytes to be hidden", LIMIT, || Ok((slots.hiding() > 0).then_some(())))?;
            taken = slots.take_all();
        }
        Ok(())
    })?;
    ensure!(taken > 0, "no slot was in use");
    let shunted = shunted(&pair.skipping)?;
    ensure!(shunted > 0, "nothing stayed in the kernel");
    equal(&pair)
}
