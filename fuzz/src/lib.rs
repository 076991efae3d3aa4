//! Fuzz targets: hostile bytes against everything that reads bytes of the wire.
//!
//! A target is a function of bytes that asserts a property of what the tracer
//! makes of them. libFuzzer looks for bytes that break it (`cargo xtask
//! fuzz`), guided by which branches they take; what it starts from are the
//! seeds in `seeds/`, which are also run as ordinary tests.
//!
//! What holds for all of them: nothing panics, no sum overflows, and nothing
//! takes more memory than its limit. Each module says what holds beside that.

#[cfg(test)]
mod crowd;
mod heap;
mod input;
mod ledger;
#[cfg(test)]
mod memory;
mod said;
mod talk;
mod targets;

use tracer::decode::{PROTOCOLS, Protocol};

/// Something to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and of its folder of seeds.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A protocol's decoder.
    Decoder(&'static Protocol),
    /// Something else.
    Other(fn(&[u8])),
}

/// The targets that are no protocol's decoder.
const OTHERS: [Target; 4] = [
    Target { name: "stream", kind: Kind::Other(targets::stream::run) },
    Target { name: "packet", kind: Kind::Other(targets::packet::run) },
    Target { name: "file", kind: Kind::Other(targets::file::run) },
    Target { name: "redact", kind: Kind::Other(targets::redact::run) },
];

/// All targets: the decoder of each protocol, then what stands before and
/// behind the decoders.
pub fn targets() -> Vec<Target> {
    let decoder = |protocol: &'static Protocol| Target {
        name: protocol.label.name,
        kind: Kind::Decoder(protocol),
    };
    PROTOCOLS.iter().map(decoder).chain(OTHERS).collect()
}

impl Target {
    /// Holds what becomes of `data` against the target's property.
    ///
    /// # Panics
    ///
    /// When the property does not hold.
    pub fn run(&self, data: &[u8]) {
        match self.kind {
            Kind::Decoder(protocol) => targets::decoder::run(protocol, data),
            Kind::Other(run) => run(data),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// What was found once is among the seeds, so that it stays found.
    #[test]
    fn seeds_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        for target in targets() {
            let seeds = fs::read_dir(folder.join(target.name)).expect("each target has seeds");
            for seed in seeds {
                let seed = seed.expect("an entry").path();
                println!("{}", seed.display());
                target.run(&fs::read(&seed).expect("a file"));
            }
        }
    }
}
