//! One budget for everything that a run holds, and how the parts share it.
//!
//! What has a size of its own (programs, tables of the kernel side, buffers of
//! a shard) is reckoned with first; rings, the queue of the output and flows
//! share what is left, and what they have is never exceeded.

use crate::flow;

/// Bytes of the ring between kernel and worker: about 50 ms of full-size
/// segments at 2.5 Gbit/s.
const RING: usize = 16 * 1024 * 1024;

/// The smallest ring: several of the largest records.
const SMALLEST_RING: usize = 256 * 1024;

/// Bytes that may wait for a slow output: seconds of a busy host's events.
const QUEUE: usize = 4 * 1024 * 1024;

/// What the queue needs to be of any use: some buffers of lines.
const SMALLEST_QUEUE: usize = 256 * 1024;

/// What a run takes before it has seen a packet: both processes, the kernel
/// side's programs and tables (slots, 4 MiB, are the largest).
const FIXED: usize = 24 * 1024 * 1024;

/// What the tables of `--process` take beside that: 9,216 entries of some 900
/// bytes, and what the worker remembers of them.
pub(crate) const OWNERS: usize = 9 * 1024 * 1024;

/// What a shard takes beside its ring and its flows: buffers of lines, what
/// lines have in common, its stack.
const SHARD: usize = 3 * 1024 * 1024;

/// Parts of what is shared: rings have a quarter, the queue a sixteenth, flows
/// the rest.
const RINGS_SHARE: usize = 4;
const QUEUE_SHARE: usize = 16;

/// The part of the flows' memory that the allocator has between and behind
/// blocks, where they come and go.
const BETWEEN: usize = 8;

/// Parts of the memory of all flows of a shard that one may have, and of that
/// the part of a stream, where the usual ones would be more.
const FLOW_SHARE: usize = 16;
const STREAM_SHARE: usize = 4;

/// What the operator said about single parts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) memory: Option<usize>,
    pub(crate) ring: Option<usize>,
    pub(crate) stream: Option<usize>,
    pub(crate) flow: Option<usize>,
    pub(crate) flows: Option<usize>,
}

/// What each part may hold, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Each ring.
    pub(crate) ring: usize,
    /// The queue of a slow output.
    pub(crate) queue: usize,
    /// A stream.
    pub(crate) stream: usize,
    /// A flow.
    pub(crate) flow: usize,
    /// All flows of all shards.
    pub(crate) flows: usize,
}

impl Parts {
    /// Shares the memory among so many shards; `None` where it is too little.
    pub(crate) fn new(wishes: &Wishes, shards: usize) -> Option<Self> {
        let shards = shards.max(1);
        let Some(memory) = wishes.memory else {
            return Some(Self {
                ring: wishes.ring.unwrap_or(RING),
                queue: QUEUE,
                stream: wishes.stream.unwrap_or(flow::STREAM_LIMIT),
                flow: wishes.flow.unwrap_or(flow::FLOW_LIMIT),
                flows: wishes.flows.unwrap_or(flow::TOTAL_LIMIT),
            });
        };
        let shared = memory.checked_sub(FIXED + SHARD * shards)?;
        let ring = wishes.ring.unwrap_or_else(|| {
            let most = (shared / RINGS_SHARE / shards).clamp(SMALLEST_RING, RING);
            1 << most.ilog2()
        });
        let queue = (shared / QUEUE_SHARE).clamp(SMALLEST_QUEUE, QUEUE);
        let rest = shared.checked_sub(ring.checked_mul(shards)?)?.checked_sub(queue)?;
        let rest = rest - rest / BETWEEN;
        let flows = wishes.flows.unwrap_or(rest);
        let flow = wishes.flow.unwrap_or_else(|| flow::FLOW_LIMIT.min(flows / shards / FLOW_SHARE));
        let stream = wishes.stream.unwrap_or_else(|| flow::STREAM_LIMIT.min(flow / STREAM_SHARE));
        (flows <= rest && stream >= flow::LEAST_LIMIT).then_some(Self {
            ring,
            queue,
            stream,
            flow,
            flows,
        })
    }

    /// The least memory that is enough for so many shards.
    pub(crate) const fn least(shards: usize) -> usize {
        let flows = flow::LEAST_LIMIT * STREAM_SHARE * FLOW_SHARE * BETWEEN / (BETWEEN - 1) + 1;
        let parts = shards * (SMALLEST_RING + flows);
        let queue = (parts / (QUEUE_SHARE - 1)) + 1;
        let queue = if queue > SMALLEST_QUEUE { queue } else { SMALLEST_QUEUE };
        FIXED + shards * SHARD + parts + queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn parts(memory: usize, shards: usize) -> Option<Parts> {
        Parts::new(&Wishes { memory: Some(memory), ..Wishes::default() }, shards)
    }

    #[test]
    fn what_the_parts_may_hold_is_never_more_than_the_whole() {
        for shards in [1, 2, 8, 64] {
            let least = Parts::least(shards);
            for memory in [least, least + MIB, 2 * least, 10 * least, 100 * least] {
                let Parts { ring, queue, stream, flow, flows } = parts(memory, shards).unwrap();
                let sum = FIXED + shards * (SHARD + ring) + queue + flows;
                assert!(sum <= memory, "{shards} shards, {memory}");
                assert!(ring.is_power_of_two() && ring >= SMALLEST_RING);
                assert!(stream <= flow && flow <= flows / shards);
                assert!(stream >= flow::LEAST_LIMIT);
            }
        }
    }

    #[test]
    fn too_little_is_refused() {
        assert_eq!(parts(Parts::least(1) - MIB, 1), None);
        assert_eq!(parts(0, 1), None);
        // A part that is more than there is.
        let wishes = Wishes { memory: Some(64 * MIB), flows: Some(64 * MIB), ..Wishes::default() };
        assert_eq!(Parts::new(&wishes, 1), None);
        let wishes = Wishes { memory: Some(64 * MIB), ring: Some(64 * MIB), ..Wishes::default() };
        assert_eq!(Parts::new(&wishes, 1), None);
    }

    #[test]
    fn with_much_memory_the_parts_are_the_usual_ones() {
        let Parts { ring, queue, stream, flow, .. } = parts(1024 * MIB, 1).unwrap();
        assert_eq!((ring, queue), (RING, QUEUE));
        assert_eq!((stream, flow), (flow::STREAM_LIMIT, flow::FLOW_LIMIT));
        let usual = Parts::new(&Wishes::default(), 1).unwrap();
        assert_eq!(usual.flows, flow::TOTAL_LIMIT);
    }

    #[test]
    fn what_is_said_of_a_part_holds() {
        let wishes = Wishes {
            memory: Some(128 * MIB),
            ring: Some(32 * MIB),
            stream: Some(64 * 1024),
            ..Wishes::default()
        };
        let Parts { ring, stream, flows, .. } = Parts::new(&wishes, 1).unwrap();
        assert_eq!((ring, stream), (32 * MIB, 64 * 1024));
        assert!(flows < 70 * MIB && flows > 40 * MIB, "{flows}");
    }
}
