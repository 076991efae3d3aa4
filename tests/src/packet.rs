//! TCP segments as bytes on the wire.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, bail};
use etherparse::{
    IpHeaders, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6FlowLabel, Ipv6Header,
    PacketBuilder, TcpHeader, TcpOptionElement, VlanId, ip_number,
};
use tracer::capture::TcpFlags;

/// The hop limit that Linux gives.
const HOPS: u8 = 64;

/// A TCP segment that was not yet put on a wire. Checksums and lengths are
/// made right when it is.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as it stands in the header.
    pub window: u16,
    /// TCP options.
    pub options: Vec<TcpOptionElement>,
    /// Payload.
    pub payload: Vec<u8>,
    /// Ids of its VLAN tags, outermost first; at most two.
    pub vlan: Vec<u16>,
}

impl Packet {
    /// The packet from its Ethernet header on. The addresses are zeros, as on
    /// the loopback.
    ///
    /// # Errors
    ///
    /// When the ends are not of one IP version, or something is too long for
    /// its header.
    pub fn frame(&self) -> Result<Vec<u8>> {
        let ethernet = PacketBuilder::ethernet2([0; 6], [0; 6]);
        let vlan =
            self.vlan.iter().map(|id| VlanId::try_new(*id)).collect::<Result<Vec<_>, _>>()?;
        let builder = match vlan.as_slice() {
            [] => return self.write(ethernet.ip(self.ip()?).tcp_header(self.tcp()?)),
            [one] => ethernet.single_vlan(*one),
            [outer, inner] => ethernet.double_vlan(*outer, *inner),
            _ => bail!("more than two VLAN tags"),
        };
        self.write(builder.ip(self.ip()?).tcp_header(self.tcp()?))
    }

    /// The packet from its IP header on.
    ///
    /// # Errors
    ///
    /// As for [`frame`](Self::frame).
    pub fn ip_packet(&self) -> Result<Vec<u8>> {
        self.write(PacketBuilder::ip(self.ip()?).tcp_header(self.tcp()?))
    }

    fn write(&self, builder: etherparse::PacketBuilderStep<TcpHeader>) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(builder.size(self.payload.len()));
        builder.write(&mut bytes, &self.payload)?;
        Ok(bytes)
    }

    fn ip(&self) -> Result<IpHeaders> {
        Ok(match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let mut header = Ipv4Header::new(0, HOPS, ip_number::TCP, source, destination)?;
                header.dont_fragment = true;
                IpHeaders::Ipv4(header, Ipv4Extensions::default())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => IpHeaders::Ipv6(
                Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::ZERO,
                    payload_length: 0,
                    next_header: ip_number::TCP,
                    hop_limit: HOPS,
                    source: source.octets(),
                    destination: destination.octets(),
                },
                Ipv6Extensions::default(),
            ),
            _ => bail!("{} and {} speak different IP", self.source, self.destination),
        })
    }

    fn tcp(&self) -> Result<TcpHeader> {
        let mut header =
            TcpHeader::new(self.source.port(), self.destination.port(), self.sequence, self.window);
        header.syn = self.flags.has(TcpFlags::SYN);
        header.ack = self.flags.has(TcpFlags::ACK);
        header.psh = self.flags.has(TcpFlags::PSH);
        header.fin = self.flags.has(TcpFlags::FIN);
        header.rst = self.flags.has(TcpFlags::RST);
        header.acknowledgment_number = self.acknowledgement;
        header.set_options(&self.options)?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice, VlanSlice};

    use super::*;

    fn packet(source: &str, destination: &str, vlan: Vec<u16>) -> Packet {
        let end = |end: &str| end.parse().expect("an address and a port");
        Packet {
            source: end(source),
            destination: end(destination),
            sequence: u32::MAX,
            acknowledgement: 7,
            flags: TcpFlags(TcpFlags::ACK.0 | TcpFlags::PSH.0),
            window: 342,
            options: vec![TcpOptionElement::Timestamp(1, 2)],
            payload: b"an odd number of bytes!".to_vec(),
            vlan,
        }
    }

    /// The kernel would drop what has a wrong checksum.
    #[test]
    fn checksums_and_tags_are_right() {
        for (source, destination) in
            [("192.0.2.1:40001", "192.0.2.25:80"), ("[2001:db8::1]:40001", "[2001:db8::25]:80")]
        {
            for vlan in [vec![], vec![100], vec![100, 7]] {
                let packet = packet(source, destination, vlan.clone());
                let frame = packet.frame().expect("a frame");
                let sliced = SlicedPacket::from_ethernet(&frame).expect("a whole packet");
                let tags: Vec<u16> = match sliced.vlan() {
                    None => vec![],
                    Some(VlanSlice::SingleVlan(tag)) => vec![tag.vlan_identifier().value()],
                    Some(VlanSlice::DoubleVlan(tags)) => {
                        vec![
                            tags.outer.vlan_identifier().value(),
                            tags.inner.vlan_identifier().value(),
                        ]
                    }
                };
                assert_eq!(tags, vlan);
                let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
                assert_eq!(tcp.payload(), packet.payload);
                let header = tcp.to_header();
                let checksum = match sliced.net {
                    Some(NetSlice::Ipv4(ip)) => {
                        let ip = ip.header().to_header();
                        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                        header.calc_checksum_ipv4(&ip, tcp.payload())
                    }
                    Some(NetSlice::Ipv6(ip)) => {
                        header.calc_checksum_ipv6(&ip.header().to_header(), tcp.payload())
                    }
                    other => panic!("not IP: {other:?}"),
                };
                assert_eq!(checksum, Ok(header.checksum));
                assert!(frame.ends_with(&packet.ip_packet().expect("a packet")));
            }
        }
    }
}
