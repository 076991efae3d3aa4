//! Interfaces as rtnetlink tells of them (`linux/rtnetlink.h`, `linux/if_link.h`).

use std::io;

use super::{
    Requests,
    message::{Attributes, Request, text, u16_at, u32_at},
};

const AF_UNSPEC: u8 = 0;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_WIRELESS: u16 = 11;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// Hardware types that libc does not name (`linux/if_arp.h`).
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_IP6GRE: u16 = 823;

/// `struct ifinfomsg`, which stands before the attributes.
const HEADER: usize = 16;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::privileged) struct Link {
    /// Its index in this network namespace.
    pub(in crate::privileged) index: u32,
    /// Its name.
    pub(in crate::privileged) name: String,
    /// Whether it is administratively up.
    pub(in crate::privileged) up: bool,
    /// Whether it is the loopback.
    pub(in crate::privileged) loopback: bool,
    /// `ARPHRD_*`.
    pub(in crate::privileged) hardware: u16,
    /// Kind of a virtual device: `veth`, `vlan`, `bridge`; empty for others.
    pub(in crate::privileged) kind: String,
    /// For a VLAN device.
    pub(in crate::privileged) vlan: Option<VlanDevice>,
    /// The XDP program that is attached, by its id.
    pub(in crate::privileged) xdp: Option<u32>,
}

/// What makes a VLAN device one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::privileged) struct VlanDevice {
    /// The id in the tags of its frames.
    pub(in crate::privileged) id: u16,
    /// The device below it, if that is in the same network namespace.
    pub(in crate::privileged) parent: Option<u32>,
}

/// What a packet begins with at the hooks of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::privileged) enum Framing {
    /// An Ethernet header.
    Ethernet,
    /// The IP header.
    Ip,
}

impl Link {
    /// What packets begin with; `None` for what tracer cannot read. The list
    /// of devices without a header is the kernel's (`dev_is_mac_header_xmit`).
    pub(in crate::privileged) const fn framing(&self) -> Option<Framing> {
        match self.hardware {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(Framing::Ethernet),
            libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | ARPHRD_IP6GRE
            | libc::ARPHRD_PPP
            | ARPHRD_RAWIP
            | libc::ARPHRD_NONE => Some(Framing::Ip),
            _ => None,
        }
    }
}

/// Something that became of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::privileged) enum Change {
    /// It is new, or something about it is.
    Is(Link),
    /// It is gone from this network namespace.
    Gone(u32),
}

/// Reads a notification; `None` for those that say nothing of this kind.
pub(super) fn change(kind: u16, payload: &[u8]) -> Option<Change> {
    // The bridge tells of its ports by messages of the same kind in its own
    // family: a deletion there is a port that left the bridge.
    if *payload.first()? != AF_UNSPEC {
        return None;
    }
    match kind {
        RTM_NEWLINK => link(payload).map(Change::Is),
        RTM_DELLINK => u32_at(payload, 4).map(Change::Gone),
        _ => None,
    }
}

fn link(payload: &[u8]) -> Option<Link> {
    let flags = u32_at(payload, 8)?.cast_signed();
    let mut link = Link {
        index: u32_at(payload, 4)?,
        name: String::new(),
        up: flags & libc::IFF_UP != 0,
        loopback: flags & libc::IFF_LOOPBACK != 0,
        hardware: u16_at(payload, 2)?,
        kind: String::new(),
        vlan: None,
        xdp: None,
    };
    let (mut parent, mut vlan_id) = (None, None);
    let mut elsewhere = false;
    for (kind, value) in Attributes::new(payload.get(HEADER..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_LINK => parent = u32_at(value, 0).filter(|&parent| parent != 0),
            IFLA_LINK_NETNSID => elsewhere = true,
            IFLA_LINKINFO => (link.kind, vlan_id) = info(value),
            IFLA_XDP => link.xdp = xdp(value),
            // Wireless events are of this kind and leave the rest out.
            IFLA_WIRELESS => return None,
            _ => {}
        }
    }
    let parent = parent.filter(|_| !elsewhere);
    link.vlan = vlan_id.map(|id| VlanDevice { id, parent });
    (!link.name.is_empty()).then_some(link)
}

/// The kind of a virtual device, and the id of a VLAN device.
fn info(nested: &[u8]) -> (String, Option<u16>) {
    let mut kind = String::new();
    let mut data: &[u8] = &[];
    for (attribute, value) in Attributes::new(nested) {
        match attribute {
            IFLA_INFO_KIND => kind = text(value),
            IFLA_INFO_DATA => data = value,
            _ => {}
        }
    }
    let id = (kind == "vlan")
        .then(|| Attributes::new(data).find(|(attribute, _)| *attribute == IFLA_VLAN_ID));
    (kind, id.flatten().and_then(|(_, value)| u16_at(value, 0)))
}

/// The id of the XDP program that is attached, in whatever mode.
fn xdp(nested: &[u8]) -> Option<u32> {
    let (mut attached, mut program) = (false, None);
    for (attribute, value) in Attributes::new(nested) {
        match attribute {
            IFLA_XDP_ATTACHED => attached = value.first().is_some_and(|&mode| mode != 0),
            IFLA_XDP_PROG_ID => program = u32_at(value, 0),
            _ => {}
        }
    }
    // With programs in several modes at once there is no single id.
    attached.then(|| program.unwrap_or(0))
}

impl Requests {
    /// All interfaces of this network namespace.
    pub(in crate::privileged) fn links(&mut self) -> io::Result<Vec<Link>> {
        let request = Request::new(RTM_GETLINK, libc::NLM_F_DUMP, &[0; HEADER])
            .attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        let mut links = Vec::new();
        self.ask(request, |kind, payload| {
            if let Some(Change::Is(link)) = change(kind, payload) {
                links.push(link);
            }
        })?;
        Ok(links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privileged::netlink::message::put;

    /// A `RTM_NEWLINK` payload.
    fn written(index: u32, name: &str, more: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[2..4].copy_from_slice(&libc::ARPHRD_ETHER.to_ne_bytes());
        bytes[4..8].copy_from_slice(&index.to_ne_bytes());
        bytes[8..12].copy_from_slice(&libc::IFF_UP.to_ne_bytes());
        put(&mut bytes, IFLA_IFNAME, format!("{name}\0").as_bytes());
        for (kind, value) in more {
            put(&mut bytes, *kind, value);
        }
        bytes
    }

    fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, value) in attributes {
            put(&mut bytes, *kind, value);
        }
        bytes
    }

    fn read(payload: &[u8]) -> Option<Link> {
        match change(RTM_NEWLINK, payload) {
            Some(Change::Is(link)) => Some(link),
            _ => None,
        }
    }

    /// `ip link add va type veth peer name vb`, as Linux 6.18 told of `va`;
    /// statistics left out.
    #[cfg(target_endian = "little")]
    const VETH: &str = "\
        00000100030000000210000000000000070003007661000008000d00e8030000050010000200000005001100\
        00000000050043000000000008000400dc05000008002800ffff00000a000100f250dce627ee00000a000200\
        ffffffffffff00000c002b000500020000000000100012000900010076657468000000000800050002000000";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_recorded_veth_is_read() {
        let digits: Vec<u8> = VETH.bytes().filter(u8::is_ascii_hexdigit).collect();
        let payload: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let link = read(&payload).unwrap();
        let expected = Link {
            index: 3,
            name: "va".to_owned(),
            up: false,
            loopback: false,
            hardware: libc::ARPHRD_ETHER,
            kind: "veth".to_owned(),
            vlan: None,
            xdp: None,
        };
        assert_eq!(link, expected);
        for len in 0..payload.len() {
            // Cut anywhere it is another interface or none, but no panic.
            let _ = read(&payload[..len]);
        }
    }

    #[test]
    fn a_vlan_device_has_its_id_and_the_device_below() {
        let data = nested(&[(IFLA_VLAN_ID, &7_u16.to_ne_bytes())]);
        let info = nested(&[(IFLA_INFO_KIND, b"vlan\0"), (IFLA_INFO_DATA, &data)]);
        let below = 2_u32.to_ne_bytes();
        let attributes: [(u16, &[u8]); 2] = [(IFLA_LINK, &below), (IFLA_LINKINFO, &info)];
        let link = read(&written(4, "eth0.7", &attributes)).unwrap();
        assert_eq!(link.vlan, Some(VlanDevice { id: 7, parent: Some(2) }));

        let elsewhere = (IFLA_LINK_NETNSID, &0_u32.to_ne_bytes()[..]);
        let attributes = [attributes[0], attributes[1], elsewhere];
        let link = read(&written(4, "eth0.7", &attributes)).unwrap();
        assert_eq!(link.vlan, Some(VlanDevice { id: 7, parent: None }));
    }

    #[test]
    fn an_xdp_program_is_known_by_its_id() {
        let xdp = nested(&[(IFLA_XDP_ATTACHED, &[1]), (IFLA_XDP_PROG_ID, &99_u32.to_ne_bytes())]);
        assert_eq!(read(&written(2, "eth0", &[(IFLA_XDP, &xdp)])).unwrap().xdp, Some(99));
        let none = nested(&[(IFLA_XDP_ATTACHED, &[0])]);
        assert_eq!(read(&written(2, "eth0", &[(IFLA_XDP, &none)])).unwrap().xdp, None);
    }

    #[test]
    fn a_port_that_leaves_a_bridge_is_not_gone() {
        let mut payload = written(2, "veth0", &[]);
        assert_eq!(change(RTM_DELLINK, &payload), Some(Change::Gone(2)));
        payload[0] = u8::try_from(libc::AF_BRIDGE).unwrap();
        assert_eq!(change(RTM_DELLINK, &payload), None);
    }

    #[test]
    fn the_hardware_type_says_what_packets_begin_with() {
        let mut link = read(&written(2, "it", &[])).unwrap();
        for (hardware, framing) in [
            (libc::ARPHRD_ETHER, Some(Framing::Ethernet)),
            (libc::ARPHRD_LOOPBACK, Some(Framing::Ethernet)),
            (libc::ARPHRD_NONE, Some(Framing::Ip)),
            (libc::ARPHRD_PPP, Some(Framing::Ip)),
            (libc::ARPHRD_INFINIBAND, None),
        ] {
            link.hardware = hardware;
            assert_eq!(link.framing(), framing, "{hardware}");
        }
    }
}
