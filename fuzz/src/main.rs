//! The fuzzer: libFuzzer around the target that `FUZZ_TARGET` names.
//!
//! One program has all targets, because linking one for each takes longer than
//! the twenty seconds for which each is run. `cargo xtask fuzz` starts it.

#![no_main]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

use std::{env, process, sync::OnceLock};

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

/// The target that the environment names; `list` lists them and ends.
fn target() -> Target {
    let name = env::var("FUZZ_TARGET").unwrap_or_default();
    if name == "list" {
        for target in fuzz::targets() {
            println!("{}", target.name);
        }
        process::exit(0);
    }
    let found = fuzz::targets().into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| {
        eprintln!("FUZZ_TARGET={name} names no target");
        process::exit(2)
    })
}

fuzz_target!(
    init: TARGET.get_or_init(target),
    |data: &[u8]| -> () { TARGET.get_or_init(target).run(data) }
);
