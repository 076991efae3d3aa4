//! The service under systemd: traces by each hook, is as closed as its unit says,
//! reloads, is found out when it hangs, comes back when it is killed, names what
//! was taken from it, and stops.

use anyhow::{Context as _, Result, ensure};

use crate::{Case, package::INSTALL, vm::Vm};

/// What the service needs, as the kernel names it.
const CAPABILITIES: [&str; 3] = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"];

/// A service that has just been started, with the settings of the package; they
/// hold again when the script ends.
const SERVICE: &str = r#"
property() {
    systemctl show --property "$1" --value tracer
}
is() {
    [ "$(property "$1")" = "$2" ]
}
# What the service has said, wherever its settings send it.
said() {
    journalctl --unit tracer --output cat --no-pager
    cat /var/log/tracer/* 2> /dev/null || true
}
# Whether it has said something that often.
has_said() {
    said > /run/said
    [ "$(grep -c -e "$1" /run/said)" -ge "$2" ] || { tail -n 30 /run/said; false; }
}
# Its two processes.
processes() {
    main=$(property MainPID)
    worker=$(pgrep --parent "$main")
}
cp /etc/tracer/tracer.toml /run/settings
# Lines of the unit, over those of the package.
set_in_unit() {
    mkdir -p /run/systemd/system/tracer.service.d
    { echo '[Service]'; cat; } > /run/systemd/system/tracer.service.d/test.conf
    systemctl daemon-reload
}
as_packaged() {
    cp /run/settings /etc/tracer/tracer.toml
    rm -rf /run/systemd/system/tracer.service.d
    systemctl daemon-reload
    systemctl reset-failed tracer 2> /dev/null || true
}
trap as_packaged EXIT
systemctl reset-failed tracer
systemctl restart tracer
"#;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("service::traces_without_a_secret_in_the_journal", trace),
        Case::new("service::says_how_it_goes", status),
        Case::new("service::has_no_more_rights_than_it_needs", rights),
        Case::new("service::reloads::the_output", output),
        Case::new("service::reloads::the_settings", settings),
        Case::new("service::a_worker_that_hangs_is_replaced", watchdog),
        Case::new("service::comes_back_when_it_is_killed", killed),
    ];
    for hook in ["tc", "clsact", "xdp"] {
        cases.push(Case::new(format!("service::hooks::{hook}"), move |vm| by(vm, hook)));
    }
    for missing in CAPABILITIES {
        let name = format!("service::names_what_it_lacks::{}", missing.to_lowercase());
        cases.push(Case::new(name, move |vm| capability(vm, missing)));
    }
    for (name, unit, words) in [
        ("bpf_call", "SystemCallFilter=~bpf", "the kernel refuses BPF although"),
        (
            "netlink",
            "RestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX",
            "listening for interfaces: Address family not supported",
        ),
    ] {
        let name = format!("service::names_what_it_lacks::{name}");
        cases.push(Case::new(name, move |vm| {
            let said = lack(vm, unit)?;
            ensure!(said.contains(words), "{said}");
            Ok(())
        }));
    }
    cases
}

pub(crate) fn cases_of_ending() -> Vec<Case> {
    vec![Case::new("service::stopping_leaves_nothing", stop)]
}

/// Runs a script beside the service.
fn run(vm: &mut Vm, script: &str) -> Result<String> {
    vm.run(&format!("{INSTALL}{SERVICE}{script}"))
}

fn trace(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        "curl -sS -u user:canary 'http://127.0.0.1/first?token=canary' > /dev/null
        ip netns exec peer curl -sS -b session=canary http://10.1.0.1/second > /dev/null
        eventually has_said '127.0.0.1  HTTP  GET /first?token=' 1
        eventually has_said '10.1.0.1  HTTP  GET /second' 1
        eventually has_said 'HTTP/1.1 404' 2
        journalctl --no-pager > /run/journal
        systemctl status --no-pager tracer > /run/status
        grep -q 'GET /first' /run/journal
        never grep canary /run/journal /run/status",
    )?;
    Ok(())
}

/// What `systemctl status` shows are rates, and `tracer status` has a page of the
/// same run.
fn status(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        r#"is Type notify
        has_rates() {
            curl -sS 'http://127.0.0.1/[1-20]' > /dev/null
            property StatusText | grep -E '^[1-9][0-9]* packets/s, [1-9][0-9]* events/s, '
        }
        eventually has_rates
        processes
        tracer status /run/tracer/metrics.sock > /run/page
        grep -e "process $worker" /run/page"#,
    )?;
    Ok(())
}

/// By a hook other than the usual one as well: loads, attaches, traces `lo` and a
/// veth, and detaches.
fn by(vm: &mut Vm, hook: &str) -> Result<()> {
    let said = run(
        vm,
        &format!(
            r#"echo 'hook = "{hook}"' >> /etc/tracer/tracer.toml
            since=$(date '+%s.%N')
            systemctl restart tracer
            curl -sS http://127.0.0.1/{hook}-lo > /dev/null
            ip netns exec peer curl -sS http://10.1.0.1/{hook}-veth > /dev/null
            eventually has_said '127.0.0.1  HTTP  GET /{hook}-lo' 1
            eventually has_said '10.1.0.1  HTTP  GET /{hook}-veth' 1
            journalctl --unit tracer --output cat --no-pager --since "@$since" --grep ready:
            systemctl stop tracer
            systemctl show --property ActiveState,Result,ExecMainCode,ExecMainStatus tracer
            journalctl --unit tracer --output cat --no-pager --lines 12
            is Result success
            eventually state_is /run/state.before"#
        ),
    )?;
    let tc = if hook != "clsact" && vm.is_since(6, 6) { "TCX" } else { "clsact" };
    let incoming = if hook == "xdp" { "native XDP" } else { tc };
    ensure!(said.contains(&format!("lo ({tc} egress)")), "{said}");
    ensure!(said.contains(&format!("veth0 ({incoming} ingress, {tc} egress)")), "{said}");
    Ok(())
}

/// One process has three capabilities and the other none; neither is root, may
/// win new ones, or leaves a core dump. systemd knows every line of the unit, and
/// finds little exposed.
fn rights(vm: &mut Vm) -> Result<()> {
    let said = run(
        vm,
        "processes
        for process in $main $worker; do
            grep -e '^Uid:' -e '^Cap' -e '^NoNewPrivs:' -e '^Seccomp:' /proc/$process/status
            grep '^Max core file size  *0  *0  *bytes' /proc/$process/limits
        done
        systemd-analyze verify --man=no tracer.service > /run/verified 2>&1
        never grep tracer /run/verified
        # In tenths.
        systemd-analyze security --no-pager --threshold=20 tracer.service > /run/exposure
        grep '^.*Overall exposure level for tracer.service: ' /run/exposure",
    )?;
    let values = |name: &str| -> Vec<&str> {
        let lines = said.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.filter_map(|line| line.split_whitespace().next()).collect()
    };
    let (needed, none) = ("000000c000001000", "0000000000000000");
    for (name, expected) in [
        ("CapEff", [needed, none]),
        ("CapPrm", [needed, none]),
        ("CapInh", [needed, none]),
        ("CapAmb", [needed, none]),
        ("CapBnd", [needed, needed]),
        ("NoNewPrivs", ["1", "1"]),
        ("Seccomp", ["2", "2"]),
    ] {
        ensure!(values(name) == expected, "{name}: {said}");
    }
    ensure!(values("Uid").len() == 2 && !values("Uid").contains(&"0"), "{said}");
    Ok(())
}

/// As logrotate does it: the service opens its file anew, and goes on as it was.
fn output(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        r#"output=/var/log/tracer/events.json
        printf 'output = "%s"\nformat = "json"\n' $output >> /etc/tracer/tracer.toml
        systemctl restart tracer
        curl -sS http://127.0.0.1/before > /dev/null
        eventually grep -q /before $output
        before=$(property MainPID)
        mv $output $output.1
        systemctl reload tracer
        eventually test -e $output
        curl -sS http://127.0.0.1/after > /dev/null
        eventually grep -q /after $output
        never grep /before $output
        never grep /after $output.1
        is MainPID $before
        is ActiveState active"#,
    )?;
    Ok(())
}

/// Another port is traced from then on, by the same process; settings that make
/// no sense change nothing, and the line is named.
fn settings(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        r#"before=$(property MainPID)
        curl -sS http://127.0.0.1:8080/too-early > /dev/null
        echo 'port.http = [80, 8080]' >> /etc/tracer/tracer.toml
        systemctl reload tracer
        reached() {
            curl -sS http://127.0.0.1:8080/other-port > /dev/null
            has_said 'GET /other-port' 1
        }
        eventually reached
        never grep -e /too-early /run/said
        echo 'port.http = "eighty"' > /etc/tracer/tracer.toml
        systemctl reload tracer
        eventually has_said '/etc/tracer/tracer.toml:1' 1
        curl -sS http://127.0.0.1:8080/still > /dev/null
        eventually has_said 'GET /still' 1
        is MainPID $before
        is ActiveState active
        # As before for what comes after.
        as_packaged
        systemctl reload tracer"#,
    )?;
    Ok(())
}

/// The watchdog of systemd finds out that one process does nothing any more.
fn watchdog(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        "echo WatchdogSec=8 | set_in_unit
        systemctl restart tracer
        # It lives, although that takes longer than the watchdog waits.
        sleep 12
        is NRestarts 0
        processes
        kill -STOP $worker
        eventually is NRestarts 1
        eventually is ActiveState active
        never kill -0 $main
        never kill -0 $worker
        eventually has_said 'Watchdog timeout' 1
        curl -sS http://127.0.0.1/revived > /dev/null
        eventually has_said 'GET /revived' 1",
    )?;
    Ok(())
}

/// What a killed service leaves in the kernel goes with the next one.
fn killed(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        "count=$(programs | wc -l)
        [ $count != 0 ]
        processes
        kill -KILL $main
        eventually is NRestarts 1
        eventually is ActiveState active
        never test -e /proc/$worker
        curl -sS http://127.0.0.1/again > /dev/null
        eventually has_said 'GET /again' 1
        as_many() {
            [ $(programs | wc -l) = $count ]
        }
        eventually as_many
        systemctl stop tracer
        eventually state_is /run/state.before",
    )?;
    Ok(())
}

/// Without one of the three it ends, and says which, and no other.
fn capability(vm: &mut Vm, missing: &str) -> Result<()> {
    let others: Vec<&str> = CAPABILITIES.into_iter().filter(|name| *name != missing).collect();
    let unit: Vec<String> = ["CapabilityBoundingSet", "AmbientCapabilities"]
        .iter()
        .map(|key| format!("{key}=\n{key}={}\n", others.join(" ")))
        .collect();
    let said = lack(vm, &unit.concat())?;
    let named = said.lines().find_map(|line| line.split_once("error: missing "));
    let (_, named) = named.with_context(|| said.clone())?;
    let (named, _) = named.split_once(". ").unwrap_or((named, ""));
    ensure!(named.starts_with(missing), "{said}");
    ensure!(!others.iter().any(|other| named.contains(other)), "{said}");
    Ok(())
}

/// What the service says that lacks something: the unit is to be such that it
/// cannot run.
fn lack(vm: &mut Vm, unit: &str) -> Result<String> {
    run(
        vm,
        &format!(
            "printf '%s\\n' 'Restart=no' '{unit}' | set_in_unit
            since=$(date '+%s.%N')
            never systemctl restart tracer
            is ActiveState failed
            is Result exit-code
            is ExecMainStatus 1
            journalctl --unit tracer --output cat --no-pager --since \"@$since\"
            systemctl stop tracer
            eventually state_is /run/state.before"
        ),
    )
}

/// Stopped it is stopped, not failed, also while there is traffic; nothing of
/// it is in the kernel any more.
fn stop(vm: &mut Vm) -> Result<()> {
    run(
        vm,
        "while :; do curl -sS http://127.0.0.1/ > /dev/null; done &
        traffic=$!
        for _ in 1 2 3; do
            systemctl start tracer
            processes
            never state_is /run/state.before > /run/while
            [ -n \"$(programs)\" ]
            systemctl stop tracer
            systemctl show --property ActiveState,Result,ExecMainStatus tracer
            journalctl --unit tracer --output cat --no-pager --lines 6
            is ActiveState inactive
            is Result success
            is ExecMainStatus 0
            never kill -0 $main
            never kill -0 $worker
            eventually state_is /run/state.before
        done
        kill $traffic",
    )?;
    Ok(())
}
