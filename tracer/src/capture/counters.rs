//! The kernel's counters of packets.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    maps::{Map, MapData, PerCpuArray},
    util::nr_cpus,
};
use tracer_common::Outcome;

use super::{element, live::Error};
use crate::stats::Outcomes;

/// The kernel's counters, which all shards have in common. Reading them takes no
/// file, so that a thread can that may open none.
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
            #[expect(unsafe_code, reason = "the kernel writes into memory by its address")]
            // SAFETY: `new` has seen that keys are u32, and values u64, of which
            // there are as many as there may be processors.
            unsafe {
                element::look_up(self.outcomes.as_fd(), &(outcome as u32), &mut cpus)
                    .map_err(Error::Counters)?;
            }
            outcomes.count(outcome, cpus.iter().sum());
        }
        let disowned = malformed.min(outcomes.copied);
        outcomes.copied -= disowned;
        outcomes.malformed += disowned;
        Ok(outcomes)
    }
}
