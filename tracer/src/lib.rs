//! tracer decodes HTTP, SMTP and IMAP out of the kernel's packet path.
//!
//! In the order in which a byte meets them: [`capture`] makes segments of ring
//! records or of a capture file, [`flow`] makes ordered streams of segments,
//! [`decode`] makes events of streams, and [`output`] writes events. [`event`]
//! is the contract between the last two, and [`pipeline`] joins them all, for
//! [`read`] and for the worker of [`privileged::live`].

mod append;
mod block;
mod budget;
pub mod capture;
pub mod cli;
pub mod config;
mod confine;
pub mod decode;
pub mod event;
pub mod flow;
mod handover;
pub mod logger;
pub mod metrics;
pub mod output;
mod overload;
pub mod pipeline;
mod prefetch;
pub mod privileged;
#[cfg(test)]
mod random;
pub mod read;
pub mod selection;
pub mod settings;
mod signals;
pub mod stats;
mod worker;
