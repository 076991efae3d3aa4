//! Connections at the same time: packets of many, as a server's wire has them.

use std::collections::VecDeque;

use anyhow::Result;
use tests::packet::Packet;

use super::Pcap;
use crate::figures::Random;

/// Most microseconds between two packets.
const PAUSE: usize = 20;

/// What goes on at one place: connections, one after the other.
pub(super) trait Script {
    /// Packets of the next thing that happens, at a time in milliseconds;
    /// `None` when nothing will any more.
    fn next(&mut self, clock: u32) -> Option<Vec<Packet>>;
}

/// Lets all scripts go on beside each other, in an order that looks random and
/// is always the same.
pub(super) fn mix(mut scripts: Vec<impl Script>, pcap: &mut Pcap) -> Result<()> {
    let mut random = Random(1);
    let mut waiting: Vec<VecDeque<Packet>> = scripts.iter().map(|_| VecDeque::new()).collect();
    while !scripts.is_empty() {
        let at = random.below(scripts.len());
        let (Some(script), Some(packets)) = (scripts.get_mut(at), waiting.get_mut(at)) else {
            break;
        };
        if packets.is_empty() {
            packets.extend(script.next(pcap.clock()).unwrap_or_default());
        }
        if let Some(packet) = packets.pop_front() {
            pcap.packet(&packet)?;
            pcap.wait(random.below(PAUSE) as u64);
        } else {
            scripts.swap_remove(at);
            waiting.swap_remove(at);
        }
    }
    Ok(())
}
