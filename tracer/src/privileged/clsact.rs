//! Filters of a `clsact` qdisc: how programs are attached on kernels without
//! TCX.
//!
//! Such a filter outlives the process that added it. The program in it does
//! nothing once its stamp is out of date, and the next tracer removes the
//! filter: its name tells whose it is. The owner holds an abstract Unix socket
//! of that name, which like the filter belongs to the network namespace, and
//! which the kernel takes away when the owner dies.

use std::{
    io,
    os::{
        fd::BorrowedFd,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use super::netlink::{Direction, Filter, Qdisc, Requests};

/// What the names of all tracers' filters begin with.
const PREFIX: &str = "tracer-";
/// What they end with when tracer has added the qdisc, too.
const WITH_QDISC: &str = "+qdisc";

/// Why a filter could not be added.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Filters of `ingress` see one direction only.
    #[error("an ingress qdisc stands where clsact has to be, so outgoing packets are not seen")]
    IngressQdisc,
    /// The kernel was built without it, or its module is not installed.
    #[error(
        "the kernel has no {part}: its module {module} is not there ({option}). Linux 6.6 and \
         later do without, by --hook tc"
    )]
    NoModule {
        /// What is missing.
        part: &'static str,
        /// The module in which it is.
        module: &'static str,
        /// The option by which a kernel is built with it.
        option: &'static str,
    },
    /// The kernel refused.
    #[error("{operation}: {source}")]
    Netlink {
        /// What was tried.
        operation: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What the kernel says when it knows no qdisc or filter of that kind.
fn is_unknown(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOENT)
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Netlink { operation, source }
}

/// The identity of this process among the owners of filters.
pub(super) struct Owner {
    name: String,
    /// Says that the owner lives, by being there.
    _alive: UnixDatagram,
}

impl Owner {
    /// Takes a name that nobody else has in this network namespace.
    pub(super) fn new() -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{}-{}", process::id(), now.as_nanos());
        let alive = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        Ok(Self { name, _alive: alive })
    }

    /// Adds a program as the first filter of a direction, and the qdisc where
    /// there is none.
    pub(super) fn attach(
        &self,
        requests: &mut Requests,
        index: u32,
        direction: Direction,
        program: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let with_qdisc = match requests.add_clsact(index) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                let qdiscs = requests.qdiscs().map_err(failed("reading the qdiscs"))?;
                if qdiscs.get(&index) == Some(&Qdisc::Ingress) && direction == Direction::Egress {
                    return Err(Error::IngressQdisc);
                }
                // The last tracer to leave takes the qdisc along.
                is_by_tracer(requests, index)
            }
            Err(error) if is_unknown(&error) => {
                let (module, option) = ("sch_ingress", "CONFIG_NET_SCH_INGRESS");
                return Err(Error::NoModule { part: "clsact qdisc", module, option });
            }
            Err(error) => return Err(failed("adding the clsact qdisc")(error)),
        };
        let suffix = if with_qdisc { WITH_QDISC } else { "" };
        let name = format!("{}{suffix}", self.name);
        let added = requests.add_filter(index, direction, program, &name);
        if added.is_err() && with_qdisc && count(requests, index).is_ok_and(|count| count == 0) {
            let _ = requests.remove_clsact(index);
        }
        added.map_err(|error| {
            if is_unknown(&error) {
                let (module, option) = ("cls_bpf", "CONFIG_NET_CLS_BPF");
                Error::NoModule { part: "filters by BPF", module, option }
            } else {
                failed("adding the filter")(error)
            }
        })
    }

    /// Removes this owner's filters from an interface, and the qdisc if a
    /// tracer added it and nobody else uses it.
    pub(super) fn detach(&self, requests: &mut Requests, index: u32) -> io::Result<()> {
        let with_qdisc = is_by_tracer(requests, index);
        remove(requests, index, |filter| self.owns(filter))?;
        if with_qdisc && count(requests, index)? == 0 {
            requests.remove_clsact(index)?;
        }
        Ok(())
    }

    /// Whether the filter is this process's.
    pub(super) fn owns(&self, filter: &Filter) -> bool {
        owner(filter) == Some(self.name.as_str())
    }
}

/// Removes the filters of tracers that are no more, and the qdiscs that they
/// added and that nobody else uses.
pub(super) fn remove_leftovers(requests: &mut Requests) -> io::Result<()> {
    for index in requests.qdiscs()?.into_keys() {
        let left = |filter: &Filter| owner(filter).is_some_and(|name| !lives(name));
        let removed = remove(requests, index, left)?;
        if removed.is_empty() {
            continue;
        }
        let name = nix::net::if_::if_indextoname(index).unwrap_or_default();
        let (name, removed_count) = (name.to_string_lossy(), removed.len());
        log::info!("{name}: removed {removed_count} filters of a killed tracer");
        let with_qdisc = removed.iter().any(|filter| filter.name.ends_with(WITH_QDISC));
        if with_qdisc && count(requests, index)? == 0 {
            requests.remove_clsact(index)?;
        }
    }
    Ok(())
}

/// Whether a tracer, this one or another, has added the qdisc.
fn is_by_tracer(requests: &mut Requests, index: u32) -> bool {
    Direction::ALL.into_iter().any(|direction| {
        let filters = requests.filters(index, direction).unwrap_or_default();
        filters.iter().any(|filter| is_tracers(filter) && filter.name.ends_with(WITH_QDISC))
    })
}

fn count(requests: &mut Requests, index: u32) -> io::Result<usize> {
    let mut count = 0;
    for direction in Direction::ALL {
        count += requests.filters(index, direction)?.len();
    }
    Ok(count)
}

fn remove(
    requests: &mut Requests,
    index: u32,
    which: impl Fn(&Filter) -> bool,
) -> io::Result<Vec<Filter>> {
    let mut removed = Vec::new();
    // `ingress` has one list of filters, which both directions name.
    for direction in Direction::ALL {
        for filter in requests.filters(index, direction)? {
            if which(&filter) {
                requests.remove_filter(index, direction, &filter)?;
                removed.push(filter);
            }
        }
    }
    Ok(removed)
}

/// The name of the tracer that added a filter.
fn owner(filter: &Filter) -> Option<&str> {
    let name = filter.name.strip_suffix(WITH_QDISC).unwrap_or(&filter.name);
    (filter.kind == "bpf" && name.starts_with(PREFIX)).then_some(name)
}

/// Whether a tracer added the filter, be it this one or another.
pub(super) fn is_tracers(filter: &Filter) -> bool {
    owner(filter).is_some()
}

/// Whether the owner of that name is there still.
fn lives(name: &str) -> bool {
    // Whoever can take the name finds nobody at it.
    SocketAddr::from_abstract_name(name)
        .and_then(|address| UnixDatagram::bind_addr(&address))
        .is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_as_long_as_it_is_there() {
        let owner = Owner::new().unwrap();
        let name = owner.name.clone();
        assert!(lives(&name));
        drop(owner);
        assert!(!lives(&name));
    }
}
