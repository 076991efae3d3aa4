//! dovecot, with one user, mails laid into its folder, and its own record of
//! what went over the wire.

use std::{fs, process::Child, time::Duration};

use anyhow::Result;

use super::START;
use crate::machine::{self, Machine};

const LOG: &str = "/var/log/dovecot.log";
const RAW_LOGS: &str = "/srv/rawlog";

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
protocol imap {
  rawlog_dir = /srv/rawlog
}
";

/// A running dovecot.
#[derive(Debug)]
pub struct Dovecot<'a> {
    machine: &'a Machine,
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
        fs::create_dir_all(machine.path(RAW_LOGS))?;
        let owner = ["-R", "mail:mail", &inbox, RAW_LOGS];
        machine.run("chown", &owner, Duration::from_secs(10))?;
        let process = machine.start("dovecot", &["-F"], LOG)?;
        machine.wait_for_port(143, START).or_else(|error| machine::failed(machine, LOG, &error))?;
        Ok(Self { machine, _process: process })
    }

    /// What dovecot read from clients once they were logged in, connection by
    /// connection, each line behind the time at which it came.
    pub fn received(&self) -> Result<Vec<String>> {
        self.raw_logs("in")
    }

    /// What dovecot wrote to clients once they were logged in.
    pub fn sent(&self) -> Result<Vec<String>> {
        self.raw_logs("out")
    }

    fn raw_logs(&self, extension: &str) -> Result<Vec<String>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.machine.path(RAW_LOGS))? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
        files.sort();
        let read = |path| Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned());
        files.into_iter().map(read).collect()
    }
}
