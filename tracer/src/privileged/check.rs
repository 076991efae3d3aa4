//! `tracer check`: what this host allows, in words, and what to do about each
//! "no".

use std::{
    fmt::{self, Write as _},
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use aya::programs::loaded_programs;

use super::{
    attach::Attachments,
    capabilities::{self, HOW_TO_GET_THEM, NEEDED},
    clsact,
    load::{OLDEST_KERNEL_TEXT, Object, is_too_old},
    netlink::{Direction, Link, Requests},
    tcx,
};
use crate::{cli::Hook, config::Config, confine::Sandbox, selection::Directions};

/// Drivers known to have XDP of their own; others get the kernel's generic
/// one. The list only serves this page: attaching tries.
const NATIVE_XDP: [&str; 24] = [
    "atlantic",
    "bnxt_en",
    "bonding",
    "cpsw",
    "dpaa2-eth",
    "ena",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mlx4_en",
    "mlx5_core",
    "mvneta",
    "mvpp2",
    "nfp",
    "qede",
    "sfc",
    "stmmac",
    "veth",
    "virtio_net",
];

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// Neither good nor bad, but good to know.
    Note,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Yes => "yes",
            Self::No => "NO",
            Self::Note => "note",
        })
    }
}

/// The page that is printed.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn say(&mut self, answer: Answer, subject: &str, words: impl fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{answer:<5}{subject}: {words}");
    }

    /// What to do about the line before.
    fn advise(&mut self, words: impl fmt::Display) {
        let _ = writeln!(self.text, "       -> {words}");
    }
}

/// Says on the standard output what this host allows. The status tells
/// whether live tracing would work.
pub fn check(config: &Config) -> ExitCode {
    let mut page = Page::default();
    let kernel = kernel(&mut page);
    host(&mut page);
    sandbox(&mut page);
    let privileged = privileges(&mut page);
    let object = if privileged { load(&mut page, config) } else { None };
    let loaded = object.is_some();
    if !privileged {
        page.say(Answer::Note, "programs", "not tried, without the privileges for it");
    }
    let traceable = interfaces(&mut page, object);
    let works = kernel && loaded && traceable;
    let verdict = if works { "works here" } else { "does not work here as this user" };
    page.say(if works { Answer::Yes } else { Answer::No }, "live tracing", verdict);
    page.say(Answer::Yes, "capture files", "tracer read works everywhere, without privileges");
    // A reader that went away has seen enough.
    let _ = io::stdout().write_all(page.text.as_bytes());
    if works { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kernel(page: &mut Page) -> bool {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned());
    if is_too_old() {
        page.say(Answer::No, "kernel", format_args!("Linux {release}"));
        page.advise(format_args!("boot Linux {OLDEST_KERNEL_TEXT} or later"));
        return false;
    }
    let words = format_args!("Linux {release} (needed is {OLDEST_KERNEL_TEXT} or later)");
    page.say(Answer::Yes, "kernel", words);
    true
}

/// What matters little, but is the first question in every report.
fn host(page: &mut Page) {
    if fs::exists("/sys/kernel/btf/vmlinux").unwrap_or(false) {
        page.say(Answer::Yes, "BTF", "/sys/kernel/btf/vmlinux is there");
    } else {
        page.say(Answer::Note, "BTF", "the kernel has none; tracer's programs do without");
    }
    let words = match read("/proc/sys/kernel/unprivileged_bpf_disabled").as_deref() {
        Some("0") => "allowed to everybody (kernel.unprivileged_bpf_disabled=0); 2 is safer",
        Some(_) => "off, as it should be",
        None => "not told by this kernel",
    };
    page.say(Answer::Note, "unprivileged BPF", words);
    if let Some(jit) = read("/proc/sys/net/core/bpf_jit_enable").filter(|jit| jit == "0") {
        page.say(Answer::Note, "BPF compiler", format_args!("off (net.core.bpf_jit_enable={jit})"));
        page.advise("sysctl net.core.bpf_jit_enable=1 makes every program several times faster");
    }
}

/// What what decodes is confined with, beside having no privileges.
fn sandbox(page: &mut Page) {
    let sandbox = Sandbox::of_this_kernel();
    let is_whole = sandbox.has_seccomp && sandbox.landlock.is_some();
    let answer = if is_whole { Answer::Yes } else { Answer::Note };
    page.say(answer, "sandbox", sandbox);
}

fn privileges(page: &mut Page) -> bool {
    let held = match capabilities::Set::effective() {
        Ok(held) => held,
        Err(error) => {
            page.say(Answer::No, "capabilities", format_args!("/proc does not tell: {error}"));
            return false;
        }
    };
    for capability in NEEDED {
        let answer = if held.has(capability) { Answer::Yes } else { Answer::No };
        page.say(answer, capability.name, capability.purpose);
    }
    let complete = held.missing().is_empty();
    if !complete {
        page.advise(HOW_TO_GET_THEM);
    }
    complete
}

fn load(page: &mut Page, config: &Config) -> Option<Object> {
    let mut config = config.clone();
    config.live.process = true;
    match Object::load(&config, false, true) {
        Ok(object) => {
            page.say(Answer::Yes, "programs", "loaded; the verifier takes all of them");
            match &object.way {
                Some(Ok(way)) => page.say(Answer::Yes, "processes", way),
                Some(Err(error)) => {
                    let words = format_args!("--process names none here: {error}");
                    page.say(Answer::Note, "processes", words);
                }
                None => {}
            }
            Some(object)
        }
        Err(error) => {
            page.say(Answer::No, "programs", error);
            None
        }
    }
}

/// Each interface, and whether there is one to trace.
fn interfaces(page: &mut Page, object: Option<Object>) -> bool {
    let links = Requests::open().and_then(|mut requests| Ok((requests.links()?, requests)));
    let (links, requests) = match links {
        Ok(links) => links,
        Err(error) => {
            page.say(Answer::No, "interfaces", format_args!("they cannot be listed: {error}"));
            return false;
        }
    };
    let tcx = links.first().map(|link| tcx::is_supported(link.index));
    let tcx = match tcx {
        Some(Ok(true)) => {
            page.say(Answer::Yes, "hook", "TCX, before all other programs");
            true
        }
        Some(Ok(false)) => {
            let words = "no TCX before Linux 6.6; clsact filters, which stop working within two \
                         seconds of a kill -9 and are removed at the next start";
            page.say(Answer::Note, "hook", words);
            false
        }
        _ => {
            page.say(Answer::Note, "hook", "TCX or clsact: not to be told without CAP_NET_ADMIN");
            false
        }
    };
    let mut attachments = object.and_then(|object| {
        let hook = if tcx { Hook::Tc } else { Hook::Clsact };
        Attachments::new(object, requests, (hook, Directions::Both), tcx).ok()
    });
    let mut any = false;
    for link in &links {
        any |= interface(page, link, attachments.as_mut(), tcx);
    }
    any
}

fn interface(
    page: &mut Page,
    link: &Link,
    attachments: Option<&mut Attachments>,
    tcx: bool,
) -> bool {
    let subject = format!("interface {}", link.name);
    if link.framing().is_none() {
        let words = format_args!(
            "hardware type {}: its packets begin with neither an Ethernet nor an IP header",
            link.hardware
        );
        page.say(Answer::No, &subject, words);
        page.advise("trace the device above or below it");
        return false;
    }
    let down = if link.up { "" } else { "; it is down, and traced only when named by -i" };
    let xdp = xdp(link);
    let others = attachments.as_ref().map_or_else(Vec::new, |_| others(link, tcx));
    // A moment on TCX disturbs nobody; a qdisc would be seen by others.
    let tried = attachments.filter(|_| tcx).map(|attachments| attachments.probe(link));
    let traceable = match tried {
        Some(Ok(ways)) => {
            page.say(Answer::Yes, &subject, format_args!("{ways}; {xdp}{down}"));
            true
        }
        Some(Err(error)) => {
            page.say(Answer::No, &subject, format_args!("{error}; {xdp}{down}"));
            false
        }
        None => {
            page.say(Answer::Note, &subject, format_args!("TC not tried; {xdp}{down}"));
            true
        }
    };
    for other in others {
        page.advise(other);
    }
    traceable
}

/// What is known of XDP on an interface without trying, which would disturb
/// it.
fn xdp(link: &Link) -> String {
    if link.loopback {
        return "no XDP on the loopback".to_owned();
    }
    if let Some(program) = link.xdp {
        return format!("XDP taken by program {program}{}", name(program));
    }
    let path = format!("/sys/class/net/{}/device/driver", link.name);
    let driver = fs::read_link(path)
        .ok()
        .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    match driver.unwrap_or_else(|| link.kind.clone()) {
        driver if NATIVE_XDP.contains(&driver.as_str()) => {
            format!("XDP by its driver ({driver})")
        }
        driver if driver.is_empty() => "XDP generic".to_owned(),
        driver => format!("XDP generic, as far as is known ({driver})"),
    }
}

/// Programs and filters of others on an interface.
fn others(link: &Link, tcx: bool) -> Vec<String> {
    let mut others = Vec::new();
    if let Some(program) = link.xdp {
        let name = name(program);
        others.push(format!(
            "XDP program {program}{name} is not tracer's: what it drops or redirects is not seen"
        ));
    }
    let mut requests = Requests::open().ok();
    for direction in Direction::ALL {
        let where_ = direction.name();
        for program in tcx::programs(link.index, direction).unwrap_or_default() {
            let name = name(program);
            others.push(format!("TCX {where_} program {program}{name}: tracer goes before it"));
        }
        let filters = requests.as_mut().map(|requests| requests.filters(link.index, direction));
        for filter in filters.and_then(Result::ok).unwrap_or_default() {
            let (kind, priority) = (&filter.kind, filter.priority());
            let words = if clsact::is_tracers(&filter) {
                "another tracer's, or left by one that was killed, which the next start removes"
            } else if tcx || priority > 1 || kind == "bpf" {
                "tracer goes before it"
            } else {
                "goes before tracer: what it drops or redirects is not seen"
            };
            others.push(format!(
                "clsact {where_} filter ({kind}, priority {priority}) {}: {words}",
                filter.name
            ));
        }
    }
    others
}

/// The name of a program, in brackets; nothing where that takes a privilege
/// that this process does not have.
fn name(program: u32) -> String {
    loaded_programs()
        .filter_map(Result::ok)
        .find(|info| info.id() == program)
        .and_then(|info| info.name_as_str().map(|name| format!(" ({name})")))
        .unwrap_or_default()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
