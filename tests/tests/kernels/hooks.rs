//! Each hook: loads, attaches, traces an exchange of a real server and client,
//! detaches, and leaves nothing.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    live::{number, text},
    schema,
};

use crate::{Case, vm::Vm};

/// Traces one exchange; `$DEVICE`, `$HOOK`, and `$CLIENT` with the address.
/// Events are printed, then what was said on stderr.
const TRACE: &str = r#"
state > /run/before
: > /run/said
/opt/tracer/usr/bin/tracer live --config none --format json -i "$DEVICE" --hook "$HOOK" \
    > /run/events 2> /run/said &
tracer=$!
is_ready() {
    kill -0 $tracer && grep -q ready: /run/said
}
eventually is_ready
never state_is /run/before > /run/while
$CLIENT?token=canary > /run/page
kill -INT $tracer
wait $tracer
# The kernel lets go of programs a moment after their last user.
eventually state_is /run/before
never grep canary /run/events /run/said
cat /run/events
echo ---
cat /run/said
"#;

const LO: (&str, &str) = ("lo", "curl -sS http://127.0.0.1/");
const VETH: (&str, &str) = ("veth0", "ip netns exec peer curl -sS http://10.1.0.1/");

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("check", check)];
    for module in ["sch_ingress", "cls_bpf"] {
        let name = format!("hooks::clsact::without_{module}");
        cases.push(Case::new(name, move |vm| lack(vm, module)));
    }
    for hook in ["tc", "clsact", "xdp"] {
        for (name, link) in [("lo", LO), ("veth", VETH)] {
            cases
                .push(Case::new(format!("hooks::{hook}::{name}"), move |vm| trace(vm, hook, link)));
        }
    }
    cases
}

/// `tracer check` finds nothing missing, and knows what this kernel has.
fn check(vm: &mut Vm) -> Result<()> {
    let page = vm.run("/opt/tracer/usr/bin/tracer check --config none")?;
    ensure!(!page.lines().any(|line| line.starts_with("NO")), "{page}");
    let (hook, sandbox) = if vm.is_since(6, 6) {
        ("yes  hook: TCX", "yes  sandbox: seccomp and Landlock 6")
    } else {
        ("note hook: no TCX", "yes  sandbox: seccomp and Landlock 2 (")
    };
    for words in ["yes  kernel: Linux ", "yes  BTF: ", "yes  programs: ", hook, sandbox] {
        ensure!(page.lines().any(|line| line.starts_with(words)), "{words}\n{page}");
    }
    // Type information is no need.
    let page = vm.run(
        "unshare --mount sh -euc '
            mount -t tmpfs none /sys/kernel/btf
            /opt/tracer/usr/bin/tracer check --config none'",
    )?;
    for words in ["note BTF: the kernel has none", "yes  programs: loaded", "yes  live tracing: "] {
        ensure!(page.lines().any(|line| line.starts_with(words)), "{words}\n{page}");
    }
    Ok(())
}

/// Where the kernel's module is not installed, it is named, and nothing is left.
fn lack(vm: &mut Vm, module: &str) -> Result<()> {
    let said = vm.run(&format!(
        "trap 'rm -f /run/modprobe.d/lack.conf' EXIT
        eventually unload
        mkdir -p /run/modprobe.d
        echo 'install {module} /bin/false' > /run/modprobe.d/lack.conf
        state > /run/before
        never /opt/tracer/usr/bin/tracer live --config none -i lo -i veth0 --hook clsact
        eventually state_is /run/before"
    ))?;
    let named = said.lines().find(|line| line.starts_with("tracer: error: "));
    ensure!(
        named.is_some_and(|line| line.contains(&format!("module {module} is not there"))),
        "{said}"
    );
    Ok(())
}

fn trace(vm: &mut Vm, hook: &str, (device, client): (&str, &str)) -> Result<()> {
    let variables = format!("DEVICE={device}\nHOOK={hook}\nCLIENT='{client}'\n");
    let said = vm.run(&(variables + TRACE))?;
    let (events, log) = said.split_once("---\n").with_context(|| said.clone())?;
    let ready = log.lines().find(|line| line.contains("ready:")).context("not ready")?;
    let tc = if hook != "clsact" && vm.is_since(6, 6) { "TCX" } else { "clsact" };
    ensure!(ready.contains(tc), "{ready}");
    // No XDP on the loopback.
    ensure!(ready.contains("XDP") == (hook == "xdp" && device != "lo"), "{ready}");

    let events: Vec<Value> = events.lines().map(schema::event).collect::<Result<_>>()?;
    let of = |action: &str| {
        let found = events.iter().find(|event| text(event, "/event/action") == action);
        found.with_context(|| format!("no {action}\n{said}"))
    };
    ensure!(text(of("http-request")?, "/http/request/method") == "GET", "{said}");
    let code = number(of("http-response")?, "/http/response/status_code");
    ensure!(code == Some(200), "{said}");
    for odd in ["gap", "anomaly"] {
        ensure!(of(odd).is_err(), "{said}");
    }
    let stats = events.iter().rfind(|event| text(event, "/event/action") == "stats");
    let stats = stats.with_context(|| format!("no stats\n{said}"))?;
    let count = |name: &str| number(stats, &format!("/tracer/{name}"));
    ensure!(count("copied").is_some_and(|copied| copied >= 2), "{stats}");
    ensure!(count("lost/ring_full") == Some(0) && count("lost/unreadable") == Some(0), "{stats}");
    Ok(())
}
