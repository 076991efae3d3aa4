//! Colours of a terminal.

use std::ffi::OsString;

use crate::event::Hue;

/// Whether colours are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal that has them, unless the environment says otherwise
    #[default]
    Auto,
    /// Into pipes and files as well
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// Whether colours are written to an output that is or is not a terminal.
    ///
    /// The choice of the command line goes first, then `NO_COLOR`
    /// (<https://no-color.org>), then `CLICOLOR_FORCE`
    /// (<https://bixense.com/clicolors>), then what the terminal is.
    pub fn is_wanted(
        self,
        is_terminal: bool,
        environment: impl Fn(&'static str) -> Option<OsString>,
    ) -> bool {
        let is_set = |name| environment(name).is_some_and(|value| !value.is_empty());
        let has_colors =
            || environment("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if is_set("NO_COLOR") => false,
            Self::Auto
                if environment("CLICOLOR_FORCE").is_some_and(|it| !it.is_empty() && it != "0") =>
            {
                true
            }
            Self::Auto => is_terminal && has_colors(),
        }
    }
}

/// What a piece of a row looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// As the terminal writes by itself.
    Plain,
    /// Steps back behind the rest.
    Faint,
    /// Something that went wrong.
    Failure,
    /// Something that the tracer noticed.
    Note,
    /// A protocol's own colour.
    Hue(Hue),
}

impl Paint {
    /// The parameter of SGR (ECMA-48 section 8.3.117), if it takes one.
    pub(super) const fn parameter(self) -> Option<&'static str> {
        Some(match self {
            Self::Plain => return None,
            Self::Faint => "2",
            Self::Failure => "31",
            Self::Note => "33",
            Self::Hue(Hue::Green) => "32",
            Self::Hue(Hue::Blue) => "34",
            Self::Hue(Hue::Magenta) => "35",
            Self::Hue(Hue::Cyan) => "36",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_on_colours() {
        for (color, is_terminal, environment, expected) in [
            (Color::Auto, true, &[("TERM", "xterm")][..], true),
            (Color::Auto, false, &[("TERM", "xterm")], false),
            (Color::Auto, true, &[("TERM", "dumb")], false),
            (Color::Auto, true, &[], false),
            (Color::Auto, true, &[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (Color::Auto, true, &[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (Color::Auto, false, &[("CLICOLOR_FORCE", "1")], true),
            (Color::Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (Color::Auto, true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (Color::Always, false, &[("NO_COLOR", "1")], true),
            (Color::Never, true, &[("TERM", "xterm"), ("CLICOLOR_FORCE", "1")], false),
        ] {
            let look_up = |name| {
                let found = environment.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            let wanted = color.is_wanted(is_terminal, look_up);
            assert_eq!(wanted, expected, "{color:?} {is_terminal} {environment:?}");
        }
    }
}
