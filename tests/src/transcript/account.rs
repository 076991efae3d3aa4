//! Where each byte of a connection has gone: decoders that keep accounts of
//! what they are given, and hold the flow table and themselves to their
//! contract.

use std::{cell::RefCell, sync::OnceLock};

use tracer::{
    decode::{Decoder, Input, Out, PROTOCOLS, Progress, Protocol, Want},
    event::{Side, Timestamp},
};

/// What became of the bytes of one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    /// Taken by the decoder for what they say.
    pub(super) decoded: u64,
    /// Not wanted by the decoder, and counted as they passed.
    pub(super) skipped: u64,
}

/// What became of the bytes of the connections of this thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    /// Client's, server's.
    pub(super) sides: [Account; 2],
    /// The decoder's faults.
    pub(super) faults: Vec<String>,
}

thread_local! {
    static INNER: RefCell<Option<&'static Protocol>> = const { RefCell::new(None) };
    static ACCOUNTS: RefCell<Accounts> = RefCell::default();
}

/// The protocol with decoders that keep accounts on this thread.
pub(super) fn audited(protocol: &'static Protocol) -> Option<&'static Protocol> {
    static AUDITED: OnceLock<Vec<Protocol>> = OnceLock::new();
    INNER.set(Some(protocol));
    ACCOUNTS.take();
    let audited = AUDITED.get_or_init(|| {
        PROTOCOLS.iter().map(|protocol| Protocol { decoder, ..*protocol }).collect()
    });
    audited.iter().find(|audited| audited.label.name == protocol.label.name)
}

/// The accounts of this thread since [`audited`] was called.
pub(super) fn accounts() -> Accounts {
    ACCOUNTS.take()
}

fn decoder() -> Box<dyn Decoder> {
    let inner = INNER.with_borrow(|protocol| protocol.map(|protocol| (protocol.decoder)()));
    Box::new(Audited(inner))
}

/// A decoder with somebody who looks over its shoulder.
struct Audited(Option<Box<dyn Decoder>>);

fn note(note: impl FnOnce(&mut Accounts)) {
    ACCOUNTS.with_borrow_mut(note);
}

fn of(accounts: &mut Accounts, side: Side) -> &mut Account {
    let [client, server] = &mut accounts.sides;
    if side == Side::Client { client } else { server }
}

impl Audited {
    /// Calls the decoder; returns how many bytes it calls undecoded.
    fn call<R: Default>(
        &mut self,
        out: &mut Out<'_>,
        call: impl FnOnce(&mut dyn Decoder, &mut Out<'_>) -> R,
    ) -> (R, u64) {
        let before = out.undecoded;
        let result = self.0.as_deref_mut().map(|inner| call(inner, out)).unwrap_or_default();
        (result, out.undecoded - before)
    }
}

impl Decoder for Audited {
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        let (progress, undecoded) = self.call(out, |inner, out| Some(inner.data(input, out)));
        let progress = progress.unwrap_or(Progress::more(0));
        let (consumed, offered) = (progress.consumed, input.bytes.len());
        note(|accounts| {
            let mut fault = |what: &str| {
                accounts.faults.push(format!("{what}: {consumed} of {offered}, {progress:?}"));
            };
            if consumed > offered {
                fault("took more than it was offered");
            }
            if matches!(progress.want, Want::Skip(_)) && consumed < offered {
                fault("skips before it has taken all");
            }
            if undecoded > consumed as u64 {
                fault("calls bytes undecoded that it has not taken");
            }
            of(accounts, input.side).decoded += (consumed as u64).saturating_sub(undecoded);
        });
        progress
    }

    fn skipped(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        let ((), undecoded) = self.call(out, |inner, out| inner.skipped(side, bytes, time, out));
        note(|accounts| of(accounts, side).skipped += bytes - undecoded.min(bytes));
    }

    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>) {
        let ((), undecoded) = self.call(out, |inner, out| inner.gap(side, bytes, time, out));
        correct(side, undecoded);
    }

    fn close(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        let ((), undecoded) = self.call(out, |inner, out| inner.close(side, time, out));
        correct(side, undecoded);
    }

    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>) {
        let ((), undecoded) = self.call(out, |inner, out| inner.finish(time, out));
        correct(Side::Client, undecoded);
    }

    fn held(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| inner.held())
    }
}

/// Bytes that were taken, and turn out to say nothing.
fn correct(side: Side, undecoded: u64) {
    note(|accounts| {
        let account = of(accounts, side);
        account.decoded = account.decoded.saturating_sub(undecoded);
    });
}
