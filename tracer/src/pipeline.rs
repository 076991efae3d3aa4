//! The way of a byte in one piece: source, flow table, output.
//!
//! A file is read by calling [`Pipeline::step`] until the source ends; the
//! live worker waits for its rings in between and tells the time by
//! [`Pipeline::tick`].

use std::io;

use crate::{
    capture::{Source, Status},
    event::{Event, Message, Timestamp, tracer},
    flow::{self, Gate, Keeps, Table},
    output::{Output, pcapng::Recorder},
    overload::{Load, Overload},
    stats::{FlowCounters, Stats},
};

/// Nanoseconds of packet time between two looks for silent flows.
const EXPIRE_INTERVAL: u64 = 1_000_000_000;

/// Why a pipeline stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The source broke.
    #[error("{0}")]
    Source(E),
    /// The output could not be written.
    #[error("writing the output: {0}")]
    Output(io::Error),
}

impl<E> Error<E> {
    /// Whether the reader of the output went away, which is no failure.
    pub fn is_output_gone(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// One shard: the segments of a source become events of an output.
pub struct Pipeline<S, O> {
    source: S,
    table: Table,
    output: O,
    /// Where packets are written down, if somebody asked for that.
    recorder: Option<Recorder>,
    /// Time of the last segment or tick.
    now: Timestamp,
    /// When silent flows were last looked for.
    expired: Timestamp,
}

impl<S: Source, O: Output> Pipeline<S, O> {
    /// Joins the parts.
    pub const fn new(source: S, table: Table, output: O) -> Self {
        Self { source, table, output, recorder: None, now: Timestamp(0), expired: Timestamp(0) }
    }

    /// Writes down the packet of every segment as well.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Option<Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    /// Tells when the capture began, if that was before the first segment.
    pub fn begin(&mut self, time: Timestamp) {
        self.now = time;
        self.output.begin(time);
    }

    /// Tells by how much the clock was stepped: what is written from now on has
    /// times that are later by so many nanoseconds, which wrap below 0.
    pub(crate) fn set_clock_step(&mut self, nanoseconds: u64) {
        self.output.set_clock_step(nanoseconds);
        if let Some(recorder) = &mut self.recorder {
            recorder.set_clock_step(nanoseconds);
        }
    }

    /// Takes one batch of the source through to the output, which is flushed.
    ///
    /// # Errors
    ///
    /// When the source broke (what came before the break has been written) or
    /// the output cannot be written.
    pub fn step(&mut self) -> Result<Status, Error<S::Error>> {
        let Self { source, table, output, recorder, now, expired } = self;
        let status = source.read(&mut |segment| {
            output.begin(segment.time);
            *now = segment.time;
            // Several files need not be in the order of their times.
            if now.0.abs_diff(expired.0) >= EXPIRE_INTERVAL {
                *expired = *now;
                table.expire(*now, output);
            }
            if let Some(recorder) = recorder {
                recorder.segment(segment);
            }
            table.segment(segment, output);
        });
        if let Some(recorder) = recorder {
            recorder.flush();
        }
        let flushed = output.flush().map_err(Error::Output);
        let status = status.map_err(Error::Source)?;
        flushed.map(|()| status)
    }

    /// Tells that it is `now` although no packet said so, and lets go of flows
    /// that have been silent for too long.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), Error<S::Error>> {
        self.now = now;
        self.expired = now;
        self.table.expire(self.now, &mut self.output);
        self.output.flush().map_err(Error::Output)
    }

    /// Pushes a `stats` event with these counters.
    pub fn report(&mut self, tracer: Stats) {
        self.tell(Message::Stats(tracer::Stats { tracer }));
    }

    /// Pushes what is to be said now, and of no connection.
    pub fn tell(&mut self, message: Message<'_>) {
        self.output.event(&Event { time: self.now, connection: None, side: None, message });
    }

    /// Keeps flows out of the table that are not to be followed.
    pub fn set_gate(&mut self, gate: Box<dyn Gate>) {
        self.table.set_gate(gate);
    }

    /// Goes on by other settings, as [`Table::choose`].
    pub(crate) fn choose(
        &mut self,
        settings: flow::Settings,
        numbers: &[(u16, u8)],
        kept: &mut Keeps<'_>,
    ) {
        self.table.choose(settings, numbers, kept, self.now, &mut self.output);
    }

    /// Lets an overload's watch see how the reading stands at `now`, in
    /// nanoseconds of `CLOCK_MONOTONIC`. What it has to say leaves at once.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub(crate) fn watch(
        &mut self,
        overload: &mut Overload,
        now: u64,
        load: &Load,
    ) -> Result<(), Error<S::Error>> {
        if overload.observe(now, load, self.now, &mut self.table, &mut self.output) {
            self.output.flush().map_err(Error::Output)?;
        }
        Ok(())
    }

    /// Ends all flows, after which no event comes but `stats`.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub fn end(&mut self) -> Result<(), Error<S::Error>> {
        self.table.finish(self.now, &mut self.output);
        self.output.close().map_err(Error::Output)
    }

    /// Pushes the last `stats` event, at `time` if that is later than all
    /// others, and flushes the output.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub fn conclude(&mut self, time: Timestamp, stats: Stats) -> Result<(), Error<S::Error>> {
        self.now = self.now.max(time);
        self.report(stats);
        self.output.flush().map_err(Error::Output)
    }

    /// Ends all flows, pushes the last `stats` event and flushes the output:
    /// the end of a source that is alone.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub fn finish(&mut self) -> Result<Stats, Error<S::Error>> {
        self.end()?;
        self.conclude(self.now, self.stats())?;
        Ok(self.stats())
    }

    /// Ends the file of packets, if one is written. False when it does not hold
    /// all packets; why has been logged.
    pub fn finish_recorder(&mut self) -> bool {
        let outcomes = self.source.outcomes();
        self.recorder.as_mut().is_none_or(|recorder| recorder.finish(&outcomes))
    }

    /// The counters of the whole way so far.
    pub fn stats(&self) -> Stats {
        Stats::new(self.source.outcomes(), self.table.counters(), self.output.events())
    }

    /// What the flow table counts, so far.
    pub fn flows(&self) -> FlowCounters {
        self.table.counters()
    }

    /// The time of the last segment or tick.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Where the events go.
    pub const fn output(&self) -> &O {
        &self.output
    }

    /// Where the events go, to be told something.
    pub const fn output_mut(&mut self) -> &mut O {
        &mut self.output
    }

    /// Where the segments come from.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Where the segments come from, to be told something.
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io::ErrorKind};

    use super::*;
    use crate::{
        cli::{CommonArgs, LiveArgs},
        config::Config,
        event::Sink,
        stats::Outcomes,
    };

    /// Ends at once.
    struct Nothing;

    impl Source for Nothing {
        type Error = Infallible;

        fn read(
            &mut self,
            _: &mut dyn FnMut(&crate::capture::Segment<'_>),
        ) -> Result<Status, Infallible> {
            Ok(Status::End)
        }

        fn outcomes(&self) -> Outcomes {
            Outcomes { not_selected: 7, ..Outcomes::default() }
        }
    }

    /// Notes the actions of events, and fails when it is told to.
    #[derive(Default)]
    struct Notes {
        actions: Vec<(Timestamp, &'static str)>,
        failure: Option<ErrorKind>,
    }

    impl Sink for Notes {
        fn event(&mut self, event: &Event<'_>) {
            self.actions.push((event.time, event.message.action()));
        }
    }

    impl Output for Notes {
        fn flush(&mut self) -> io::Result<()> {
            self.failure.map_or(Ok(()), |kind| Err(kind.into()))
        }

        fn events(&self) -> u64 {
            self.actions.len() as u64
        }
    }

    fn pipeline() -> Pipeline<Nothing, Notes> {
        let config = Config::new(&LiveArgs::default(), &CommonArgs::default()).unwrap();
        Pipeline::new(Nothing, Table::new(config.flows), Notes::default())
    }

    #[test]
    fn the_last_event_is_the_counters_at_the_last_time() {
        let mut pipeline = pipeline();
        pipeline.begin(Timestamp(5));
        assert_eq!(pipeline.step().unwrap(), Status::End);
        pipeline.tick(Timestamp(9)).unwrap();
        let stats = pipeline.finish().unwrap();
        assert_eq!(pipeline.output.actions, [(Timestamp(9), "stats")]);
        assert_eq!((stats.seen, stats.events), (7, 1));
    }

    #[test]
    fn an_output_that_went_away_is_told_from_one_that_broke() {
        for (kind, gone) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)] {
            let mut pipeline = pipeline();
            pipeline.output.failure = Some(kind);
            let errors = [pipeline.step().unwrap_err(), pipeline.tick(Timestamp(1)).unwrap_err()];
            for error in errors.into_iter().chain(pipeline.finish().err()) {
                assert_eq!(error.is_output_gone(), gone, "{error}");
            }
        }
    }
}
