//! The package: installing it starts a service, removing it leaves the settings,
//! and purging it nothing.

use anyhow::{Result, ensure};

use crate::{Case, vm::Vm};

/// Installs it unless it is, so that each test can run alone, and writes down
/// what was there before. All files count but what the system and the servers
/// write by themselves, and dpkg's own.
pub(crate) const INSTALL: &str = r"
files() {
    find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /opt/tracer \
        -o -path /var/log/journal -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/tmp \
        -o -path /var/lib/systemd/timers -o -path /var/log/private -o -path /var/lib/private \
        -o -path /var/spool -o -path /var/lib/postfix -o -path /var/lib/dovecot \
        -o -path /var/lib/php -o -path /srv \
        \) -prune -o -print | sort
}
if ! [ -e /run/files.before ]; then
    files > /run/files.before
    state > /run/state.before
    dpkg --install $PACKAGE
fi
";

pub(crate) fn cases_of_installing() -> Vec<Case> {
    vec![
        Case::new("package::installing_starts_the_service", install),
        Case::new("package::installing_again_restarts_the_service", upgrade),
    ]
}

pub(crate) fn cases_of_removing() -> Vec<Case> {
    vec![
        Case::new("package::removing_leaves_the_settings_alone", remove),
        Case::new("package::purging_leaves_nothing", purge),
    ]
}

/// dpkg waits for the service to be ready, and the service for nothing.
fn install(vm: &mut Vm) -> Result<()> {
    let said = vm.run(&format!(
        "# The kernel loads what it needs by itself, although the service may not.
        eventually unload
        {INSTALL}
        systemctl is-enabled tracer
        systemctl is-active tracer
        [ $(systemctl show --property NRestarts --value tracer) = 0 ]
        systemctl show --property StatusText --value tracer > /run/status
        grep -e '^tracing ' -e ' packets' /run/status
        # Whoever installs it can read about it, and complete its commands.
        ls /usr/share/man/man1/tracer.1.gz /usr/share/man/man1/tracer-read.1.gz
        ls /usr/share/bash-completion/completions/tracer
        tracer --version
        journalctl --unit tracer --output cat --no-pager --grep ready:"
    ))?;
    let tc = if vm.is_since(6, 6) { "TCX" } else { "clsact" };
    for interface in [format!("lo ({tc} egress)"), format!("veth0 ({tc} ingress, {tc} egress)")] {
        ensure!(said.contains(&interface), "{said}");
    }
    Ok(())
}

fn upgrade(vm: &mut Vm) -> Result<()> {
    vm.run(&format!(
        "{INSTALL}
        before=$(systemctl show --property MainPID --value tracer)
        [ $before != 0 ]
        dpkg --install $PACKAGE
        systemctl is-active tracer
        never test $(systemctl show --property MainPID --value tracer) = $before"
    ))?;
    Ok(())
}

fn remove(vm: &mut Vm) -> Result<()> {
    vm.run(&format!(
        "{INSTALL}
        systemctl start tracer
        dpkg --remove tracer
        never pidof tracer
        never systemctl cat tracer
        never test -e /run/tracer
        eventually state_is /run/state.before
        files > /run/files.removed
        # Settings are the operator's, and what the service wrote.
        sed '\\,^/var/log/tracer,d' /run/files.removed > /run/files.others
        printf '/etc/tracer\\n/etc/tracer/tracer.toml\\n' |
            sort --merge - /run/files.before | diff - /run/files.others"
    ))?;
    Ok(())
}

fn purge(vm: &mut Vm) -> Result<()> {
    vm.run(&format!(
        "{INSTALL}
        mkdir -p /var/log/private/tracer
        dpkg --purge tracer
        files > /run/files.purged
        diff /run/files.before /run/files.purged
        never ls -d /var/log/private/tracer /var/lib/private/tracer
        never dpkg-query --show tracer
        never systemctl cat tracer
        never pidof tracer
        eventually state_is /run/state.before"
    ))?;
    Ok(())
}
