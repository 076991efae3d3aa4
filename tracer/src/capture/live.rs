//! Segments out of the kernel's ring.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use aya::maps::{MapData, MapError, MapType};
use tracer_common::{CONTINUED, EGRESS, NO_VLAN, PIECES, RECORD_LEN, Record, SHUNTED, pieces};

use super::{
    Captured, Counters, Direction, Fill, Interface, Point, Segment, Source, Status, Vlan,
    packet::{Headers, Selection},
    ring::Ring,
};
use crate::{event::Timestamp, stats::Outcomes};

/// Records of one batch, so that output and signals get their turn.
const BATCH: usize = 512;

/// Bytes of a ring for each record of a batch where [`BATCH`] of them would be
/// most of what it holds: how far the reading is behind has to be seen in time.
const BATCH_SHARE: usize = 4096;

/// What can keep a [`LiveSource`] or [`Counters`] from being made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A descriptor is not of the map it should be of.
    #[error("opening the {map}: {error}")]
    Map {
        /// Which map.
        map: &'static str,
        /// What the map's library says.
        error: MapError,
    },
    /// A ring cannot be mapped.
    #[error("mapping the ring: {0}")]
    Ring(#[from] io::Error),
    /// The counters cannot be read.
    #[error("reading the kernel's counters: {0}")]
    Counters(io::Error),
}

/// The ring of one shard, and the names that its records need.
pub struct LiveSource {
    ring: Ring,
    /// Records of one batch.
    batch: usize,
    counters: Arc<Counters>,
    /// By index; the first stands for one that nobody has named.
    interfaces: Vec<(u32, Known)>,
    /// Where in the list the last record's interface stands.
    current: usize,
    /// Indices of interfaces that went, of which the ring may hold records.
    gone: Vec<u32>,
    /// Unix time less `CLOCK_MONOTONIC`, nanoseconds.
    clock_offset: u64,
    selection: Selection,
    /// Records whose headers this side could not read after all.
    malformed: u64,
    /// Bytes of packets that were read.
    bytes: u64,
    /// Records that the ring could not take, up to the latest one.
    lost: u64,
    /// When the kernel stamped the first record of the last batch.
    oldest: Option<u64>,
}

/// What is known of an interface.
struct Known {
    interface: Interface,
    /// Tags that frames of a VLAN device have on the device below it.
    vlans: Vec<u16>,
}

/// The index that no interface has.
const UNNAMED: u32 = 0;

impl LiveSource {
    /// Maps the ring of a shard, which takes no privilege.
    ///
    /// # Errors
    ///
    /// When the descriptor is not of such a map, or it cannot be mapped.
    pub fn new(ring: OwnedFd, counters: Arc<Counters>) -> Result<Self, Error> {
        let failed = |error| Error::Map { map: "ring", error };
        let map = MapData::from_fd(ring).map_err(failed)?;
        let info = map.info().map_err(failed)?;
        if info.map_type().map_err(failed)? != MapType::RingBuf {
            return Err(failed(MapError::InvalidMapType { map_type: MapType::RingBuf as u32 }));
        }
        let size = usize::try_from(info.max_entries()).map_err(io::Error::other)?;
        let ring = Ring::map(map.fd().as_fd().try_clone_to_owned()?, size)?;
        let unnamed = Interface { name: Arc::default(), loopback: false };
        Ok(Self {
            ring,
            batch: (size / BATCH_SHARE).clamp(1, BATCH),
            counters,
            interfaces: vec![(UNNAMED, Known { interface: unnamed, vlans: Vec::new() })],
            current: 0,
            gone: Vec::new(),
            clock_offset: 0,
            selection: Selection::all(),
            malformed: 0,
            bytes: 0,
            lost: 0,
            oldest: None,
        })
    }

    /// Sets what is added to a record's time: Unix time less
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub const fn set_clock_offset(&mut self, nanoseconds: u64) {
        self.clock_offset = nanoseconds;
    }

    /// Names an interface. `vlans` are the tags, outermost first, that the
    /// frames of a VLAN device have on the device below it: with them, the same
    /// packet belongs to the same flow on both.
    pub fn set_interface(&mut self, index: u32, interface: Interface, vlans: Vec<u16>) {
        self.gone.retain(|&gone| gone != index);
        self.interfaces.retain(|(known, _)| *known != index);
        self.interfaces.push((index, Known { interface, vlans }));
        self.current = 0;
    }

    /// Forgets an interface once the ring holds no record of it.
    pub fn remove_interface(&mut self, index: u32) {
        self.gone.push(index);
    }

    /// How full the ring is.
    pub fn fill(&self) -> Fill {
        self.ring.fill()
    }

    /// When, by `CLOCK_MONOTONIC` in nanoseconds, the kernel stamped the first
    /// record of the last batch; `None` if that had none.
    pub const fn oldest(&self) -> Option<u64> {
        self.oldest
    }

    /// Records whose headers turned out to be none.
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Bytes of packets, headers included, that the ring has brought.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the descriptor readable as soon as there is another record. Before
    /// that it need not be.
    pub fn rest(&mut self) {
        self.ring.give_back_all();
    }
}

impl AsFd for LiveSource {
    /// Becomes readable when the ring holds records, after
    /// [`LiveSource::rest`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl Source for LiveSource {
    type Error = Error;

    fn read(&mut self, each: &mut dyn FnMut(&Segment<'_>)) -> Result<Status, Error> {
        self.oldest = None;
        let mut status = Status::More;
        for _ in 0..self.batch {
            let Some(item) = self.ring.next() else {
                status = Status::Idle;
                break;
            };
            let segment = Record::read(item).and_then(|record| {
                self.oldest.get_or_insert(record.time);
                let known = known(&self.interfaces, &mut self.current, record.interface)?;
                self.lost = widened(record.lost, self.lost);
                self.bytes += u64::from(record.headers_len()) + u64::from(record.copied_len);
                let bytes = item.get(RECORD_LEN..)?;
                let segment = segment(&record, bytes, known, self.clock_offset, &self.selection)?;
                Some((record.flags & PIECES != 0, Segment { lost: self.lost, ..segment }))
            });
            match segment {
                Some((false, segment)) => each(&segment),
                Some((true, segment)) => in_pieces(segment, each),
                None => self.malformed += 1,
            }
        }
        self.ring.give_back();
        if status == Status::Idle && !self.gone.is_empty() {
            let gone = std::mem::take(&mut self.gone);
            self.interfaces.retain(|(index, _)| !gone.contains(index));
            self.current = 0;
        }
        Ok(status)
    }

    fn outcomes(&self) -> Outcomes {
        self.counters.outcomes(self.malformed).unwrap_or_else(|error| {
            log::error!("{error}");
            Outcomes::default()
        })
    }
}

/// The low half of a count, made whole by what the count was shortly before or
/// after: processors write their records in another order than they counted.
const fn widened(low: u32, near: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is compared")]
    let ahead = low.wrapping_sub(near as u32).cast_signed();
    near.saturating_add_signed(ahead as i64)
}

/// What is known of an interface, which mostly is that of the record before.
fn known<'a>(interfaces: &'a [(u32, Known)], current: &mut usize, index: u32) -> Option<&'a Known> {
    let (of, known) = interfaces.get(*current)?;
    if *of == index {
        return Some(known);
    }
    *current = interfaces.iter().position(|(of, _)| *of == index).unwrap_or(0);
    interfaces.get(*current).map(|(_, known)| known)
}

/// Makes a segment of a record; `None` if the record contradicts itself.
fn segment<'a>(
    record: &Record,
    bytes: &'a [u8],
    known: &'a Known,
    clock_offset: u64,
    selection: &Selection,
) -> Option<Segment<'a>> {
    let headers_len = usize::from(record.headers_len());
    let bytes = bytes.get(..headers_len + usize::from(record.copied_len))?;
    let (packet, payload) = bytes.split_at_checked(headers_len)?;
    let shown = record.copied_offset.checked_add(u32::from(record.copied_len))?;
    if shown > record.payload_len && record.flags & PIECES == 0 {
        return None;
    }
    let wire_len = record.payload_len.checked_add(u32::from(record.headers_len()))?;
    let headers = Headers::parse(packet, wire_len, selection).ok()?;

    let direction = if record.flags & EGRESS == 0 { Direction::Ingress } else { Direction::Egress };
    Some(Segment {
        time: Timestamp(record.time.wrapping_add(clock_offset)),
        point: Point {
            interface: record.interface,
            direction,
            vlans: [record.vlan_outer, record.vlan_inner],
        },
        interface: &known.interface,
        vlan: vlan(&known.vlans, record),
        source: headers.source,
        destination: headers.destination,
        tcp: headers.tcp,
        len: record.payload_len,
        offset: record.copied_offset,
        bytes: payload,
        more: record.flags & CONTINUED != 0,
        shunted: record.flags & SHUNTED != 0,
        lost: u64::from(record.lost),
        captured: Captured { interface: record.interface, link_type: None, bytes, wire_len },
        frame: None,
    })
}

/// Takes the pieces of a segment for its parts.
fn in_pieces(segment: Segment<'_>, each: &mut dyn FnMut(&Segment<'_>)) {
    let (mut part, last) = (segment.clone(), segment);
    let mut pieces = pieces::read(last.bytes).peekable();
    while let Some((offset, bytes)) = pieces.next() {
        part.offset = offset.min(last.len);
        let room = usize::try_from(last.len - part.offset).unwrap_or(usize::MAX);
        part.bytes = bytes.get(..room).unwrap_or(bytes);
        part.more = last.more || pieces.peek().is_some();
        each(&part);
        part.shunted = true;
    }
}

/// The tags of the frame: those of the VLAN device, then those in the record.
fn vlan(device: &[u16], record: &Record) -> Vlan {
    let frame = [record.vlan_outer, record.vlan_inner].into_iter().filter(|id| *id != NO_VLAN);
    let mut ids = device.iter().copied().chain(frame);
    Vlan { outer: ids.next(), inner: ids.next() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::TcpFlags;

    /// IPv4 and TCP headers without options, from 10.0.0.1:40000 to
    /// 10.0.0.2:80, with sequence number 1000 and the flags ACK and FIN.
    const HEADERS: [u8; 40] = [
        0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 80, 0,
        0, 3, 0xe8, 0, 0, 0, 7, 0x50, 0x11, 1, 0, 0, 0, 0, 0,
    ];

    fn known(vlans: &[u16]) -> Known {
        let interface = Interface { name: Arc::from("eth0"), loopback: false };
        Known { interface, vlans: vlans.to_vec() }
    }

    fn record() -> Record {
        Record {
            time: 5,
            interface: 3,
            payload_len: 10,
            copied_len: 10,
            headers_words: 10,
            vlan_outer: NO_VLAN,
            vlan_inner: NO_VLAN,
            ..Record::default()
        }
    }

    fn bytes(payload: &[u8]) -> Vec<u8> {
        [&HEADERS, payload].concat()
    }

    #[test]
    fn a_stale_tail_behind_the_record_is_not_read() {
        let (known, bytes) = (known(&[]), bytes(b"0123456789stale"));
        let segment = segment(&record(), &bytes, &known, 100, &Selection::all()).unwrap();
        assert_eq!(segment.bytes, b"0123456789");
        assert_eq!((segment.len, segment.offset, segment.time), (10, 0, Timestamp(105)));
        assert_eq!(segment.source.port, 40_000);
        assert_eq!(segment.destination.port, 80);
        assert!(segment.tcp.flags.has(TcpFlags::FIN));
    }

    #[test]
    fn records_of_a_big_packet_say_which_part_they_carry() {
        let known = known(&[]);
        let (head, tail) = (bytes(b"012345"), bytes(b"6789"));
        let first = Record { copied_len: 6, flags: CONTINUED, ..record() };
        let last = Record { copied_offset: 6, copied_len: 4, ..record() };
        let first = segment(&first, &head, &known, 0, &Selection::all()).unwrap();
        let last = segment(&last, &tail, &known, 0, &Selection::all()).unwrap();
        assert_eq!((first.offset, first.bytes, first.more), (0, &b"012345"[..], true));
        assert_eq!((last.offset, last.bytes, last.more), (6, &b"6789"[..], false));
        assert_eq!((first.len, last.len), (10, 10));
    }

    #[test]
    fn pieces_are_parts_of_their_segment() {
        let mut pieces = Vec::new();
        for (offset, piece) in [(2_u32, b"23"), (6, b"67")] {
            pieces.extend(offset.to_ne_bytes());
            pieces.extend(2_u32.to_ne_bytes());
            pieces.extend(piece);
            pieces.extend([0; 6]);
        }
        let (known, bytes) = (known(&[]), bytes(&pieces));
        let copied_len = u16::try_from(pieces.len()).unwrap();
        let record = Record { copied_len, flags: PIECES | SHUNTED, ..record() };
        let parts = |record: &Record| {
            let segment = segment(record, &bytes, &known, 0, &Selection::all()).unwrap();
            let mut parts = Vec::new();
            in_pieces(segment, &mut |part| {
                parts.push((part.offset, part.bytes.to_vec(), part.more, part.shunted, part.len));
            });
            parts
        };
        let expected =
            |more| vec![(2, b"23".to_vec(), true, true, 10), (6, b"67".to_vec(), more, true, 10)];
        assert_eq!(parts(&record), expected(false));
        let continued = Record { flags: record.flags | CONTINUED, ..record };
        assert_eq!(parts(&continued), expected(true));
        // What reaches beyond the packet is cut.
        let short = Record { payload_len: 7, ..record };
        assert_eq!(parts(&short)[1], (6, b"6".to_vec(), false, true, 7));
    }

    #[test]
    fn lengths_beyond_the_slot_are_refused() {
        let (known, bytes) = (known(&[]), bytes(b"0123"));
        for record in [
            Record { copied_len: 5, payload_len: 5, ..record() },
            Record { headers_words: 15, ..record() },
            Record { copied_offset: 7, copied_len: 4, ..record() },
        ] {
            assert!(segment(&record, &bytes, &known, 0, &Selection::all()).is_none());
        }
    }

    #[test]
    fn a_count_of_losses_goes_on_beyond_its_32_bits() {
        let at = 1 << 32;
        for (low, near, expected) in [
            (0, 0, 0),
            (7, 3, 7),
            (3, 7, 3),
            (u32::MAX, at - 2, at - 1),
            (2, at - 1, at + 2),
            (u32::MAX, at + 2, at - 1),
            (5, 3 * at + 4, 3 * at + 5),
        ] {
            assert_eq!(widened(low, near), expected, "{low} near {near}");
        }
    }

    #[test]
    fn a_vlan_device_and_the_device_below_it_show_the_same_tags() {
        let below = Record { vlan_outer: 10, ..record() };
        assert_eq!(vlan(&[10], &record()), vlan(&[], &below));
        let double = Record { vlan_outer: 10, vlan_inner: 20, ..record() };
        assert_eq!(vlan(&[10, 20], &record()), vlan(&[], &double));
        assert_eq!(vlan(&[10], &Record { vlan_outer: 20, ..record() }), vlan(&[], &double));
    }
}
