//! What the tests on other kernels boot: Debian's kernels, a Debian with
//! systemd as init, and an emulator. All of it stands below `target/setup`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{apt, root, say};
use crate::{
    process::Step,
    versions::{GUEST_PACKAGES, KERNELS, Kernel, ROOT_SUITE},
    workspace,
};

/// Limit of fetching a kernel.
const FETCH: Duration = Duration::from_mins(10);

/// Limit of unpacking and packing.
const PACK: Duration = Duration::from_mins(5);

/// What of a kernel's modules goes along: what tests attach to, and by.
const MODULES: [&str; 7] = [
    "kernel/net/sched",
    "kernel/net/packet",
    "kernel/drivers/net/veth.ko",
    "kernel/drivers/net/dummy.ko",
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.order",
];

/// Fetches a kernel's package into `/kernel`; runs inside the root. `$1` is the
/// mirror, `$2` the suite.
const DOWNLOAD: &str = r#"
list=/etc/apt/sources.list.d/kernel.list
printf 'deb %s %s main\n' "$1" "$2" > "$list"
apt-get update --quiet
package=$(apt-cache --target-release "$2" depends linux-image-cloud-amd64 |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
mkdir -p /kernel
cd /kernel
apt-get --option APT::Sandbox::User=root --target-release "$2" download "$package"
rm -rf "$list" /var/lib/apt/lists/*
"#;

/// Packs the root as what a kernel unpacks; runs inside it. What nobody reads
/// there stays out, and servers start when a test wants them.
const PACKING: &str = r"
cd /
systemctl disable nginx php8.2-fpm postfix dovecot
rm -f /usr/sbin/policy-rc.d
rm -rf /var/cache/apt /usr/share/locale
find . -xdev -path ./guest.cpio -prune -o -path ./proc/\* -prune -o -print0 |
    cpio --null --create --format=newc --quiet > /guest.cpio
";

/// Where all this stands.
fn folder() -> PathBuf {
    workspace::setup().join("guest")
}

/// Finds or fetches all that `cargo xtask test --kernels` needs.
pub(super) fn find_or_make() -> Result<root::Found> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the kernels that are tested are those for x86_64");
    }
    apt::provide(&[("qemu-system-x86_64", "qemu-system-x86")])?;
    let stamp = folder().join("contents");
    let contents = format!("{ROOT_SUITE}\n{}\n{KERNELS:?}\n", GUEST_PACKAGES.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|text| text == contents) {
        return Ok(root::Found::Before);
    }
    root::remove(&[&folder()])?;
    fs::create_dir_all(folder())?;
    let system = folder().join("root");
    root::debootstrap(&system, "guest-debootstrap")?;
    say(&format!("installing in the guest: {}", GUEST_PACKAGES.join(" ")));
    root::install(&system, GUEST_PACKAGES, "guest-packages")?;
    for kernel in KERNELS {
        fetch(kernel, &system).with_context(|| format!("Linux {}", kernel.series))?;
    }
    root::inside(&system, PACKING, &[], PACK, "guest-packing")?;
    Step::as_root("mv", PACK)?.args([system.join("guest.cpio"), folder()]).output()?;
    root::remove(&[&system])?;
    fs::write(&stamp, contents)?;
    Ok(root::Found::Made)
}

/// Fetches a kernel, keeps it beside the guest and puts its modules in there.
fn fetch(kernel: &Kernel, system: &Path) -> Result<()> {
    say(&format!("fetching Linux {} of {}", kernel.series, kernel.suite));
    let name = format!("kernel-{}", kernel.series);
    root::inside(system, DOWNLOAD, &[root::MIRROR, kernel.suite], FETCH, &name)?;
    let unpacked = folder().join("unpacked");
    let package = only(&system.join("kernel"))?;
    Step::new("dpkg-deb", PACK).args(["--extract"]).args([&package, &unpacked]).output()?;

    let modules = only(&unpacked.join("lib/modules"))?;
    let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ensure!(release.starts_with(kernel.series), "{} has Linux {release}", kernel.suite);
    let to = system.join("usr/lib/modules").join(&release);
    // Newer kernels have theirs compressed.
    let named =
        MODULES.iter().flat_map(|name| ["", ".xz", ".zst"].map(|end| format!("{name}{end}")));
    let wanted: Vec<String> = named.filter(|name| modules.join(name).exists()).collect();
    Step::as_root("mkdir", PACK)?.args(["--parents"]).args([&to]).output()?;
    Step::as_root("tar", PACK)?
        .args(["--directory"])
        .args([&modules])
        .args(["--create", "--file"])
        .args([to.join("modules.tar")])
        .args(wanted)
        .output()?;
    Step::as_root("tar", PACK)?
        .args(["--no-same-owner", "--directory"])
        .args([&to])
        .args(["--extract", "--file"])
        .args([to.join("modules.tar")])
        .output()?;
    root::remove(&[&to.join("modules.tar")])?;
    root::inside(system, r#"depmod "$1""#, &[&release], PACK, "guest-depmod")?;

    fs::rename(
        unpacked.join("boot").join(format!("vmlinuz-{release}")),
        folder().join(format!("linux-{}", kernel.series)),
    )?;
    root::remove(&[&system.join("kernel"), &unpacked])
}

/// The one entry of a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry?.path()),
        _ => bail!("not one file in {}", folder.display()),
    }
}
