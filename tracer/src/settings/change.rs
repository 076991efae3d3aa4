//! Settings that change while a run goes on.

use super::{Error, Settings, print::values};
use crate::{
    cli::{CommonArgs, LiveArgs},
    config::Config,
};

/// What a run does, and where to look for what it is to do.
#[derive(Debug)]
pub struct Running {
    /// What follows from all that was said.
    pub config: Config,
    /// The command line.
    words: Vec<std::ffi::OsString>,
    live: LiveArgs,
    common: CommonArgs,
}

/// What reading the settings again comes to.
#[derive(Debug)]
pub struct Change {
    /// What the run is to do from now on.
    pub running: Running,
    /// Keys of settings that have another value by that.
    pub changed: Vec<String>,
    /// Keys of settings that keep their value until the next start.
    pub kept: Vec<String>,
}

impl Running {
    /// Takes what was said, of which nothing has changed yet.
    ///
    /// # Errors
    ///
    /// When choices contradict each other.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let live = settings.live();
        let common = settings.cli.common.clone();
        let config = config(settings, &live, &common)?;
        Ok(Self { config, words: settings.words.clone(), live, common })
    }

    /// Reads the file again, over which the command line wins as before. Rings
    /// and threads are what they are.
    ///
    /// # Errors
    ///
    /// When a start would end by it, or what can change does not go together
    /// with what cannot.
    pub fn read_again(&self) -> Result<Change, Error> {
        let settings = Settings::new(self.words.iter().cloned())?;
        let wanted = Self::new(&settings)?;
        let live = LiveArgs {
            interfaces: wanted.live.interfaces.clone(),
            ring_size: Some(self.config.live.ring_size),
            shards: Some(self.config.live.shards),
            ..self.live.clone()
        };
        let CommonArgs { ports, stream_limit, flow_limit, memory_limit, idle_timeout, .. } =
            wanted.common.clone();
        let common = CommonArgs {
            ports,
            stream_limit,
            flow_limit,
            memory_limit,
            idle_timeout,
            ..self.common.clone()
        };
        let config = config(&settings, &live, &common)?;
        let running = Self { config, words: self.words.clone(), live, common };
        let [before, now, wanted] =
            [self, &running, &wanted].map(|of| values(&of.common, &of.config));
        let differing = |one: &[_], other: &[_]| {
            let pairs = one.iter().zip(other).filter(|(one, other)| one != other);
            pairs.map(|((key, _), _): (&(String, _), _)| key.clone()).collect()
        };
        let (changed, kept) = (differing(&before, &now), differing(&now, &wanted));
        Ok(Change { running, changed, kept })
    }
}

fn config(settings: &Settings, live: &LiveArgs, common: &CommonArgs) -> Result<Config, Error> {
    Config::new(live, common).map_err(|what| {
        let path = settings.path().map(Into::into);
        Error::Together { path, what }
    })
}
