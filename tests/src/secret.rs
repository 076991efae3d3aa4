//! What must not come out of anything that is written.

use std::collections::HashSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Bytes of a secret that must not be seen in a row.
pub const WINDOW: usize = 6;

/// Secrets, by all their stretches of [`WINDOW`] bytes.
#[derive(Clone, Debug, Default)]
pub struct Secrets(HashSet<Vec<u8>>);

impl Secrets {
    /// Adds a secret. One that is shorter than [`WINDOW`] cannot be told from
    /// chance, and adds nothing.
    pub fn add(&mut self, secret: &[u8]) {
        self.0.extend(secret.windows(WINDOW).map(<[u8]>::to_vec));
    }

    /// The first line that shows something of a secret, as it is or in Base64.
    pub fn leak<'a>(&self, written: &'a str) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let encoded = |line: &str| {
            let quoted = line.split("{\"base64\":\"").skip(1);
            quoted
                .filter_map(|rest| BASE64_STANDARD.decode(rest.split('"').next()?).ok())
                .any(|bytes| self.shows(&bytes))
        };
        written.lines().find(|line| self.shows(line.as_bytes()) || encoded(line))
    }

    fn shows(&self, bytes: &[u8]) -> bool {
        bytes.windows(WINDOW).any(|window| self.0.contains(window))
    }
}
