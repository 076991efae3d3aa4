//! Captures that are made here: the same bytes in each run, with a number of
//! messages that is known.

mod client;
mod http;
mod imap;
mod large;
mod mail;
mod mixer;
mod pcap;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

pub use pcap::Pcap;

use crate::say;

/// A capture, and what stands in it.
#[derive(Clone, Debug)]
pub struct Made {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What whoever reads it must find.
    pub truth: Truth,
}

/// What stands in a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Packets.
    pub packets: u64,
    /// Exchanges: requests with their answers, mails, commands with their
    /// completions. What a kind is told to write is what it writes.
    pub exchanges: u64,
}

/// A kind of capture.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, which is the beginning of its file's.
    pub name: &'static str,
    /// How many exchanges a full one has, and a short one.
    pub exchanges: [u64; 2],
    /// Puts so many exchanges into a capture.
    write: fn(u64, &mut Pcap) -> Result<()>,
}

/// Small HTTP exchanges.
pub const SMALL: Kind = Kind { name: "small", exchanges: [200_000, 2_000], write: http::small };

/// HTTP answers of 1 MiB.
pub const LARGE: Kind = Kind { name: "large", exchanges: [500, 20], write: large::write };
/// Mails of about 4 KiB.
pub const MAILS: Kind = Kind { name: "mails", exchanges: [20_000, 400], write: mail::write };
/// The same as the least of clients would send them: one on each connection,
/// command by command, with a space behind the colon, which RFC 5321 does not
/// want and protolens does.
pub const PLAIN_MAILS: Kind =
    Kind { name: "plain-mails", exchanges: [2_000, 400], write: mail::plain };
/// IMAP commands of webmails.
pub const IMAP: Kind = Kind { name: "imap", exchanges: [100_000, 1_000], write: imap::write };

/// Goes into the names of files: one that is older than what makes it is made
/// again. Increased with each change to the bytes.
const EDITION: u32 = 1;

impl Kind {
    /// Makes the capture, unless it is there.
    pub fn make(&self, quick: bool) -> Result<Made> {
        let [full, short] = self.exchanges;
        self.make_of(if quick { short } else { full })
    }

    /// The same with so many exchanges.
    pub fn make_of(&self, exchanges: u64) -> Result<Made> {
        let folder = tests::host::workspace().join("target/bench");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}-{exchanges}-{EDITION}.pcap", self.name));
        let counted = path.with_extension("packets");
        let known = fs::read_to_string(&counted).ok().and_then(|text| text.trim().parse().ok());
        let packets = match known {
            Some(packets) if path.is_file() => packets,
            _ => {
                say(&format!("making {}", path.display()));
                let new = path.with_extension("new");
                let mut pcap = Pcap::create(&new)?;
                (self.write)(exchanges, &mut pcap).with_context(|| new.display().to_string())?;
                let packets = pcap.finish()?;
                fs::rename(&new, &path)?;
                fs::write(&counted, format!("{packets}\n"))?;
                packets
            }
        };
        let bytes = fs::metadata(&path)?.len();
        Ok(Made { path, bytes, truth: Truth { packets, exchanges } })
    }
}
