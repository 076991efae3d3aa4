//! Who has the ends of connections, out of the table that the kernel side
//! fills (`--process`).

mod cgroup;

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    os::fd::{AsFd as _, OwnedFd},
    slice,
    sync::Arc,
};

use aya::maps::{MapData, MapError, MapType};
use tracer_common::owner::{End, KERNEL, Owner, PROC};

use super::{element, live::Error};
use crate::{
    event::{Certainty, Endpoint, Process, Timestamp},
    flow::Owners,
};

/// Processes that are remembered, so that those who have many connections are
/// held once.
const REMEMBERED: usize = 1024;

/// Nanoseconds by which the two clocks may seem apart.
const SLACK: u64 = 1_000_000;

/// The kernel side's table, as all shards see it.
#[derive(Debug)]
pub struct OwnerTable {
    map: OwnedFd,
}

impl OwnerTable {
    /// Opens it, which takes no privilege.
    ///
    /// # Errors
    ///
    /// When the descriptor is not of such a map.
    pub fn new(map: OwnedFd) -> Result<Self, Error> {
        let failed = |error| Error::Map { map: "owners", error };
        let data = MapData::from_fd(map).map_err(failed)?;
        let info = data.info().map_err(failed)?;
        let (kind, key, value) =
            (info.map_type().map_err(failed)?, info.key_size(), info.value_size());
        let is_it = kind == MapType::LruHash
            && usize::try_from(key) == Ok(size_of::<End>())
            && usize::try_from(value) == Ok(size_of::<Owner>());
        if !is_it {
            let map_type = MapType::LruHash as u32;
            return Err(failed(MapError::InvalidMapType { map_type }));
        }
        let map = data.fd().as_fd().try_clone_to_owned().map_err(Error::Counters)?;
        Ok(Self { map })
    }

    /// What stands there about an end.
    fn look_up(&self, end: &End) -> io::Result<Owner> {
        let mut owner = Owner::NOBODY;
        #[expect(unsafe_code, reason = "the kernel writes into memory by its address")]
        // SAFETY: `new` has looked how large keys and values are.
        unsafe {
            element::look_up(self.map.as_fd(), end, slice::from_mut(&mut owner))?;
        }
        Ok(owner)
    }
}

/// The table as a shard asks it.
pub struct KernelOwners {
    table: Arc<OwnerTable>,
    /// Unix time less `CLOCK_MONOTONIC`, nanoseconds.
    clock: fn() -> u64,
    known: HashMap<u32, Arc<Process>>,
}

impl KernelOwners {
    /// A shard's view. `clock` says what Unix time is ahead of
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub fn new(table: Arc<OwnerTable>, clock: fn() -> u64) -> Self {
        Self { table, clock, known: HashMap::new() }
    }

    /// The process in words, which is held once.
    fn process(&mut self, owner: &Owner) -> Option<Arc<Process>> {
        let process = process(owner)?;
        if let Some(known) = self.known.get(&owner.pid)
            && **known == process
        {
            return Some(Arc::clone(known));
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let process = Arc::new(process);
        self.known.insert(owner.pid, Arc::clone(&process));
        Some(process)
    }
}

impl Owners for KernelOwners {
    fn owner(
        &mut self,
        local: &Endpoint,
        remote: &Endpoint,
        since: Option<Timestamp>,
    ) -> Option<Arc<Process>> {
        let end = End {
            local: address(local.ip),
            remote: address(remote.ip),
            local_port: local.port,
            remote_port: remote.port,
        };
        let owner = self.table.look_up(&end).ok()?;
        if let Some(since) = since {
            let time = owner.since.wrapping_add((self.clock)());
            if time.saturating_add(SLACK) < since.0 {
                return None;
            }
        }
        self.process(&owner)
    }
}

/// An address as keys have it.
fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// What the kernel side wrote, in words; `None` as long as it has not.
fn process(owner: &Owner) -> Option<Process> {
    let certainty = match owner.certainty {
        KERNEL => Certainty::Kernel,
        PROC => Certainty::Proc,
        _ => return None,
    };
    let name = owner.name.split(|byte| *byte == 0).next().unwrap_or_default();
    let cgroup = parts(&owner.cgroup, owner.cgroup_len);
    let place = cgroup::Place::of(&cgroup);
    Some(Process {
        pid: owner.pid,
        name: String::from_utf8_lossy(name).into_owned(),
        executable: path(&parts(&owner.executable, owner.executable_len)),
        unit: place.unit,
        container: place.container,
        certainty,
    })
}

/// The parts of a path, from the last to the first.
fn parts(bytes: &[u8], len: u16) -> Vec<String> {
    let bytes = bytes.get(..usize::from(len)).unwrap_or_default();
    let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

fn path(parts: &[String]) -> Option<String> {
    (!parts.is_empty()).then(|| parts.iter().rev().flat_map(|part| ["/", part]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        let mut owner = Owner { pid: 7, certainty: KERNEL, ..Owner::NOBODY };
        owner.name[..5].copy_from_slice(b"nginx");
        let (path, group) = (b"nginx\0sbin\0usr\0", b"nginx.service\0system.slice\0");
        owner.executable[..path.len()].copy_from_slice(path);
        owner.executable_len = u16::try_from(path.len()).unwrap();
        owner.cgroup[..group.len()].copy_from_slice(group);
        owner.cgroup_len = u16::try_from(group.len()).unwrap();
        owner
    }

    #[test]
    fn what_the_kernel_wrote_is_said_in_words() {
        let expected = Process {
            pid: 7,
            name: "nginx".into(),
            executable: Some("/usr/sbin/nginx".into()),
            unit: Some("nginx.service".into()),
            container: None,
            certainty: Certainty::Kernel,
        };
        assert_eq!(process(&owner()), Some(expected));
    }

    #[test]
    fn what_is_being_written_is_nothing_yet() {
        assert_eq!(process(&Owner { certainty: 0, ..owner() }), None);
    }

    #[test]
    fn a_kernel_thread_has_no_program() {
        let thread = Owner { executable_len: 0, cgroup_len: 0, ..owner() };
        let process = process(&thread).unwrap();
        assert_eq!((process.executable, process.unit), (None, None));
    }

    #[test]
    fn lengths_beyond_the_room_and_odd_bytes_harm_nobody() {
        let mut odd = Owner { executable_len: u16::MAX, cgroup_len: u16::MAX, ..owner() };
        odd.name = [0xff; 16];
        let process = process(&odd).unwrap();
        assert_eq!((process.executable, process.name.chars().count()), (None, 16));
    }
}
