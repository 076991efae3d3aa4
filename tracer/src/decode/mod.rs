//! What the streams of a flow say: one decoder per protocol, behind one seam.
//!
//! A decoder sees ordered bytes, never packets. It owns no clock, no socket
//! and no thread: the time comes with the bytes. [`PROTOCOLS`] lists all
//! protocols; a new one is a folder here, a line there, and its events.

pub mod detect;
mod http;
mod imap;
mod mail;
mod out;
mod pop3;
mod quote;
pub mod redact;
mod sasl;
mod smtp;
#[cfg(test)]
pub(crate) mod testing;

pub use detect::{First, Likeness};
pub use out::{Discard, Discarded, Out};

use crate::event::{Label, Side, Timestamp};

/// A protocol that can be decoded.
#[derive(Debug)]
pub struct Protocol {
    /// What it is called.
    pub label: Label,
    /// Its usual ports.
    pub ports: &'static [u16],
    /// Whether these are traced unless the operator says otherwise; if not, it
    /// is decoded on the ports that the operator gives it.
    pub by_default: bool,
    /// Makes the decoder of a new flow.
    pub decoder: fn() -> Box<dyn Decoder>,
    /// Says whether a side that speaks it can begin with some bytes. Once it
    /// is sure, more bytes do not change its mind; nor does anything behind the
    /// first line, nor more of that than [`detect::LINE_BEGIN`] bytes before it
    /// is whole.
    pub recognises: fn(&First<'_>) -> Likeness,
}

/// All protocols.
pub const PROTOCOLS: &[Protocol] =
    &[http::PROTOCOL, smtp::PROTOCOL, imap::PROTOCOL, pop3::PROTOCOL];

/// Gives back what this thread keeps for the next message of any flow. Nothing
/// of it belongs to a flow, and it has a limit; who measures what flows hold
/// must not take it for theirs.
pub fn release_spares() {
    http::release_spares();
    imap::release_spares();
}

/// Follows the two streams of one flow and says what they say.
///
/// The flow table calls it in the order in which things became known: for each
/// side, [`data`](Self::data), [`skipped`](Self::skipped) and
/// [`gap`](Self::gap) come in stream order, then [`close`](Self::close) once;
/// [`finish`](Self::finish) is the last call of all. The sides interleave as
/// their segments were captured.
///
/// A decoder must say the same however the bytes are cut: it is offered what
/// it left again, together with what came after.
pub trait Decoder: Send {
    /// Offers bytes of one side. The decoder takes as many whole messages as
    /// stand in them, emits their events, and says how many bytes it took and
    /// what it waits for.
    fn data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress;

    /// `bytes` bytes of a [`Want::Skip`] have passed; they may never have been
    /// copied.
    fn skipped(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>);

    /// Bytes of this side are missing; the next [`data`](Self::data) begins
    /// behind them. The flow table has told of the gap already. `None`: the
    /// connection was there before the tracer, and what stands before the next
    /// byte is unknown (the first call for that side).
    ///
    /// The decoder finds the next message from here on; bytes it has to throw
    /// away meanwhile it names by [`Out::undecoded`]. A gap that lies wholly
    /// within a body of known length does not cost it the step.
    fn gap(&mut self, side: Side, bytes: Option<u64>, time: Timestamp, out: &mut Out<'_>);

    /// The side has sent its FIN: no bytes will follow. What it ended (a body
    /// that runs until close) is complete now.
    fn close(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>);

    /// The flow is over, by FIN, reset, time-out or because the tracer stops.
    /// What was begun and not ended is told of now or never.
    fn finish(&mut self, time: Timestamp, out: &mut Out<'_>);

    /// Bytes that the decoder holds on the heap, for the flow's limit.
    fn held(&self) -> usize;

    /// Whether what the side sends next begins a message, when it has taken all
    /// that came before. What is never so is not wrong: only who can find the
    /// end of such a message in the kernel asks.
    fn is_between_messages(&self, _side: Side) -> bool {
        false
    }

    /// What stands behind the bytes that the side is skipping ([`Want::Skip`]),
    /// as far as it has bytes at all.
    fn behind_skip(&self, _side: Side) -> Behind {
        Behind::Unknown
    }
}

/// What stands behind bytes that a decoder does not want. What is unknown is
/// not wrong: only who can find the end of the next of its kind in the kernel
/// asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nobody says.
    Unknown,
    /// A message.
    Message,
    /// The end of a chunk of HTTP (RFC 9112 section 7.1), whose bytes these are.
    Chunk,
}

/// Bytes offered to a decoder.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Who sent them.
    pub side: Side,
    /// All bytes of the side that were not yet taken and are in order.
    pub bytes: &'a [u8],
    /// Capture time of the first of them.
    pub started: Timestamp,
    /// Capture time of the segment that made them complete, so the time of any
    /// message that ends in them.
    pub time: Timestamp,
    /// Set when nothing will ever be appended to these bytes. The decoder
    /// takes what it can (a cut message is told of as far as it goes); what it
    /// leaves is dropped and counted.
    pub end: Option<End>,
}

/// Why nothing will be appended to an [`Input`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream holds as many bytes as it may. More follow: what the decoder
    /// takes now keeps the step.
    Limit,
    /// The next bytes are missing.
    Gap,
    /// The side sent FIN, or the flow is over.
    Close,
}

/// What a decoder says when it was offered bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken, from the front of the input.
    pub consumed: usize,
    /// What the decoder waits for.
    pub want: Want,
}

/// What a decoder waits for on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// More bytes behind those that it left.
    More,
    /// Bytes of the other side: what was left can only be read in their light
    /// (the line behind SMTP's DATA, say). Offered again when the other side's
    /// decoding went on, or with [`Input::end`] set.
    Peer,
    /// The next so many bytes are of no interest; they are counted to
    /// [`Decoder::skipped`] as they pass. All input must have been taken.
    Skip(u64),
}

impl Progress {
    /// Took `consumed` bytes and waits for more.
    pub const fn more(consumed: usize) -> Self {
        Self { consumed, want: Want::More }
    }

    /// Took `consumed` bytes; the rest waits for the other side.
    pub const fn peer(consumed: usize) -> Self {
        Self { consumed, want: Want::Peer }
    }

    /// Took `consumed` bytes, which was all; `bytes` more are of no interest.
    pub const fn skip(consumed: usize, bytes: u64) -> Self {
        Self { consumed, want: Want::Skip(bytes) }
    }
}

/// What the operator chose that decoders must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "choices of their own, not one state")]
pub struct Settings {
    /// Leave passwords and the like in events.
    pub show_secrets: bool,
    /// Tell of every piece of a mail's data, for the segments view.
    pub pieces: bool,
    /// Tell of exchanges: what a request said is kept until its answer is
    /// complete.
    pub exchanges: bool,
    /// Leave out what only the line of an exchange will say: nobody takes its
    /// messages.
    pub exchanges_only: bool,
    /// Bytes of bodies that are shown; 0 for none.
    pub body: usize,
    /// Tell of mails and of HTTP's messages only what rows say: nobody will read
    /// the fields of their headers.
    pub brief: bool,
    /// Tell of mails nothing that only rows say: nobody will read rows.
    pub headless: bool,
    /// Tell of mails only how they were handed over, and how large they are:
    /// nothing of what stands in them.
    pub envelope: bool,
}
