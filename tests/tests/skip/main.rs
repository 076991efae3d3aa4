//! However much of a dialogue stays in the kernel, what is said of it is the
//! same: the true table and the true slots, over a kernel side that follows the
//! true rule.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only what these tests made themselves is unwrapped and indexed"
)]

mod kernel;
mod talk;

use std::{
    collections::VecDeque,
    fs::File,
    net::{IpAddr, Ipv4Addr},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
};

use tests::transcript::{Act, Transcript, files};
use tracer::{
    capture::{
        Captured, Direction, Interface, Point, Segment, TcpFlags, TcpHeader, TcpOptions, Vlan,
        windows::{MappedWindows, SlotMemory},
    },
    decode::{self, PROTOCOLS, Protocol},
    event::{Endpoint, Event, Message, Side, Sink, Timestamp},
    flow::{self, FLOW_LIMIT, STREAM_LIMIT, TOTAL_LIMIT, Table},
};

use self::{
    kernel::{Kernel, Part},
    talk::{Random, dialogue},
};

const SEED: u64 = 0x0123_4567_89ab_cdef;
const NONE: [u16; 2] = [0xffff; 2];

/// A segment of a dialogue.
#[derive(Clone, Debug)]
struct Sent {
    server: bool,
    flags: TcpFlags,
    sequence: u32,
    acknowledgement: u32,
    payload: Arc<[u8]>,
}

/// What is said, without what depends on which segments were seen.
#[derive(Default)]
struct Said(Vec<String>);

impl Sink for Said {
    fn event(&mut self, event: &Event<'_>) {
        let message = match &event.message {
            Message::TcpClose(close) => format!(
                "{} {:?} {:?}, {} gaps of {}",
                close.tcp.state,
                close.common.client_bytes,
                close.common.server_bytes,
                close.tcp.gaps,
                close.tcp.lost_bytes
            ),
            message => format!("{message:?}"),
        };
        self.0.push(format!("{:?} {message}", event.side));
    }
}

/// How the dialogue reaches the kernel and the reader.
#[derive(Clone, Copy, Debug)]
struct Way {
    threshold: u32,
    /// Records that the reader is behind at most.
    lag: u64,
    exchanges: bool,
    /// Responses are scanned from the first on.
    first: bool,
    /// After so many segments another flow takes the slot; 0 for never.
    evicted_after: u64,
}

fn settings(port: u16, protocol: &'static Protocol, exchanges: bool) -> flow::Settings {
    flow::Settings {
        stream_limit: STREAM_LIMIT,
        flow_limit: FLOW_LIMIT,
        total_limit: TOTAL_LIMIT,
        idle_timeout: u64::MAX,
        ports: vec![(port, protocol)],
        detect: Vec::new(),
        explain: false,
        rows: false,
        decode: decode::Settings {
            show_secrets: false,
            pieces: false,
            exchanges,
            ..decode::Settings::default()
        },
    }
}

/// Cuts what both sides say in a row into segments, and adds how the connection
/// begins and ends.
fn segments(steps: &[(bool, Vec<u8>)], random: &mut Random, end: End) -> Vec<Sent> {
    let mut next = match random.below(4) {
        0 => [u32::MAX - 2000, 77],
        1 | 2 => [5, u32::MAX - 3000],
        _ => [(); 2].map(|()| u32::try_from(random.below(1 << 32)).unwrap()),
    };
    let mut all = Vec::new();
    let mut send = |server: bool, flags: u16, payload: &[u8]| {
        let [mine, peer] = [usize::from(server), usize::from(!server)];
        let taken = u32::try_from(payload.len()).unwrap() + u32::from(flags & 3 != 0);
        all.push(Sent {
            server,
            flags: TcpFlags(flags),
            sequence: next[mine],
            acknowledgement: next[peer],
            payload: payload.into(),
        });
        next[mine] = next[mine].wrapping_add(taken);
    };
    send(false, 0x02, b"");
    send(true, 0x12, b"");
    for (server, bytes) in steps {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let longest = [40, 300, 1500, 9000][usize::try_from(random.below(4)).unwrap()];
            let len = usize::try_from(1 + random.below(longest)).unwrap().min(rest.len());
            send(*server, 0x18, &rest[..len]);
            rest = &rest[len..];
        }
    }
    match end {
        End::Fin => {
            send(true, 0x11, b"");
            send(false, 0x11, b"");
        }
        End::Reset(server) => send(server, 0x14, b""),
    }
    all
}

#[derive(Clone, Copy, Debug)]
enum End {
    Fin,
    Reset(bool),
}

/// Swaps neighbours of one side, and sends some twice.
fn mixed(mut all: Vec<Sent>, one_in: u64, random: &mut Random) -> Vec<Sent> {
    let carries = |sent: &Sent| !sent.payload.is_empty();
    for at in 2..all.len().saturating_sub(1) {
        if random.chance(one_in) && carries(&all[at]) && carries(&all[at + 1]) {
            if all[at].server == all[at + 1].server {
                all.swap(at, at + 1);
            }
        } else if random.chance(one_in) && carries(&all[at]) {
            let again = all[at].clone();
            let to = all.len().min(at + 1 + usize::try_from(random.below(4)).unwrap());
            if to + 2 < all.len() {
                all.insert(to, again);
            }
        }
    }
    all
}

/// Feeds segments to a table, through the kernel if there is one.
fn said(
    all: &[Sent],
    (port, protocol): (u16, &'static Protocol),
    way: Way,
    random: &mut Random,
    skips: bool,
) -> (Vec<String>, u64, u64) {
    let memory = || tempfile::tempfile().unwrap();
    let (slots, switches) = (memory(), memory());
    slots.set_len(65_536 * 64).unwrap();
    switches.set_len(256 * 64).unwrap();
    let descriptor = |file: &File| OwnedFd::from(file.try_clone().unwrap());
    let mapped = SlotMemory::map(&descriptor(&slots), &descriptor(&switches)).unwrap();
    let windows = MappedWindows::new(mapped, 0, SEED, way.threshold, [(port, 1)]);
    let windows = if way.first { windows.scanning([port]) } else { windows };
    let mut kernel = Kernel::new(slots, switches, SEED, way.threshold, way.evicted_after);
    let mut table = Table::new(settings(port, protocol, way.exchanges));
    if skips {
        table = table.with_windows(Some(Box::new(windows)));
    }
    let interface = Interface { name: "lo".into(), loopback: true };
    let end = |host, port| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), port };
    let mut heard = Said::default();
    let mut records = VecDeque::new();
    let mut read = |records: &mut VecDeque<(&Sent, Part, bool)>, heard: &mut Said| {
        let Some((sent, (from, to, shunted), more)) = records.pop_front() else { return };
        let mut segment = whole(sent, port, &interface, end);
        segment.offset = from;
        segment.bytes = &sent.payload[from as usize..to as usize];
        segment.shunted = shunted;
        segment.more = more;
        table.segment(&segment, heard);
    };
    for sent in all {
        let segment = whole(sent, port, &interface, end);
        let parts = if skips { kernel.pass(&segment, port) } else { vec![(0, segment.len, false)] };
        let last = parts.len().saturating_sub(1);
        let parts = parts.into_iter().enumerate();
        records.extend(parts.map(|(number, part)| (sent, part, number < last)));
        while records.len() as u64 > random.below(way.lag) {
            read(&mut records, &mut heard);
        }
    }
    while !records.is_empty() {
        read(&mut records, &mut heard);
    }
    table.finish(Timestamp(1), &mut heard);
    (heard.0, kernel.copied, kernel.seen)
}

fn whole<'a>(
    sent: &'a Sent,
    port: u16,
    interface: &'a Interface,
    end: impl Fn(u8, u16) -> Endpoint,
) -> Segment<'a> {
    let (client, server) = (end(1, 40_000), end(2, port));
    let (source, destination) = if sent.server { (server, client) } else { (client, server) };
    Segment {
        time: Timestamp(1),
        point: Point { interface: 1, direction: Direction::Egress, vlans: NONE },
        interface,
        vlan: Vlan::default(),
        source,
        destination,
        tcp: TcpHeader {
            sequence: sent.sequence,
            acknowledgement: sent.acknowledgement,
            flags: sent.flags,
            window: 0xffff,
            options: TcpOptions::default(),
        },
        len: u32::try_from(sent.payload.len()).unwrap(),
        offset: 0,
        bytes: &sent.payload,
        more: false,
        shunted: false,
        lost: 0,
        captured: Captured::default(),
        frame: None,
    }
}

fn http() -> (u16, &'static Protocol) {
    let http = PROTOCOLS.iter().find(|protocol| protocol.label.name == "http").unwrap();
    (80, http)
}

fn compare(
    all: &[Sent],
    of: (u16, &'static Protocol),
    way: Way,
    random: &mut Random,
    name: &str,
) -> (u64, u64) {
    let (expected, ..) = said(all, of, way, random, false);
    let (found, copied, seen) = said(all, of, way, random, true);
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{name}: event {number}, {way:?}");
    }
    assert_eq!(found.len(), expected.len(), "{name}: {way:?}");
    (copied, seen)
}

fn way(random: &mut Random) -> Way {
    Way {
        threshold: [16, 100, 1000][usize::try_from(random.below(3)).unwrap()],
        lag: [1, 4, 40][usize::try_from(random.below(3)).unwrap()],
        exchanges: random.chance(2),
        first: random.chance(2),
        evicted_after: 0,
    }
}

#[test]
fn dialogues_are_the_same_with_bodies_that_stay_in_the_kernel() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut total = (0, 0);
    for number in 0..1000 {
        let steps = dialogue(&mut random);
        let way = way(&mut random);
        let all = segments(&steps, &mut random, End::Fin);
        let (copied, seen) = compare(&all, http(), way, &mut random, &format!("dialogue {number}"));
        total = (total.0 + copied, total.1 + seen);
    }
    // Else the test has tested nothing.
    assert!(total.0 < total.1 * 3 / 4, "{total:?}");
}

#[test]
fn dialogues_are_the_same_out_of_order_and_sent_again() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for number in 0..1000 {
        let steps = dialogue(&mut random);
        let way = way(&mut random);
        let all = mixed(segments(&steps, &mut random, End::Fin), 4, &mut random);
        compare(&all, http(), way, &mut random, &format!("dialogue {number}"));
    }
}

#[test]
fn bodies_shorter_than_announced_are_told_as_they_were() {
    let mut random = Random(0x0fed_cba9_8765_4321);
    for number in 0..1000 {
        let mut steps = dialogue(&mut random);
        let (_, last) = steps.last_mut().unwrap();
        last.truncate(usize::try_from(random.below(last.len() as u64)).unwrap());
        let way = way(&mut random);
        let end = [End::Fin, End::Reset(true), End::Reset(false)];
        let end = end[usize::try_from(random.below(3)).unwrap()];
        let all = segments(&steps, &mut random, end);
        compare(&all, http(), way, &mut random, &format!("dialogue {number} {end:?}"));
    }
}

#[test]
fn dialogues_are_the_same_when_others_take_the_slot() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    for number in 0..1000 {
        let steps = dialogue(&mut random);
        let way = Way { evicted_after: 1 + random.below(6), ..way(&mut random) };
        let all = mixed(segments(&steps, &mut random, End::Fin), 8, &mut random);
        compare(&all, http(), way, &mut random, &format!("dialogue {number}"));
    }
}

#[test]
fn a_connection_on_the_ports_of_another_is_told_as_it_was() {
    let mut random = Random(0xfedc_ba98_7654_3210);
    for number in 0..500 {
        let mut all = Vec::new();
        for shift in [0, 1_000_000_u32] {
            let mut steps = dialogue(&mut random);
            let (_, last) = steps.last_mut().unwrap();
            last.truncate(usize::try_from(random.below(2 * last.len() as u64)).unwrap());
            let end = [End::Fin, End::Reset(true), End::Reset(false)];
            let end = end[usize::try_from(random.below(3)).unwrap()];
            all.extend(segments(&steps, &mut random, end).into_iter().map(|sent| Sent {
                sequence: sent.sequence.wrapping_add(shift),
                acknowledgement: sent.acknowledgement.wrapping_add(shift),
                ..sent
            }));
        }
        // A reader that is behind by a connection cannot ask any more how far the
        // one before had come.
        let way = Way { lag: 1, ..way(&mut random) };
        compare(&all, http(), way, &mut random, &format!("dialogue {number}"));
    }
}

#[test]
fn bodies_of_more_than_twice_the_sequence_space_are_counted() {
    const BODY: u64 = 9 << 30;
    const WRITE: u64 = 512 * 1024;
    let mut random = Random(0x1357_9bdf_0246_8ace);
    let write: Arc<[u8]> = vec![b'x'; usize::try_from(WRITE).unwrap()].into();
    for chunked in [false, true] {
        let framing = if chunked {
            format!("Transfer-Encoding: chunked\r\n\r\n{BODY:x}\r\n")
        } else {
            format!("Content-Length: {BODY}\r\n\r\n")
        };
        let head = format!("HTTP/1.1 200 OK\r\n{framing}");
        let get = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
        let behind = if chunked { &b"\r\n0\r\n\r\n"[..] } else { b"" };
        let small = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        let (head, last) = (head.into_bytes(), [behind, small].concat());
        let steps = [(false, [get.clone(), get].concat()), (true, head), (true, last)];
        let few = segments(&steps, &mut random, End::Fin);
        // The body comes where the last step begins.
        let answered: usize =
            few.iter().filter(|sent| sent.server).map(|sent| sent.payload.len()).sum();
        let mut head_left = answered - steps[2].1.len();
        let (mut all, mut shift) = (Vec::new(), 0_u64);
        for mut sent in few {
            let moved = u32::try_from(shift & u64::from(u32::MAX)).unwrap();
            let carries = sent.payload.len();
            if sent.server {
                sent.sequence = sent.sequence.wrapping_add(moved);
            } else {
                sent.acknowledgement = sent.acknowledgement.wrapping_add(moved);
            }
            let next = sent.sequence.wrapping_add(u32::try_from(carries).unwrap());
            let ends_head = sent.server && carries > 0 && head_left > 0 && carries >= head_left;
            head_left -= if sent.server { carries.min(head_left) } else { 0 };
            all.push(sent.clone());
            while ends_head && shift < BODY {
                let moved = u32::try_from(shift & u64::from(u32::MAX)).unwrap();
                let sequence = next.wrapping_add(moved);
                all.push(Sent { sequence, payload: Arc::clone(&write), ..sent.clone() });
                shift += WRITE;
            }
        }
        let way =
            Way { threshold: 65_536, lag: 40, exchanges: true, first: true, evicted_after: 0 };
        let (copied, seen) = compare(&all, http(), way, &mut random, "large");
        assert!(seen > BODY && copied < seen / 100, "{copied} of {seen}");
    }
}

#[test]
fn what_transcripts_say_stays_the_same() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut random = Random(0x5851_f42d_4c95_7f2d);
    let mut count = 0;
    for path in files(&folder).unwrap() {
        let transcript = Transcript::read(&path).unwrap();
        let Some(protocol) = transcript.protocol else { continue };
        if transcript.settings.body > 0 || transcript.settings.opened != [true; 2] {
            continue;
        }
        let said = transcript.steps.iter().filter_map(|step| match &step.act {
            Act::Say(bytes) => Some((step.side == Side::Server, bytes.clone())),
            Act::Lose(_) | Act::Close => None,
        });
        let steps: Vec<_> = said.collect();
        count += 1;
        for _ in 0..20 {
            let way = way(&mut random);
            let all = segments(&steps, &mut random, End::Fin);
            let of = (transcript.settings.port, protocol);
            compare(&all, of, way, &mut random, &path.display().to_string());
        }
    }
    assert!(count > 200, "{count} transcripts");
}
