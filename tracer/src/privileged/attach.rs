//! Attaches the programs to interfaces, and lets interfaces go.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    os::fd::AsFd as _,
};

use aya::programs::{
    LinkOrder, ProgramError, TcAttachType, XdpMode,
    links::{FdLink, Link as _},
    tc::{SchedClassifierLink, TcAttachOptions},
};

use super::{
    clsact::{self, Owner},
    foreign::{self, Foreign},
    load::{self, Object, chain},
    netlink::{Direction, Framing, Link, Requests},
    xdp,
};
use crate::{cli::Hook, selection::Directions};

/// How a program is attached.
enum Way {
    /// By a link that goes with this process.
    Tcx(SchedClassifierLink),
    /// By a filter that has to be removed.
    Clsact,
    /// By a link that goes with this process.
    Xdp(FdLink, XdpMode),
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcx(_) => "TCX",
            Self::Clsact => "clsact",
            Self::Xdp(_, XdpMode::Driver) => "native XDP",
            Self::Xdp(..) => "generic XDP",
        })
    }
}

/// Why an interface cannot be traced.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Not a kind of device whose packets tracer can read.
    #[error("its packets (hardware type {0}) begin with neither an Ethernet nor an IP header")]
    Hardware(u16),
    /// It went away, or its name did.
    #[error("it is gone")]
    Gone,
    /// The object lacks something.
    #[error(transparent)]
    Object(#[from] load::Error),
    /// The kernel refused the program.
    #[error("{}", chain(.0))]
    Program(#[from] ProgramError),
    /// A filter could not be added.
    #[error(transparent)]
    Clsact(#[from] clsact::Error),
}

/// The programs of an interface.
struct Attached {
    name: String,
    ways: Vec<(Direction, Way)>,
}

impl Attached {
    /// How the programs are attached, for the operator.
    fn ways(&self) -> String {
        let ways = self.ways.iter().map(|(direction, way)| format!("{way} {}", direction.name()));
        ways.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.ways())
    }
}

/// All that is attached.
pub(super) struct Attachments {
    /// The loaded programs.
    pub(super) object: Object,
    /// For requests about interfaces.
    pub(super) requests: Requests,
    hook: Hook,
    directions: Directions,
    /// For filters; `None` where TCX does without.
    owner: Option<Owner>,
    interfaces: HashMap<u32, Attached>,
    /// Ids of our own programs, to be told from foreign ones.
    ours: HashSet<u32>,
    /// What was warned of, by interface.
    warned: HashSet<(u32, Foreign)>,
}

impl Attachments {
    /// Nothing is attached yet. `tcx` says whether TCX is used.
    pub(super) fn new(
        object: Object,
        requests: Requests,
        (hook, directions): (Hook, Directions),
        tcx: bool,
    ) -> io::Result<Self> {
        let owner = if tcx { None } else { Some(Owner::new()?) };
        let ours = object.program_ids();
        Ok(Self {
            object,
            requests,
            hook,
            directions,
            owner,
            interfaces: HashMap::new(),
            ours,
            warned: HashSet::new(),
        })
    }

    /// Whether programs may outlive this process, so that their stamp has to
    /// be refreshed.
    pub(super) const fn are_outliving(&self) -> bool {
        self.owner.is_some()
    }

    /// Whether an interface is attached.
    pub(super) fn has(&self, index: u32) -> bool {
        self.interfaces.contains_key(&index)
    }

    /// Whether an interface is attached by XDP.
    pub(super) fn is_xdp(&self, index: u32) -> bool {
        let ways = self.interfaces.get(&index).map_or(&[][..], |attached| &attached.ways);
        ways.iter().any(|(_, way)| matches!(way, Way::Xdp(..)))
    }

    /// Indices of the attached interfaces.
    pub(super) fn indices(&self) -> Vec<u32> {
        self.interfaces.keys().copied().collect()
    }

    /// Attaches the programs of the wanted directions to an interface: those of
    /// the other need not even run. `carries_vlans` says whether
    /// there are VLAN devices above it.
    ///
    /// # Errors
    ///
    /// When a direction could not be attached; then none is.
    pub(super) fn attach(&mut self, link: &Link, carries_vlans: bool) -> Result<(), Error> {
        let framing = link.framing().ok_or(Error::Hardware(link.hardware))?;
        let mut ways = Vec::new();
        // A packet on the loopback goes out and comes in; once is enough,
        // whatever is wanted of the two.
        if !link.loopback && self.directions != Directions::Out {
            ways.push((Direction::Ingress, self.attach_ingress(link, framing, carries_vlans)?));
        }
        let egress = link.loopback || self.directions != Directions::In;
        match egress.then(|| self.attach_tc(link, Direction::Egress, framing)) {
            None => {}
            Some(Ok(way)) => ways.push((Direction::Egress, way)),
            // One direction is better than none, and is said below.
            Some(Err(Error::Clsact(clsact::Error::IngressQdisc))) if !ways.is_empty() => {}
            Some(Err(error)) => {
                self.interfaces.insert(link.index, Attached { name: link.name.clone(), ways });
                self.detach(link.index);
                return Err(error);
            }
        }
        let attached = Attached { name: link.name.clone(), ways };
        log::debug!("attached to {attached}");
        self.interfaces.insert(link.index, attached);
        Ok(())
    }

    fn attach_ingress(
        &mut self,
        link: &Link,
        framing: Framing,
        carries_vlans: bool,
    ) -> Result<Way, Error> {
        if self.hook != Hook::Xdp {
            return self.attach_tc(link, Direction::Ingress, framing);
        }
        let Link { name, .. } = link;
        if framing != Framing::Ethernet {
            log::info!("{name}: no XDP without an Ethernet header; TC ingress instead");
            return self.attach_tc(link, Direction::Ingress, framing);
        }
        if carries_vlans {
            // Without the tag a packet would be of another flow here than on
            // the VLAN device, and every event would come twice.
            log::info!(
                "{name}: XDP does not see VLAN tags that the device takes off; TC ingress instead"
            );
            return self.attach_tc(link, Direction::Ingress, framing);
        }
        match xdp::attach(self.object.xdp()?, link) {
            Ok((attached, mode)) => Ok(Way::Xdp(attached, mode)),
            Err(error) => {
                let reason = match xdp::errno(&error) {
                    Some(libc::EBUSY | libc::EEXIST) => {
                        "another XDP program is there, and stays".to_owned()
                    }
                    Some(libc::ENODEV) => return Err(Error::Gone),
                    _ => chain(&error),
                };
                log::warn!("{name}: no XDP: {reason}; TC ingress instead");
                self.attach_tc(link, Direction::Ingress, framing)
            }
        }
    }

    fn attach_tc(
        &mut self,
        link: &Link,
        direction: Direction,
        framing: Framing,
    ) -> Result<Way, Error> {
        let program = self.object.classifier(direction, framing)?;
        if let Some(owner) = &self.owner {
            let descriptor =
                program.fd()?.as_fd().try_clone_to_owned().map_err(ProgramError::from)?;
            owner.attach(&mut self.requests, link.index, direction, descriptor.as_fd())?;
            return Ok(Way::Clsact);
        }
        // aya takes a name; make sure that it means this interface still.
        let name = link.name.as_str();
        if nix::net::if_::if_nametoindex(name) != Ok(link.index) {
            return Err(Error::Gone);
        }
        let kind = match direction {
            Direction::Ingress => TcAttachType::Ingress,
            Direction::Egress => TcAttachType::Egress,
        };
        let first = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = program.attach_with_options(name, kind, first)?;
        Ok(Way::Tcx(program.take_link(id)?))
    }

    /// Attaches to an interface for a moment, and says how.
    ///
    /// # Errors
    ///
    /// As [`Attachments::attach`].
    pub(super) fn probe(&mut self, link: &Link) -> Result<String, Error> {
        self.attach(link, false)?;
        let ways = self.interfaces.get(&link.index).map(Attached::ways);
        self.detach(link.index);
        Ok(ways.unwrap_or_default())
    }

    /// Lets an interface go that is still there.
    pub(super) fn detach(&mut self, index: u32) {
        let Some(Attached { name, ways }) = self.interfaces.remove(&index) else { return };
        let mut filters = false;
        for (_, way) in ways {
            let detached = match way {
                Way::Tcx(link) => link.detach(),
                Way::Xdp(link, _) => link.detach(),
                Way::Clsact => {
                    filters = true;
                    Ok(())
                }
            };
            if let Err(error) = detached {
                log::warn!("{name}: detaching: {}", chain(&error));
            }
        }
        if let (true, Some(owner)) = (filters, &self.owner)
            && let Err(error) = owner.detach(&mut self.requests, index)
            && error.raw_os_error() != Some(libc::ENODEV)
        {
            log::warn!("{name}: removing the filters: {error}");
        }
    }

    /// Forgets an interface that is gone, and its programs with it. Its name,
    /// if it was attached.
    pub(super) fn forget(&mut self, index: u32) -> Option<String> {
        self.warned.retain(|(interface, _)| *interface != index);
        self.interfaces.remove(&index).map(|attached| attached.name)
    }

    /// Takes a new name of an interface; whether it had another one.
    pub(super) fn rename(&mut self, link: &Link) -> bool {
        match self.interfaces.get_mut(&link.index) {
            Some(attached) if attached.name != link.name => {
                attached.name.clone_from(&link.name);
                true
            }
            _ => false,
        }
    }

    /// Detaches everything.
    pub(super) fn detach_all(&mut self) {
        for index in self.indices() {
            self.detach(index);
        }
    }

    /// Whether our programs still sit where they were put: an index that was
    /// given to a new interface has none.
    pub(super) fn are_in_place(&mut self, link: &Link) -> bool {
        let Some(attached) = self.interfaces.get(&link.index) else { return false };
        let ways: Vec<_> = attached.ways.iter().map(|(direction, way)| (*direction, way)).collect();
        ways.into_iter().all(|(direction, way)| match way {
            Way::Tcx(_) => super::tcx::programs(link.index, direction)
                .is_ok_and(|programs| programs.iter().any(|id| self.ours.contains(id))),
            Way::Clsact => {
                let filters = self.requests.filters(link.index, direction).unwrap_or_default();
                let owns = |filter| self.owner.as_ref().is_some_and(|owner| owner.owns(filter));
                filters.iter().any(owns)
            }
            Way::Xdp(..) => link.xdp.is_some_and(|id| self.ours.contains(&id)),
        })
    }

    /// Says once of each foreign program that it may hide packets.
    pub(super) fn warn(&mut self, link: &Link) {
        let Some(attached) = self.interfaces.get(&link.index) else { return };
        let tc: Vec<_> = attached
            .ways
            .iter()
            .filter(|(_, way)| !matches!(way, Way::Xdp(..)))
            .map(|(direction, way)| (*direction, matches!(way, Way::Clsact)))
            .collect();
        for foreign in foreign::before_ours(&mut self.requests, link, &tc, &self.ours) {
            if self.warned.insert((link.index, foreign.clone())) {
                log::warn!("{}: {foreign}", link.name);
            }
        }
    }

    /// What is attached, by name and hook, for the operator.
    pub(super) fn describe(&self) -> String {
        let mut names: Vec<_> = self.interfaces.iter().collect();
        names.sort_by_key(|(index, _)| **index);
        let names: Vec<_> = names.into_iter().map(|(_, attached)| attached.to_string()).collect();
        names.join(", ")
    }
}

impl Drop for Attachments {
    /// Links go with their descriptors, filters do not.
    fn drop(&mut self) {
        self.detach_all();
    }
}
