//! What an exchange costs in memory: through an open connection nothing is
//! allocated, from the bytes of the packet to the line that is written.

#![cfg(test)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::VecDeque,
    io::{self, Read},
};

use etherparse::PacketBuilder;
use tracer::{
    capture::{Status, file::FileSource, packet::Selection},
    cli::{CommonArgs, LiveArgs},
    config::Config,
    flow::Table,
    output::{Format, View, Writer},
    pipeline::Pipeline,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REQUEST: &str = "GET /item?page=3&lang=en HTTP/1.1\r\nHost: shop.example.test\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate\r\n\
    Referer: http://shop.example.test/list\r\nCookie: session=1\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\
    Date: Mon, 23 Nov 2026 11:04:52 GMT\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\
    Connection: keep-alive\r\nETag: \"6b041dcc-c8\"\r\nAccept-Ranges: bytes\r\n\r\nbody";

/// What every connection goes to.
const SERVER: [u8; 4] = [10, 0, 0, 2];

/// A connection from a port, as the packets of a capture.
struct Connection {
    port: u16,
    client: u32,
    server: u32,
}

impl Connection {
    /// Handshakes.
    fn open(port: u16, capture: &mut Vec<u8>) -> Self {
        let mut connection = Self { port, client: 1000, server: 9000 };
        connection.says(capture, true, "S", "");
        connection.says(capture, false, "SA", "");
        connection.says(capture, true, "A", "");
        connection
    }

    fn exchange(&mut self, capture: &mut Vec<u8>) {
        self.says(capture, true, "A", REQUEST);
        self.says(capture, false, "A", RESPONSE);
        self.says(capture, true, "A", "");
    }

    fn close(mut self, capture: &mut Vec<u8>) {
        self.says(capture, false, "FA", "");
        self.says(capture, true, "FA", "");
        self.says(capture, false, "A", "");
    }

    fn says(&mut self, capture: &mut Vec<u8>, client: bool, flags: &str, payload: &str) {
        let (from, to) = ([10, 0, 1, 1], SERVER);
        let (ip, ports, sequence) = if client {
            (PacketBuilder::ipv4(from, to, 64), (self.port, 80), &mut self.client)
        } else {
            (PacketBuilder::ipv4(to, from, 64), (80, self.port), &mut self.server)
        };
        let mut builder = ip.tcp(ports.0, ports.1, *sequence, 512);
        let takes = u32::from(flags.contains(['S', 'F']));
        *sequence += u32::try_from(payload.len()).unwrap() + takes;
        for flag in flags.chars() {
            builder = match flag {
                'S' => builder.syn(),
                'F' => builder.fin(),
                _ => builder.ack(if client { self.server } else { self.client }),
            };
        }
        let mut packet = Vec::new();
        builder.write(&mut packet, payload.as_bytes()).unwrap();
        let len = u32::try_from(packet.len()).unwrap();
        for word in [1_790_000_000, 0, len, len] {
            capture.extend(word.to_le_bytes());
        }
        capture.extend(packet);
    }
}

/// The header of a capture of IP packets.
fn header() -> Vec<u8> {
    let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101];
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A file that comes in pieces.
struct Pieces(VecDeque<VecDeque<u8>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.front().is_some_and(VecDeque::is_empty) {
            self.0.pop_front();
        }
        self.0.front_mut().map_or(Ok(0), |piece| piece.read(buffer))
    }
}

/// What reading the second of two pieces of a capture allocates, in a format and a
/// view.
fn allocated(format: Format, view: View, pieces: [&[u8]; 2]) -> usize {
    let common = CommonArgs { format: Some(format), view: Some(view), ..CommonArgs::default() };
    let config = Config::new(&LiveArgs::default(), &common).unwrap();
    let selection = Selection::new(config.flows.traced(), config.pure_acks());
    let pieces = pieces.map(|piece| piece.iter().copied().collect());
    let input = Box::new(Pieces(pieces.into())) as _;
    let source = FileSource::new([(String::from("capture"), input)], selection);
    let writer = Writer::new(io::sink(), format, view);
    let mut pipeline = Pipeline::new(source, Table::new(config.flows), writer);
    assert_eq!(pipeline.step().unwrap(), Status::More);
    let before = ALLOCATIONS.get();
    assert_eq!(pipeline.step().unwrap(), Status::More);
    let allocated = ALLOCATIONS.get() - before;
    assert_eq!(pipeline.step().unwrap(), Status::End);
    let stats = pipeline.finish().unwrap();
    assert_eq!(stats.flows.gaps, 0);
    assert!(stats.events > 100, "{stats}");
    allocated
}

/// Text and JSON, of messages and of exchanges.
fn outputs() -> impl Iterator<Item = (Format, View)> {
    [Format::Text, Format::Json]
        .into_iter()
        .flat_map(|format| [View::Messages, View::Exchanges].map(|view| (format, view)))
}

#[test]
fn an_exchange_on_an_open_connection_allocates_nothing() {
    let (mut before, mut after) = (header(), Vec::new());
    let mut connections = [40_000, 40_001, 40_002].map(|port| Connection::open(port, &mut before));
    for _ in 0..10 {
        for connection in &mut connections {
            connection.exchange(&mut before);
        }
    }
    for _ in 0..50 {
        for connection in &mut connections {
            connection.exchange(&mut after);
        }
    }
    for (format, view) in outputs() {
        assert_eq!(allocated(format, view, [&before, &after]), 0, "{format:?} {view:?}");
    }
}

#[test]
fn a_short_connection_allocates_little() {
    /// The flow, its streams and its decoder.
    const EACH: usize = 5;
    /// In JSON, what was written of it, as long as there are free places for
    /// that.
    const WRITTEN: usize = 2;
    const CONNECTIONS: u16 = 150;
    let (mut before, mut after) = (header(), Vec::new());
    for number in 0..CONNECTIONS + 20 {
        let capture = if number < 20 { &mut before } else { &mut after };
        let mut connection = Connection::open(40_000 + number, capture);
        connection.exchange(capture);
        connection.close(capture);
    }
    for (format, view) in outputs() {
        let allocated = allocated(format, view, [&before, &after]);
        // The table and its index grow now and then.
        let written = if format == Format::Json { WRITTEN } else { 0 };
        let limit = usize::from(CONNECTIONS) * (EACH + written) + 20;
        assert!(allocated <= limit, "{format:?} {view:?}: {allocated} are more than {limit}");
    }
}
