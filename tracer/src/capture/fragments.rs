//! IP fragments of a capture file put together again (RFC 791 section 3.2,
//! RFC 8200 section 4.5), as the receiver would have done it.
//!
//! A fragment that overlaps another one discards the whole packet (RFC 5722;
//! Linux does so for IPv4, too), unless it repeats it.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use etherparse::{IpNumber, Ipv6ExtensionSlice, LaxIpSlice};

use super::tunnel;
use crate::event::Timestamp;

/// How long the fragments of a packet are waited for: Linux's
/// `net.ipv4.ipfrag_time`.
const PATIENCE: u64 = 30_000_000_000;
/// Bytes held for all packets in fragments: Linux's `ipfrag_high_thresh`. The
/// packet that began first gives way.
const MAX_HELD: usize = 4 * 1024 * 1024;
/// What a fragment costs beside its bytes, so that tiny ones count.
const COST: usize = 64;
/// The longest payload of an IP packet.
const MAX_PAYLOAD: usize = 65_535;

/// Which packet a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    /// IPv4 numbers its packets for each protocol.
    protocol: u8,
}

/// One fragment.
struct Piece<'a> {
    key: Key,
    /// What the whole packet carries, as the first fragment says.
    number: IpNumber,
    offset: usize,
    /// Whether others follow.
    more: bool,
    bytes: &'a [u8],
}

/// The fragments of a packet so far.
struct Partial {
    began: Timestamp,
    /// By offset, none of them overlapping.
    pieces: Vec<(usize, Vec<u8>)>,
    /// Length of the whole payload, once the last fragment is there.
    len: Option<usize>,
    held: usize,
}

/// All packets that are in fragments.
#[derive(Default)]
pub(super) struct Fragments {
    partial: HashMap<Key, Partial>,
    /// Keys in the order in which they began; some may be done already.
    order: VecDeque<(Timestamp, Key)>,
    held: usize,
}

impl Fragments {
    /// Takes the fragment that `packet` is; returns the whole packet if it was
    /// the last that was missing.
    pub(super) fn push(&mut self, time: Timestamp, packet: &[u8]) -> Option<Vec<u8>> {
        self.expire(time);
        let piece = Piece::of(packet)?;
        let key = piece.key;
        let partial = self.partial.entry(key).or_insert_with(|| {
            self.order.push_back((time, key));
            Partial { began: time, pieces: Vec::new(), len: None, held: 0 }
        });
        let before = partial.held;
        let fits = partial.add(&piece);
        self.held += partial.held - before;
        if !fits {
            self.remove(&key);
            return None;
        }
        let whole = partial.whole().and_then(|payload| match packet.first()? >> 4 {
            4 => tunnel::rebuilt_v4(packet, piece.number, &payload, payload.len()),
            _ => tunnel::rebuilt_v6(packet, piece.number, &payload),
        });
        if whole.is_some() {
            self.remove(&key);
        }
        while self.held > MAX_HELD {
            self.drop_oldest();
        }
        whole
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    fn expire(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(began, _)| now.since(*began) > PATIENCE) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((began, key)) = self.order.pop_front() else {
            self.held = 0;
            return;
        };
        // The same key may have been taken anew since.
        if self.partial.get(&key).is_some_and(|partial| partial.began == began) {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(partial) = self.partial.remove(key) {
            self.held -= partial.held;
        }
    }
}

impl<'a> Piece<'a> {
    /// What of a packet `packet` is a fragment of; `None` if it is none, or was
    /// not captured whole.
    fn of(packet: &'a [u8]) -> Option<Self> {
        let (ip, _) = LaxIpSlice::from_slice(packet).ok()?;
        if !ip.is_fragmenting_payload() {
            return None;
        }
        let payload = ip.payload();
        let (offset, more, identification, key_protocol) = match &ip {
            LaxIpSlice::Ipv4(ip) => {
                let header = ip.header();
                (
                    header.fragments_offset(),
                    header.more_fragments(),
                    u32::from(header.identification()),
                    header.protocol().0,
                )
            }
            LaxIpSlice::Ipv6(ip) => {
                let fragment =
                    ip.extensions().clone().into_iter().find_map(|extension| match extension {
                        Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment),
                        _ => None,
                    })?;
                (
                    fragment.fragment_offset(),
                    fragment.more_fragments(),
                    fragment.identification(),
                    0,
                )
            }
        };
        let whole = !payload.incomplete && (!more || payload.payload.len() % 8 == 0);
        whole.then(|| Self {
            key: Key {
                source: ip.source_addr(),
                destination: ip.destination_addr(),
                identification,
                protocol: key_protocol,
            },
            number: payload.ip_number,
            offset: usize::from(offset.value()) * 8,
            more,
            bytes: payload.payload,
        })
    }
}

impl Partial {
    /// Adds a piece; `false` if it contradicts those that are there.
    fn add(&mut self, piece: &Piece<'_>) -> bool {
        let end = piece.offset + piece.bytes.len();
        let reach = self.pieces.last().map_or(0, |(offset, bytes)| offset + bytes.len());
        let len = if piece.more { self.len } else { Some(end) };
        if end > MAX_PAYLOAD
            || len.is_some_and(|len| end.max(reach) > len)
            || (self.len.is_some() && len != self.len)
        {
            return false;
        }
        let place = self.pieces.partition_point(|(offset, _)| *offset < piece.offset);
        if let Some((offset, bytes)) = self.pieces.get(place) {
            if *offset == piece.offset && bytes == piece.bytes {
                return true;
            }
            if end > *offset {
                return false;
            }
        }
        let before = place.checked_sub(1).and_then(|before| self.pieces.get(before));
        if before.is_some_and(|(offset, bytes)| offset + bytes.len() > piece.offset) {
            return false;
        }
        self.len = len;
        self.held += piece.bytes.len() + COST;
        self.pieces.insert(place, (piece.offset, piece.bytes.to_vec()));
        true
    }

    /// The payload, if nothing of it is missing.
    fn whole(&self) -> Option<Vec<u8>> {
        let len = self.len?;
        let held: usize = self.pieces.iter().map(|(_, bytes)| bytes.len()).sum();
        (held == len).then(|| self.pieces.iter().flat_map(|(_, bytes)| bytes).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{capture::packet::tests as packets, random::Random};

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    /// Pieces of the packet's payload of `step` bytes.
    fn split(packet: &[u8], step: usize, identification: u16) -> Vec<Vec<u8>> {
        let (header, payload) = packet.split_at(20);
        let pieces: Vec<&[u8]> = payload.chunks(step).collect();
        let mut made = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let mut header = header.to_vec();
            let len = u16::try_from(20 + piece.len()).unwrap();
            header[2..4].copy_from_slice(&len.to_be_bytes());
            header[4..6].copy_from_slice(&identification.to_be_bytes());
            let more = if index + 1 < pieces.len() { 0x2000 } else { 0 };
            let offset = u16::try_from(index * step / 8).unwrap() | more;
            header[6..8].copy_from_slice(&offset.to_be_bytes());
            made.push([&header[..], piece].concat());
        }
        made
    }

    fn payload(packet: &[u8]) -> &[u8] {
        &packet[20..]
    }

    #[test]
    fn in_any_order_and_repeated() {
        let packet = packets::packet(1, &[7; 100]);
        let random = &mut Random(7);
        for _ in 0..200 {
            let mut pieces = split(&packet, 16, 5);
            pieces.extend(pieces.clone());
            for index in (1..pieces.len()).rev() {
                pieces.swap(index, random.below(index + 1));
            }
            let mut fragments = Fragments::default();
            let whole = pieces.iter().find_map(|piece| fragments.push(NOW, piece)).unwrap();
            assert_eq!(payload(&whole), payload(&packet));
        }
    }

    #[test]
    fn what_overlaps_is_discarded() {
        let packet = packets::packet(1, &[7; 100]);
        let pieces = split(&packet, 16, 5);
        let wide = split(&packet, 32, 5);
        let mut fragments = Fragments::default();
        assert_eq!(fragments.push(NOW, &pieces[0]), None);
        assert_eq!(fragments.push(NOW, &wide[0]), None);
        assert_eq!(fragments.held(), 0);
        let rest = &pieces[1..];
        assert!(rest.iter().all(|piece| fragments.push(NOW, piece).is_none()));
    }

    #[test]
    fn a_number_that_is_used_again_mixes_nothing() {
        let (old, new) = (packets::packet(1, &[7; 30]), packets::packet(9, &[8; 30]));
        let (old, new) = (split(&old, 24, 5), split(&new, 24, 5));
        let mut fragments = Fragments::default();
        assert_eq!(fragments.push(NOW, &old[0]), None);
        assert!(new.iter().all(|piece| fragments.push(NOW, piece).is_none()));
    }

    #[test]
    fn fragments_are_not_waited_for_longer_than_the_receiver_would() {
        let packet = packets::packet(1, &[7; 30]);
        let pieces = split(&packet, 24, 5);
        let mut fragments = Fragments::default();
        assert_eq!(fragments.push(NOW, &pieces[0]), None);
        let late = Timestamp(NOW.0 + PATIENCE + 1);
        assert!(pieces[1..].iter().all(|piece| fragments.push(late, piece).is_none()));
        assert!(fragments.push(late, &pieces[0]).is_some());
        assert_eq!(fragments.held(), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let packet = packets::packet(1, &vec![7; 60_000]);
        let mut fragments = Fragments::default();
        for identification in 0..200 {
            for piece in split(&packet, 8000, identification).iter().skip(1) {
                assert_eq!(fragments.push(NOW, piece), None);
                assert!(fragments.held() <= MAX_HELD);
            }
        }
        assert!(fragments.held() > MAX_HELD / 2);
    }

    #[test]
    fn of_ipv6() {
        let packet = packets::packet6(1, &[7; 100]);
        let (header, payload) = packet.split_at(40);
        let mut fragments = Fragments::default();
        let mut whole = None;
        for (index, piece) in payload.chunks(48).enumerate() {
            let mut header = header.to_vec();
            let len = u16::try_from(piece.len() + 8).unwrap();
            header[4..6].copy_from_slice(&len.to_be_bytes());
            header[6] = 44;
            let more = u16::from((index + 1) * 48 < payload.len());
            let offset = u16::try_from(index * 48).unwrap() | more;
            let [o0, o1] = offset.to_be_bytes();
            let fragment = [6, 0, o0, o1, 0, 0, 0, 9];
            whole = fragments.push(NOW, &[&header[..], &fragment, piece].concat());
        }
        assert_eq!(whole.unwrap(), packet);
    }
}
