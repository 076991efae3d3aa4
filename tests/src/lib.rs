//! What the tests of the whole tracer share.

pub mod annex;
pub mod capture;
pub mod conversation;
pub mod packet;
pub mod program;
