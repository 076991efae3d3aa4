//! Loads the kernel side: maps with what the operator chose in them, then the
//! programs.

use std::{
    collections::HashSet,
    fmt, io,
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, ArrayOfMaps, Map, MapData, MapError, MapType},
    programs::{Program, ProgramError, SchedClassifier, Xdp},
    util::KernelVersion,
};
use aya_log::EbpfLogger;
use log::Log;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use tracer_common::{ABI, COPY_PURE_ACKS, NO_SKIP, PORT_TABLE_LEN, PortTable, Settings};

use super::{
    capabilities::{self, Missing},
    netlink::{Direction, Framing},
    owners::{self, Way},
};
use crate::{config::Config, overload};

/// The kernel side, as build.rs made it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer.bpf.o"));

/// For how long, in nanoseconds, the stamp of a living process holds. A
/// process that is stopped for longer (a debugger) loses what goes by.
const LIVENESS: u64 = 2_000_000_000;

/// The oldest kernel that the programs are made for.
const OLDEST_KERNEL: KernelVersion = KernelVersion::new(6, 1, 0);

/// The map of who has which end of a connection.
const OWNERS: &str = "OWNERS";

/// The XDP program.
const XDP_PROGRAM: &str = "xdp_ethernet";

/// Why the kernel side could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Not privileged enough.
    #[error("{0}")]
    Capabilities(Missing),
    /// The kernel said no although the capabilities are there.
    #[error(
        "the kernel refuses BPF although the capabilities are there: {operation}: {source}. \
         In a container they must be those of the host's user namespace, and a seccomp profile \
         (in a systemd unit, SystemCallFilter=) must allow bpf(2)"
    )]
    Refused {
        /// What was tried.
        operation: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel said no for another reason.
    #[error("{operation}: {source}")]
    Call {
        /// What was tried.
        operation: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The verifier refused a program.
    #[error(
        "this kernel's verifier refuses the program {program}: {source}. tracer is made for Linux \
         {OLDEST_KERNEL_TEXT} and later{kernel}; please report this with the verifier's last words:\n{log}"
    )]
    Verifier {
        /// Its name.
        program: String,
        /// What the kernel said.
        source: io::Error,
        /// The running kernel, if it is too old.
        kernel: TooOld,
        /// The end of the verifier's log.
        log: String,
    },
    /// Something is not in the object, or of another shape: a mistake in the
    /// build.
    #[error("the BPF object in this program does not fit it: no {0}; build it anew")]
    Object(String),
    /// Anything else that loading or the maps can run into.
    #[error("loading the BPF object: {}", chain(.0))]
    Ebpf(#[from] EbpfError),
    /// A map could not be made or filled.
    #[error("preparing the BPF maps: {}", chain(.0))]
    Map(#[from] MapError),
    /// A program could not be loaded.
    #[error("loading the BPF programs: {}", chain(.0))]
    Program(#[from] ProgramError),
}

/// The same in words.
pub(super) const OLDEST_KERNEL_TEXT: &str = "6.1";

/// Whether the running kernel is older than that.
pub(super) fn is_too_old() -> bool {
    KernelVersion::current().is_ok_and(|version| version < OLDEST_KERNEL)
}

/// Says that the kernel is too old, if it is.
#[derive(Debug)]
pub(super) struct TooOld;

impl fmt::Display for TooOld {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_too_old() { formatter.write_str("; this one is older") } else { Ok(()) }
    }
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Transparent errors repeat their cause's words.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The loaded kernel side. It does nothing until a program is attached, and
/// is gone from the kernel when this is dropped.
pub(super) struct Object {
    ebpf: Ebpf,
    settings: Array<MapData, Settings>,
    ports: Array<MapData, PortTable>,
    chosen: Settings,
    outcomes: MapData,
    /// Those of [`overload::MAPS`], in their order.
    shedding: Vec<MapData>,
    /// What the worker writes while it runs: which bytes need not be copied.
    slots: MapData,
    switches: MapData,
    /// Who has which end of a connection, where that is found out.
    owners: MapData,
    /// How it is, where that is wanted.
    pub(super) way: Option<Result<Way, owners::Error>>,
    rings: Vec<MapData>,
    /// What the programs log; `None` when the object has no log.
    pub(super) logger: Option<EbpfLogger<&'static dyn Log>>,
}

impl Object {
    /// Loads the object. With `outliving`, for hooks that the kernel keeps
    /// when this process dies, the programs do nothing unless
    /// [`Object::refresh`] is called at least every second.
    pub(super) fn load(config: &Config, outliving: bool, xdp: bool) -> Result<Self, Error> {
        raise_memory_limit();
        let check_liveness = u32::from(outliving);
        let layout = config.live.process.then(owners::layout);
        let mut loader = EbpfLoader::new();
        loader.override_global("CHECK_LIVENESS", &check_liveness, true).override_global(
            "HOSTS",
            &config.hosts,
            true,
        );
        match &layout {
            Some(Ok(layout)) => loader.override_global("LAYOUT", layout, true),
            Some(Err(_)) | None => [OWNERS, "OPENING", "SEEN"]
                .iter()
                .fold(&mut loader, |loader, map| loader.map_max_entries(map, 1)),
        };
        let mut ebpf = loader.load(OBJECT).map_err(refused)?;

        let settings = Array::try_from(take(&mut ebpf, "SETTINGS")?)?;
        let mut ports: Array<_, PortTable> = Array::try_from(take(&mut ebpf, "PORTS")?)?;
        ports.set(0, port_table(&config.flows.numbered().collect::<Vec<_>>())?, 0)?;
        let mut outer: ArrayOfMaps<MapData> = ArrayOfMaps::try_from(take(&mut ebpf, "RINGS")?)?;
        let rings = (0..config.live.shards)
            .map(|shard| {
                let ring = ring(config.live.ring_size)?;
                outer.set(shard, &ring, 0)?;
                Ok(ring)
            })
            .collect::<Result<_, MapError>>()?;
        let Map::PerCpuArray(outcomes) = take(&mut ebpf, "OUTCOMES")? else {
            return Err(Error::Object("map OUTCOMES with a value for each CPU".to_owned()));
        };

        let [slots, switches] = ["SLOTS", "SWITCHES"].map(|name| match take(&mut ebpf, name) {
            Ok(Map::Array(map)) => Ok(map),
            Ok(_) => Err(Error::Object(format!("array {name}"))),
            Err(error) => Err(error),
        });
        let (slots, switches) = (slots?, switches?);

        let Map::LruHashMap(table) = take(&mut ebpf, OWNERS)? else {
            return Err(Error::Object(format!("map {OWNERS}")));
        };
        let shedding = overload::MAPS
            .iter()
            .map(|name| match take(&mut ebpf, name)? {
                Map::Array(data) => Ok(data),
                _ => Err(Error::Object(format!("array {name}"))),
            })
            .collect::<Result<_, _>>()?;

        let flags = if config.pure_acks() { COPY_PURE_ACKS } else { 0 };
        let skip_from = config.skip_from().unwrap_or(NO_SKIP);
        let shards = config.live.shards;
        let chosen = Settings { alive_until: 0, seed: seed(), abi: ABI, flags, shards, skip_from };
        let logger = EbpfLogger::init(&mut ebpf).ok();
        let mut object = Self {
            ebpf,
            settings,
            ports,
            chosen,
            outcomes,
            shedding,
            slots,
            switches,
            owners: table,
            way: None,
            rings,
            logger,
        };
        object.refresh()?;
        // The programs refer to the map by its descriptor, which must be open
        // until the kernel has loaded the programs.
        object.load_programs(xdp)?;
        object.way = layout.map(|layout| layout.and_then(|_| owners::start(&mut object.ebpf)));
        drop(outer);
        Ok(object)
    }

    fn load_programs(&mut self, xdp: bool) -> Result<(), Error> {
        for (name, program) in self.ebpf.programs_mut() {
            let loaded = match program {
                Program::SchedClassifier(program) => program.load(),
                Program::Xdp(program) if xdp => program.load(),
                _ => Ok(()),
            };
            loaded.map_err(|error| verifier(name, error))?;
        }
        Ok(())
    }

    /// Stamps the settings: this process lives.
    pub(super) fn refresh(&mut self) -> Result<(), MapError> {
        self.chosen.alive_until = monotonic().saturating_add(LIVENESS);
        self.settings.set(0, self.chosen, 0)
    }

    /// Has packets of these ports copied from now on, by their numbers.
    pub(super) fn choose_ports(&mut self, numbers: &[(u16, u8)]) -> Result<(), Error> {
        Ok(self.ports.set(0, port_table(numbers)?, 0)?)
    }

    /// The classifier for a direction and what packets begin with there.
    pub(super) fn classifier(
        &mut self,
        direction: Direction,
        framing: Framing,
    ) -> Result<&mut SchedClassifier, Error> {
        let name = match (direction, framing) {
            (Direction::Ingress, Framing::Ethernet) => "ingress_ethernet",
            (Direction::Egress, Framing::Ethernet) => "egress_ethernet",
            (Direction::Ingress, Framing::Ip) => "ingress_ip",
            (Direction::Egress, Framing::Ip) => "egress_ip",
        };
        let program = self.ebpf.program_mut(name).map(TryInto::try_into);
        program.and_then(Result::ok).ok_or_else(|| Error::Object(format!("program {name}")))
    }

    /// The XDP program.
    pub(super) fn xdp(&mut self) -> Result<&mut Xdp, Error> {
        let program = self.ebpf.program_mut(XDP_PROGRAM).map(TryInto::try_into);
        program.and_then(Result::ok).ok_or_else(|| Error::Object(format!("program {XDP_PROGRAM}")))
    }

    /// What the worker needs: the names of maps, and their descriptors with
    /// those of the rings behind them.
    pub(super) fn handed_over(&self) -> (Vec<String>, Vec<BorrowedFd<'_>>) {
        let maps =
            [("OUTCOMES", &self.outcomes), ("SLOTS", &self.slots), ("SWITCHES", &self.switches)];
        let way = self.way.iter().flatten();
        let owners = way.map(|_| (OWNERS, &self.owners));
        let maps = maps.into_iter().chain(overload::MAPS.into_iter().zip(&self.shedding));
        let maps = maps.chain(owners);
        let names = maps.clone().map(|(name, _)| name.to_owned()).collect();
        let maps = maps.map(|(_, map)| map).chain(&self.rings);
        (names, maps.map(|map| map.fd().as_fd()).collect())
    }

    /// The number that flows are numbered with.
    pub(super) const fn seed(&self) -> u64 {
        self.chosen.seed
    }

    /// Ids of the loaded programs.
    pub(super) fn program_ids(&self) -> HashSet<u32> {
        let info = |(_, program): (_, &Program)| program.info().ok();
        self.ebpf.programs().filter_map(info).map(|info| info.id()).collect()
    }
}

/// Takes a map out of the object.
fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or_else(|| Error::Object(format!("map {name}")))
}

/// Makes a ring.
fn ring(size: u32) -> Result<MapData, MapError> {
    let map = aya_obj::Map::new_from_params(MapType::RingBuf as u32, 0, 0, size, 0);
    MapData::create(map, "tracer_ring", None)
}

/// The ports that the operator chose.
fn port_table(numbers: &[(u16, u8)]) -> Result<Box<PortTable>, Error> {
    let mut table = vec![0; PORT_TABLE_LEN];
    for &(port, number) in numbers {
        if let Some(entry) = table.get_mut(usize::from(port)) {
            *entry = number;
        }
    }
    table.try_into().map_err(|_| Error::Object("map PORTS of that size".to_owned()))
}

/// Kernels before 5.11 count maps against `RLIMIT_MEMLOCK`; later ones do not
/// look at it. Where raising it is not allowed, making the maps will say so.
fn raise_memory_limit() {
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
}

/// `CLOCK_MONOTONIC`, nanoseconds: the clock of the programs.
fn monotonic() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let (seconds, nanoseconds) = (time.tv_sec().cast_unsigned(), time.tv_nsec());
        seconds * 1_000_000_000 + nanoseconds.cast_unsigned()
    })
}

/// A number that nobody outside knows. Like that of a hash map it is a guard
/// against chosen collisions, no secret, and so is made of one.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Looks for a lack of privileges behind an error.
fn refused(error: EbpfError) -> Error {
    match denied(&error) {
        Some(code) => privileges(chain(&error), code),
        None => Error::Ebpf(error),
    }
}

/// Why a call of bpf(2) by itself did not work.
pub(super) fn refused_call(operation: &str, error: io::Error) -> Error {
    match denied(&error) {
        Some(code) => privileges(operation.to_owned(), code),
        None => Error::Call { operation: operation.to_owned(), source: error },
    }
}

fn privileges(operation: String, code: i32) -> Error {
    match capabilities::Set::effective().map(capabilities::Set::missing) {
        Ok(missing) if !missing.is_empty() => Error::Capabilities(missing),
        _ => Error::Refused { operation, source: io::Error::from_raw_os_error(code) },
    }
}

/// The code of an error that means "not allowed".
fn denied(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let code = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if let Some(code @ (libc::EPERM | libc::EACCES)) = code {
            return Some(code);
        }
        cause = error.source();
    }
    None
}

/// Lines of the verifier's log that an error quotes: its verdict stands last.
const LOG_LINES: usize = 20;

fn verifier(program: &str, error: ProgramError) -> Error {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            log::debug!("verifier's log of {program}:\n{log}");
            let lines: Vec<_> = log.lines().collect();
            if lines.is_empty() && io_error.raw_os_error() == Some(libc::EPERM) {
                return privileges(format!("loading {program}"), libc::EPERM);
            }
            let log = lines.split_at(lines.len().saturating_sub(LOG_LINES)).1.join("\n");
            let (program, kernel) = (program.to_owned(), TooOld);
            Error::Verifier { program, source: io_error, kernel, log }
        }
        other => Error::Program(other),
    }
}
