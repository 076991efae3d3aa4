//! The file `copyright`: the licence of each part of the binary, with its text.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::crates::Crate;

/// How files that hold a licence or a notice begin, in capitals.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// Where Debian says whose glibc is.
const GLIBC: &str = "/usr/share/doc/libc6/copyright";

/// All licences of what is in the binary. Texts that several share are written
/// once; a package without a text of its own is under those of the workspace,
/// which are the usual ones.
pub(super) fn copyright(root: &Path, crates: &[Crate]) -> Result<String> {
    let mut page = String::from(
        "tracer is licensed under either of Apache-2.0 or MIT, at your option.\n\
         What is linked into it, with the licence of each:\n\n",
    );
    for one in crates.iter().filter(|one| !one.is_own()) {
        writeln!(page, "  {} {}: {}", one.name, one.version, one.licence)?;
    }
    page.push_str(
        "  Rust's standard library: MIT OR Apache-2.0\n  \
         glibc: LGPL-2.1-or-later; tracer's sources, with which it can be linked anew, are\n    \
         those of this version\n",
    );

    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let own = ["LICENSE-MIT", "LICENSE-APACHE"].map(|name| root.join(name));
    let mut add = |whose: String, paths: &[PathBuf]| -> Result<()> {
        for path in paths {
            let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned();
            let owners = texts.entry(text).or_default();
            if !owners.contains(&whose) {
                owners.push(whose.clone());
            }
        }
        Ok(())
    };
    add("tracer".to_owned(), &own)?;
    for one in crates.iter().filter(|one| !one.is_own()) {
        add(format!("{} {}", one.name, one.version), &texts_of(&one.folder)?)?;
    }
    if Path::new(GLIBC).is_file() {
        add("glibc".to_owned(), &[GLIBC.into()])?;
    }
    let mut texts: Vec<(Vec<String>, String)> =
        texts.into_iter().map(|(text, owners)| (owners, text)).collect();
    // tracer's own first, then by name.
    texts.sort_by_key(|(owners, text)| {
        (!owners.contains(&"tracer".to_owned()), owners.clone(), text.clone())
    });
    for (owners, text) in texts {
        write!(page, "\n{}\n{}\n\n{text}\n", "-".repeat(79), wrapped(&owners))?;
    }
    Ok(page)
}

/// Files of a package that hold a licence or a notice.
fn texts_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Names in lines of 79 columns.
fn wrapped(names: &[String]) -> String {
    let mut lines = vec![String::from("Of")];
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + name.len() < 78 => {
                line.push(if line == "Of" { ' ' } else { ',' });
                if !line.ends_with(' ') {
                    line.push(' ');
                }
                line.push_str(name);
            }
            _ => lines.push(format!("  {name}")),
        }
    }
    lines.join(",\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_take_several_lines() {
        assert_eq!(
            wrapped(&["aya 0.14.0".to_owned(), "log 0.4.1".to_owned()]),
            "Of aya 0.14.0, log 0.4.1"
        );
        let long = vec!["a-package-of-that-name 1.0.0".to_owned(); 4];
        let lines = wrapped(&long);
        assert!(lines.lines().all(|line| line.len() < 80), "{lines}");
        assert_eq!(lines.matches("a-package").count(), 4);
    }
}
