//! What both sides of the kernel line know, and nothing else: the [`Record`]
//! in front of every copied segment, the [`Settings`] the user side writes,
//! and the [`Outcome`]s the kernel side counts.
//!
//! Every type here crosses the line as raw memory. So they are `repr(C)`,
//! hold only integers and arrays of integers (a value of any bits is a valid
//! value), and their shape is asserted at compile time. Whoever changes a
//! shape or a meaning raises [`ABI`].

#![no_std]

mod flow;
mod hosts;
mod outcome;
pub mod owner;
pub mod pieces;
mod record;
pub mod scan;
mod settings;
pub mod shedding;
pub mod slot;
pub mod window;

pub use flow::{Address, FlowHash};
pub use hosts::{Bits, Hosts, MAX_NETWORKS, Network, Version};
pub use outcome::{OUTCOMES, Outcome};
pub use record::{CONTINUED, EGRESS, NO_VLAN, PIECES, RECORD_LEN, Record, SHUNTED, TRUNCATED};
pub use settings::{
    ANY, COPY_PURE_ACKS, LOOK, MAX_PORTS, MAX_SHARDS, NO_SKIP, PORT_TABLE_LEN, PortTable, SCAN,
    Settings, Switches,
};

/// Number of the layout and meaning of everything in this crate. The loader
/// writes its own into the settings, and the kernel side takes no others.
pub const ABI: u32 = 7;
