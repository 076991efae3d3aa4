//! A TCP connection whose two ends say what a test wants them to, with
//! sequence numbers, acknowledgements and timestamps that agree.

use std::net::SocketAddr;

use etherparse::TcpOptionElement;
use tracer::{capture::TcpFlags, event::Side};

use crate::packet::Packet;

/// The largest segment that Linux offers on the loopback, and the receive
/// buffer that it announces in a SYN.
const LOOPBACK_MSS: u16 = 65_495;
const SYN_WINDOW: u16 = 43_690;
/// Shift of the windows: Linux's usual one for buffers of 6 MiB.
const WINDOW_SCALE: u8 = 7;

/// One connection.
#[derive(Clone, Debug)]
pub struct Conversation {
    client: End,
    server: End,
    vlan: Vec<u16>,
}

/// What one end knows.
#[derive(Clone, Debug)]
struct End {
    address: SocketAddr,
    /// Sequence number of the next byte.
    next: u32,
    /// Window that it announces.
    window: u16,
    /// Its clock when it last sent.
    clock: u32,
}

impl Conversation {
    /// A connection that nobody opened yet; the sequence numbers of a capture
    /// start anywhere, so these are odd.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let end = |address, next| End { address, next, window: 342, clock: 0 };
        Self { client: end(client, 0x9e37_79b9), server: end(server, 0x7f4a_7c15), vlan: vec![] }
    }

    /// The same with VLAN tags, outermost first.
    #[must_use]
    pub fn tagged(self, vlan: Vec<u16>) -> Self {
        Self { vlan, ..self }
    }

    /// The same connection when it is older than the capture: both clocks have
    /// been told, last at `clock`.
    #[must_use]
    pub fn open_since(mut self, clock: u32) -> Self {
        (self.client.clock, self.server.clock) = (clock, clock);
        self
    }

    /// The same with other initial sequence numbers.
    #[must_use]
    pub fn starting_at(mut self, client: u32, server: u32) -> Self {
        (self.client.next, self.server.next) = (client, server);
        self
    }

    /// The client's SYN at `clock` of the timestamps' clock, the server's, and
    /// the acknowledgement.
    pub fn open(&mut self, clock: u32) -> [Packet; 3] {
        let client = self.send(Side::Client, clock, TcpFlags::SYN, &[]);
        let server = self.send(Side::Server, clock, with_ack(TcpFlags::SYN), &[]);
        [client, server, self.ack(Side::Client, clock)]
    }

    /// A segment with data.
    pub fn say(&mut self, side: Side, clock: u32, payload: impl AsRef<[u8]>) -> Packet {
        self.send(side, clock, with_ack(TcpFlags::PSH), payload.as_ref())
    }

    /// A bare acknowledgement.
    pub fn ack(&mut self, side: Side, clock: u32) -> Packet {
        self.send(side, clock, TcpFlags::ACK, &[])
    }

    /// The end of what the side says.
    pub fn fin(&mut self, side: Side, clock: u32) -> Packet {
        self.send(side, clock, with_ack(TcpFlags::FIN), &[])
    }

    /// Sets the window that the side announces from now on, as it stands in
    /// the header.
    pub fn window(&mut self, side: Side, window: u16) -> &mut Self {
        self.ends(side).0.window = window;
        self
    }

    const fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    fn send(&mut self, side: Side, clock: u32, flags: TcpFlags, payload: &[u8]) -> Packet {
        let (syn, ack) = (flags.has(TcpFlags::SYN), flags.has(TcpFlags::ACK));
        let vlan = self.vlan.clone();
        let (from, to) = self.ends(side);
        from.clock = clock;
        let timestamps = TcpOptionElement::Timestamp(clock, if ack { to.clock } else { 0 });
        let (window, options) = if syn {
            let options = vec![
                TcpOptionElement::MaximumSegmentSize(LOOPBACK_MSS),
                TcpOptionElement::SelectiveAcknowledgementPermitted,
                timestamps,
                TcpOptionElement::Noop,
                TcpOptionElement::WindowScale(WINDOW_SCALE),
            ];
            (SYN_WINDOW, options)
        } else {
            (from.window, vec![TcpOptionElement::Noop, TcpOptionElement::Noop, timestamps])
        };
        let packet = Packet {
            source: from.address,
            destination: to.address,
            sequence: from.next,
            acknowledgement: if ack { to.next } else { 0 },
            flags,
            window,
            options,
            payload: payload.to_vec(),
            vlan,
        };
        // Lengths of single segments; the sequence space wraps by design.
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        from.next =
            from.next.wrapping_add(len + u32::from(syn) + u32::from(flags.has(TcpFlags::FIN)));
        packet
    }
}

const fn with_ack(flag: TcpFlags) -> TcpFlags {
    TcpFlags(flag.0 | TcpFlags::ACK.0)
}
