//! What is in the binary, out of `cargo metadata` and Cargo.lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{MOMENT, binary};
use crate::{process::Step, workspace};

/// The packages whose code is handed out: the program, and the kernel side that
/// it holds.
const PROGRAMS: [&str; 2] = ["tracer", "tracer-ebpf"];

/// A package that is in the binary.
#[derive(Debug)]
pub(super) struct Crate {
    /// As cargo calls it, for those that depend on it.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: String,
    pub(super) repository: Option<String>,
    /// The sources' SHA-256; `None` for the workspace's own.
    pub(super) checksum: Option<String>,
    /// Where its sources are.
    pub(super) folder: PathBuf,
    /// `id` of each that it is linked with.
    pub(super) dependencies: BTreeSet<String>,
}

impl Crate {
    /// Whether it is of this workspace.
    pub(super) fn is_own(&self) -> bool {
        self.checksum.is_none()
    }
}

/// All crates in the binary that `root` makes, by name and version.
pub(super) fn in_binary(root: &Path) -> Result<Vec<Crate>> {
    let text = Step::new(workspace::cargo(), MOMENT)
        .current_dir(root)
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform"])
        .args([binary::target()?])
        .output()?;
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let mut crates = linked(&serde_json::from_str(&text)?, &checksums(&lock)?)?;
    crates.sort_by(|one, other| {
        (&one.name, &one.version, &one.id).cmp(&(&other.name, &other.version, &other.id))
    });
    Ok(crates)
}

/// Checksums by name and version.
type Checksums = BTreeMap<(String, String), String>;

fn checksums(lock: &str) -> Result<Checksums> {
    let lock: toml::Table = lock.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("no packages")?;
    let entry = |package: &toml::Value| {
        let text = |key| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        Some(((text("name")?, text("version")?), text("checksum")?))
    };
    Ok(packages.iter().filter_map(entry).collect())
}

/// Walks from the programs over what they are linked with: neither over what
/// only tests or build scripts need, nor into macros, which run in the compiler.
fn linked(metadata: &Value, checksums: &Checksums) -> Result<Vec<Crate>> {
    let packages: BTreeMap<&str, &Value> = list(metadata, "/packages")
        .filter_map(|package| Some((text(package, "id")?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(metadata, "/resolve/nodes")
        .filter_map(|node| Some((text(node, "id")?, node)))
        .collect();
    let is_program = |package: &&&Value| {
        package.get("source").is_none_or(Value::is_null)
            && text(package, "name").is_some_and(|name| PROGRAMS.contains(&name))
    };
    let mut next: Vec<&str> =
        packages.values().filter(is_program).filter_map(|package| text(package, "id")).collect();
    let mut seen: BTreeSet<&str> = next.iter().copied().collect();
    let mut crates = Vec::new();
    while let Some(id) = next.pop() {
        let node = nodes.get(id).with_context(|| format!("{id} is not resolved"))?;
        let is_normal = |dependency: &&Value| {
            list(dependency, "/dep_kinds").any(|kind| kind.get("kind").is_some_and(Value::is_null))
        };
        let dependencies: BTreeSet<&str> = list(node, "/deps")
            .filter(is_normal)
            .filter_map(|dependency| text(dependency, "pkg"))
            .filter(|id| packages.get(id).is_some_and(|package| !is_macro(package)))
            .collect();
        next.extend(dependencies.iter().copied().filter(|id| seen.insert(id)));
        let package = packages.get(id).with_context(|| format!("{id} is no package"))?;
        crates.push(described(id, package, &dependencies, checksums)?);
    }
    Ok(crates)
}

fn described(
    id: &str,
    package: &Value,
    dependencies: &BTreeSet<&str>,
    checksums: &Checksums,
) -> Result<Crate> {
    let field = |name| {
        text(package, name).map(str::to_owned).with_context(|| format!("{id} has no {name}"))
    };
    let (name, version) = (field("name")?, field("version")?);
    let manifest = PathBuf::from(field("manifest_path")?);
    Ok(Crate {
        id: id.to_owned(),
        checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
        name,
        version,
        // As crates of before SPDX wrote it.
        licence: field("license")?.replace('/', " OR "),
        repository: field("repository").ok(),
        folder: manifest.parent().context("a manifest in no folder")?.to_owned(),
        dependencies: dependencies.iter().map(|&id| id.to_owned()).collect(),
    })
}

fn is_macro(package: &Value) -> bool {
    list(package, "/targets")
        .any(|target| list(target, "/kind").any(|kind| kind.as_str() == Some("proc-macro")))
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, source: &Value, kind: &str) -> Value {
        json!({
            "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0",
            "source": source, "manifest_path": format!("/x/{name}/Cargo.toml"),
            "targets": [{ "kind": [kind] }],
        })
    }

    fn dependency(name: &str, kind: &Value) -> Value {
        json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] })
    }

    #[test]
    fn only_what_is_linked_is_in_the_binary() {
        let (own, registry, normal) = (Value::Null, json!("registry"), Value::Null);
        let metadata = json!({
            "packages": [
                package("tracer", &own, "bin"),
                package("tracer-ebpf", &own, "bin"),
                package("xtask", &own, "bin"),
                package("aya", &registry, "lib"),
                package("serde_derive", &registry, "proc-macro"),
                package("syn", &registry, "lib"),
                package("tempfile", &registry, "lib"),
            ],
            "resolve": { "nodes": [
                { "id": "tracer", "deps": [
                    dependency("aya", &normal),
                    dependency("serde_derive", &normal),
                    dependency("tempfile", &json!("dev")),
                    dependency("syn", &json!("build")),
                ]},
                { "id": "tracer-ebpf", "deps": [] },
                { "id": "serde_derive", "deps": [dependency("syn", &normal)] },
                { "id": "aya", "deps": [] },
            ]},
        });
        let lock = "[[package]]\nname = \"aya\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\n\
                    [[package]]\nname = \"tracer\"\nversion = \"1.0.0\"\n";
        let mut crates = linked(&metadata, &checksums(lock).unwrap()).unwrap();
        crates.sort_by(|one, other| one.name.cmp(&other.name));
        let names: Vec<(&str, bool)> =
            crates.iter().map(|one| (one.name.as_str(), one.is_own())).collect();
        assert_eq!(names, [("aya", false), ("tracer", true), ("tracer-ebpf", true)]);
        let tracer = crates.iter().find(|one| one.name == "tracer").unwrap();
        assert_eq!(tracer.dependencies.iter().collect::<Vec<_>>(), ["aya"]);
        assert_eq!(tracer.licence, "MIT OR Apache-2.0");
    }
}
