//! postfix, which takes any mail, logs it, and throws it away.

use std::{process::Child, time::Duration};

use anyhow::Result;

use super::START;
use crate::{
    machine::{self, Machine},
    wait,
};

const LOG: &str = "/var/log/postfix.log";
const START_LOG: &str = "/var/log/postfix-start.log";

const MAIN: &str = "\
compatibility_level = 3.6
myhostname = mail.example.test
mydestination = example.test
inet_interfaces = all
inet_protocols = all
mynetworks = 0.0.0.0/0 [::]/0
maillog_file = /var/log/postfix.log
maillog_file_prefixes = /var
local_transport = discard:
default_transport = discard:
local_recipient_maps =
alias_maps =
alias_database =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_tls_security_level = none
smtpd_recipient_restrictions = permit_mynetworks reject
smtpd_relay_restrictions = permit_mynetworks reject
smtpd_client_connection_rate_limit = 0
";

/// Services without a chroot of their own: they are in one already.
const MASTER: &str = "\
smtp      inet  n - n -     - smtpd
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
proxymap  unix  - - n -     - proxymap
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
anvil     unix  - - n -     1 anvil
postlog   unix-dgram n - n - 1 postlogd
";

/// A running postfix.
#[derive(Debug)]
pub struct Postfix<'a> {
    machine: &'a Machine,
    _process: Child,
}

/// A mail that postfix took, from its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queued {
    /// Queue id.
    pub id: String,
    /// Message id, without its angle brackets.
    pub message_id: String,
    /// Envelope sender.
    pub from: String,
    /// Recipients, sorted: postfix delivers in an order of its own.
    pub to: Vec<String>,
}

impl<'a> Postfix<'a> {
    /// Starts it.
    pub fn start(machine: &'a Machine) -> Result<Self> {
        machine.write("/etc/postfix/main.cf", MAIN)?;
        machine.write("/etc/postfix/master.cf", MASTER)?;
        let process = machine.start("postfix", &["start-fg"], START_LOG)?;
        machine
            .wait_for_port(25, START)
            .or_else(|error| machine::failed(machine, START_LOG, &error))?;
        Ok(Self { machine, _process: process })
    }

    /// Waits until `count` mails went through, and returns all that did.
    pub fn mails(&self, count: usize) -> Result<Vec<Queued>> {
        let limit = Duration::from_secs(30);
        wait::until(&format!("{count} mails in postfix's log"), limit, || {
            let log = self.machine.read(LOG).unwrap_or_default();
            let gone = log.lines().filter(|line| line.ends_with(": removed")).count();
            Ok((gone >= count).then(|| queued(&log)))
        })
    }
}

/// Reads the mails out of a log, in the order in which they came.
fn queued(log: &str) -> Vec<Queued> {
    let mut mails: Vec<Queued> = Vec::new();
    for line in log.lines() {
        // `… host postfix/qmgr[7]: 4F1: from=<a@b>, size=3, nrcpt=1 (queue active)`
        let Some((_, rest)) = line.split_once("]: ") else { continue };
        let Some((id, rest)) = rest.split_once(": ") else { continue };
        if rest.starts_with("client=") {
            mails.push(Queued { id: id.to_owned(), ..Queued::default() });
            continue;
        }
        let Some(mail) = mails.iter_mut().find(|mail| mail.id == id) else { continue };
        if let Some(message_id) = address(rest, "message-id=<") {
            mail.message_id = message_id;
        } else if let Some(from) = address(rest, "from=<") {
            mail.from = from;
        } else if let Some(to) = address(rest, "to=<") {
            mail.to.push(to);
            mail.to.sort();
        }
    }
    mails
}

fn address(rest: &str, prefix: &str) -> Option<String> {
    let (address, _) = rest.strip_prefix(prefix)?.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_from_its_lines() {
        let log = "\
Nov 23 06:00:00 vm postfix/smtpd[9]: connect from unknown[10.77.0.1]
Nov 23 06:00:00 vm postfix/smtpd[9]: 4F1A: client=unknown[10.77.0.1]
Nov 23 06:00:00 vm postfix/cleanup[10]: 4F1A: message-id=<1@example.test>
Nov 23 06:00:00 vm postfix/qmgr[7]: 4F1A: from=<a@example.test>, size=300, nrcpt=2 (queue active)
Nov 23 06:00:00 vm postfix/discard[11]: 4F1A: to=<c@example.test>, relay=none, status=sent (x)
Nov 23 06:00:00 vm postfix/discard[11]: 4F1A: to=<b@example.test>, relay=none, status=sent (x)
Nov 23 06:00:00 vm postfix/qmgr[7]: 4F1A: removed
";
        let mail = Queued {
            id: "4F1A".into(),
            message_id: "1@example.test".into(),
            from: "a@example.test".into(),
            to: vec!["b@example.test".into(), "c@example.test".into()],
        };
        assert_eq!(queued(log), [mail]);
    }
}
