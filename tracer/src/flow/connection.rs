//! One connection from its first segment to a while after its end.

use std::sync::Arc;

use super::{
    Settings,
    analysis::{History, Look},
    dialogue::{Context, Dialogue, Tally},
    ending::Ending,
    half::{Arrival, Half, is_probe},
    intake::{limit, payload},
    key::Key,
    maybe::Maybe,
    owners::Asked,
    pair::Pair,
    row::row,
    skip::{Heading, Windows},
    stream::{Lost, Opening, Stream},
};
use crate::{
    capture::{Direction, Segment, TcpFlags},
    decode::{Decoder, Protocol},
    event::{
        CommunityId, Connection, Endpoint, Message, Side, Sink, Timestamp,
        tcp::{Open, OpenFields},
        tracer::GapCause,
    },
    prefetch,
};

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another capture point owns the direction.
    Duplicate,
    /// It was taken.
    Taken,
}

/// A flow. Once it has ended only the small part stays, for late segments.
pub(super) struct Flow {
    pub(super) connection: Connection,
    pub(super) halves: Pair<Half>,
    /// `None` when the flow has ended.
    pub(super) dialogue: Option<Box<Dialogue>>,
    /// When `tcp-open` was told.
    pub(super) opened: Maybe,
    /// Nanoseconds from the SYN to its answer.
    round_trip: u32,
    /// Time of the latest segment.
    pub(super) seen: Timestamp,
    /// When the flow ended.
    pub(super) ended: Maybe,
    /// Whose reset ended it.
    reset: Option<Side>,
    /// It has ended and stands in the table's line of those.
    pub(super) lingers: bool,
    /// When it was asked who has its ends.
    pub(super) asked: Asked,
    /// What was counted so far.
    pub(super) tally: Tally,
    /// What rows need to know of the segments before them.
    pub(super) history: Option<Box<History>>,
}

impl Flow {
    /// The flow that a segment begins.
    pub(super) fn new(
        segment: &Segment<'_>,
        protocol: Option<&'static Protocol>,
        side: Side,
    ) -> Self {
        let (client, server) = match side {
            Side::Client => (segment.source, segment.destination),
            Side::Server => (segment.destination, segment.source),
        };
        let direction = match (side, segment.point.direction) {
            (Side::Server, Direction::Ingress) => Direction::Egress,
            (Side::Server, Direction::Egress) => Direction::Ingress,
            (_, direction) => direction,
        };
        Self {
            connection: Connection {
                client,
                server,
                vlan: segment.vlan,
                protocol: protocol.map(|protocol| &protocol.label),
                interface: segment.interface.name.clone(),
                direction,
                loopback: segment.interface.loopback,
                community_id: CommunityId::default(),
                processes: None,
            },
            halves: Pair::default(),
            dialogue: Some(Box::new(Dialogue::new(protocol.map(|protocol| (protocol.decoder)())))),
            opened: Maybe::NONE,
            round_trip: 0,
            seen: segment.time,
            ended: Maybe::NONE,
            reset: None,
            lingers: false,
            asked: Asked::default(),
            tally: Tally::default(),
            history: None,
        }
    }

    /// Lets the end say why, if nothing will have been decoded.
    pub(super) fn explain(&mut self) {
        if let Some(dialogue) = &mut self.dialogue {
            dialogue.explain = Some(Box::default());
        }
    }

    /// Lets rows say what the segments before them say of theirs. `reused`: the
    /// ports have been those of another flow.
    pub(super) fn keep_history(&mut self, reused: bool) {
        self.history = Some(Box::new(History::new(reused)));
    }

    /// Asks for the memory that a segment will touch beside the flow's own.
    pub(super) fn prefetch(&self) {
        let Some(dialogue) = self.dialogue.as_deref() else { return };
        prefetch::all(dialogue);
        if let Some(decoder) = dialogue.decoder.as_deref() {
            prefetch::all(decoder);
        }
    }

    /// Under which key the table finds it.
    pub(super) fn key(&self) -> Key {
        let Connection { client, server, vlan, .. } = &self.connection;
        Key::between(*client, *server, *vlan)
    }

    /// Its ends, the client first, and the sequence number of the client's SYN,
    /// if that was seen.
    pub(super) const fn ends(&self) -> (&Endpoint, &Endpoint, Option<u32>) {
        (&self.connection.client, &self.connection.server, self.halves.client.syn())
    }

    /// Who sent a segment of this flow.
    pub(super) fn sender(&self, segment: &Segment<'_>) -> Side {
        if segment.source == self.connection.client { Side::Client } else { Side::Server }
    }

    /// The same of a segment that need not be of this flow, by its ends and
    /// tags.
    pub(super) fn sender_if_its(&self, segment: &Segment<'_>) -> Option<Side> {
        let Connection { client, server, vlan, .. } = &self.connection;
        let Segment { source, destination, .. } = segment;
        if *vlan != segment.vlan {
            return None;
        }
        match () {
            () if source == client && destination == server => Some(Side::Client),
            () if source == server && destination == client => Some(Side::Server),
            () => None,
        }
    }

    /// Whether the flow has ended and waits only for late segments.
    pub(super) const fn is_over(&self) -> bool {
        self.dialogue.is_none()
    }

    /// Whether `tcp-open` was told.
    pub(super) const fn was_opened(&self) -> bool {
        self.opened.is_some()
    }

    /// Whether `tcp-open` was told and `tcp-close` was not.
    pub(super) const fn is_open(&self) -> bool {
        self.opened.is_some() && self.dialogue.is_some()
    }

    /// Bytes of memory held beside the flow's own.
    pub(super) fn held(&self) -> usize {
        let dialogue = self.dialogue.as_deref();
        let history = self.history.as_deref().map_or(0, size_of_val);
        let history = history + self.processes_held();
        history + dialogue.map_or(0, |dialogue| size_of::<Dialogue>() + dialogue.held())
    }

    /// What was counted so far.
    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }

    /// Until when the oldest hole may be waited for.
    pub(super) fn hole_deadline(&self) -> Option<Timestamp> {
        let dialogue = self.dialogue.as_deref()?;
        [Side::Client, Side::Server]
            .into_iter()
            .filter_map(|side| dialogue.peek(side).hole_deadline())
            .min()
    }

    /// Whether the segment opens another connection between the same ends, or
    /// shows that a reset was not believed: its sender goes on.
    pub(super) fn is_another(&self, segment: &Segment<'_>) -> bool {
        let flags = segment.tcp.flags;
        let side = self.sender(segment);
        if !flags.has(TcpFlags::SYN) {
            let half = self.halves.of(side);
            let goes_on = self.reset == Some(side) && !half.is_before(segment);
            return segment.len > 0 && (goes_on || half.is_foreign(segment));
        }
        self.halves.is_another_handshake(side, segment)
    }

    /// Takes a segment.
    pub(super) fn segment(
        &mut self,
        segment: &Segment<'_>,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) -> Verdict {
        let side = self.sender(segment);
        if !self.halves.of_mut(side).admit(segment) {
            self.fill(segment, side, settings, sink);
            return Verdict::Duplicate;
        }
        self.seen = self.seen.max(segment.time);
        if side == Side::Client {
            note_interface(&mut self.connection, segment);
        }
        let before = *self.halves.of(side);
        let first = self.halves.of_mut(side).note(segment);
        if segment.tcp.flags.has(TcpFlags::ACK) {
            self.halves.of_mut(side.other()).note_acknowledged(segment.tcp.acknowledgement);
        }
        self.open(segment, settings, sink);
        self.note_round_trip(segment, side);
        let unseen = self.acknowledges_unseen(segment, side);
        let (new, ending) = self.take(segment, side, first, settings, sink);
        let arrival = Arrival::of(segment, &before, new, u64::from(self.round_trip));
        if !segment.more && !self.is_over() {
            self.halves.of_mut(side).count(arrival);
        }
        if let Some(ending) = ending {
            self.reset = (ending == Ending::Reset).then_some(side);
            self.end(ending, segment.time, settings, sink);
        }
        if settings.rows && !segment.more {
            let mut row = row(segment, side, &self.halves);
            if let Some(history) = &mut self.history {
                let window = row.tcp.window;
                let scaled = self.halves.client.has_syn && self.halves.server.has_syn;
                let look = Look { segment, side, arrival, window, scaled, unseen };
                (row.tcp.analysis, row.tcp.duplicate_ack) = history.look(&look);
            }
            self.context(segment.time, settings, sink).emit(Some(side), Message::TcpSegment(row));
        }
        Verdict::Taken
    }

    /// Both streams and what decodes them, as long as the flow goes on.
    pub(super) fn streams(&mut self) -> Option<(&mut Pair<Stream>, Option<&dyn Decoder>)> {
        let dialogue = self.dialogue.as_deref_mut()?;
        Some((&mut dialogue.streams, dialogue.decoder.as_deref().map(|decoder| decoder as _)))
    }

    /// Port of the server.
    pub(super) const fn server_port(&self) -> u16 {
        self.connection.server.port
    }

    /// What a side's direction is called where it is captured, and the sequence
    /// number of an offset in its stream.
    pub(super) fn heading(&self, side: Side, offset: u64) -> Option<(Heading, u32)> {
        let half = self.halves.of(side);
        let Connection { client, server, .. } = self.connection;
        let (source, destination) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let (point, connection) = (half.owner()?, half.syn());
        let heading = Heading { point, source, destination, connection, port: server.port };
        Some((heading, half.sequence(offset)?))
    }

    /// How far the bytes that nobody wants have passed unseen.
    pub(super) fn hidden(&self, windows: &dyn Windows) -> Pair<Option<u32>> {
        let hidden = |side| {
            let stream = self.dialogue.as_deref()?.peek(side);
            let (heading, _) = self.heading(side, stream.next).filter(|_| stream.skip > 0)?;
            windows.hidden(&heading)
        };
        Pair { client: hidden(Side::Client), server: hidden(Side::Server) }
    }

    /// Takes down what has passed unseen: bytes up to these sequence numbers.
    pub(super) fn pass_hidden(
        &mut self,
        hidden: &Pair<Option<u32>>,
        now: Timestamp,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) {
        let Self { connection, halves, dialogue, tally, .. } = self;
        let Some(dialogue) = dialogue.as_deref_mut() else { return };
        let mut context = Context { settings, connection, now, tally, sink };
        for side in [Side::Client, Side::Server] {
            let half = halves.of_mut(side);
            let Some(end) = hidden.of(side).map(|number| half.offset(number)) else { continue };
            let stream = dialogue.peek(side);
            let (next, lost) = (stream.next, stream.lost);
            let missing = u64::try_from(end).unwrap_or_default().saturating_sub(next);
            let passed = dialogue.pass(&mut context, side, missing, lost);
            if passed > 0 {
                half.end = half.end.max(next + passed);
                self.seen = self.seen.max(now);
            }
            dialogue.settle(&mut context, side);
        }
    }

    /// Gives up holes that have been waited for long enough.
    pub(super) fn expire_holes(
        &mut self,
        now: Timestamp,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) {
        let Some((dialogue, mut context)) = self.parts(now, settings, sink) else { return };
        for side in [Side::Client, Side::Server] {
            if dialogue.peek(side).hole_deadline().is_some_and(|deadline| deadline <= now) {
                dialogue.force(&mut context, side);
            }
        }
        dialogue.unblock(&mut context);
        if dialogue.closed() {
            self.end(Ending::Closed, now, settings, sink);
        }
    }

    /// Makes room: gives up holes and what decoders have left.
    pub(super) fn relieve(&mut self, now: Timestamp, settings: &Settings, sink: &mut dyn Sink) {
        let Some((dialogue, mut context)) = self.parts(now, settings, sink) else { return };
        for side in [Side::Client, Side::Server] {
            while dialogue.force(&mut context, side) {}
            dialogue.relieve(&mut context, side, GapCause::FlowLimit);
        }
        dialogue.unblock(&mut context);
        if dialogue.closed() {
            self.end(Ending::Closed, now, settings, sink);
        }
    }

    /// Ends the flow, if it has not ended.
    pub(super) fn end(
        &mut self,
        ending: Ending,
        now: Timestamp,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) {
        let Some((dialogue, mut context)) = self.parts(now, settings, sink) else { return };
        match ending {
            Ending::Evicted => dialogue.blame(GapCause::FlowLimit),
            Ending::Shed => dialogue.blame(GapCause::Overload),
            _ => {}
        }
        dialogue.finish(&mut context);
        let Some(dialogue) = self.dialogue.take() else { return };
        self.ended = Maybe::at(now);
        for side in [Side::Client, Side::Server] {
            // A FIN numbers the bytes before it, seen or not.
            let half = self.halves.of_mut(side);
            half.end = half.end.max(dialogue.peek(side).fin.get().unwrap_or_default());
        }
        if let Some(explain) = &dialogue.explain {
            let refused = self.reset == Some(Side::Server);
            let undecoded = explain.why(&self.connection, &self.halves, &dialogue, refused);
            self.context(now, settings, sink).emit(None, Message::Undecoded(undecoded));
        }
        // Only a hole has kept both FINs waiting.
        let closed = dialogue.closed() && ending != Ending::Reset;
        let ending = if closed { Ending::Closed } else { ending };
        if let Some(opened) = self.opened.time() {
            let close = ending.close(&self.halves, self.tally, self.seen.since(opened));
            self.context(now, settings, sink).emit(None, Message::TcpClose(close));
        }
    }

    fn context<'a>(
        &'a mut self,
        now: Timestamp,
        settings: &'a Settings,
        sink: &'a mut dyn Sink,
    ) -> Context<'a> {
        let Self { connection, tally, .. } = self;
        Context { settings, connection, now, tally, sink }
    }

    fn parts<'a>(
        &'a mut self,
        now: Timestamp,
        settings: &'a Settings,
        sink: &'a mut dyn Sink,
    ) -> Option<(&'a mut Dialogue, Context<'a>)> {
        let Self { connection, dialogue, tally, .. } = self;
        Some((dialogue.as_deref_mut()?, Context { settings, connection, now, tally, sink }))
    }

    /// Tells of the connection when a SYN or the first payload shows it.
    fn open(&mut self, segment: &Segment<'_>, settings: &Settings, sink: &mut dyn Sink) {
        let syn = segment.tcp.flags.has(TcpFlags::SYN);
        if self.opened.is_some() || self.is_over() || !(syn || segment.len > 0) {
            return;
        }
        self.opened = Maybe::at(segment.time);
        let state = if syn { "syn" } else { "midstream" };
        let open = Message::TcpOpen(Open { tcp: OpenFields { state } });
        self.context(segment.time, settings, sink).emit(None, open);
    }

    /// Lets another capture point's segment fill a hole that the owner's ring
    /// or hook has left.
    fn fill(
        &mut self,
        segment: &Segment<'_>,
        side: Side,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) {
        let start = self.halves.of(side).start(segment);
        let Some((dialogue, mut context)) = self.parts(segment.time, settings, sink) else {
            return;
        };
        if segment.len > 0 && dialogue.peek(side).queue.first().is_some() {
            payload(dialogue, &mut context, side, segment, start);
            dialogue.settle(&mut context, side);
            dialogue.unblock(&mut context);
            if dialogue.closed() {
                self.end(Ending::Closed, segment.time, settings, sink);
            }
        }
    }

    /// Measures the handshake when the SYN is answered.
    fn note_round_trip(&mut self, segment: &Segment<'_>, side: Side) {
        let answers = side == Side::Server && segment.tcp.flags.has(TcpFlags::SYN);
        if let Some(opened) = self.opened.time().filter(|_| answers && self.round_trip == 0) {
            self.round_trip = u32::try_from(segment.time.since(opened)).unwrap_or(u32::MAX);
        }
    }

    /// Whether a segment acknowledges bytes that were not seen, for its row.
    fn acknowledges_unseen(&mut self, segment: &Segment<'_>, side: Side) -> bool {
        let Self { halves, dialogue, history: Some(history), .. } = self else { return false };
        let half = halves.of(side.other());
        if !segment.tcp.flags.has(TcpFlags::ACK) || !half.is_known() {
            return false;
        }
        let acknowledged = half.acknowledged(segment.tcp.acknowledgement);
        let stream = dialogue.as_deref().map(|dialogue| dialogue.peek(side.other()));
        let seen = stream.map_or_else(|| half.next(), Stream::seen);
        history.is_unseen(side.other(), acknowledged, seen)
    }

    /// Lets the streams have what the segment brings; returns how many bytes
    /// were new, and how it ends the flow, if it does.
    fn take(
        &mut self,
        segment: &Segment<'_>,
        side: Side,
        first: bool,
        settings: &Settings,
        sink: &mut dyn Sink,
    ) -> (u64, Option<Ending>) {
        let flags = segment.tcp.flags;
        let Self { connection, halves, dialogue, tally, .. } = self;
        let Some(dialogue) = dialogue.as_deref_mut() else { return (0, None) };
        let mut context = Context { settings, connection, now: segment.time, tally, sink };
        let start = halves.of(side).start(segment);
        for side in [Side::Client, Side::Server] {
            dialogue.stream(side).note_segment();
        }
        if first {
            let stream = dialogue.stream(side);
            if !flags.has(TcpFlags::SYN) {
                stream.opening = Opening::Midstream;
            }
            stream.lost = Lost::of(segment.lost);
        }
        dialogue.stream(side).latest_lost = Lost::of(segment.lost);
        if segment.shunted {
            let stream = dialogue.stream(side);
            let begin = start.saturating_add(i64::from(segment.offset));
            stream.shunted = stream.shunted.max(u64::try_from(begin).unwrap_or_default());
        }
        if flags.has(TcpFlags::ACK) && halves.of(side.other()).is_known() {
            let acknowledged = halves.of(side.other()).acknowledged(segment.tcp.acknowledgement);
            let stream = dialogue.stream(side.other());
            stream.acknowledged = stream.acknowledged.max(acknowledged);
            if stream.hole_since.is_some() {
                dialogue.settle(&mut context, side.other());
            }
        }
        if flags.has(TcpFlags::RST) {
            let plausible =
                first || halves.plausible_reset(side, start, dialogue.peek(side).acknowledged);
            return (0, plausible.then_some(Ending::Reset));
        }
        let half = halves.of_mut(side);
        half.window = half.window_of(segment);
        let mut new = 0;
        if segment.len > 0 && !is_probe(segment, start, half) {
            if start == 1 {
                dialogue.stream(side).forget_probe();
            }
            new = payload(dialogue, &mut context, side, segment, start);
            half.note_payload(segment, start);
        }
        if flags.has(TcpFlags::FIN) && !segment.more {
            half.fin = true;
            let stream = dialogue.stream(side);
            let fin = u64::try_from(start.saturating_add(i64::from(segment.len))).unwrap_or(0);
            if !stream.fin.is_some() && fin >= stream.next.max(half.end) {
                stream.fin = Maybe::of(fin);
            }
        }
        dialogue.settle(&mut context, side);
        dialogue.unblock(&mut context);
        limit(dialogue, &mut context, side);
        (new, dialogue.closed().then_some(Ending::Closed))
    }
}

/// Events name the interface that owns the client's direction.
pub(super) fn note_interface(connection: &mut Connection, segment: &Segment<'_>) {
    connection.direction = segment.point.direction;
    let name = &segment.interface.name;
    if !Arc::ptr_eq(&connection.interface, name) && connection.interface != *name {
        connection.interface = name.clone();
        connection.loopback = segment.interface.loopback;
    }
}
