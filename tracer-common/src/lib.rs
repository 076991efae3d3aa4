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
mod outcome;
mod record;
mod settings;
pub mod shedding;

pub use flow::{Address, FlowHash};
pub use outcome::{OUTCOMES, Outcome};
pub use record::{CONTINUED, EGRESS, NO_VLAN, RECORD_LEN, Record, TRUNCATED};
pub use settings::{COPY_PURE_ACKS, MAX_SHARDS, PORT_TABLE_LEN, PortTable, Settings};

/// Number of the layout and meaning of everything in this crate. The loader
/// writes its own into the settings, and the kernel side takes no others.
pub const ABI: u32 = 4;
