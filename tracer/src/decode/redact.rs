//! Replaces secrets before anything is formatted.
