//! Packets with their times, as a capture file.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::packet::Packet;

/// `LINKTYPE_ETHERNET` of the pcap format.
const ETHERNET: u32 = 1;
/// Bytes of a packet that are kept, as usual for today's capture programs.
const SNAPLEN: u32 = 262_144;

/// Frames in the order in which they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// Microseconds since the Unix epoch, and the bytes from the Ethernet
    /// header on.
    pub frames: Vec<(u64, Vec<u8>)>,
}

impl Capture {
    /// Puts packets on the wire.
    ///
    /// # Errors
    ///
    /// When one cannot be, see [`Packet::frame`].
    pub fn new<'a>(packets: impl IntoIterator<Item = &'a (u64, Packet)>) -> Result<Self> {
        let frames = packets.into_iter().map(|(time, packet)| Ok((*time, packet.frame()?)));
        Ok(Self { frames: frames.collect::<Result<_>>()? })
    }

    /// The capture as a file in the pcap format: little-endian, microseconds.
    ///
    /// # Errors
    ///
    /// When a time or a length is too large for the format.
    pub fn pcap(&self) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        // Magic, version 2.4, time zone and accuracy (always 0).
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAPLEN, ETHERNET] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        for (time, frame) in &self.frames {
            let seconds = u32::try_from(time / 1_000_000)?;
            let micros = u32::try_from(time % 1_000_000)?;
            let len = u32::try_from(frame.len())?;
            for word in [seconds, micros, len, len] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(frame);
        }
        Ok(file)
    }

    /// Holds a file that is kept against the capture; with `BLESS=1` in the
    /// environment the file is written first.
    ///
    /// # Errors
    ///
    /// When they differ, or the file cannot be read or written.
    pub fn is_kept_in(&self, path: &Path) -> Result<()> {
        let built = self.pcap()?;
        if env::var_os("BLESS").is_some() {
            fs::write(path, &built)?;
        }
        let kept = fs::read(path).with_context(|| path.display().to_string())?;
        ensure!(kept == built, "{} differs from what is built; see BLESS", path.display());
        Ok(())
    }
}
