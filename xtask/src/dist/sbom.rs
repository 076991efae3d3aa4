//! The list of what is in the binary (`CycloneDX` 1.5, JSON).

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{MOMENT, Release, crates::Crate};
use crate::process::Step;

impl Release {
    /// Writes it.
    pub(super) fn sbom(&self) -> Result<PathBuf> {
        let (main, others): (Vec<&Crate>, Vec<&Crate>) =
            self.crates.iter().partition(|one| one.name == "tracer");
        let main = main.first().context("tracer is no package")?;
        let time = Step::new("date", MOMENT)
            .args(["--utc", "+%Y-%m-%dT%H:%M:%SZ"])
            .args([format!("--date=@{}", self.time)])
            .output()?;
        let mut components: Vec<Value> =
            others.into_iter().map(|one| component(one, "library")).collect();
        components.extend(libraries()?);
        let dependencies: Vec<Value> = self
            .crates
            .iter()
            .map(|one| {
                let on: Vec<String> = self
                    .crates
                    .iter()
                    .filter(|other| one.dependencies.contains(&other.id))
                    .map(reference)
                    .collect();
                json!({ "ref": reference(one), "dependsOn": on })
            })
            .collect();
        let sbom = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "timestamp": time.trim(), "component": component(main, "application") },
            "components": components,
            "dependencies": dependencies,
        });
        let path = self.folder.join(format!("tracer-{}.cdx.json", self.version));
        fs::write(&path, format!("{sbom:#}\n"))?;
        Ok(path)
    }
}

/// What a component is called, in the way that package URLs have.
fn reference(one: &Crate) -> String {
    format!("pkg:cargo/{}@{}", one.name, one.version)
}

fn component(one: &Crate, kind: &str) -> Value {
    let vcs = |url: &String| json!([{ "type": "vcs", "url": url }]);
    let hash = |content: &String| json!([{ "alg": "SHA-256", "content": content }]);
    let fields = [
        ("type", Some(kind.into())),
        ("bom-ref", Some(reference(one).into())),
        ("name", Some(one.name.as_str().into())),
        ("version", Some(one.version.as_str().into())),
        ("licenses", Some(json!([{ "expression": one.licence }]))),
        ("hashes", one.checksum.as_ref().map(hash)),
        ("purl", (!one.is_own()).then(|| reference(one).into())),
        ("externalReferences", one.repository.as_ref().map(vcs)),
    ];
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// What is linked in beside crates: Rust's own library, and glibc.
fn libraries() -> Result<Vec<Value>> {
    let rust = Step::new("rustc", MOMENT).args(["--version"]).output()?;
    let rust = rust.split(' ').nth(1).context("rustc names no version")?;
    let glibc = Step::new("getconf", MOMENT).args(["GNU_LIBC_VERSION"]).output()?;
    let glibc = glibc.trim().trim_start_matches("glibc ");
    Ok(vec![
        json!({
            "type": "library",
            "bom-ref": format!("rust-std@{rust}"),
            "name": "rust-std",
            "version": rust,
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            "externalReferences": [{ "type": "vcs", "url": "https://github.com/rust-lang/rust" }],
        }),
        json!({
            "type": "library",
            "bom-ref": format!("glibc@{glibc}"),
            "name": "glibc",
            "version": glibc,
            "licenses": [{ "expression": "LGPL-2.1-or-later" }],
            "externalReferences": [{ "type": "vcs", "url": "https://sourceware.org/git/glibc.git" }],
        }),
    ])
}
