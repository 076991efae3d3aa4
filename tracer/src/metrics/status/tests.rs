use std::{
    io::{BufRead as _, BufReader},
    os::unix::net::UnixListener,
};

use tempfile::TempDir;

use super::*;
use crate::{
    metrics::{Memory, Ring, snapshot::Service},
    stats::{FlowCounters, Lost, Outcomes, Stats},
};

fn later() -> Snapshot {
    let lost = Lost { ring_full: 2, unreadable: 0 };
    let outcomes = Outcomes { copied: 1000, pure_ack: 400, lost, ..Outcomes::default() };
    let flows = FlowCounters { open: 3, total: 20, memory: 3 << 19, ..FlowCounters::default() };
    let mut latencies = vec![0; 15];
    (latencies[1], latencies[3], latencies[14]) = (90, 9, 1);
    let http = Service {
        protocol: "http".to_owned(),
        port: Some(80),
        requests: 120,
        classes: [("2xx".to_owned(), 95), ("4xx".to_owned(), 5)].into(),
        latencies,
        waited: 1,
    };
    let silent = Service { protocol: "pop3".to_owned(), ..Service::default() };
    Snapshot {
        version: "1.2.3".to_owned(),
        worker: 77,
        began: 1000,
        stats: Stats::new(outcomes, flows, 220).without(20),
        rings: vec![Ring { size: 16 << 20, waiting: 4 << 20 }; 2],
        memory: [("flows".to_owned(), Memory { held: 3 << 19, limit: 256 << 20 })].into(),
        resident: Some(20 << 20),
        actions: [("http-request".to_owned(), 120), ("http-response".to_owned(), 100)].into(),
        anomalies: [("bare-lf".to_owned(), 3)].into(),
        services: vec![http, silent],
        captured: 5,
    }
}

#[test]
fn the_page_says_it_in_words() {
    let (before, now) = (Snapshot::default(), later());
    let page = Page { before: &before, now: &now, unix: 1000 + 3723, apart: APART }.to_string();
    let expected = "\
tracer 1.2.3, process 77, tracing for 1 h 2 min

packets    1402 seen, 1402/s
           copied 1000, pure ACK 400
lost       2 packets (2 ring full, 0 unreadable), 20 events not written
gaps       0, of 0 bytes
flows      3 open, 20 seen, 0 left out to keep up
events     200 written, 200/s
           http-request 120, http-response 100
anomalies  bare-lf 3
rings      2 of 16 MiB, the fullest to 25 %
memory     flows 1.5 MiB of 256 MiB, in all 20 MiB, rings included

protocol    port    requests      /s    median      99 %  answers
http          80         120     120   <= 1 ms   <= 5 ms  2xx 95, 4xx 5
pop3       other           0       0         -         -
";
    assert_eq!(page, expected);
}

#[test]
fn who_does_not_answer_is_told_of() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("metrics.sock");
    let address = Address::Unix(path.clone());
    let said = status(&address).unwrap_err().to_string();
    assert!(said.starts_with("no tracer answers at /") && said.contains("--metrics"), "{said}");
    let listener = UnixListener::bind(&path).unwrap();
    let stranger = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        BufReader::new(&stream).read_line(&mut String::new()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"evil\": 1}").unwrap();
    });
    let said = status(&address).unwrap_err().to_string();
    stranger.join().unwrap();
    assert!(said.contains("is no tracer of this version"), "{said}");
    // It was killed: its socket is still there.
    let said = status(&address).unwrap_err().to_string();
    assert!(said.contains("no tracer answers") && said.contains("refused"), "{said}");
}
