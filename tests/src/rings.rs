//! How much the kernel side of a tracer has written into its rings, by the
//! kernel's own positions in them (`kernel/bpf/ringbuf.c`).

#![expect(unsafe_code, reason = "a position is in memory that the kernel shares")]

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    maps::{ArrayOfMaps, Map, MapData, MapInfo},
    programs::loaded_programs,
};
use nix::unistd::{SysconfVar, sysconf};

use crate::kernel::Held;

/// The rings of a tracer.
#[derive(Debug)]
pub struct Rings(Vec<Position>);

/// Up to where the kernel has written a ring: bytes since it was made.
#[derive(Debug)]
struct Position {
    page: NonNull<AtomicU64>,
    size: usize,
}

impl Rings {
    /// Those of the process with these programs.
    pub fn of(held: &Held) -> Result<Self> {
        let programs = loaded_programs().filter_map(Result::ok);
        let mut ids = Vec::new();
        for info in programs.filter(|info| held.programs.contains(&info.id())) {
            ids.extend(info.map_ids()?.unwrap_or_default());
        }
        let id = ids
            .into_iter()
            .find(|id| MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some("RINGS")));
        let table = Map::ArrayOfMaps(MapData::from_id(id.context("no map RINGS")?)?);
        let table: ArrayOfMaps<MapData, MapData> = ArrayOfMaps::try_from(table)?;
        let rings = (0..table.len()).map_while(|shard| table.get(&shard, 0).ok());
        let positions = rings.map(|ring| Position::map(&ring)).collect::<Result<Vec<_>>>()?;
        ensure!(!positions.is_empty(), "no ring");
        Ok(Self(positions))
    }

    /// Bytes written so far, with what the kernel puts before each record and
    /// what is left free behind it.
    pub fn written(&self) -> u64 {
        self.0.iter().map(Position::read).sum()
    }
}

impl Position {
    /// Maps the page in which it stands, the second of the ring.
    fn map(ring: &MapData) -> Result<Self> {
        let size = sysconf(SysconfVar::PAGE_SIZE)?.context("no page size")?;
        let offset: libc::off_t = size;
        let size = usize::try_from(size)?;
        let descriptor = ring.fd().as_fd().as_raw_fd();
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let page = unsafe {
            libc::mmap(ptr::null_mut(), size, libc::PROT_READ, libc::MAP_SHARED, descriptor, offset)
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("mapping a ring");
        }
        Ok(Self { page: NonNull::new(page.cast()).context("mapped at 0")?, size })
    }

    fn read(&self) -> u64 {
        // SAFETY: the page is mapped as long as this lives, aligned, and begins
        // with this number, which the kernel writes whole.
        unsafe { self.page.as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made, to which nothing refers any more.
        let _ = unsafe { libc::munmap(self.page.as_ptr().cast(), self.size) };
    }
}
