//! wrk, which asks for the next as soon as it has the answer, and nginx, which
//! counts what it has answered.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tests::{
    machine::Machine,
    server::Nginx,
    topology::{Ip, Topology},
};

/// Time that wrk may take beyond that of the load.
const SLACK: Duration = Duration::from_secs(20);

/// How the server is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrk {
    /// Threads.
    pub(super) threads: usize,
    /// Connections, all of them kept alive.
    pub(super) connections: u64,
    /// The only core that it may use.
    pub(super) core: Option<usize>,
    /// Requests that are sent at once on a connection.
    pub(super) pipeline: u64,
    /// What is asked for.
    pub(super) target: &'static str,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    /// Answers that wrk had before it ended.
    pub(super) answers: u64,
    /// Requests that nginx had answered by then.
    pub(super) served: u64,
    /// Answers that there may have been in the end: nginx goes on with what was
    /// on its way when wrk ended.
    pub(super) possible: u64,
    /// Answers a second.
    pub(super) rate: f64,
}

/// Bytes of a small answer's body.
const SMALL: usize = 200;

/// The location `/small`, which nginx answers out of its configuration.
pub(super) fn small() -> String {
    format!("location /small {{ return 200 \"{}\"; }}", "x".repeat(SMALL))
}

/// A configuration of nginx without a log; `locations` are those of port 80.
pub(super) fn nginx(workers: usize, locations: &str) -> String {
    format!(
        "daemon off;
worker_processes {workers};
error_log /var/log/nginx/error.log warn;
pid /run/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    server {{
        listen 80 reuseport;
        listen [::]:80 reuseport;
        root /srv/www;
        {locations}
    }}
    server {{
        listen {};
        location / {{ stub_status; }}
    }}
}}
",
        Nginx::STATUS
    )
}

impl Wrk {
    /// Asks for so long.
    pub(super) fn run(
        &self,
        topology: &Topology,
        nginx: &Nginx<'_>,
        time: Duration,
    ) -> Result<Answered> {
        let before = nginx.served()?;
        let said = self.command(topology, time)?;
        // The question is one request.
        let served = nginx.served()? - before - 1;
        for wrong in ["Socket errors", "Non-2xx"] {
            ensure!(!said.contains(wrong), "{said}");
        }
        let answers: u64 = word(&said, " requests in ", -1).context("no count")?.parse()?;
        let rate = word(&said, "Requests/sec:", 1).context("no rate")?.parse()?;
        ensure!(answers > 0, "nothing was answered\n{said}");
        let possible = served.max(answers + self.connections * self.pipeline);
        Ok(Answered { answers, served, possible, rate })
    }

    fn command(&self, topology: &Topology, time: Duration) -> Result<String> {
        let Self { threads, connections, core, pipeline, target } = *self;
        let client: &Machine = topology.client();
        let mut arguments = Vec::new();
        if let Some(core) = core {
            arguments.push(format!("--cpu-list {core} wrk"));
        }
        arguments.push(format!("--threads {threads} --connections {connections}"));
        arguments.push(format!("--duration {}s --timeout 10s", time.as_secs().max(1)));
        if pipeline > 1 {
            client.write("/tmp/pipeline.lua", script(pipeline))?;
            arguments.push("--script /tmp/pipeline.lua".to_owned());
        }
        arguments.push(format!("http://{}{target}", topology.authority(Ip::V4)));
        let arguments = arguments.join(" ");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        client.run(if core.is_some() { "taskset" } else { "wrk" }, &arguments, time + SLACK)
    }
}

/// For wrk: several requests as one.
fn script(pipeline: u64) -> String {
    format!(
        "init = function(args)
  local requests = {{}}
  for i = 1, {pipeline} do requests[i] = wrk.format() end
  all = table.concat(requests)
end
request = function() return all end
"
    )
}

/// The word before (-1) or behind (1) a sign.
fn word<'a>(text: &'a str, sign: &str, side: i8) -> Option<&'a str> {
    let (before, behind) = text.split_once(sign)?;
    if side < 0 { before.split_whitespace().next_back() } else { behind.split_whitespace().next() }
}

#[cfg(test)]
mod tests_of_words {
    use super::word;

    #[test]
    fn words_stand_beside_their_signs() {
        let said = "  60688 requests in 1.01s, 11.75MB read\nRequests/sec:  60234.20\n";
        assert_eq!(word(said, " requests in ", -1), Some("60688"));
        assert_eq!(word(said, "Requests/sec:", 1), Some("60234.20"));
        assert_eq!(word(said, "Socket errors", 1), None);
    }
}
