//! What clients do.

use std::time::Duration;

use anyhow::Result;
use tests::{
    server::Dovecot,
    topology::{Ip, Link, Topology},
};

/// Limit of what one client does.
const LIMIT: Duration = Duration::from_mins(1);

/// Where the tracer looks on: each link, and each hook on a veth pair, which
/// alone has them all.
pub(crate) fn places() -> impl Iterator<Item = (Link, &'static str)> {
    let links = [Link::Loopback, Link::Veth, Link::Bridge].map(|link| (link, "tc"));
    let hooks = ["xdp", "clsact"].map(|hook| (Link::Veth, hook));
    links.into_iter().chain(hooks).chain([(Link::Bridge, "xdp")])
}

/// The name of such a place.
pub(crate) fn place(link: Link, hook: &str) -> String {
    format!("{link:?}::{hook}").to_lowercase()
}

/// Fetches paths of the server one after another over one connection.
pub(crate) fn curl(topology: &Topology, ip: Ip, paths: &[&str]) -> Result<()> {
    let authority = topology.authority(ip);
    let urls: Vec<String> = paths.iter().map(|path| format!("http://{authority}{path}")).collect();
    let mut arguments = vec!["--silent", "--show-error", "--globoff", "--http1.1"];
    for url in &urls {
        arguments.extend(["--output", "/dev/null", url]);
    }
    topology.client().run("curl", &arguments, LIMIT)?;
    Ok(())
}

/// Hands the server one mail.
pub(crate) fn swaks(topology: &Topology, ip: Ip, more: &[&str]) -> Result<String> {
    let mut arguments = vec!["--server", topology.address(ip)];
    if ip == Ip::V6 {
        arguments.push("-6");
    }
    arguments.extend(["--helo", "client.example.test", "--from", "edouard@example.test"]);
    arguments.extend(["--to", "utilisateur@example.test"]);
    arguments.extend(more);
    topology.client().run("swaks", &arguments, LIMIT)
}

/// Fetches all mails of the user, and returns what was said.
pub(crate) fn mbsync(topology: &Topology, ip: Ip) -> Result<String> {
    let client = topology.client();
    let configuration = format!(
        "\
IMAPAccount test
Host {}
User {}
Pass {}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account test

MaildirStore near
Path /root/mail/
Inbox /root/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
",
        topology.address(ip),
        Dovecot::USER,
        Dovecot::PASSWORD
    );
    client.write("/root/.mbsyncrc", configuration)?;
    client.write("/root/mail/.keep", "")?;
    client.run("mbsync", &["--all", "--debug-net"], LIMIT)
}

/// Mails of growing size: the last are larger than any segment.
pub(crate) fn mails(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| {
            let body = "A line of the mail's body, which says nothing.\r\n".repeat(1 << number);
            format!(
                "From: Edouard <edouard@example.test>\r\n\
                 To: ursula@example.test\r\n\
                 Subject: Mail {number}\r\n\
                 Message-ID: <{number}@example.test>\r\n\
                 Date: Mon, 23 Nov 2026 06:00:00 +0000\r\n\r\n{body}"
            )
            .into_bytes()
        })
        .collect()
}
