//! From the bytes of an IP packet to the fields of a segment, or to the
//! outcome that the packet counts as. Decides as the kernel side does, so that
//! the outcomes of a file and of a live capture of the same packets agree.

#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;

use etherparse::{LaxIpSlice, ip_number};
use tracer_common::{Hosts, Outcome, PORT_TABLE_LEN};

use super::{TcpFlags, TcpHeader, TcpOptions};
use crate::{event::Endpoint, selection};

/// Length of the TCP header without options (RFC 9293 section 3.1).
const MIN_TCP_HEADER: usize = 20;
/// Length of the IPv6 header without extensions (RFC 8200 section 3).
const IPV6_HEADER: usize = 40;
/// A segment with one of these is more than an acknowledgement, even if empty.
const NEVER_PURE_ACK: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0);

/// Which segments are wanted.
#[derive(Clone)]
pub struct Selection {
    /// One bit per port number.
    ports: Box<[u64; PORT_TABLE_LEN / 64]>,
    /// Segments that carry nothing but an acknowledgement, too.
    pure_acks: bool,
    /// Hosts; `None` for all.
    hosts: Option<Box<Hosts>>,
}

impl Selection {
    /// Segments to or from one of `ports`.
    pub fn new(ports: impl IntoIterator<Item = u16>, pure_acks: bool) -> Self {
        let mut selection =
            Self { ports: Box::new([0; PORT_TABLE_LEN / 64]), pure_acks, hosts: None };
        for port in ports {
            if let Some(word) = selection.ports.get_mut(usize::from(port) / 64) {
                *word |= 1 << (port % 64);
            }
        }
        selection
    }

    /// Every segment: for records of a kernel side that has selected already.
    pub fn all() -> Self {
        Self { ports: Box::new([u64::MAX; PORT_TABLE_LEN / 64]), pure_acks: true, hosts: None }
    }

    /// Of those, segments between certain hosts only.
    #[must_use]
    pub fn with_hosts(mut self, hosts: &Hosts) -> Self {
        self.hosts = (!hosts.are_all()).then(|| Box::new(*hosts));
        self
    }

    fn has(&self, port: u16) -> bool {
        self.ports.get(usize::from(port) / 64).is_some_and(|word| word >> (port % 64) & 1 == 1)
    }
}

/// What the IP and TCP headers of a packet say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// The TCP header.
    pub tcp: TcpHeader,
    /// Bytes of the IP and TCP headers with all options and extensions, so the
    /// offset of the payload; beyond the captured bytes when those end within
    /// the TCP options.
    pub len: usize,
    /// Payload bytes as the IP header says, whatever was captured or padded.
    pub payload_len: u32,
}

impl Headers {
    /// Reads the headers of the IP packet that `packet` begins with. The packet
    /// may be cut short and may have padding behind it. `wire_len` is how long
    /// it was on the wire (padding included); it counts only where the IP
    /// header's length is 0, which is how the kernel shows packets that are too
    /// big for the field.
    ///
    /// # Errors
    ///
    /// The outcome of a packet that is not wanted or not readable:
    /// [`Outcome::NotSelected`], [`Outcome::PureAck`], [`Outcome::Fragment`] or
    /// [`Outcome::Malformed`].
    #[inline]
    pub fn parse(packet: &[u8], wire_len: u32, selection: &Selection) -> Result<Self, Outcome> {
        let Ip { source: source_ip, destination: destination_ip, total_len, headers_len } =
            match Ip::usual(packet) {
                Some(ip) => ip,
                None => Ip::any(packet)?,
            };
        let total_len = if total_len == 0 { wire_len } else { total_len };
        let transport_len = u32::try_from(headers_len)
            .ok()
            .and_then(|headers_len| total_len.checked_sub(headers_len))
            .ok_or(Outcome::Malformed)?;

        // Not the payload slice: that ends where a short total length says so,
        // and the kernel side looks at the ports before it doubts the length.
        let transport = packet.get(headers_len..).unwrap_or_default();
        let fixed = transport.first_chunk::<MIN_TCP_HEADER>().ok_or(Outcome::Malformed)?;
        let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = *fixed;
        let (source_port, destination_port) =
            (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        if !selection.has(source_port) && !selection.has(destination_port) {
            return Err(Outcome::NotSelected);
        }
        let tcp_len = usize::from(offset >> 4) * 4;
        let payload_len = u32::try_from(tcp_len)
            .ok()
            .filter(|_| tcp_len >= MIN_TCP_HEADER)
            .and_then(|tcp_len| transport_len.checked_sub(tcp_len))
            .ok_or(Outcome::Malformed)?;
        let flags = TcpFlags(u16::from_be_bytes([offset & 1, flags]));
        if let Some(hosts) = &selection.hosts
            && !selection::select(hosts, source_ip, destination_ip)
        {
            return Err(Outcome::NotSelected);
        }
        if payload_len == 0 && !flags.has(NEVER_PURE_ACK) && !selection.pure_acks {
            return Err(Outcome::PureAck);
        }
        let list = transport.get(MIN_TCP_HEADER..tcp_len.min(transport.len()));
        Ok(Self {
            source: Endpoint { ip: source_ip, port: source_port },
            destination: Endpoint { ip: destination_ip, port: destination_port },
            tcp: TcpHeader {
                sequence: u32::from_be_bytes([q0, q1, q2, q3]),
                acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
                flags,
                window: u16::from_be_bytes([w0, w1]),
                options: TcpOptions::new(list.unwrap_or_default()),
            },
            len: headers_len + tcp_len,
            payload_len,
        })
    }
}

/// What an IP header in front of TCP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ip {
    source: IpAddr,
    destination: IpAddr,
    /// Bytes of the packet; 0 where the header does not say.
    total_len: u32,
    /// Bytes of the header and its options and extensions.
    headers_len: usize,
}

impl Ip {
    /// Reads the header that nearly every packet has: whole, without options and
    /// extensions, of a packet in one piece. `None` says nothing of any other.
    fn usual(packet: &[u8]) -> Option<Self> {
        const TCP: u8 = ip_number::TCP.0;
        /// More fragments, and the bits of a fragment's offset.
        const FRAGMENT: u16 = 0x3fff;

        match *packet {
            [0x45, _, l0, l1, _, _, f0, f1, _, TCP, _, _, s0, s1, s2, s3, d0, d1, d2, d3, ..]
                if u16::from_be_bytes([f0, f1]) & FRAGMENT == 0 =>
            {
                Some(Self {
                    source: IpAddr::from([s0, s1, s2, s3]),
                    destination: IpAddr::from([d0, d1, d2, d3]),
                    total_len: u16::from_be_bytes([l0, l1]).into(),
                    headers_len: 20,
                })
            }
            [0x60..=0x6f, _, _, _, l0, l1, TCP, _, ref rest @ ..] => {
                let (source, rest) = rest.split_first_chunk::<16>()?;
                let payload_len = u32::from(u16::from_be_bytes([l0, l1]));
                Some(Self {
                    source: IpAddr::from(*source),
                    destination: IpAddr::from(*rest.first_chunk::<16>()?),
                    total_len: if payload_len == 0 { 0 } else { payload_len + 40 },
                    headers_len: IPV6_HEADER,
                })
            }
            _ => None,
        }
    }

    /// Reads the header of any packet; the error is its outcome.
    fn any(packet: &[u8]) -> Result<Self, Outcome> {
        let Ok((ip, broken_extension)) = LaxIpSlice::from_slice(packet) else {
            return Err(without_header(packet));
        };
        let (total_len, headers_len) = match &ip {
            LaxIpSlice::Ipv4(ip) => {
                if ip.header().protocol() != ip_number::TCP {
                    return Err(Outcome::NotSelected);
                }
                (u32::from(ip.header().total_len()), ip.header().slice().len())
            }
            LaxIpSlice::Ipv6(ip) => {
                let len = match ip.header().payload_length() {
                    0 => 0,
                    len => u32::from(len) + 40,
                };
                (len, IPV6_HEADER + ip.extensions().slice().len())
            }
        };
        if broken_extension.is_some() || ip.payload_ip_number() != ip_number::TCP {
            return Err(Outcome::NotSelected);
        }
        if ip.is_fragmenting_payload() {
            return Err(Outcome::Fragment);
        }
        let (source, destination) = (ip.source_addr(), ip.destination_addr());
        Ok(Self { source, destination, total_len, headers_len })
    }
}

/// What a packet counts as whose IP header is not readable: malformed if it
/// says that it carries TCP.
fn without_header(packet: &[u8]) -> Outcome {
    match packet.first_chunk::<20>() {
        Some([first, .., protocol, _, _, _, _, _, _, _, _, _, _])
            if first >> 4 == 4 && *protocol == ip_number::TCP.0 =>
        {
            Outcome::Malformed
        }
        _ => Outcome::NotSelected,
    }
}
