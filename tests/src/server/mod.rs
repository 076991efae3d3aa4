//! Servers that nobody here wrote, each as its distribution packs it, with the
//! little configuration that a test needs.

mod dovecot;
mod nginx;
mod postfix;
mod sink;

use std::time::Duration;

pub use dovecot::Dovecot;
pub use nginx::{Access, Nginx};
pub use postfix::{Postfix, Queued};
pub use sink::Sink;

/// Limit of a server's start.
const START: Duration = Duration::from_secs(30);
