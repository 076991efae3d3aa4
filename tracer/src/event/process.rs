//! Processes of this host that have the ends of a connection.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::Serialize;

use super::Side;

/// How it is known which process has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It called the kernel itself: to connect, to send or to receive.
    Kernel,
    /// It had the socket open when tracing began, and has not used it since.
    Proc,
    /// It is not known: the end is another host's, or nobody has used it yet.
    None,
}

/// A process that has an end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number, as the host numbers it.
    pub pid: u32,
    /// What it calls itself: at most 15 bytes.
    pub name: String,
    /// Path of its program, as it sees that; `None` where it has none, or one
    /// that is too long.
    pub executable: Option<String>,
    /// The systemd unit that it belongs to.
    pub unit: Option<String>,
    /// The container that it is in.
    pub container: Option<String>,
    /// How that is known.
    pub certainty: Certainty,
}

/// Who has the ends of a connection, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    /// Who connected.
    pub client: Option<Arc<Process>>,
    /// Who serves.
    pub server: Option<Arc<Process>>,
}

impl Process {
    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        let texts = [&self.executable, &self.unit, &self.container];
        let texts: usize = texts.into_iter().flatten().map(String::capacity).sum();
        size_of::<Self>() + self.name.capacity() + texts
    }
}

impl Processes {
    /// Who has the end that is `side`.
    pub const fn of(&self, side: Side) -> Option<&Arc<Process>> {
        match side {
            Side::Client => self.client.as_ref(),
            Side::Server => self.server.as_ref(),
        }
    }

    /// The place of who has it.
    pub const fn of_mut(&mut self, side: Side) -> &mut Option<Arc<Process>> {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// In a text row: `curl[4711]`.
impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[{}]", self.name, self.pid)
    }
}
