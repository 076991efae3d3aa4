//! Messages of SMTP.

use std::fmt;

use serde::Serialize;

use super::{Describe, Place, Text};

/// `smtp-command`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Command<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Command<'_> {
    fn action(&self) -> &'static str {
        "smtp-command"
    }
}

/// `smtp-reply`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reply<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Reply<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Reply<'_> {
    fn action(&self) -> &'static str {
        "smtp-reply"
    }
}

/// `smtp-data`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Data<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Data<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Data<'_> {
    fn action(&self) -> &'static str {
        "smtp-data"
    }

    fn place(&self) -> Place {
        Place::Piece
    }
}

/// `smtp-message`
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mail<'a> {
    /// Placeholder.
    pub line: Text<'a>,
}

impl fmt::Display for Mail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.line)
    }
}

impl Describe for Mail<'_> {
    fn action(&self) -> &'static str {
        "smtp-message"
    }

    fn place(&self) -> Place {
        Place::Summary
    }
}
