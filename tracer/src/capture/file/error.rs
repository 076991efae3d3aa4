//! What can be wrong with a capture file.

use std::io;

use crate::capture::link;

/// A file that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {}{damage}", at(*offset))]
pub struct Error {
    /// Name of the file.
    pub file: String,
    /// Where in the file the damaged part begins.
    pub offset: u64,
    /// What is wrong there.
    pub damage: Damage,
}

/// Where, unless it is about the whole file.
fn at(offset: u64) -> String {
    if offset == 0 { String::new() } else { format!("at byte {offset}: ") }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The input failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// It begins like no capture file.
    #[error("is neither a pcap nor a pcapng file")]
    Unknown,
    /// It begins like a compressed file.
    #[error("is {name}-compressed: give it decompressed, as in `{tool} -dc FILE | tracer read -`")]
    Compressed {
        /// Name of the format.
        name: &'static str,
        /// Program that undoes it.
        tool: &'static str,
    },
    /// A version of the format that is not read.
    #[error("has version {major}.{minor} of its format, which is not supported")]
    Version {
        /// Major number.
        major: u16,
        /// Minor number.
        minor: u16,
    },
    /// Frames that begin in an unknown way.
    #[error(
        "has link type {}, which is not supported: known are Ethernet, raw IP, \
         Linux cooked (SLL, SLL2), null/loopback, IEEE 802.11, PPP and their kin", link_name(*.0)
    )]
    LinkType(u32),
    /// Some of the interfaces have an unknown link type.
    #[error(
        "interface {interface} has link type {}, which is not supported; \
         packets left out: {packets}", link_name(*.number)
    )]
    LeftOut {
        /// Number of the interface in its section.
        interface: u32,
        /// Its link type.
        number: u32,
        /// Packets of this and other such interfaces.
        packets: u64,
    },
    /// One direction was asked for, and some packets do not say theirs.
    #[error(
        "does not say of {0} packets whether they came in or went out, and they were left out; \
         read it without --direction"
    )]
    Undirected(u64),
    /// The file ends within something.
    #[error("the file is cut short: {wanted} bytes should follow, {had} do")]
    Cut {
        /// Bytes that should be there.
        wanted: u64,
        /// Bytes that are.
        had: u64,
    },
    /// A packet longer than any can be.
    #[error("a packet of {0} bytes is more than any network carries; the file is damaged here")]
    PacketLength(u32),
    /// A block whose length cannot be.
    #[error("a block of type {kind:#x} says that it has {len} bytes; the file is damaged here")]
    BlockLength {
        /// Type of the block.
        kind: u32,
        /// Its length as it says.
        len: u32,
    },
    /// The lengths in front of and behind a block differ.
    #[error(
        "a block has {len} bytes by its begin and {trailer} by its end; the file is damaged here"
    )]
    BlockTrailer {
        /// Length in front.
        len: u32,
        /// Length behind.
        trailer: u32,
    },
    /// No byte-order magic where a section begins.
    #[error("a section begins without a byte-order magic; the file is damaged here")]
    ByteOrder,
    /// A packet of an interface that was never described.
    #[error("a packet names interface {0}, which the file does not describe")]
    Interface(u32),
    /// More interfaces than are kept.
    #[error("more than {0} interfaces are described")]
    Interfaces(usize),
    /// A time unit that no clock has.
    #[error("an interface counts time in units of {base}^-{exponent} s, which is not supported")]
    Resolution {
        /// 2 or 10.
        base: u8,
        /// Power of the base.
        exponent: u8,
    },
}

fn link_name(number: u32) -> String {
    link::name(number).map_or_else(|| number.to_string(), |name| format!("{number} ({name})"))
}
