//! What the kernel side is told of the overload, and tells of it: the maps of
//! [`tracer_common::shedding`].

use std::{
    io,
    os::fd::OwnedFd,
    ptr::NonNull,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use aya::maps::{Array, Map, MapData, MapError};
use tracer_common::{
    FlowHash, MAX_SHARDS,
    shedding::{self, Line, Shedding, WAYS},
};

/// Names of the maps, in the order in which `new` takes them.
pub(crate) const MAPS: [&str; 3] = ["SHEDDING", "STOPPED", "ADMITTED"];

/// What can keep the maps from being used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A descriptor is not of the map it should be of.
    #[error("opening the map {map}: {error}")]
    Map {
        /// Which map.
        map: &'static str,
        /// What the map's library says.
        error: MapError,
    },
    /// The state of the shards cannot be mapped.
    #[error("mapping the map SHEDDING: {0}")]
    Mapping(io::Error),
}

/// The kernel side's part in it, as one shard sees it.
pub(super) trait Kernel: Send + Sync {
    /// Has so many parts of all new flows shed, and every new flow while more
    /// than `brake` bytes wait in the ring; never any with 0.
    fn set(&self, level: u32, brake: u32);

    /// New flows that were shed so far.
    fn shed(&self) -> u64;

    /// Whether there may be flows that were stopped.
    fn is_active(&self) -> bool;

    /// Stops a flow that is not followed. `syn`: the sequence number of its
    /// SYN, if it was followed until now.
    fn stop(&self, flow: FlowHash, syn: Option<u32>);

    /// Lets all flows go that were stopped.
    fn release(&self);
}

/// The maps themselves.
pub(crate) struct Maps {
    state: Mapped,
    tables: Mutex<Tables>,
    /// That of the settings.
    pub(super) seed: u64,
}

/// The maps as a shard uses them.
pub(super) struct OfShard {
    pub(super) maps: Arc<Maps>,
    /// Its number, less than [`MAX_SHARDS`].
    pub(super) shard: usize,
}

struct Tables {
    stopped: Array<MapData, Line>,
    admitted: Array<MapData, u64>,
}

impl Maps {
    /// Opens the maps. `seed` is that of the settings.
    ///
    /// # Errors
    ///
    /// When a descriptor is not of such a map.
    pub(crate) fn new([state, stopped, admitted]: [OwnedFd; 3], seed: u64) -> Result<Self, Error> {
        let [_, name_of_stopped, name_of_admitted] = MAPS;
        let tables = Tables {
            stopped: array(stopped, name_of_stopped)?,
            admitted: array(admitted, name_of_admitted)?,
        };
        let state = Mapped::new(&state).map_err(Error::Mapping)?;
        Ok(Self { state, tables: Mutex::new(tables), seed })
    }
}

impl OfShard {
    fn state(&self) -> &State {
        self.maps.state.of(self.shard)
    }
}

fn array<T: aya::Pod>(descriptor: OwnedFd, map: &'static str) -> Result<Array<MapData, T>, Error> {
    MapData::from_fd(descriptor)
        .and_then(|data| Array::try_from(Map::Array(data)))
        .map_err(|error| Error::Map { map, error })
}

impl Kernel for OfShard {
    fn set(&self, level: u32, brake: u32) {
        let state = self.state();
        state.level.store(level, Ordering::Relaxed);
        state.brake.store(brake, Ordering::Relaxed);
    }

    fn shed(&self) -> u64 {
        self.state().flows.load(Ordering::Relaxed)
    }

    fn is_active(&self) -> bool {
        self.state().active.load(Ordering::Relaxed) != 0
    }

    fn stop(&self, flow: FlowHash, syn: Option<u32>) {
        let state = self.state();
        let tag = flow.tag(state.epoch.load(Ordering::Relaxed));
        let entry = shedding::entry(tag, syn.unwrap_or_default());
        let mut tables = self.maps.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let Tables { stopped, admitted } = &mut *tables;
        let stopping = (|| {
            if syn.is_some() && admitted.get(&flow.place(), 0)? == entry {
                admitted.set(flow.place(), 0, 0)?;
            }
            let mut line = stopped.get(&flow.line(), 0)?;
            let free = line.iter().position(|held| *held == 0 || shedding::is_of(*held, tag));
            let way = free.unwrap_or_else(|| shedding::victim(entry) as usize % WAYS);
            if let Some(place) = line.get_mut(way) {
                *place = entry;
            }
            // What the kernel side has written into the line meanwhile is lost:
            // that flow comes by here in its turn.
            stopped.set(flow.line(), line, 0)
        })();
        if let Err(error) = stopping {
            log::debug!("stopping a flow: {error}");
        }
        state.active.store(1, Ordering::Relaxed);
    }

    fn release(&self) {
        let state = self.state();
        state.active.store(0, Ordering::Relaxed);
        state.epoch.fetch_add(1, Ordering::Relaxed);
    }
}

/// [`Shedding`] as it stands in memory that both sides change at any time.
#[repr(C, align(64))]
struct State {
    level: AtomicU32,
    brake: AtomicU32,
    epoch: AtomicU32,
    active: AtomicU32,
    flows: AtomicU64,
    _reserved: [u64; 5],
}

const _: () = assert!(size_of::<State>() == size_of::<Shedding>());

/// The map `SHEDDING`, mapped.
struct Mapped(NonNull<State>);

#[expect(unsafe_code, reason = "memory that is shared with the kernel is reached by pointers")]
mod mapped {
    use std::os::fd::AsRawFd as _;

    use super::{MAX_SHARDS, Mapped, NonNull, OwnedFd, Shedding, State, io};

    /// Bytes of the map.
    const LEN: usize = MAX_SHARDS * size_of::<Shedding>();

    impl Mapped {
        pub(super) fn new(map: &OwnedFd) -> io::Result<Self> {
            let (access, descriptor) = (libc::PROT_READ | libc::PROT_WRITE, map.as_raw_fd());
            // SAFETY: asks for a new mapping at a place of the kernel's choice.
            let address = unsafe {
                libc::mmap(std::ptr::null_mut(), LEN, access, libc::MAP_SHARED, descriptor, 0)
            };
            if address == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            NonNull::new(address.cast()).map(Self).ok_or_else(|| io::ErrorKind::Other.into())
        }

        pub(super) fn of(&self, shard: usize) -> &State {
            let shard = shard.min(MAX_SHARDS - 1);
            // SAFETY: the mapping has an element for each of MAX_SHARDS shards
            // and lives as long as self; its fields are atomic, as others
            // change them.
            unsafe { self.0.add(shard).as_ref() }
        }
    }

    impl Drop for Mapped {
        fn drop(&mut self) {
            // SAFETY: this mapping is ours, and nothing borrows from it.
            unsafe { libc::munmap(self.0.as_ptr().cast(), LEN) };
        }
    }

    // SAFETY: the memory is reached by atomic operations only.
    unsafe impl Send for Mapped {}
    // SAFETY: as above.
    unsafe impl Sync for Mapped {}
}
