//! The kernel's counters of packets.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    maps::{Map, MapData, PerCpuArray},
    util::nr_cpus,
};
use tracer_common::Outcome;

use super::live::Error;
use crate::stats::Outcomes;

/// `BPF_MAP_LOOKUP_ELEM`.
const LOOKUP: libc::c_long = 1;

/// The kernel's counters, which all shards have in common.
///
/// Reading them takes no file, so that a thread can that may open none. aya's
/// own look-up wants to know on each thread anew how many processors there are.
pub struct Counters {
    outcomes: OwnedFd,
    cpus: usize,
}

impl Counters {
    /// Opens them, which takes no privilege, but a file that says how many
    /// processors there may be.
    ///
    /// # Errors
    ///
    /// When the descriptor is not of such a map, or that file cannot be read.
    pub fn new(outcomes: OwnedFd) -> Result<Self, Error> {
        let failed = |error| Error::Map { map: "counters", error };
        let data = MapData::from_fd(outcomes).map_err(failed)?;
        let outcomes = data.fd().as_fd().try_clone_to_owned().map_err(Error::Counters)?;
        PerCpuArray::<_, u64>::try_from(Map::PerCpuArray(data)).map_err(failed)?;
        let cpus = nr_cpus().map_err(|(_, error)| Error::Counters(error))?;
        Ok(Self { outcomes, cpus })
    }

    /// The counters as they are, but for records that turned out to be
    /// malformed: `malformed` of those that were copied.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn outcomes(&self, malformed: u64) -> Result<Outcomes, Error> {
        let mut outcomes = Outcomes::default();
        let mut cpus = vec![0; self.cpus];
        for outcome in Outcome::ALL {
            self.look_up(outcome as u32, &mut cpus).map_err(Error::Counters)?;
            outcomes.count(outcome, cpus.iter().sum());
        }
        let disowned = malformed.min(outcomes.copied);
        outcomes.copied -= disowned;
        outcomes.malformed += disowned;
        Ok(outcomes)
    }
}

/// `union bpf_attr`, as far as commands on an element of a map read it.
#[repr(C)]
struct Element {
    map: u32,
    _padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[expect(unsafe_code, reason = "the system call takes addresses")]
mod look_up {
    use std::os::fd::AsRawFd as _;

    use super::{Counters, Element, LOOKUP, io};

    impl Counters {
        /// Reads one counter, of each processor.
        pub(super) fn look_up(&self, key: u32, cpus: &mut [u64]) -> io::Result<()> {
            // As many as the kernel writes.
            debug_assert_eq!(cpus.len(), self.cpus);
            let element = Element {
                map: self.outcomes.as_raw_fd().cast_unsigned(),
                _padding: 0,
                key: (&raw const key).expose_provenance() as u64,
                value: cpus.as_mut_ptr().expose_provenance() as u64,
                flags: 0,
            };
            // SAFETY: the kernel reads the attributes and a key of four bytes,
            // as `new` has checked, and writes eight bytes for each processor
            // that there may be, for which there is room.
            let result = unsafe {
                libc::syscall(libc::SYS_bpf, LOOKUP, &raw const element, size_of::<Element>())
            };
            if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        }
    }
}
