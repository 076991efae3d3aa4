//! From the bytes of a frame to the IP packet in it. Link types are those of
//! <https://www.tcpdump.org/linktypes.html>.

mod cooked;
pub(super) mod ethernet;
mod lan;
mod loopback;
mod nflog;
pub(super) mod ppp;
mod serial;
#[cfg(test)]
mod tests;
pub(super) mod wlan;
mod wrapped;

use super::{Direction, Vlan};

/// Headers of the link layer and of tunnels that may stand in one packet. What
/// networks do is less than ten; without a limit a crafted frame would nest
/// thousands.
pub(super) const MAX_HEADERS: u8 = 16;

/// How the frames of an interface begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet header, with or without tags.
    Ethernet,
    /// The IP header itself.
    Raw,
    /// Linux "cooked" capture, version 1.
    LinuxSll,
    /// Linux "cooked" capture, version 2, which names the interface.
    LinuxSll2,
    /// An address family of four bytes, in either byte order.
    Null,
    /// `OpenBSD`'s `enc` device: an address family, then two more fields.
    Enc,
    /// Netfilter's log: a header, then attributes.
    Nflog,
    /// PPP, with or without its address and control bytes, or Cisco's HDLC.
    Ppp,
    /// PPP behind a byte that says the direction.
    PppWithDirection,
    /// `PPPoE` without the Ethernet header.
    Pppoe,
    /// Frame Relay (RFC 2427).
    FrameRelay,
    /// IEEE 802.2 logical link control, as on ATM (RFC 2684).
    Llc,
    /// IEEE 802.11.
    Wlan,
    /// IEEE 802.11 behind a radiotap header.
    Radiotap,
    /// IEEE 802.11 behind a Prism or AVS header.
    Prism,
    /// A header that names another link type.
    Ppi,
    /// Darwin's header that names another link type.
    Pktap,
    /// Endace's records.
    Erf,
    /// Hilscher's network analyzer.
    Netanalyzer,
    /// The same with the preamble.
    NetanalyzerTransparent,
    /// Juniper's Ethernet.
    JuniperEthernet,
    /// Cisco's HDLC behind a byte that says the direction.
    HdlcWithDirection,
    /// Frame Relay behind a byte that says the direction.
    FrameRelayWithDirection,
    /// `OpenBSD`'s filter log.
    Pflog,
    /// IEEE 802.5.
    TokenRing,
    /// FDDI.
    Fddi,
    /// IP over IEEE 1394.
    Firewire,
}

/// What a frame says beside its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// From the first byte of the IP header to the end of the frame.
    pub packet: &'a [u8],
    /// VLAN tags, up to two.
    pub vlan: Vlan,
    /// Which way it crossed the interface.
    pub direction: Direction,
    /// Whether the frame shows that its interface is the loopback.
    pub loopback: bool,
    /// Index of its interface on the host that captured it, if it says so.
    pub interface: Option<u32>,
    /// Headers that may still follow.
    pub(super) headers_left: u8,
}

impl LinkType {
    /// The link type of that number in a file header; `None` if it is not one
    /// that can be read.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            6 => Self::TokenRing,
            9 | 50 | 104 => Self::Ppp,
            10 => Self::Fddi,
            // Numbers of DLT_RAW that files of some systems have instead of 101.
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            51 => Self::Pppoe,
            100 => Self::Llc,
            105 => Self::Wlan,
            107 => Self::FrameRelay,
            109 => Self::Enc,
            113 => Self::LinuxSll,
            117 => Self::Pflog,
            119 | 163 => Self::Prism,
            127 => Self::Radiotap,
            138 => Self::Firewire,
            166 | 204 => Self::PppWithDirection,
            178 => Self::JuniperEthernet,
            192 => Self::Ppi,
            197 => Self::Erf,
            205 => Self::HdlcWithDirection,
            206 => Self::FrameRelayWithDirection,
            239 => Self::Nflog,
            240 => Self::Netanalyzer,
            241 => Self::NetanalyzerTransparent,
            // The second is the number that Darwin's own tools write.
            258 | 149 => Self::Pktap,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    /// Finds the IP packet in a frame; `None` if it carries something else or
    /// ends before the packet begins.
    pub fn parse(self, frame: &[u8]) -> Option<Frame<'_>> {
        self.within(frame, MAX_HEADERS)
    }

    fn within(self, frame: &[u8], headers_left: u8) -> Option<Frame<'_>> {
        match self {
            Self::Ethernet => ethernet::frame(frame, headers_left),
            Self::Raw => ip(frame, headers_left),
            Self::LinuxSll => cooked::sll(frame, headers_left),
            Self::LinuxSll2 => cooked::sll2(frame, headers_left),
            Self::Null => loopback::null(frame, headers_left),
            Self::Enc => loopback::enc(frame, headers_left),
            Self::Nflog => nflog::frame(frame, headers_left),
            Self::Ppp => ppp::framed(frame, headers_left),
            Self::PppWithDirection => ppp::with_direction(frame, headers_left),
            Self::Pppoe => ppp::over_ethernet(frame, headers_left),
            Self::FrameRelay => serial::frame_relay(frame, headers_left),
            Self::Llc => ethernet::llc(frame, headers_left),
            Self::Wlan => wlan::frame(frame, false, headers_left),
            Self::Radiotap => wlan::radiotap(frame, headers_left),
            Self::Prism => wlan::prism(frame, headers_left),
            Self::Ppi => wrapped::ppi(frame, headers_left),
            Self::Pktap => wrapped::pktap(frame, headers_left),
            Self::Erf => wrapped::erf(frame, headers_left),
            Self::Netanalyzer => wrapped::netanalyzer(frame, false, headers_left),
            Self::NetanalyzerTransparent => wrapped::netanalyzer(frame, true, headers_left),
            Self::JuniperEthernet => wrapped::juniper_ethernet(frame, headers_left),
            Self::HdlcWithDirection => wrapped::with_direction(frame, false, headers_left),
            Self::FrameRelayWithDirection => wrapped::with_direction(frame, true, headers_left),
            Self::Pflog => loopback::pflog(frame, headers_left),
            Self::TokenRing => lan::token_ring(frame, headers_left),
            Self::Fddi => lan::fddi(frame, headers_left),
            Self::Firewire => lan::firewire(frame, headers_left),
        }
    }
}

impl<'a> Frame<'a> {
    const fn new(packet: &'a [u8], vlan: Vlan, headers_left: u8) -> Self {
        let direction = Direction::Unknown;
        Self { packet, vlan, direction, loopback: false, interface: None, headers_left }
    }
}

/// An IP packet, by its version.
pub(super) fn ip(packet: &[u8], headers_left: u8) -> Option<Frame<'_>> {
    matches!(packet.first()? >> 4, 4 | 6).then(|| Frame::new(packet, Vlan::default(), headers_left))
}

/// Names for an error message, of link types that captures do have.
pub fn name(number: u32) -> Option<&'static str> {
    Some(match number {
        187 | 201 => "Bluetooth",
        189 | 220 => "USB (Linux)",
        195 | 230 => "IEEE 802.15.4",
        249 => "USB (Windows)",
        252 => "exported PDUs",
        253 => "netlink",
        _ => return None,
    })
}
