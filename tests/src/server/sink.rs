//! postfix's smtp-sink, which takes mails and throws them away at once: a
//! server that is quicker than any that keeps them.

use std::process::Child;

use anyhow::Result;

use super::START;
use crate::machine::{self, Machine};

const LOG: &str = "/var/log/smtp-sink.log";

/// A running smtp-sink, on port 25 of IPv4.
#[derive(Debug)]
pub struct Sink<'a> {
    _machine: &'a Machine,
    _process: Child,
}

impl<'a> Sink<'a> {
    /// Starts it.
    pub fn start(machine: &'a Machine) -> Result<Self> {
        let process = machine.start("smtp-sink", &["-u", "nobody", ":25", "128"], LOG)?;
        machine
            .wait_for_port_v4(25, START)
            .or_else(|error| machine::failed(machine, LOG, &error))?;
        Ok(Self { _machine: machine, _process: process })
    }
}
