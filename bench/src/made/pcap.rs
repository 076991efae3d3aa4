//! A capture file that is written packet by packet.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use tests::{capture::Capture, packet::Packet};

/// When the captures begin: microseconds since the Unix epoch.
const BEGIN: u64 = 1_767_261_600_000_000;

/// A capture that grows.
#[derive(Debug)]
pub struct Pcap {
    file: BufWriter<File>,
    /// Microseconds since the Unix epoch.
    now: u64,
    packets: u64,
}

impl Pcap {
    /// An empty one.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&Capture::default().pcap()?)?;
        Ok(Self { file, now: BEGIN, packets: 0 })
    }

    /// Milliseconds since the capture began, as hosts' clocks count for TCP's
    /// timestamps.
    pub fn clock(&self) -> u32 {
        u32::try_from((self.now - BEGIN) / 1000).unwrap_or(u32::MAX)
    }

    /// Lets time go by.
    pub const fn wait(&mut self, micros: u64) {
        self.now += micros;
    }

    /// A packet is seen.
    pub fn packet(&mut self, packet: &Packet) -> Result<()> {
        let frame = packet.frame()?;
        let len = u32::try_from(frame.len())?;
        let seconds = u32::try_from(self.now / 1_000_000)?;
        let micros = u32::try_from(self.now % 1_000_000)?;
        for word in [seconds, micros, len, len] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(&frame)?;
        self.packets += 1;
        Ok(())
    }

    /// Ends it; returns how many packets it has.
    pub fn finish(mut self) -> Result<u64> {
        self.file.flush()?;
        Ok(self.packets)
    }
}
