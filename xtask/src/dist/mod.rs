//! `cargo xtask dist`: what is handed out, below `target/dist`.
//!
//! The same commit gives the same bytes: every time is the commit's, every
//! list is sorted, and no path of the building machine is in the binary.

mod archive;
mod binary;
mod crates;
mod debian;
mod licences;
mod sbom;
mod tree;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tree::Tree;

use crate::{process::Step, setup, workspace};

/// Limit of what is done in a moment: asking git, packing some megabytes.
const MOMENT: Duration = Duration::from_mins(2);

/// A release on its way: what its parts are made of.
struct Release {
    /// As in Cargo.toml.
    version: String,
    /// Seconds since 1970 that every file carries, the commit's.
    time: u64,
    /// What is in the binary.
    crates: Vec<crates::Crate>,
    /// Licences of all that, with their texts.
    copyright: String,
    /// Where the files that are handed out are written.
    folder: PathBuf,
    /// The binary, linked statically.
    binary: PathBuf,
}

/// Makes a release: a .deb, a tar.gz, an SBOM and their checksums.
pub(crate) fn dist(arguments: &[std::ffi::OsString]) -> Result<ExitCode> {
    let twice = match arguments {
        [] => false,
        [flag] if flag == "--twice" => true,
        _ => bail!("`dist` takes --twice alone"),
    };
    setup::for_builds()?;
    let made = make(workspace::root(), &workspace::target())?;
    if twice {
        compare(&made)?;
    }
    for path in &made {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The package for Debian that this commit makes, made now.
pub(crate) fn package() -> Result<PathBuf> {
    let made = make(workspace::root(), &workspace::target())?;
    let is_package = |path: &&PathBuf| path.extension().is_some_and(|end| end == "deb");
    made.iter().find(is_package).cloned().context("no .deb was made")
}

/// Builds the sources in `root` and packs what they make; returns the files.
fn make(root: &Path, target: &Path) -> Result<Vec<PathBuf>> {
    let folder = target.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let crates = crates::in_binary(root)?;
    let own = crates.iter().find(|one| one.name == "tracer").context("tracer is no package")?;
    let release = Release {
        version: own.version.clone(),
        time: time(root)?,
        copyright: licences::copyright(root, &crates)?,
        binary: binary::build(root, target)?,
        crates,
        folder,
    };
    let mut made = vec![release.debian(root)?, release.archive(root)?, release.sbom()?];
    made.push(release.checksums(&made)?);
    Ok(made)
}

/// When the commit was made that is built, unless `SOURCE_DATE_EPOCH` says
/// otherwise.
fn time(root: &Path) -> Result<u64> {
    if let Ok(time) = env::var("SOURCE_DATE_EPOCH") {
        return time.parse().context("SOURCE_DATE_EPOCH is no number of seconds");
    }
    let git = |arguments: &[&str]| {
        Step::new("git", MOMENT).current_dir(root).args(arguments).output().context(
            "the time of the commit is not known; SOURCE_DATE_EPOCH can say one in its place",
        )
    };
    if !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
        println!("dist: there are changes that no commit has: nobody else will get these bytes");
    }
    Ok(git(&["log", "-1", "--format=%ct"])?.trim().parse()?)
}

impl Release {
    /// Debian's word for the processor, which .debs carry in their names.
    fn architecture() -> Result<&'static str> {
        match env::consts::ARCH {
            "x86_64" => Ok("amd64"),
            "aarch64" => Ok("arm64"),
            other => bail!("no release is made for {other}"),
        }
    }

    /// What the binary says when it is called so.
    fn says(&self, arguments: &[&str]) -> Result<String> {
        Step::new(&self.binary, MOMENT).args(arguments).output()
    }

    /// Manual pages by file name: the program's and each command's.
    fn manuals(&self) -> Result<Vec<(String, String)>> {
        let mut pages = vec![("tracer.1".to_owned(), self.says(&["man"])?)];
        for command in self.commands()? {
            pages.push((format!("tracer-{command}.1"), self.says(&["man", &command])?));
        }
        Ok(pages)
    }

    /// The program's commands, as its help lists them.
    fn commands(&self) -> Result<Vec<String>> {
        let help = self.says(&["-h"])?;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = listed
            .take_while(|line| !line.is_empty())
            // A line that goes on stands deeper.
            .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help");
        let names: Vec<String> = names.map(str::to_owned).collect();
        ensure!(names.len() > 1, "the help lists no commands:\n{help}");
        Ok(names)
    }

    /// One file of checksums, as `sha256sum --check` reads it.
    fn checksums(&self, made: &[PathBuf]) -> Result<PathBuf> {
        let names = made.iter().filter_map(|path| path.file_name());
        let sums = Step::new("sha256sum", MOMENT).current_dir(&self.folder).args(names).output()?;
        let path = self.folder.join("SHA256SUMS");
        fs::write(&path, sums)?;
        Ok(path)
    }

    /// An empty tree beside what is handed out, which `tree` fills and packs.
    fn tree(&self, name: &str) -> Result<Tree> {
        Tree::new(self.folder.join(name), self.time)
    }
}

/// Makes everything once more, from a checkout of the commit in another folder,
/// and says whether the bytes are the same.
fn compare(made: &[PathBuf]) -> Result<()> {
    let folder = workspace::target().join("dist-again");
    let git = |arguments: &[&str]| {
        Step::new("git", MOMENT).current_dir(workspace::root()).args(arguments).output()
    };
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let path = folder.to_string_lossy();
    git(&["clone", "--quiet", "--no-hardlinks", ".", &path])?;
    // Its build script looks for the tool chain here.
    fs::create_dir_all(folder.join("target/setup"))?;
    let toolchain = "bpf-toolchain";
    fs::copy(workspace::setup().join(toolchain), folder.join("target/setup").join(toolchain))?;
    let again = make(&folder, &folder.join("target"))?;
    for (first, second) in made.iter().zip(&again) {
        ensure!(
            fs::read(first)? == fs::read(second)?,
            "not the same bytes: {} and {}",
            first.display(),
            second.display()
        );
    }
    fs::remove_dir_all(&folder)?;
    println!("dist: made twice, in two folders: the same bytes");
    Ok(())
}
