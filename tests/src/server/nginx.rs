//! nginx, with a log that says of each request what a test can hold events
//! against.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Child,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::START;
use crate::{
    machine::{self, Machine},
    wait,
};

const ACCESS_LOG: &str = "/var/log/nginx/requests.log";
const ERROR_LOG: &str = "/var/log/nginx/error.log";
const DOCUMENTS: &str = "/srv/www";

const CONFIGURATION: &str = r#"
daemon off;
worker_processes 2;
error_log /var/log/nginx/error.log warn;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    log_format requests escape=json
        '{"client":"$remote_addr","port":$remote_port,"method":"$request_method",'
        '"target":"$request_uri","status":$status,"length":"$sent_http_content_length",'
        '"agent":"$http_user_agent"}';
    access_log /var/log/nginx/requests.log requests;
    keepalive_requests 1000000;
    client_max_body_size 64m;
    server {
        listen 80 reuseport;
        listen [::]:80 reuseport;
        root /srv/www;
        location /posts { return 204; }
        location /moved { return 301 /index.html; }
    }
}
"#;

/// A running nginx.
#[derive(Debug)]
pub struct Nginx<'a> {
    machine: &'a Machine,
    process: Child,
}

/// One request as nginx logged it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Address of the client.
    pub client: String,
    /// Port of the client, which tells its connections apart.
    pub port: u64,
    /// Method.
    pub method: String,
    /// Target as it came.
    pub target: String,
    /// Status of the answer.
    pub status: u64,
    /// Content-Length of the answer, if it had one.
    pub length: Option<u64>,
    /// User agent.
    pub agent: String,
}

impl<'a> Nginx<'a> {
    /// Where a configuration of [`Self::start_with`] serves `stub_status`, if
    /// [`Self::served`] is asked.
    pub const STATUS: &'static str = "127.0.0.1:8081";

    /// Starts it with an empty document root.
    pub fn start(machine: &'a Machine) -> Result<Self> {
        Self::start_with(machine, CONFIGURATION)
    }

    /// The same with a configuration of one's own, which stays in the
    /// foreground, listens on port 80 of IPv4 and IPv6, and has its documents
    /// where this one has them.
    pub fn start_with(machine: &'a Machine, configuration: &str) -> Result<Self> {
        machine.write("/etc/nginx/nginx.conf", configuration)?;
        machine.write(&format!("{DOCUMENTS}/index.html"), "<p>It works.</p>\n")?;
        let process = machine.start("nginx", &[], ERROR_LOG)?;
        machine
            .wait_for_port(80, START)
            .or_else(|error| machine::failed(machine, ERROR_LOG, &error))?;
        Ok(Self { machine, process })
    }

    /// Ends it in the midst of what it does, and starts it anew with the same
    /// configuration and log.
    pub fn restart(&mut self) -> Result<()> {
        self.machine.run("nginx", &["-s", "stop"], START)?;
        wait::end(&mut self.process, START)?.context("nginx did not end")?;
        self.process = self.machine.start("nginx", &[], ERROR_LOG)?;
        self.machine.wait_for_port(80, START)
    }

    /// Number of the process that was started, whose descendants are nginx.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Requests that it has served so far by its own count, this question
    /// included.
    pub fn served(&self) -> Result<u64> {
        self.machine.namespace().within(|| {
            let mut stream = TcpStream::connect(Self::STATUS)?;
            stream.set_read_timeout(Some(START))?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            served(&answer).with_context(|| format!("no count in {answer}"))
        })
    }

    /// Lays a document down.
    pub fn document(&self, name: &str, contents: &[u8]) -> Result<()> {
        self.machine.write(&format!("{DOCUMENTS}/{name}"), contents)
    }

    /// Requests as logged, once the log has stopped growing: nginx writes a
    /// line when it is done with the request, which the client need not await.
    pub fn requests(&self) -> Result<Vec<Access>> {
        self.log()?.lines().map(access).collect()
    }

    /// Requests with this text in their target or elsewhere, and those of them
    /// that were answered with status 200; cheaper for hundreds of thousands.
    pub fn answers(&self, text: &str) -> Result<(u64, u64)> {
        let log = self.log()?;
        let lines = || log.lines().filter(|line| line.contains(text));
        let good = lines().filter(|line| line.contains(r#""status":200,"#));
        Ok((lines().count().try_into()?, good.count().try_into()?))
    }

    /// The log, once it rests.
    fn log(&self) -> Result<String> {
        let mut before = None;
        wait::until("nginx's log to be at rest", Duration::from_secs(10), || {
            std::thread::sleep(Duration::from_millis(200));
            let text = self.machine.read(ACCESS_LOG)?;
            let rests = before.as_ref() == Some(&text);
            before = Some(text);
            Ok(before.clone().filter(|_| rests))
        })
    }
}

/// The third number below `server accepts handled requests`.
fn served(answer: &str) -> Option<u64> {
    let mut lines = answer.lines().skip_while(|line| !line.starts_with("server accepts"));
    lines.nth(1)?.split_whitespace().nth(2)?.parse().ok()
}

fn access(line: &str) -> Result<Access> {
    let value: Value = serde_json::from_str(line).with_context(|| format!("in {line}"))?;
    let number = |name: &str| value.get(name).and_then(Value::as_u64).context("a number");
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Access {
        client: text("client"),
        port: number("port")?,
        method: text("method"),
        target: text("target"),
        status: number("status")?,
        length: text("length").parse().ok(),
        agent: text("agent"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_requests_is_read_from_the_status_page() {
        let page = "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n \
                    19 18 170312 \nReading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(served(page), Some(170_312));
        assert_eq!(served("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}
