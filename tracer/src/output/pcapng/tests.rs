//! What is written is what the reader of capture files reads.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::{
        fd::AsFd as _,
        unix::fs::{PermissionsExt as _, symlink},
    },
    path::PathBuf,
};

use tempfile::TempDir;

use super::*;
use crate::{
    capture::{
        Captured, Interface, Point, Source as _, Status, TcpFlags, TcpHeader, Vlan,
        file::FileSource, packet::Selection,
    },
    event::Endpoint,
};

const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A packet of the ring, from which segments are lent.
#[derive(Clone)]
struct Sent {
    time: u64,
    interface: Interface,
    point: Point,
    vlan: Vlan,
    from: IpAddr,
    payload: Vec<u8>,
    /// Payload bytes of each record; what is behind them is not captured.
    records: Vec<usize>,
}

fn sent() -> Sent {
    Sent {
        time: 1_475_232_865_123_456_789,
        interface: Interface { name: "eth0".into(), loopback: false },
        point: Point { interface: 3, direction: Direction::Ingress, ..Point::default() },
        vlan: Vlan::default(),
        from: Ipv4Addr::new(10, 0, 0, 1).into(),
        payload: PAYLOAD.to_vec(),
        records: vec![PAYLOAD.len()],
    }
}

impl Sent {
    fn destination(&self) -> IpAddr {
        match self.from {
            IpAddr::V4(_) => Ipv4Addr::new(10, 0, 0, 2).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into(),
        }
    }

    /// IP and TCP headers; of lengths that do not fit, the kernel writes 0.
    fn headers(&self) -> Vec<u8> {
        let len = |extra: usize| u16::try_from(self.payload.len() + extra).unwrap_or(0);
        let mut bytes = Vec::new();
        match (self.from, self.destination()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                bytes.extend([0x45, 0]);
                bytes.extend(len(40).to_be_bytes());
                bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                bytes.extend([0x60, 0, 0, 0]);
                bytes.extend(len(20).to_be_bytes());
                bytes.extend([6, 64]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
            }
            _ => unreachable!("one family"),
        }
        bytes.extend([0x9c, 0x40, 0, 80, 0, 0, 3, 0xe8, 0, 0, 0, 7, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        bytes
    }

    /// The records of the packet, each with its segment.
    fn each(&self, mut take: impl FnMut(usize, &Segment<'_>)) {
        let headers = self.headers();
        let mut offset = 0;
        for (number, &len) in self.records.iter().enumerate() {
            let bytes = &self.payload[offset..offset + len];
            let record = [&headers, bytes].concat();
            let wire_len = u32::try_from(headers.len() + self.payload.len()).expect("short");
            take(
                number,
                &Segment {
                    time: Timestamp(self.time),
                    point: self.point,
                    interface: &self.interface,
                    vlan: self.vlan,
                    source: Endpoint { ip: self.from, port: 40_000 },
                    destination: Endpoint { ip: self.destination(), port: 80 },
                    tcp: TcpHeader {
                        sequence: 1000,
                        acknowledgement: 7,
                        flags: TcpFlags(0x18),
                        window: 256,
                        ..TcpHeader::default()
                    },
                    len: u32::try_from(self.payload.len()).expect("short"),
                    offset: u32::try_from(offset).expect("short"),
                    bytes,
                    more: number + 1 < self.records.len(),
                    lost: 0,
                    shunted: false,
                    frame: None,
                    captured: Captured {
                        interface: self.point.interface,
                        link_type: None,
                        bytes: &record,
                        wire_len,
                    },
                },
            );
            offset += len;
        }
    }

    /// What is to be read of it, if all that was captured is written.
    fn expected(&self) -> Read {
        Read {
            time: self.time,
            interface: self.interface.clone(),
            direction: self.point.direction,
            vlan: self.vlan,
            source: Endpoint { ip: self.from, port: 40_000 },
            len: self.payload.len(),
            payload: self.payload[..self.records.iter().sum()].to_vec(),
        }
    }
}

/// What the reader of capture files says of a packet.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    time: u64,
    interface: Interface,
    direction: Direction,
    vlan: Vlan,
    source: Endpoint,
    len: usize,
    payload: Vec<u8>,
}

fn read(path: &PathBuf) -> Vec<Read> {
    let file = File::open(path).expect("what was written");
    let mut source =
        FileSource::new([("written".to_owned(), Box::new(file) as _)], Selection::all());
    let mut all = Vec::new();
    loop {
        let status = source.read(&mut |segment| {
            assert_eq!(segment.tcp.sequence, 1000);
            all.push(Read {
                time: segment.time.0,
                interface: segment.interface.clone(),
                direction: segment.point.direction,
                vlan: segment.vlan,
                source: segment.source,
                len: segment.len as usize,
                payload: segment.bytes.to_vec(),
            });
        });
        if status.expect("a sound file") == Status::End {
            return all;
        }
    }
}

/// A folder for a file, and the file's name in it.
fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("packets.pcapng");
    (folder, path)
}

fn written(sent: &[Sent]) -> Vec<Read> {
    let (_folder, path) = place();
    let mut recorder = Recorder::new(PacketFile::open(&path, []).expect("a new file"));
    for packet in sent {
        packet.each(|_, segment| recorder.segment(segment));
    }
    assert!(recorder.finish(&Outcomes::default()));
    read(&path)
}

#[test]
fn packets_of_the_ring_come_back_as_they_were_seen() {
    let tagged = |outer, inner| Sent { vlan: Vlan { outer, inner }, ..sent() };
    let lo = Interface { name: "lo".into(), loopback: true };
    let out = Point { interface: 1, direction: Direction::Egress, ..Point::default() };
    let packets = [
        sent(),
        Sent { interface: lo, point: out, ..sent() },
        Sent { from: Ipv6Addr::LOCALHOST.into(), payload: Vec::new(), records: vec![0], ..sent() },
        tagged(Some(100), None),
        tagged(Some(4095), Some(7)),
        // Renamed.
        Sent { interface: Interface { name: "wan".into(), loopback: false }, ..sent() },
        // Cut.
        Sent { records: vec![5], ..sent() },
    ];
    let expected: Vec<Read> = packets.iter().map(Sent::expected).collect();
    assert_eq!(written(&packets), expected);
}

/// A packet of three records, and one of another flow.
fn large() -> [Sent; 2] {
    let payload: Vec<u8> = (0..150_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let large = Sent { payload, records: vec![65_000, 65_000, 20_000], ..sent() };
    [large, Sent { from: Ipv4Addr::new(10, 0, 0, 9).into(), ..sent() }]
}

#[test]
fn a_packet_of_several_records_is_one_packet() {
    let [large, other] = large();
    let (_folder, path) = place();
    let mut recorder = Recorder::new(PacketFile::open(&path, []).expect("a new file"));
    large.each(|number, segment| {
        recorder.segment(segment);
        // Another CPU's record comes in between.
        if number == 1 {
            other.each(|_, segment| recorder.segment(segment));
        }
    });
    assert!(recorder.finish(&Outcomes::default()));
    assert_eq!(read(&path), [other.expected(), large.expected()]);
}

#[test]
fn a_packet_whose_middle_was_lost_ends_there() {
    let [large, _] = large();
    let (_folder, path) = place();
    for lost in [1, 2] {
        let mut recorder = Recorder::new(PacketFile::open(&path, []).expect("a file"));
        large.each(|number, segment| {
            if number != lost {
                recorder.segment(segment);
            }
        });
        assert!(recorder.finish(&Outcomes::default()));
        let cut = Sent { records: large.records[..lost].to_vec(), ..large.clone() };
        assert_eq!(read(&path), [cut.expected()], "without record {lost}");
    }
}

#[test]
fn a_packet_beyond_what_analysers_take_is_cut() {
    let payload = vec![b'x'; 300_000];
    let jumbo = Sent { payload, records: vec![60_000; 5], ..sent() };
    let [read] = &written(&[jumbo])[..] else { panic!("one packet") };
    assert_eq!(read.len, 300_000);
    assert_eq!(read.payload.len(), MAX_PACKET - 20 - 40);
}

#[test]
fn the_file_is_its_owners_alone() {
    let (folder, path) = place();
    let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
    drop(PacketFile::open(&path, []).expect("a new file"));
    assert_eq!(mode(), 0o600);
    fs::write(&path, "before").expect("a write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("our file");
    let file = PacketFile::open(&path, []).expect("our file");
    assert_eq!(mode(), 0o600);
    assert_eq!(fs::read(&path).expect("a file"), b"before", "emptied before its time");
    drop(Recorder::new(file));
    assert_eq!(fs::read(&path).expect("a file"), b"");

    let other = folder.path().join("other");
    symlink(&path, &other).expect("a link");
    assert!(matches!(PacketFile::open(&other, []), Err(Error::Link(_))));
    fs::remove_file(&other).expect("a link");
    fs::hard_link(&path, &other).expect("a second name");
    assert!(matches!(PacketFile::open(&other, []), Err(Error::NotOurs(_))));
    assert!(matches!(PacketFile::open("/dev/null".as_ref(), []), Err(Error::NotAFile(_))));
    assert!(matches!(PacketFile::open(folder.path(), []), Err(Error::Open { .. })));
}

#[test]
fn a_file_that_is_in_use_is_left_alone() {
    let (_folder, path) = place();
    fs::write(&path, "before").expect("a write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("our file");
    let same = File::open(&path).expect("it is there");
    assert!(matches!(PacketFile::open(&path, [same.as_fd()]), Err(Error::InUse(_))));
    let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o644, "touched all the same");
    let other = File::open("/dev/null").expect("always there");
    assert!(PacketFile::open(&path, [other.as_fd()]).is_ok());
}

#[test]
fn a_full_disk_ends_the_file_and_nothing_else() {
    let (_folder, path) = place();
    let mut recorder = Recorder::new(PacketFile::open(&path, []).expect("a new file"));
    recorder.file.file = File::options().write(true).open("/dev/full").expect("always there");
    sent().each(|_, segment| recorder.segment(segment));
    recorder.flush();
    sent().each(|_, segment| recorder.segment(segment));
    assert!(!recorder.finish(&Outcomes::default()));
    assert_eq!(recorder.buffer.capacity(), 0);
}

#[test]
fn of_blocks_that_were_cut_the_whole_ones_stay() {
    let mut blocks = Vec::new();
    block::section(&mut blocks, "system");
    let first = blocks.len();
    block::interface(&mut blocks, "eth0", LINKTYPE_LINUX_SLL2);
    for len in 0..=blocks.len() {
        let expected = match len {
            len if len < first => 0,
            len if len < blocks.len() => first,
            len => len,
        };
        assert_eq!(block::whole(&blocks[..len]), expected, "{len} bytes");
    }
}
