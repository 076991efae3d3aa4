//! `tracer`, the program: see the library for its parts.

fn main() {}
