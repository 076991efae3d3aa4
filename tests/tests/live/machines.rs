//! The servers and clients themselves, without a tracer: that they speak is
//! what the other tests stand on.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{
    host::Need,
    server::{Dovecot, Nginx, Postfix},
    topology::{Ip, Link, Topology},
};

use crate::{Test, traffic};

const NEEDS: &[Need] = &[Need::Namespaces, Need::DebianRoot];

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for link in [Link::Loopback, Link::Veth, Link::Bridge] {
        tests.push(Test::new(format!("machines::{link:?}::web"), NEEDS, move || web(link)));
    }
    tests.push(Test::new("machines::mail", NEEDS, || mail(Link::Veth)));
    tests.push(Test::new("machines::imap", NEEDS, || imap(Link::Veth)));
    tests
}

fn web(link: Link) -> Result<()> {
    let topology = Topology::new(link)?;
    let nginx = Nginx::start(topology.server())?;
    for ip in [Ip::V4, Ip::V6] {
        traffic::curl(&topology, ip, &["/index.html"])?;
    }
    let requests = nginx.requests()?;
    ensure!(requests.len() == 2, "{requests:?}");
    ensure!(requests.iter().all(|request| request.status == 200), "{requests:?}");
    Ok(())
}

fn mail(link: Link) -> Result<()> {
    let topology = Topology::new(link)?;
    let postfix = Postfix::start(topology.server())?;
    for ip in [Ip::V4, Ip::V6] {
        traffic::swaks(&topology, ip, &["--header", "Subject: A mail"])?;
    }
    let mails = postfix.mails(2)?;
    ensure!(mails.len() == 2 && mails.iter().all(|mail| mail.to.len() == 1), "{mails:?}");
    Ok(())
}

fn imap(link: Link) -> Result<()> {
    let topology = Topology::new(link)?;
    let mails = traffic::mails(3);
    let mails: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
    let _dovecot = Dovecot::start(topology.server(), &mails)?;
    let said = traffic::mbsync(&topology, Ip::V4)?;
    ensure!(said.contains("FETCH (UID 1 BODY[] {"), "{said}");
    let fetched =
        topology.client().run("ls", &["/root/mail/INBOX/new"], Duration::from_secs(10))?;
    ensure!(fetched.lines().count() == 3, "{fetched}");
    Ok(())
}
