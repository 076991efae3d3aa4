//! When the operator is told, and of what.

use tracer_common::shedding::LEVELS;

use super::Load;
use crate::event::tracer::{Overload, OverloadState};

/// Nanoseconds between two events, so that they do not add to the load.
const PAUSE: u64 = 1_000_000_000;

/// What an event would tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Parts of all new flows, of [`LEVELS`], that are shed.
    pub(super) level: u32,
    /// Whether followed flows are being given up.
    pub(super) giving_up: bool,
    /// Flows that were shed so far.
    pub(super) shed: u64,
    /// Flows that were given up so far.
    pub(super) given_up: u64,
}

/// Tells of changes: of the first one at once, and of giving up, which may be
/// over soon; of the following ones when the last event is a moment old.
#[derive(Debug, Default)]
pub(super) struct Report {
    told: State,
    at: u64,
}

impl Report {
    /// The event that is due, if there is one.
    pub(super) fn due(&mut self, now: u64, state: &State, load: &Load) -> Option<Overload> {
        let told = self.told;
        let changed = (state.level, state.giving_up) != (told.level, told.giving_up);
        let at_once = told.level == 0 || state.giving_up && !told.giving_up;
        if !changed || !at_once && now.saturating_sub(self.at) < PAUSE {
            return None;
        }
        (self.told, self.at) = (*state, now);
        let percent = |part: u64, whole: u64| {
            let percent = part.saturating_mul(100).div_ceil(whole.max(1));
            u32::try_from(percent).unwrap_or(100).min(100)
        };
        let name = match (state.level, state.giving_up) {
            (0, _) => OverloadState::Over,
            (_, false) => OverloadState::Shedding,
            (_, true) => OverloadState::GivingUp,
        };
        let mut overload = Overload::new(name);
        let fields = &mut overload.tracer.overload;
        fields.share = percent(u64::from(state.level), u64::from(LEVELS));
        fields.ring = percent(load.waiting, load.size);
        fields.delay = load.age;
        (fields.shed, fields.given_up) = (state.shed, state.given_up);
        Some(overload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_first_change_is_told_at_once_and_the_others_once_a_second() {
        let mut report = Report::default();
        let load = Load { waiting: 3, size: 4, age: 5 };
        let mut told = |now: u64, level: u32| {
            let state = State { level, shed: 7, ..State::default() };
            report.due(now, &state, &load).map(|event| {
                let fields = event.tracer.overload;
                assert_eq!((fields.ring, fields.delay, fields.shed), (75, 5, 7));
                (fields.state, fields.share)
            })
        };
        assert_eq!(told(SECOND, 0), None);
        assert_eq!(told(2 * SECOND, 16), Some((OverloadState::Shedding, 7)));
        assert_eq!(told(2 * SECOND + 1, 32), None);
        assert_eq!(told(2 * SECOND + 2, 0), None);
        assert_eq!(told(3 * SECOND, 256), Some((OverloadState::Shedding, 100)));
        assert_eq!(told(5 * SECOND, 256), None);
        assert_eq!(told(6 * SECOND, 0), Some((OverloadState::Over, 0)));
        assert_eq!(told(6 * SECOND + 1, 16), Some((OverloadState::Shedding, 7)));
    }

    #[test]
    fn giving_up_is_told_of_at_once() {
        let mut report = Report::default();
        let state = State { level: LEVELS, giving_up: false, shed: 1, given_up: 0 };
        assert!(report.due(SECOND - 1, &state, &Load::default()).is_some());
        let state = State { giving_up: true, given_up: 2, ..state };
        let event = report.due(SECOND, &state, &Load::default()).unwrap();
        let fields = event.tracer.overload;
        assert_eq!((fields.state, fields.given_up), (OverloadState::GivingUp, 2));
    }
}
