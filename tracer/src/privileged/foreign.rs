//! Programs, filters and qdiscs of others, which are never touched: those that
//! may keep packets from tracer are told of.

use std::{collections::HashSet, fmt};

use super::{
    netlink::{Direction, Link, Qdisc, Requests},
    tcx,
};

/// Something of others that may hide packets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Foreign {
    /// An XDP program, which runs before TC.
    Xdp {
        /// Its id; 0 when there are several.
        program: u32,
    },
    /// A program on the TCX hook.
    Tcx {
        /// Which hook.
        direction: Direction,
        /// Its id.
        program: u32,
    },
    /// A filter of the `clsact` qdisc.
    Filter {
        /// Of which list.
        direction: Direction,
        /// Its kind: `bpf`, `flower`.
        kind: String,
        /// Its priority.
        priority: u32,
    },
    /// An `ingress` qdisc, which keeps `clsact` out.
    IngressQdisc,
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xdp { program } => write!(
                formatter,
                "XDP program {program} of somebody else runs before tracer's; \
                 what it drops or redirects is not seen"
            ),
            Self::Tcx { direction, program } => write!(
                formatter,
                "TCX {} program {program} of somebody else runs before tracer's; \
                 what it drops or redirects is not seen",
                direction.name()
            ),
            Self::Filter { direction, kind, priority } => write!(
                formatter,
                "{} filter of somebody else ({kind}, priority {priority}) runs before tracer's; \
                 what it drops or redirects is not seen",
                direction.name()
            ),
            Self::IngressQdisc => formatter.write_str(
                "an ingress qdisc of somebody else stands where clsact has to be; \
                 outgoing packets are not seen",
            ),
        }
    }
}

/// What runs before our TC programs on an interface. `tc` are the directions
/// in which we are attached, and whether by a filter; `ours` are our programs.
pub(super) fn before_ours(
    requests: &mut Requests,
    link: &Link,
    tc: &[(Direction, bool)],
    ours: &HashSet<u32>,
) -> Vec<Foreign> {
    let mut foreign = Vec::new();
    let ingress = tc.iter().any(|(direction, _)| *direction == Direction::Ingress);
    if let Some(program) = link.xdp.filter(|program| ingress && !ours.contains(program)) {
        foreign.push(Foreign::Xdp { program });
    }
    for &(direction, by_filter) in tc {
        let programs = tcx::programs(link.index, direction).unwrap_or_default();
        let before = programs.into_iter().take_while(|program| !ours.contains(program));
        foreign.extend(before.map(|program| Foreign::Tcx { direction, program }));
        if by_filter {
            let filters = requests.filters(link.index, direction).unwrap_or_default();
            let is_ours = |program: Option<u32>| program.is_some_and(|id| ours.contains(&id));
            let before = filters.into_iter().take_while(|filter| !is_ours(filter.program));
            foreign.extend(before.map(|filter| Foreign::Filter {
                direction,
                priority: filter.priority(),
                kind: filter.kind,
            }));
        }
    }
    let egress = tc.iter().any(|(direction, _)| *direction == Direction::Egress);
    if !egress && requests.qdiscs().is_ok_and(|all| all.get(&link.index) == Some(&Qdisc::Ingress)) {
        foreign.push(Foreign::IngressQdisc);
    }
    foreign
}
