//! Shards whose sources, packets and clock stand still until they are moved.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

use super::*;
use crate::event::{Message, tracer};

const MILLISECOND: u64 = 1_000_000;

/// Unix time less that of the clock.
const OFFSET: u64 = 1_475_232_865_000_000_000;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn now() -> u64 {
    NOW.get()
}

/// What was written.
#[derive(Clone, Debug, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A source, as counts of what was put in and read.
#[derive(Clone, Debug, Default)]
struct Source(Arc<[AtomicUsize; 2]>);

impl Feed for Source {
    fn written(&self) -> usize {
        self.0[0].load(Ordering::Relaxed)
    }

    fn read(&self) -> usize {
        self.0[1].load(Ordering::Relaxed)
    }
}

/// Shards that write into one pipe.
struct Stage {
    pipe: Pipe,
    shards: Vec<(Source, ShardWriter<Pipe>)>,
}

impl Stage {
    fn new(shards: usize, format: Format) -> Self {
        NOW.set(1000 * MILLISECOND);
        let pipe = Pipe::default();
        let sources: Vec<Source> = (0..shards).map(|_| Source::default()).collect();
        let feeds = sources.iter().map(|source| Box::new(source.clone()) as Box<dyn Feed>);
        let order = Order::new(pipe.clone(), now, feeds);
        let shards = sources
            .into_iter()
            .enumerate()
            .map(|(shard, source)| (source, order.shard(shard, format, View::Messages, OFFSET)));
        Self { pipe, shards: shards.collect() }
    }

    /// Packets come to a shard's source.
    fn packets(&self, shard: usize, count: usize) {
        self.shards[shard].0.0[0].fetch_add(count, Ordering::Relaxed);
    }

    /// A shard reads packets, each of which makes an event, and hands over.
    fn batch(&mut self, shard: usize, times: &[u64]) {
        let (source, writer) = &mut self.shards[shard];
        for time in times {
            let time = Timestamp(OFFSET + time * MILLISECOND);
            writer.begin(time);
            let stats =
                crate::stats::Stats { seen: shard as u64, ..crate::stats::Stats::default() };
            let message = Message::Stats(tracer::Stats { tracer: stats });
            writer.event(&Event { time, connection: None, side: None, message });
        }
        source.0[1].fetch_add(times.len(), Ordering::Relaxed);
        writer.flush().unwrap();
    }

    fn close(&mut self, shard: usize) {
        self.shards[shard].1.close().unwrap();
    }

    /// Milliseconds and shard of each line that was written; its number is its
    /// place.
    fn lines(&self) -> Vec<(u64, usize)> {
        let bytes = self.pipe.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().enumerate().map(|(at, line)| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["event"]["sequence"], at + 1, "{line}");
            let time = line["@timestamp"].as_str().unwrap();
            let second: u64 = time[17..19].parse().unwrap();
            let milliseconds: u64 = time[20..23].parse().unwrap();
            let shard = line["tracer"]["seen"].as_u64().unwrap();
            ((second - 25) * 1000 + milliseconds, usize::try_from(shard).unwrap())
        });
        lines.collect()
    }
}

#[test]
fn lines_are_written_in_the_order_of_their_times() {
    let mut stage = Stage::new(3, Format::Json);
    for (shard, count) in [(0, 3), (1, 2), (2, 2)] {
        stage.packets(shard, count);
    }
    stage.batch(0, &[981, 984, 990]);
    stage.batch(1, &[982, 985]);
    assert!(stage.shards[1].1.is_waiting());
    stage.batch(2, &[983, 986]);
    let expected = [(981, 0), (982, 1), (983, 2), (984, 0), (985, 1), (986, 2), (990, 0)];
    assert_eq!(stage.lines(), expected);
}

#[test]
fn nothing_waits_for_a_shard_without_packets() {
    let mut stage = Stage::new(64, Format::Json);
    stage.packets(7, 1);
    stage.batch(7, &[999]);
    assert_eq!(stage.lines(), [(999, 7)]);
    assert!(!stage.shards[7].1.is_waiting());
}

#[test]
fn what_just_happened_waits_until_no_source_can_bring_what_was_before() {
    let mut stage = Stage::new(2, Format::Json);
    stage.packets(0, 1);
    stage.batch(0, &[1000]);
    assert_eq!(stage.lines(), []);
    assert!(stage.shards[0].1.is_waiting());
    // A packet that was stamped before is only now to be seen.
    stage.packets(1, 1);
    NOW.set(1001 * MILLISECOND);
    stage.batch(0, &[]);
    assert_eq!(stage.lines(), []);
    stage.batch(1, &[1000]);
    assert_eq!(stage.lines(), [(1000, 0), (1000, 1)]);
}

#[test]
fn a_shard_that_is_behind_is_waited_for_up_to_the_packet_it_has_come_to() {
    let mut stage = Stage::new(2, Format::Json);
    stage.packets(0, 2);
    stage.packets(1, 3);
    stage.batch(1, &[980]);
    stage.batch(0, &[990, 995]);
    assert_eq!(stage.lines(), [(980, 1)]);
    stage.batch(1, &[992]);
    assert_eq!(stage.lines(), [(980, 1), (990, 0), (992, 1)]);
    stage.batch(1, &[999]);
    assert_eq!(stage.lines(), [(980, 1), (990, 0), (992, 1), (995, 0), (999, 1)]);
}

#[test]
fn a_shard_that_has_read_nothing_is_waited_for() {
    let mut stage = Stage::new(2, Format::Json);
    for (_, writer) in &mut stage.shards {
        // When the capture began.
        writer.begin(Timestamp(OFFSET + 980 * MILLISECOND));
    }
    stage.batch(1, &[]);
    stage.packets(0, 1);
    stage.packets(1, 1);
    stage.batch(0, &[990]);
    assert_eq!(stage.lines(), []);
    stage.batch(1, &[985]);
    assert_eq!(stage.lines(), [(985, 1), (990, 0)]);
}

#[test]
fn a_shard_that_is_late_is_not_waited_for_longer_than_the_window() {
    let mut stage = Stage::new(2, Format::Json);
    stage.packets(0, 2);
    stage.packets(1, 1);
    stage.batch(0, &[990]);
    assert_eq!(stage.lines(), []);
    NOW.set(990 * MILLISECOND + WINDOW);
    stage.batch(0, &[1090]);
    assert_eq!(stage.lines(), [(990, 0)]);
    // It comes late, and is told late.
    NOW.set(1100 * MILLISECOND);
    stage.batch(1, &[985]);
    assert_eq!(stage.lines(), [(990, 0), (985, 1), (1090, 0)]);
}

#[test]
fn of_equal_times_the_lower_shard_comes_first() {
    let mut stage = Stage::new(2, Format::Json);
    stage.packets(0, 2);
    stage.packets(1, 2);
    stage.batch(1, &[990, 990]);
    stage.batch(0, &[990, 990]);
    assert_eq!(stage.lines(), [(990, 0), (990, 0), (990, 1), (990, 1)]);
}

#[test]
fn the_order_of_a_shard_s_own_lines_stays() {
    let mut stage = Stage::new(2, Format::Json);
    stage.packets(0, 3);
    stage.packets(1, 1);
    stage.batch(1, &[985]);
    stage.batch(0, &[990, 980, 991]);
    assert_eq!(stage.lines(), [(985, 1), (990, 0), (980, 0), (991, 0)]);
}

#[test]
fn a_step_of_the_clock_changes_no_order() {
    let mut stage = Stage::new(2, Format::Json);
    stage.packets(0, 1);
    stage.packets(1, 1);
    stage.batch(0, &[990]);
    // Somebody sets it back by half a second.
    stage.shards[1].1.set_clock_offset(OFFSET - 500 * MILLISECOND);
    stage.batch(1, &[495]);
    assert_eq!(stage.lines(), [(990, 0), (495, 1)]);
}

#[test]
fn what_waits_has_a_limit() {
    let mut stage = Stage::new(2, Format::Text);
    stage.packets(1, 1);
    let (_, writer) = &mut stage.shards[0];
    let gap = Message::Gap(tracer::Gap::new(
        1,
        tracer::GapCause::NotCaptured,
        crate::event::Side::Client,
    ));
    let event = Event {
        time: Timestamp(OFFSET + 999 * MILLISECOND),
        connection: None,
        side: None,
        message: gap,
    };
    let mut lines = 0;
    while stage.pipe.0.lock().unwrap().is_empty() {
        writer.event(&event);
        lines += 1;
        assert!(lines < 1_000_000, "nothing is written");
    }
    writer.close().unwrap();
    stage.shards[1].1.close().unwrap();
    let written = stage.pipe.0.lock().unwrap().split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(written, lines);
}

#[test]
fn at_the_end_everything_is_written() {
    let mut stage = Stage::new(3, Format::Json);
    for shard in 0..3 {
        stage.packets(shard, 5);
    }
    stage.batch(2, &[999, 1500]);
    stage.batch(0, &[1400]);
    stage.close(0);
    stage.close(2);
    assert_eq!(stage.lines(), []);
    stage.batch(1, &[998]);
    stage.close(1);
    assert_eq!(stage.lines(), [(998, 1), (999, 2), (1400, 0), (1500, 2)]);
    // The counters at the very end.
    stage.batch(0, &[1500]);
    assert_eq!(stage.lines().last(), Some(&(1500, 0)));
    assert_eq!(stage.shards[1].1.events(), 5);
}

#[test]
fn an_error_is_told_to_every_shard() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::TimedOut, "stuck"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    NOW.set(1000 * MILLISECOND);
    let feeds = (0..2).map(|_| Box::new(Source::default()) as Box<dyn Feed>);
    let order = Order::new(Gone, now, feeds);
    let mut shards = [0, 1].map(|shard| order.shard(shard, Format::Json, View::Messages, 0));
    let message = Message::Stats(tracer::Stats { tracer: crate::stats::Stats::default() });
    let time = Timestamp(999 * MILLISECOND);
    shards[0].event(&Event { time, connection: None, side: None, message });
    for shard in &mut shards {
        let error = shard.flush().unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::TimedOut, "stuck"));
    }
}
