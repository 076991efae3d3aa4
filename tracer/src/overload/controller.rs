//! How much is shed, out of how far the reader of a ring is behind.

use tracer_common::shedding::LEVELS;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;

/// Share of the ring, in [`PARTS`], that may wait before more is shed.
const HIGH: u64 = 8;
/// Share of the ring below which the reader keeps up.
const LOW: u64 = 2;
/// Share of the ring from which on what is followed already is in danger, and
/// from which on the kernel side sheds every new flow by itself.
const BRAKE: u64 = 12;
/// What those are counted in.
const PARTS: u64 = 16;

/// Age of the oldest record, in nanoseconds, beyond which the reader is behind
/// even if the ring has much room left.
const LATE: u64 = SECOND;
/// For how long it must be late before that counts: a process that was stopped
/// for a moment catches up sooner.
const PATIENCE: u64 = 200 * MILLISECOND;

/// Pause between two rises: so long a rise takes to show in the ring.
const STEP: u64 = 20 * MILLISECOND;
/// The first step, of [`LEVELS`]; each following one doubles the level.
const FIRST: u32 = 16;

/// For how long the reader must keep up before less is shed.
const HOLD: u64 = SECOND;
/// The same after that was too soon again and again.
const LONGEST_HOLD: u64 = 32 * SECOND;

/// For how long all new flows must have been shed in vain before flows that are
/// followed are given up.
const IN_VAIN: u64 = 500 * MILLISECOND;
/// Danger that comes back within this time never ended: a reader that gets the
/// processor in turns, as a quota gives them out, empties the ring in each turn
/// and has it overflow between them.
const LULL: u64 = 250 * MILLISECOND;
/// Pause between two steps of that, at least: what waits in the ring has to be
/// read before a step shows, and nothing brings back what was given up.
const GIVE_UP_STEP: u64 = 250 * MILLISECOND;

/// How far the reader of a ring is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Bytes that waited in the ring.
    pub(crate) waiting: u64,
    /// Bytes that it takes.
    pub(crate) size: u64,
    /// Age of the oldest record that waited, nanoseconds.
    pub(crate) age: u64,
}

impl Load {
    /// Whether more than so many [`PARTS`] of the ring wait.
    const fn exceeds(&self, parts: u64) -> bool {
        self.waiting.saturating_mul(PARTS) > self.size.saturating_mul(parts)
    }
}

/// Bytes waiting in a ring of `size` bytes beyond which the kernel side sheds
/// every new flow, whatever the level: the rest is for flows that are followed.
pub(super) fn brake(size: u64) -> u32 {
    u32::try_from(size / PARTS * BRAKE).unwrap_or(u32::MAX)
}

/// Decides how much is shed. It knows no clock: time comes with each
/// observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Controller {
    /// Parts of all new flows, of [`LEVELS`], that are shed.
    level: u32,
    /// Parts of all followed flows that are given up.
    given_up: u32,
    /// When the level was last changed.
    changed: u64,
    /// When the share that is given up was last raised.
    gave_up: u64,
    /// The level before the last fall, if that was the last change.
    before_fall: Option<u32>,
    /// For how long the reader must keep up before the next fall.
    hold: u64,
    /// Since when it keeps up.
    calm: Option<u64>,
    /// Since when it is late.
    late: Option<u64>,
    /// Since when all new flows are shed and what is followed is in danger, and
    /// when that was last seen.
    in_vain: Option<(u64, u64)>,
}

impl Controller {
    /// Nothing is shed.
    pub(crate) const fn new() -> Self {
        Self {
            level: 0,
            given_up: 0,
            changed: 0,
            gave_up: 0,
            before_fall: None,
            hold: HOLD,
            calm: None,
            late: None,
            in_vain: None,
        }
    }

    /// How many parts, of [`LEVELS`], of all new flows are shed.
    pub(crate) const fn level(&self) -> u32 {
        self.level
    }

    /// How many parts, of [`LEVELS`], of the followed flows are given up.
    pub(crate) const fn given_up(&self) -> u32 {
        self.given_up
    }

    /// Takes in how the reading stands at `now`, in nanoseconds of any clock
    /// that goes on steadily. `braked`: the kernel side has shed a flow by
    /// itself since the last time.
    pub(crate) fn observe(&mut self, now: u64, load: &Load, braked: bool) {
        let late = load.age >= LATE && load.exceeds(LOW);
        let since = late.then(|| self.late.unwrap_or(now));
        self.late = since;
        let late = since.is_some_and(|since| now.saturating_sub(since) >= PATIENCE);
        if load.exceeds(HIGH) || late || braked && self.level == 0 {
            self.calm = None;
            self.rise(now);
        } else if load.exceeds(LOW) {
            self.calm = None;
        } else {
            let calm = *self.calm.get_or_insert(now);
            self.fall(now, calm);
        }
        self.protect(now, load);
    }

    fn rise(&mut self, now: u64) {
        if self.level > 0 && now.saturating_sub(self.changed) < STEP {
            return;
        }
        self.changed = now;
        if let Some(level) = self.before_fall.take() {
            // That was enough until a moment ago, and less was too little.
            self.level = level;
            self.hold = (self.hold * 2).min(LONGEST_HOLD);
        } else {
            self.level = (self.level * 2).clamp(FIRST, LEVELS);
        }
    }

    fn fall(&mut self, now: u64, calm: u64) {
        let since = calm.max(self.changed);
        if self.level == 0 && self.given_up == 0 || now.saturating_sub(since) < self.hold {
            return;
        }
        if self.before_fall.is_some() {
            // The last fall was not too soon.
            self.hold = (self.hold / 2).max(HOLD);
        }
        self.given_up = 0;
        self.before_fall = Some(self.level);
        self.level -= (self.level / 4).max(4).min(self.level);
        self.changed = now;
        if self.level == 0 {
            self.before_fall = None;
        }
    }

    /// Gives followed flows up when there is nothing else left to do.
    fn protect(&mut self, now: u64, load: &Load) {
        let danger = load.exceeds(BRAKE);
        self.in_vain = match self.in_vain {
            _ if self.level < LEVELS => None,
            Some((since, _)) if danger => Some((since, now)),
            None if danger => Some((now, now)),
            Some((_, last)) if now.saturating_sub(last) >= LULL => None,
            before => before,
        };
        let since = self.in_vain.filter(|_| danger).map(|(since, _)| since);
        let vain = since.is_some_and(|since| now.saturating_sub(since) >= IN_VAIN);
        let pause = GIVE_UP_STEP.max(load.age.saturating_mul(2));
        let shown = self.given_up == 0 || now.saturating_sub(self.gave_up) >= pause;
        if vain && shown {
            self.given_up = (self.given_up * 2).clamp(FIRST, LEVELS);
            self.gave_up = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the ring.
    const SIZE: u64 = 1 << 20;
    /// Between two observations.
    const TICK: u64 = 5 * MILLISECOND;

    /// A ring that is filled and read at given rates, in virtual time.
    struct Ring {
        controller: Controller,
        now: u64,
        waiting: u64,
        lost: u64,
        /// Bytes a tick that new flows bring when none is shed, and those that
        /// flows bring that are followed already.
        new: u64,
        known: u64,
        /// Parts of those that were given up, for good.
        gone: u32,
        /// Bytes a tick that the reader reads.
        read: u64,
        levels: Vec<(u64, u32)>,
    }

    impl Ring {
        fn new(new: u64, known: u64, read: u64) -> Self {
            let controller = Controller::new();
            Self {
                controller,
                now: SECOND,
                waiting: 0,
                lost: 0,
                new,
                known,
                gone: 0,
                read,
                levels: Vec::new(),
            }
        }

        fn run(&mut self, nanoseconds: u64) {
            let end = self.now + nanoseconds;
            while self.now < end {
                let level = self.controller.level();
                self.gone = self.gone.max(self.controller.given_up());
                let left = |all: u64, shed: u32| all * u64::from(LEVELS - shed) / u64::from(LEVELS);
                let braked = self.waiting > u64::from(brake(SIZE));
                let new = if braked { 0 } else { left(self.new, level) };
                self.waiting += new + left(self.known, self.gone);
                self.lost += self.waiting.saturating_sub(SIZE);
                self.waiting = self.waiting.min(SIZE);
                let age = self.waiting / self.read.max(1) * TICK;
                let load = Load { waiting: self.waiting, size: SIZE, age };
                self.controller.observe(self.now, &load, braked);
                self.waiting = self.waiting.saturating_sub(self.read);
                if self.controller.level() != level {
                    self.levels.push((self.now, self.controller.level()));
                }
                self.now += TICK;
            }
        }
    }

    #[test]
    fn a_reader_that_keeps_up_sheds_nothing() {
        let mut ring = Ring::new(90_000, 0, 100_000);
        ring.run(60 * SECOND);
        assert_eq!(ring.levels, []);
    }

    #[test]
    fn twice_the_load_sheds_about_half_and_loses_nothing() {
        let mut ring = Ring::new(200_000, 0, 100_000);
        ring.run(120 * SECOND);
        assert_eq!(ring.lost, 0);
        assert!((128..=192).contains(&ring.controller.level()), "{:?}", ring.levels);
        assert_eq!(ring.controller.given_up(), 0);
    }

    #[test]
    fn a_steady_overload_changes_the_level_ever_more_rarely() {
        let mut ring = Ring::new(200_000, 0, 100_000);
        ring.run(120 * SECOND);
        let before = ring.levels.len();
        ring.run(120 * SECOND);
        // Down for a try and up again, at most once in the longest hold.
        let changes = ring.levels.len() - before;
        assert!(changes <= 8, "{:?}", ring.levels);
    }

    #[test]
    fn when_the_load_is_over_the_level_falls_to_nothing_step_by_step() {
        let mut ring = Ring::new(1_000_000, 0, 100_000);
        ring.run(2 * SECOND);
        assert!(ring.controller.level() >= 224, "{:?}", ring.levels);
        let (end, risen) = (ring.now, ring.levels.len());
        ring.new = 1000;
        ring.run(30 * SECOND);
        assert_eq!(ring.controller.level(), 0, "{:?}", ring.levels);
        let falls = &ring.levels[risen..];
        assert!(falls.windows(2).all(|two| two[1].1 < two[0].1), "{falls:?}");
        assert!(falls.windows(2).all(|two| two[1].0 - two[0].0 >= HOLD), "{falls:?}");
        assert!(falls[0].0 - end >= HOLD / 2, "{falls:?}");
    }

    #[test]
    fn followed_flows_alone_are_given_up_only_after_all_new_ones_were_shed_in_vain() {
        let mut ring = Ring::new(10_000, 300_000, 100_000);
        ring.run(300 * MILLISECOND);
        assert_eq!((ring.controller.level(), ring.controller.given_up()), (LEVELS, 0));
        ring.run(10 * SECOND);
        // Less than a third can be followed; with that many the rest is whole.
        assert!((171..=LEVELS).contains(&ring.gone), "{}", ring.gone);
        let lost = ring.lost;
        ring.run(10 * SECOND);
        assert_eq!(ring.lost, lost);
    }

    #[test]
    fn a_reader_that_gets_the_processor_in_turns_gives_up_too() {
        let full = Load { waiting: SIZE, size: SIZE, age: 40 * MILLISECOND };
        let empty = Load { waiting: 0, ..full };
        let after = |turn: u64| {
            let mut controller = Controller::new();
            for now in (SECOND..4 * SECOND).step_by(10_000_000) {
                let load = if now % turn == 0 { &full } else { &empty };
                controller.observe(now, load, false);
            }
            (controller.level(), controller.given_up() > 0)
        };
        assert_eq!(after(40 * MILLISECOND), (LEVELS, true));
        // Once in a while is a burst, which shedding has to do for.
        assert_eq!(after(LULL + 10 * MILLISECOND), (LEVELS, false));
    }

    #[test]
    fn giving_up_waits_until_its_last_step_shows() {
        let mut controller = Controller::new();
        let full = Load { waiting: SIZE, size: SIZE, age: 2 * SECOND };
        let mut steps = Vec::new();
        for tick in 200..2000 {
            let before = controller.given_up();
            controller.observe(tick * TICK, &full, false);
            if controller.given_up() != before {
                steps.push(tick * TICK);
            }
        }
        assert!(steps.windows(2).all(|two| two[1] - two[0] >= 4 * SECOND), "{steps:?}");
        assert_eq!(steps.len(), 3, "{steps:?}");
    }

    #[test]
    fn a_moment_without_a_reader_is_caught_up_with() {
        // 1.2 s of records, in a ring that they fill by a quarter.
        let mut controller = Controller::new();
        let late = Load { waiting: SIZE / 4, size: SIZE, age: 1200 * MILLISECOND };
        controller.observe(SECOND, &late, false);
        controller.observe(SECOND + PATIENCE / 2, &late, false);
        assert_eq!(controller.level(), 0);
        // One that stays behind is not.
        controller.observe(SECOND + PATIENCE, &late, false);
        assert_eq!(controller.level(), FIRST);
    }

    #[test]
    fn what_the_kernel_side_sheds_by_itself_begins_an_overload() {
        let mut controller = Controller::new();
        controller.observe(SECOND, &Load { waiting: 0, size: SIZE, age: 0 }, true);
        assert_eq!(controller.level(), FIRST);
        // Later it is what the level asks for.
        controller.observe(SECOND + STEP, &Load { waiting: 0, size: SIZE, age: 0 }, true);
        assert_eq!(controller.level(), FIRST);
    }
}
