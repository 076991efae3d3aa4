//! Queueing disciplines and filters (`linux/pkt_sched.h`, `linux/pkt_cls.h`):
//! where programs sit on kernels without TCX.

use std::{
    collections::HashMap,
    io,
    ops::RangeInclusive,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::{
    Requests,
    message::{Attributes, Request, put, text, u32_at},
};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
/// The program's return value is the verdict.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

/// Parent of the `clsact` and `ingress` qdiscs.
const CLSACT: u32 = 0xffff_fff1;
/// Handle of both.
const CLSACT_HANDLE: u32 = 0xffff_0000;
const CLSACT_INGRESS: u32 = 0xffff_fff2;
const CLSACT_EGRESS: u32 = 0xffff_fff3;

/// Our filters' priority: the first; the next ones where somebody has a filter
/// of another kind there.
const PRIORITIES: RangeInclusive<u32> = 1..=8;

/// `struct tcmsg`, which stands before the attributes.
const HEADER: usize = 20;

/// Which way a hook looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::privileged) enum Direction {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

impl Direction {
    /// Both.
    pub(in crate::privileged) const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// Its name.
    pub(in crate::privileged) const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    const fn parent(self) -> u32 {
        match self {
            Self::Ingress => CLSACT_INGRESS,
            Self::Egress => CLSACT_EGRESS,
        }
    }
}

/// The qdisc that sits where `clsact` would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::privileged) enum Qdisc {
    /// `clsact`: filters in both directions.
    Clsact,
    /// `ingress`, in whose place `clsact` would have to be.
    Ingress,
}

/// A filter of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::privileged) struct Filter {
    handle: u32,
    /// Priority and protocol, as the kernel packs them.
    info: u32,
    /// Kind: `bpf`, `flower`, `u32`.
    pub(in crate::privileged) kind: String,
    /// The name of a BPF filter.
    pub(in crate::privileged) name: String,
    /// The id of a BPF filter's program.
    pub(in crate::privileged) program: Option<u32>,
}

impl Filter {
    /// Its priority; the lowest number comes first.
    pub(in crate::privileged) const fn priority(&self) -> u32 {
        self.info >> 16
    }
}

fn header(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    [0, index, handle, parent, info].map(u32::to_ne_bytes).concat()
}

/// Every protocol, at a priority.
fn every_protocol(priority: u32) -> u32 {
    let every = u16::try_from(libc::ETH_P_ALL).unwrap_or(3);
    priority << 16 | u32::from(every.to_be())
}

fn qdisc(payload: &[u8]) -> Option<(u32, Qdisc)> {
    let index = u32_at(payload, 4)?;
    let parent = u32_at(payload, 12)?;
    let mut attributes = Attributes::new(payload.get(HEADER..)?);
    let (_, kind) = attributes.find(|(kind, _)| *kind == TCA_KIND)?;
    match text(kind).as_str() {
        "clsact" if parent == CLSACT => Some((index, Qdisc::Clsact)),
        "ingress" if parent == CLSACT => Some((index, Qdisc::Ingress)),
        _ => None,
    }
}

fn filter(payload: &[u8]) -> Option<Filter> {
    let mut filter = Filter {
        handle: u32_at(payload, 8)?,
        info: u32_at(payload, 16)?,
        kind: String::new(),
        name: String::new(),
        program: None,
    };
    for (kind, value) in Attributes::new(payload.get(HEADER..)?) {
        match kind {
            TCA_KIND => filter.kind = text(value),
            TCA_OPTIONS => {
                for (option, value) in Attributes::new(value) {
                    match option {
                        TCA_BPF_NAME => filter.name = text(value),
                        TCA_BPF_ID => filter.program = u32_at(value, 0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // Each priority is listed once more, without a filter, by handle 0.
    (filter.handle != 0).then_some(filter)
}

impl Requests {
    /// The interfaces that have a qdisc in the place of `clsact`.
    pub(in crate::privileged) fn qdiscs(&mut self) -> io::Result<HashMap<u32, Qdisc>> {
        let request = Request::new(RTM_GETQDISC, libc::NLM_F_DUMP, &header(0, 0, 0, 0));
        let mut qdiscs = HashMap::new();
        self.ask(request, |_, payload| qdiscs.extend(qdisc(payload)))?;
        Ok(qdiscs)
    }

    /// Adds a `clsact` qdisc.
    pub(in crate::privileged) fn add_clsact(&mut self, index: u32) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let request = Request::new(RTM_NEWQDISC, flags, &header(index, CLSACT_HANDLE, CLSACT, 0))
            .attribute(TCA_KIND, b"clsact\0");
        self.ask(request, |_, _| {})
    }

    /// Removes the `clsact` qdisc, with all its filters.
    pub(in crate::privileged) fn remove_clsact(&mut self, index: u32) -> io::Result<()> {
        let header = header(index, CLSACT_HANDLE, CLSACT, 0);
        self.ask(Request::new(RTM_DELQDISC, 0, &header).attribute(TCA_KIND, b"clsact\0"), |_, _| {})
    }

    /// The filters of a `clsact` qdisc in the order in which they run.
    pub(in crate::privileged) fn filters(
        &mut self,
        index: u32,
        direction: Direction,
    ) -> io::Result<Vec<Filter>> {
        let header = header(index, 0, direction.parent(), 0);
        let mut filters = Vec::new();
        self.ask(Request::new(RTM_GETTFILTER, libc::NLM_F_DUMP, &header), |_, payload| {
            filters.extend(filter(payload));
        })?;
        Ok(filters)
    }

    /// Adds a program as a filter, before all others if it can be.
    pub(in crate::privileged) fn add_filter(
        &mut self,
        index: u32,
        direction: Direction,
        program: BorrowedFd<'_>,
        name: &str,
    ) -> io::Result<()> {
        let mut options = Vec::new();
        put(&mut options, TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
        put(&mut options, TCA_BPF_NAME, format!("{name}\0").as_bytes());
        put(&mut options, TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let mut added = Ok(());
        for priority in PRIORITIES {
            let header = header(index, 0, direction.parent(), every_protocol(priority));
            let request = Request::new(RTM_NEWTFILTER, flags, &header)
                .attribute(TCA_KIND, b"bpf\0")
                .attribute(TCA_OPTIONS, &options);
            added = self.ask(request, |_, _| {});
            match &added {
                // What the kernel says to a second kind or protocol.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                _ => break,
            }
        }
        added
    }

    /// Removes a filter.
    pub(in crate::privileged) fn remove_filter(
        &mut self,
        index: u32,
        direction: Direction,
        filter: &Filter,
    ) -> io::Result<()> {
        let header = header(index, filter.handle, direction.parent(), filter.info);
        let kind = format!("{}\0", filter.kind);
        let request = Request::new(RTM_DELTFILTER, 0, &header).attribute(TCA_KIND, kind.as_bytes());
        self.ask(request, |_, _| {})
    }
}
