//! The packaged program on other kernels: each boots in a virtual machine, with
//! a Debian whose init is systemd, and runs what its tests ask for one after
//! another. `cargo xtask test --kernels` sets up what this needs, and says by
//! `TRACER_PACKAGE` which .deb is tested; without it there are no tests here.

mod archive;
mod hooks;
mod package;
mod service;
mod vm;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use libtest_mimic::{Arguments, Trial};
use tests::host;
use vm::Vm;

/// How the files of kernels begin; their version follows.
const KERNEL: &str = "linux-";

/// What a test does in a machine.
type Run = Box<dyn Fn(&mut Vm) -> Result<()> + Send>;

/// A test on every kernel.
struct Case {
    name: String,
    run: Run,
}

impl Case {
    fn new(name: impl Into<String>, run: impl Fn(&mut Vm) -> Result<()> + Send + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// A machine that was booted; `None` where it did not come up.
struct Machine {
    kernel: String,
    vm: Option<Vm>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // In their order: a machine is used by all tests of its kernel.
    arguments.test_threads = Some(1);
    let trials = match env::var_os("TRACER_PACKAGE") {
        None => Vec::new(),
        Some(package) => trials(Path::new(&package)).unwrap_or_else(|error| {
            vec![Trial::test("kernels", move || Err(format!("{error:#}").into()))]
        }),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The tests, kernel by kernel.
fn trials(package: &Path) -> Result<Vec<Trial>> {
    // One alone, because each takes a whole core.
    let machine = Arc::new(Mutex::new(None));
    let mut trials = Vec::new();
    for kernel in kernels()? {
        let cases = [
            hooks::cases(),
            package::cases_of_installing(),
            service::cases(),
            service::cases_of_ending(),
            package::cases_of_removing(),
        ];
        for case in cases.into_iter().flatten() {
            let (machine, kernel, package) =
                (Arc::clone(&machine), kernel.clone(), package.to_path_buf());
            let name = format!("linux_{}::{}", kernel.replace('.', "_"), case.name);
            trials.push(Trial::test(name, move || {
                let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
                let done = on(&mut machine, &kernel, &package).and_then(|vm| (case.run)(vm));
                done.map_err(|error| format!("{error:#}").into())
            }));
        }
    }
    Ok(trials)
}

/// Versions of the kernels that set-up has fetched.
fn kernels() -> Result<Vec<String>> {
    let folder = guest();
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut kernels: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix(KERNEL).map(str::to_owned))
        .collect();
    kernels.sort();
    Ok(kernels)
}

/// Where set-up keeps them, and the Debian that they boot.
fn guest() -> PathBuf {
    host::workspace().join("target/setup/guest")
}

/// The machine with this kernel, booted in place of another. One that does not
/// come up is not tried again.
fn on<'a>(machine: &'a mut Option<Machine>, kernel: &str, package: &Path) -> Result<&'a mut Vm> {
    if machine.as_ref().is_none_or(|machine| machine.kernel != kernel) {
        // The other one ends before this one begins.
        *machine = None;
        let booted = Vm::boot(kernel, package);
        let (vm, failed) = match booted {
            Ok(vm) => (Some(vm), None),
            Err(error) => (None, Some(error)),
        };
        *machine = Some(Machine { kernel: kernel.to_owned(), vm });
        if let Some(error) = failed {
            return Err(error.context(format!("Linux {kernel}")));
        }
    }
    let vm = machine.as_mut().and_then(|machine| machine.vm.as_mut());
    vm.with_context(|| format!("Linux {kernel} did not come up, as the first test says"))
}
