//! dovecot, with one user and mails laid into the user's inbox.

use std::{fs, process::Child, time::Duration};

use anyhow::Result;

use super::START;
use crate::machine::{self, Machine};

const LOG: &str = "/var/log/dovecot.log";

const CONFIGURATION: &str = "\
protocols = imap
listen = *, ::
ssl = no
disable_plaintext_auth = no
log_path = /var/log/dovecot.log
first_valid_uid = 8
mail_location = maildir:/srv/mail/%u
passdb {
  driver = static
  args = password=sesame
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/srv/mail/%u
}
";

/// A running dovecot.
#[derive(Debug)]
pub struct Dovecot<'a> {
    _machine: &'a Machine,
    _process: Child,
}

impl<'a> Dovecot<'a> {
    /// The user.
    pub const USER: &'static str = "ursula";
    /// The user's password.
    pub const PASSWORD: &'static str = "sesame";

    /// Starts it with these mails in the user's inbox.
    pub fn start(machine: &'a Machine, mails: &[&[u8]]) -> Result<Self> {
        machine.write("/etc/dovecot/dovecot.conf", CONFIGURATION)?;
        let inbox = format!("/srv/mail/{}", Self::USER);
        for folder in ["cur", "new", "tmp"] {
            fs::create_dir_all(machine.path(&format!("{inbox}/{folder}")))?;
        }
        for (number, mail) in mails.iter().enumerate() {
            machine
                .write(&format!("{inbox}/new/{}.M{number}.host", 1_700_000_000 + number), mail)?;
        }
        let owner = ["-R", "mail:mail", &inbox];
        machine.run("chown", &owner, Duration::from_secs(10))?;
        let process = machine.start("dovecot", &["-F"], LOG)?;
        machine.wait_for_port(143, START).or_else(|error| machine::failed(machine, LOG, &error))?;
        Ok(Self { _machine: machine, _process: process })
    }
}
