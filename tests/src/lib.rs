//! What the tests of the whole tracer share.
