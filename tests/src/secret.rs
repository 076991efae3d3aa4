//! What must not come out of anything that is written.

use std::collections::HashSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Bytes of a secret that must not be seen in a row.
pub const WINDOW: usize = 6;

/// Secrets, by all their stretches of [`WINDOW`] bytes.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    windows: HashSet<Vec<u8>>,
    /// By two bytes, whether a stretch begins with them: few places of a text
    /// need a closer look. Empty without secrets.
    starts: Vec<bool>,
}

impl Secrets {
    /// Adds a secret. One that is shorter than [`WINDOW`] cannot be told from
    /// chance, and adds nothing.
    pub fn add(&mut self, secret: &[u8]) {
        self.starts.resize(1 << 16, false);
        for window in secret.windows(WINDOW) {
            let start = window.first_chunk().map_or(0, |start| u16::from_be_bytes(*start));
            if let Some(start) = self.starts.get_mut(usize::from(start)) {
                *start = true;
            }
            self.windows.insert(window.to_vec());
        }
    }

    /// The first line that shows something of a secret, as it is or in Base64.
    pub fn leak<'a>(&self, written: &'a str) -> Option<&'a str> {
        if self.windows.is_empty() {
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
        let mut start = 0_u16;
        bytes.iter().enumerate().any(|(at, byte)| {
            start = start << 8 | u16::from(*byte);
            self.starts.get(usize::from(start)) == Some(&true)
                && at
                    .checked_sub(1)
                    .and_then(|from| bytes.get(from..from + WINDOW))
                    .is_some_and(|window| self.windows.contains(window))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bytes_of_a_secret_are_found_wherever_they_stand() {
        let mut secrets = Secrets::default();
        assert_eq!(secrets.leak("my password"), None);
        secrets.add(b"password");
        for text in ["passwo", "my password", "x\nassword\ny", "{\"base64\":\"cGFzc3dvcmT/\"}"] {
            assert!(secrets.leak(text).is_some(), "{text}");
        }
        assert_eq!(secrets.leak("passw, asswor and sword"), Some("passw, asswor and sword"));
        assert_eq!(secrets.leak("passw, asswo and sword"), None);
    }
}
