//! The targets, each with its property.

pub(crate) mod decoder;
pub(crate) mod file;
pub(crate) mod packet;
pub(crate) mod redact;
pub(crate) mod stream;
