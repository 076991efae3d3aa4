//! Decoders under supervision: that each keeps its contract with the flow
//! table, and what became of every byte.

use std::{
    cell::{Cell, RefCell},
    sync::LazyLock,
};

use tracer::{
    decode::{Decoder, End, Input, Out, PROTOCOLS, Progress, Protocol, Want, release_spares},
    event::{Side, Timestamp},
};

use crate::heap;

/// Bytes that a decoder may have on the heap beside what it says: what an
/// allocator rounds up to, and structures that are as good as constant.
const UNSAID: usize = 1024;

/// What became of the bytes of one side, as the decoder was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Taken out of what was offered.
    pub(crate) taken: u64,
    /// Told of as missing.
    pub(crate) missing: u64,
    /// Left when nothing was to follow, so dropped.
    pub(crate) dropped: u64,
    /// Named by the decoder as taken, but of no use.
    pub(crate) undecoded: u64,
}

impl Account {
    /// Bytes that were decoded.
    pub(crate) const fn decoded(&self) -> u64 {
        self.taken - self.undecoded
    }

    /// Bytes that gaps have to tell of.
    pub(crate) const fn lost(&self) -> u64 {
        self.missing + self.dropped + self.undecoded
    }
}

/// Makes the decoder of a new flow.
pub(crate) type Make = fn() -> Box<dyn Decoder>;

thread_local! {
    static MAKE: Cell<Option<Make>> = const { Cell::new(None) };
    static ACCOUNTS: RefCell<[Account; 2]> = const { RefCell::new([EMPTY; 2]) };
}

const EMPTY: Account = Account { taken: 0, missing: 0, dropped: 0, undecoded: 0 };

/// The same protocol with its decoder under supervision, for the next flow of
/// this thread.
pub(crate) fn supervised(protocol: &'static Protocol) -> &'static Protocol {
    static SUPERVISED: LazyLock<Vec<Protocol>> = LazyLock::new(|| {
        PROTOCOLS.iter().map(|protocol| Protocol { decoder: make, ..*protocol }).collect()
    });
    supervise(protocol.decoder);
    SUPERVISED
        .iter()
        .find(|supervised| supervised.label.name == protocol.label.name)
        .unwrap_or(protocol)
}

/// Lets [`make`] make these decoders from now on, with empty accounts.
pub(crate) fn supervise(decoder: Make) {
    MAKE.set(Some(decoder));
    ACCOUNTS.take();
}

/// The accounts of the client and the server.
pub(crate) fn accounts() -> [Account; 2] {
    ACCOUNTS.with_borrow(|accounts| *accounts)
}

/// Makes a supervised decoder.
pub(crate) fn make() -> Box<dyn Decoder> {
    let make = MAKE.get();
    assert!(make.is_some(), "a decoder was made before its protocol was chosen");
    let (inner, heap) = heap::growth(|| make.map(|make| make()));
    Box::new(Supervised { inner, heap })
}

/// A decoder and what it was seen to do.
struct Supervised {
    inner: Option<Box<dyn Decoder>>,
    /// Bytes that it has on the heap.
    heap: isize,
}

fn account(side: Side, change: impl FnOnce(&mut Account)) {
    ACCOUNTS.with_borrow_mut(|[client, server]| {
        change(if side == Side::Client { client } else { server });
    });
}

impl Supervised {
    /// Calls the decoder, and holds its heap against what it says of it.
    fn call<R>(&mut self, call: impl FnOnce(&mut dyn Decoder) -> R) -> Option<R> {
        let inner = self.inner.as_deref_mut()?;
        // What the thread keeps for its connections is none of this one's.
        let (result, growth) = heap::growth(|| {
            let result = call(inner);
            release_spares();
            result
        });
        self.heap += growth;
        let held = inner.held() + size_of_val(inner);
        let heap = usize::try_from(self.heap).unwrap_or(0);
        assert!(heap <= held + UNSAID, "holds {heap} bytes and says {held}");
        Some(result)
    }
}

impl Decoder for Supervised {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        assert!(!input.bytes.is_empty(), "was offered nothing");
        let before = out.undecoded;
        let progress = self.call(|decoder| decoder.data(input, out));
        let progress = progress.unwrap_or(Progress::more(0));
        let Progress { consumed, want } = progress;
        let undecoded = out.undecoded - before;
        let len = input.bytes.len();
        assert!(consumed <= len, "took {consumed} of {len} bytes");
        assert!(undecoded <= consumed as u64, "took {consumed}, {undecoded} of them undecoded");
        if let Want::Skip(bytes) = want {
            assert!(bytes == 0 || consumed == len, "skips before all was taken");
        }
        account(input.side, |account| {
            account.taken += consumed as u64;
            account.undecoded += undecoded;
            // At a limit the table tells of what is dropped.
            if matches!(input.end, Some(End::Gap | End::Close)) {
                account.dropped += (len - consumed) as u64;
            }
        });
        progress
    }

    fn skipped(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        self.call(|decoder| decoder.skipped(side, bytes, time, out));
        assert_eq!(out.undecoded, 0, "names skipped bytes");
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        account(side, |account| account.missing += bytes.unwrap_or(0));
        self.call(|decoder| decoder.gap(side, bytes, time, out));
        account(side, |account| account.undecoded += out.undecoded);
    }

    fn close(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        self.call(|decoder| decoder.close(side, time, out));
        account(side, |account| account.undecoded += out.undecoded);
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        self.call(|decoder| decoder.finish(time, out));
        account(Side::Client, |account| account.undecoded += out.undecoded);
    }

    fn held(&self) -> usize {
        self.inner.as_deref().map_or(0, Decoder::held)
    }
}
