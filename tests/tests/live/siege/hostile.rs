//! What is sent to hurt.

#![expect(clippy::indexing_slicing, reason = "places in tables by a remainder of their length")]

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tests::{
    packet::Packet,
    topology::{Ip, Topology},
    wait,
    wire::Wire,
};
use tracer::capture::TcpFlags;

/// Where a server stands that takes everything and says little.
pub(super) const HTTP: u16 = 8080;
pub(super) const IMAP: u16 = 1430;

/// Nobody has this address; what is for it passes the hook all the same.
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);

/// Frames between two pauses.
const BATCH: u64 = 200;
const PAUSE: Duration = Duration::from_millis(2);

/// Bytes of one write.
const WRITE: usize = 256 << 10;

/// Limit of a socket to take something.
const LIMIT: Duration = Duration::from_mins(1);

/// From one line of a slow head to the next.
const SLOW: Duration = Duration::from_millis(100);

/// Offsets in a frame.
const SOURCE: usize = 26;
const PORTS: usize = 34;
const SEQUENCE: usize = 38;
const FLAGS: usize = 47;
const PAYLOAD: usize = 54;

/// Connections that stay where they are: after the SYN alone, or after half a
/// request.
pub(super) fn flood(topology: &Topology, connections: u64, is_open: bool) -> Result<()> {
    let mut wire = Wire::ethernet(topology.client().namespace(), "eth0")?;
    let mut syn = frame(TcpFlags::SYN, b"")?;
    let mut half = frame(TcpFlags(TcpFlags::ACK.0 | TcpFlags::PSH.0), b"GET /half HTT")?;
    for number in 0..connections {
        // 10.128.0.0/9 has room for eight million.
        let source = (0x0a80_0000 + u32::try_from(number)?).to_be_bytes();
        for frame in [&mut syn, &mut half] {
            frame.get_mut(SOURCE..SOURCE + 4).context("short")?.copy_from_slice(&source);
        }
        wire.send(&syn)?;
        if is_open {
            wire.send(&half)?;
        }
        if number % BATCH == 0 {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Segments of any connection, with any flags, place and payload, a third of
/// which is made of words that the protocols know.
pub(super) fn random(topology: &Topology, segments: u64) -> Result<()> {
    const WORDS: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
        b"EHLO x\r\nMAIL FROM:<>\r\nDATA\r\n",
        b"250-x\r\n354 \r\n",
        b"a LOGIN {18446744073709551615}\r\n",
        b"* 1 FETCH (BODY[] {5}\r\n",
        b"\r\n.\r\n",
    ];
    let mut wire = Wire::ethernet(topology.client().namespace(), "eth0")?;
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut frames = Vec::new();
    for len in [0, 1, 16, 200, 700, 1400] {
        frames.push(frame(TcpFlags::ACK, &vec![0; len])?);
    }
    for number in 0..segments {
        let [one, two, three] = [(); 3].map(|()| chance.next());
        let frame = usize::try_from(one % 6)?;
        let frame = frames.get_mut(frame).context("a frame")?;
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = frame.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        // Some thousand connections, so that segments meet.
        let client = 40_000 + u16::try_from((one >> 8) % 500)?;
        let server = [80, 25, 143, 8080, 1430][usize::try_from((one >> 24) % 5)?];
        put(SOURCE + 3, &[(one >> 32).to_be_bytes()[7] % 8]);
        put(PORTS, &client.to_be_bytes());
        put(PORTS + 2, &u16::to_be_bytes(server));
        // Mostly near one another.
        let sequence = u32::try_from(two % 20_000)?;
        put(SEQUENCE, &(if two >> 60 == 0 { u32::MAX - sequence } else { sequence }).to_be_bytes());
        put(SEQUENCE + 4, &u32::try_from((two >> 20) % 20_000)?.to_be_bytes());
        put(FLAGS, &[if three.is_multiple_of(4) { three.to_be_bytes()[0] & 0x3f } else { 0x18 }]);
        let at = usize::try_from((three >> 8) % 600)?;
        match three % 3 {
            0 => put(PAYLOAD, WORDS[usize::try_from((three >> 32) % 8)?]),
            1 => put(PAYLOAD + at, &chance.next().to_be_bytes()),
            _ => put(PAYLOAD + at, WORDS[usize::try_from((three >> 32) % 8)?]),
        }
        wire.send(frame)?;
        if number % BATCH == 0 {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Numbers by chance, always the same (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn frame(flags: TcpFlags, payload: &[u8]) -> Result<Vec<u8>> {
    let packet = Packet {
        source: SocketAddr::new(Ipv4Addr::new(10, 99, 0, 1).into(), 40_000),
        destination: SocketAddr::new(NOBODY.into(), 80),
        sequence: if flags.has(TcpFlags::SYN) { 999 } else { 1000 },
        acknowledgement: 1,
        flags,
        window: 100,
        options: vec![],
        payload: payload.to_vec(),
        vlan: vec![],
    };
    packet.frame()
}

/// Requests that never come to the end of their head, a line at a time.
pub(super) fn slowloris(topology: &Topology, connections: u64, time: Duration) -> Result<()> {
    let address: IpAddr = topology.address(Ip::V4).parse()?;
    topology.client().namespace().within(move || {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, 80), LIMIT)?;
            stream.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n")?;
            streams.push(stream);
        }
        for _ in 0..time.as_millis() / SLOW.as_millis() {
            thread::sleep(SLOW);
            for stream in &mut streams {
                stream.write_all(b"X-Slow: a\r\n")?;
            }
        }
        Ok(())
    })
}

/// A server in the server's namespace that greets, takes what comes, and
/// counts it.
pub(super) fn take(topology: &Topology, port: u16, greeting: &'static [u8]) -> Result<Taking> {
    let server = topology.server().namespace();
    let listener = server.within(move || Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?))?;
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(greeting)?;
        let mut bytes = vec![0; WRITE];
        let mut taken = 0;
        loop {
            match stream.read(&mut bytes)? {
                0 => return Ok(taken),
                len => taken += u64::try_from(len)?,
            }
        }
    });
    Ok(thread)
}

/// What such a server took, at the end.
pub(super) type Taking = thread::JoinHandle<Result<u64>>;

/// Sends so many bytes of the same kind behind a beginning, and an end, to a
/// port, and reads what the server says meanwhile.
pub(super) fn pour(
    topology: &Topology,
    port: u16,
    begin: &str,
    (piece, bytes): (&[u8], u64),
    end: &str,
) -> Result<()> {
    let address: IpAddr = topology.address(Ip::V4).parse()?;
    let (begin, end) = (begin.to_owned(), end.to_owned());
    let pieces = piece.repeat(WRITE / piece.len());
    topology.client().namespace().within(move || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), LIMIT)?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut replies = stream.try_clone()?;
        let is_through = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = replies.read_to_end(&mut said);
            Ok(said)
        });
        // Dialogues of lines are not pipelined here: a server may mind.
        for part in begin.split_inclusive('\u{1}') {
            stream.write_all(part.trim_end_matches('\u{1}').as_bytes())?;
            thread::sleep(Duration::from_millis(50));
        }
        let mut left = bytes;
        while left > 0 {
            let len = pieces.len().min(usize::try_from(left)?);
            stream.write_all(pieces.get(..len).unwrap_or_default())?;
            left -= u64::try_from(len)?;
        }
        stream.write_all(end.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        is_through.store(true, Ordering::Relaxed);
        let said = wait::join(reader)?;
        ensure!(is_through.load(Ordering::Relaxed), "{}", String::from_utf8_lossy(&said));
        Ok(())
    })
}
