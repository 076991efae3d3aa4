//! Whole lines, as a reader gets them.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::Rc,
};

use super::*;
use crate::{
    capture::{Direction, TcpFlags, TcpOptions, Vlan},
    event::{
        Common, CommunityId, Connection, Endpoint, Event, Hue, Label, Message, Side, email, smtp,
        tcp, tracer,
    },
    stats::{FlowCounters, Outcomes, Stats},
};

const SMTP: Label = Label { name: "smtp", column: "SMTP", hue: Hue::Cyan };
const SECOND: u64 = 1_000_000_000;
const BEGIN: Timestamp = Timestamp(1_475_232_865 * SECOND);

/// A pipe whose other end can be looked at, closed or blocked.
#[derive(Clone, Debug, Default)]
struct Pipe(Rc<RefCell<PipeState>>);

#[derive(Debug, Default)]
struct PipeState {
    bytes: Vec<u8>,
    /// What the next writes fail with.
    errors: Vec<io::ErrorKind>,
    /// What every write fails with.
    broken: Option<io::ErrorKind>,
}

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if let Some(kind) = state.broken.or_else(|| state.errors.pop()) {
            return Err(kind.into());
        }
        // As a full pipe would, it takes less than it is given.
        let taken = bytes.len().min(1000);
        state.bytes.write_all(&bytes[..taken])?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().bytes.clone()).expect("output is UTF-8")
    }
}

fn connection(client: IpAddr, server: IpAddr) -> Connection {
    Connection {
        client: Endpoint { ip: client, port: 34_855 },
        server: Endpoint { ip: server, port: 25 },
        vlan: Vlan::default(),
        protocol: Some(&SMTP),
        interface: "eth0".into(),
        direction: Direction::Ingress,
        loopback: false,
        community_id: CommunityId::default(),
        processes: None,
    }
}

fn ipv4() -> Connection {
    connection(Ipv4Addr::new(192, 168, 1, 9).into(), Ipv4Addr::new(192, 168, 1, 25).into())
}

fn anomaly(detail: &[u8]) -> Message<'_> {
    Message::Anomaly(tracer::Anomaly::new("line-end", Some(detail.into())))
}

fn gap() -> Message<'static> {
    Message::Gap(tracer::Gap::new(1460, tracer::GapCause::NotCaptured, Side::Server))
}

fn closed() -> Message<'static> {
    Message::TcpClose(tcp::Close {
        tcp: tcp::CloseFields {
            state: "closed",
            retransmissions: 1,
            out_of_order: 2,
            gaps: 0,
            lost_bytes: 0,
            skipped_bytes: 0,
        },
        common: Common {
            duration: Some(5 * SECOND),
            outcome: None,
            client_bytes: Some(760),
            server_bytes: Some(363),
        },
    })
}

fn opened() -> Message<'static> {
    Message::TcpOpen(tcp::Open { tcp: tcp::OpenFields { state: "syn" } })
}

fn row() -> Message<'static> {
    Message::TcpSegment(tcp::Row {
        tcp: tcp::RowFields {
            frame: None,
            flags: TcpFlags(0x18),
            seq: 1,
            ack: Some(47),
            window: 342,
            len: 24,
            mss: None,
            window_scale: None,
            sack_permitted: None,
            sack: Vec::new(),
            tsval: Some(7),
            tsecr: Some(6),
            analysis: tcp::Analysis::default(),
            duplicate_ack: None,
        },
        source_port: 34_855,
        destination_port: 25,
        options: TcpOptions::new(&[8, 10, 0, 0, 0, 7, 0, 0, 0, 6]),
    })
}

fn stats() -> Message<'static> {
    let outcomes = Outcomes { copied: 3, pure_ack: 2, ..Outcomes::default() };
    Message::Stats(tracer::Stats { tracer: Stats::new(outcomes, FlowCounters::default(), 4) })
}

fn command(line: &str) -> Message<'_> {
    Message::SmtpCommand(smtp::Command { line: line.into(), ..smtp::Command::default() })
}

fn reply(line: &str) -> Message<'_> {
    let lines = smtp::ReplyLines(line.as_bytes().into());
    let reply = smtp::ReplyFields { code: 354, enhanced: None, lines, extensions: Vec::new() };
    Message::SmtpReply(smtp::Reply { smtp: smtp::ReplyObject { reply }, duration: Some(7) })
}

fn refusal() -> Message<'static> {
    let lines = smtp::ReplyLines(b"550 no".into());
    let reply = smtp::ReplyFields { code: 550, enhanced: None, lines, extensions: Vec::new() };
    Message::SmtpReply(smtp::Reply { smtp: smtp::ReplyObject { reply }, duration: None })
}

fn piece() -> Message<'static> {
    let smtp = smtp::DataObject { data: smtp::PieceFields { bytes: 57 } };
    Message::SmtpData(smtp::Data { smtp, headline: None })
}

fn mail() -> Message<'static> {
    let data = Some(smtp::DataFields::default());
    Message::SmtpMessage(smtp::Mail {
        email: Some(Box::default()),
        smtp: Box::new(smtp::MailObject { data, ..smtp::MailObject::default() }),
        headline: Some(email::Headline {
            subject: Some("hello".into()),
            ..email::Headline::default()
        }),
        common: Common::default(),
    })
}

/// What is written of `events`, each a millisecond after the one before.
fn written<'a>(
    format: Format,
    view: View,
    events: impl IntoIterator<Item = (&'a Connection, Option<Side>, Message<'a>)>,
) -> Vec<String> {
    let pipe = Pipe::default();
    let mut writer = Writer::new(pipe.clone(), format, view);
    writer.begin(BEGIN);
    for (number, (connection, side, message)) in (1..).zip(events) {
        let time = Timestamp(BEGIN.0 + number * 1_000_000);
        let connection = (!matches!(message, Message::Stats(_))).then_some(connection);
        writer.event(&Event { time, connection, side, message });
    }
    writer.flush().expect("a pipe that takes all");
    let lines: Vec<String> = pipe.text().lines().map(str::to_owned).collect();
    assert_eq!(writer.events(), lines.len() as u64);
    lines
}

const CLIENT: Option<Side> = Some(Side::Client);
const SERVER: Option<Side> = Some(Side::Server);

#[test]
fn rows_show_time_ends_and_protocol() {
    let four = ipv4();
    let six = connection(Ipv6Addr::LOCALHOST.into(), "2001:db8::25".parse().expect("an address"));
    let lines = written(
        Format::Text,
        View::Messages,
        [
            (&four, None, opened()),
            (&four, SERVER, reply("220 hello")),
            (&six, CLIENT, command("EHLO me")),
            (&four, SERVER, gap()),
            (&four, CLIENT, row()),
            (&four, None, closed()),
            (&four, None, stats()),
        ],
    );
    assert_eq!(
        lines,
        [
            "0.002000  192.168.1.25  192.168.1.9  SMTP  S: 220 hello",
            "0.003000  ::1  2001:db8::25  SMTP  C: EHLO me",
            "0.004000  192.168.1.25  192.168.1.9  SMTP  \
             [1460 bytes from the server missing: not-captured]",
        ]
    );
}

#[test]
fn time_counts_from_the_first_event_when_nobody_says_otherwise_and_may_go_back() {
    let pipe = Pipe::default();
    let mut writer = Writer::new(pipe.clone(), Format::Text, View::Messages);
    let four = ipv4();
    for micros in [5_000_000_u64, 27_337_218, 4_999_999] {
        writer.event(&Event {
            time: Timestamp(BEGIN.0 + micros * 1000),
            connection: Some(&four),
            side: CLIENT,
            message: command("NOOP"),
        });
    }
    writer.flush().expect("a pipe that takes all");
    let times: Vec<String> =
        pipe.text().lines().map(|line| line.split(' ').next().unwrap_or("").to_owned()).collect();
    assert_eq!(times, ["0.000000", "22.337218", "-0.000001"]);
}

#[test]
fn a_step_of_the_clock_is_in_times_of_the_day_alone() {
    const HOUR: u64 = 3600 * 1_000_000_000;
    let four = ipv4();
    for (format, expected) in [
        (Format::Json, ["2016-09-30T10:", "2016-09-30T11:", "2016-09-30T09:"]),
        (Format::Text, ["0.000000  ", "0.000001  ", "0.000002  "]),
    ] {
        let pipe = Pipe::default();
        let mut writer = Writer::new(pipe.clone(), format, View::Messages);
        for (micros, step) in [0, HOUR, HOUR.wrapping_neg()].into_iter().enumerate() {
            writer.set_clock_step(step);
            writer.event(&Event {
                time: Timestamp(BEGIN.0 + 1000 * micros as u64),
                connection: Some(&four),
                side: CLIENT,
                message: command("NOOP"),
            });
        }
        writer.flush().expect("a pipe that takes all");
        let text = pipe.text();
        assert_eq!(text.lines().count(), expected.len());
        for (line, time) in text.lines().zip(expected) {
            let line = line.trim_start_matches(r#"{"@timestamp":""#);
            assert!(line.starts_with(time), "{line}");
        }
    }
}

#[test]
fn a_terminal_gets_nothing_to_obey() {
    let four = ipv4();
    let hostile = "\u{1b}[2J\r\n\u{9b}1m\u{7f}é\u{200}".as_bytes();
    let mut bytes = hostile.to_vec();
    bytes.push(0xff);
    let text = written(Format::Text, View::Messages, [(&four, CLIENT, anomaly(&bytes))]);
    assert_eq!(
        text,
        ["0.001000  192.168.1.9  192.168.1.25  SMTP  \
          [anomaly: line-end: \\x1b[2J\\x0d\\x0a\\x9b1m\\x7fé\u{200}\\xff]"]
    );
    let json = written(Format::Json, View::Messages, [(&four, CLIENT, anomaly(hostile))]);
    assert!(json[0].contains(r"\u001b[2J\r\n\u009b1m\u007fé"), "{}", json[0]);
    assert!(!json[0].contains(char::is_control));
    let value: serde_json::Value = serde_json::from_str(&json[0]).expect("JSON");
    assert_eq!(value["tracer"]["anomaly"]["detail"].as_str().map(str::as_bytes), Some(hostile));
    let json = written(Format::Json, View::Messages, [(&four, CLIENT, anomaly(&bytes))]);
    let value: serde_json::Value = serde_json::from_str(&json[0]).expect("JSON");
    assert!(value["tracer"]["anomaly"]["detail"]["base64"].is_string());
}

#[test]
fn an_event_is_one_nested_object() {
    let lines = written(Format::Json, View::Messages, [(&ipv4(), None, closed())]);
    assert_eq!(
        lines,
        [concat!(
            r#"{"@timestamp":"2016-09-30T10:54:25.001000000Z","#,
            r#""event":{"action":"tcp-close","sequence":1,"duration":5000000000},"#,
            r#""network":{"protocol":"smtp","transport":"tcp","type":"ipv4","#,
            r#""direction":"ingress","community_id":"1:n8M6Ss3mLsvmfSeog3A1iqjsZ0k="},"#,
            r#""client":{"ip":"192.168.1.9","port":34855,"bytes":760},"#,
            r#""server":{"ip":"192.168.1.25","port":25,"bytes":363},"#,
            r#""observer":{"ingress":{"interface":{"name":"eth0"}}},"#,
            r#""tcp":{"state":"closed","retransmissions":1,"out_of_order":2,"gaps":0,"#,
            r#""lost_bytes":0,"skipped_bytes":0}}"#
        )]
    );
}

#[test]
fn the_network_object_says_which_way_and_which_vlan() {
    let mut tagged = ipv4();
    tagged.vlan = Vlan { outer: Some(100), inner: Some(7) };
    let mut local = connection(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    local.loopback = true;
    let mut file = ipv4();
    file.direction = Direction::Unknown;
    let networks: Vec<serde_json::Value> = written(
        Format::Json,
        View::Messages,
        [&tagged, &local, &file].map(|connection| (connection, None, opened())),
    )
    .iter()
    .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["network"].take())
    .collect();
    assert_eq!(networks[0]["vlan"]["id"], 100);
    assert_eq!(networks[0]["inner"]["vlan"]["id"], 7);
    assert_eq!(networks[0]["direction"], "ingress");
    assert_eq!(networks[1]["type"], "ipv6");
    assert_eq!(networks[1]["direction"], "internal");
    assert!(networks[1].get("vlan").is_none());
    assert!(networks[2].get("direction").is_none());
}

#[test]
fn nothing_appears_where_it_does_not_stand() {
    let four = ipv4();
    let hostile = "a\u{202e}b\u{2066}c\u{2028}d → – \u{2065}".as_bytes();
    let text = written(Format::Text, View::Messages, [(&four, CLIENT, anomaly(hostile))]);
    assert!(text[0].contains("a\\u202eb\\u2066c\\u2028d → – \u{2065}]"), "{}", text[0]);
    let json = written(Format::Json, View::Messages, [(&four, CLIENT, anomaly(hostile))]);
    assert!(json[0].contains("a\\u202eb\\u2066c\\u2028d → – \u{2065}\""), "{}", json[0]);
}

#[test]
fn the_first_message_of_the_sender_stands_in_the_row_of_its_segment() {
    let four = ipv4();
    let lines = written(
        Format::Text,
        View::Segments,
        [
            (&four, None, opened()),
            (&four, CLIENT, row()),
            (&four, CLIENT, gap()),
            (&four, CLIENT, command("EHLO me")),
            (&four, CLIENT, command("NOOP")),
            (&four, CLIENT, row()),
            (&four, None, closed()),
        ],
    );
    assert_eq!(
        lines,
        [
            "0.002000  192.168.1.9  192.168.1.25  TCP   \
             34855 → 25 [PSH, ACK] Seq=1 Ack=47 Win=342 Len=24 TSval=7 TSecr=6",
            "0.003000  192.168.1.9  192.168.1.25  SMTP  \
             [1460 bytes from the server missing: not-captured]",
            "0.006000  192.168.1.9  192.168.1.25  SMTP  C: EHLO me",
        ]
    );
}

#[test]
fn what_a_segment_made_known_of_the_other_side_has_a_row_of_its_own() {
    let four = ipv4();
    let events = || {
        [
            (&four, SERVER, reply("354 go on")),
            (&four, CLIENT, command("line that waited")),
            (&four, SERVER, row()),
            (&four, CLIENT, row()),
        ]
    };
    assert_eq!(
        written(Format::Text, View::Segments, events()),
        [
            "0.003000  192.168.1.25  192.168.1.9  SMTP  S: 354 go on",
            "0.002000  192.168.1.9  192.168.1.25  SMTP  C: line that waited",
            "0.004000  192.168.1.9  192.168.1.25  TCP   \
             34855 → 25 [PSH, ACK] Seq=1 Ack=47 Win=342 Len=24 TSval=7 TSecr=6",
        ]
    );
    let lines = written(Format::Json, View::Segments, events());
    let objects: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let actions: Vec<_> = objects.iter().map(|object| &object["event"]["action"]).collect();
    assert_eq!(actions, ["smtp-reply", "smtp-command", "tcp-segment"]);
    assert_eq!(objects[0]["tcp"]["window"], 342);
    assert_eq!(objects[0]["event"]["sequence"], 1);
    assert_eq!(objects[0]["event"]["duration"], 7);
    assert_eq!(objects[0]["@timestamp"], "2016-09-30T10:54:25.003000000Z");
    assert!(objects[1].get("tcp").is_none());
    assert_eq!(objects[1]["event"]["sequence"], 2);
    assert_eq!(objects[2]["source"]["port"], 34_855);
    assert_eq!(objects[2]["destination"]["ip"], "192.168.1.25");
    assert_eq!(objects[2]["tcp"]["flags"], serde_json::json!(["PSH", "ACK"]));
}

#[test]
fn a_message_whose_segment_never_comes_is_written_all_the_same() {
    let (four, other) =
        (ipv4(), connection(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()));
    let lines = written(
        Format::Text,
        View::Segments,
        [
            (&four, CLIENT, command("of a flow that timed out")),
            (&other, CLIENT, command("of another")),
            (&other, CLIENT, row()),
            (&other, CLIENT, command("cut by a new connection")),
            (&other, None, opened()),
            (&other, CLIENT, row()),
            (&other, CLIENT, command("cut by the end")),
        ],
    );
    let infos: Vec<&str> =
        lines.iter().filter_map(|line| line.splitn(5, "  ").nth(4)).map(str::trim_start).collect();
    assert_eq!(
        infos,
        [
            "C: of a flow that timed out",
            "C: of another",
            "C: cut by a new connection",
            "34855 → 25 [PSH, ACK] Seq=1 Ack=47 Win=342 Len=24 TSval=7 TSecr=6",
            "C: cut by the end",
        ]
    );
}

#[test]
fn pieces_of_mail_belong_to_segments_and_records_to_machines() {
    let four = ipv4();
    let events = || {
        [
            (&four, None, opened()),
            (&four, CLIENT, piece()),
            (&four, CLIENT, row()),
            (&four, CLIENT, mail()),
            (&four, None, stats()),
        ]
    };
    let actions = |format, view| -> Vec<String> {
        written(format, view, events())
            .iter()
            .map(|line| match serde_json::from_str::<serde_json::Value>(line) {
                Ok(object) => object["event"]["action"].as_str().unwrap_or("?").to_owned(),
                Err(_) => line.split("  ").nth(4).unwrap_or("?").to_owned(),
            })
            .collect()
    };
    assert_eq!(actions(Format::Text, View::Messages), ["subject: hello"]);
    assert_eq!(actions(Format::Json, View::Messages), ["tcp-open", "smtp-message", "stats"]);
    assert_eq!(actions(Format::Text, View::Segments), ["C: DATA fragment, 57 bytes"]);
    assert_eq!(actions(Format::Json, View::Segments), ["smtp-data", "stats"]);
}

#[test]
fn a_reader_that_went_away_is_remembered_and_nothing_more_is_written() {
    let pipe = Pipe::default();
    let mut writer = Writer::new(pipe.clone(), Format::Json, View::Messages);
    let four = ipv4();
    let event =
        Event { time: BEGIN, connection: Some(&four), side: CLIENT, message: command("NOOP") };
    writer.event(&event);
    writer.flush().expect("a pipe that takes all");
    let before = pipe.text();
    pipe.0.borrow_mut().broken = Some(io::ErrorKind::BrokenPipe);
    for _ in 0..10_000 {
        writer.event(&event);
    }
    assert_eq!(writer.flush().map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
    pipe.0.borrow_mut().broken = None;
    writer.event(&event);
    assert_eq!(writer.flush().map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
    assert_eq!(pipe.text(), before);
    assert!(writer.events() < 10_000, "counted what nobody could get");
}

#[test]
fn a_full_pipe_and_a_signal_lose_nothing() {
    let pipe = Pipe::default();
    let mut writer = Writer::new(pipe.clone(), Format::Text, View::Messages);
    let four = ipv4();
    for _ in 0..5_000 {
        pipe.0.borrow_mut().errors = vec![io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock];
        writer.event(&Event {
            time: BEGIN,
            connection: Some(&four),
            side: CLIENT,
            message: command("NOOP"),
        });
    }
    writer.flush().expect("a pipe that takes all in the end");
    assert_eq!(pipe.text().lines().count(), 5_000);
}

/// What a terminal of that width gets.
fn shown<'a>(
    look: Look,
    view: View,
    events: impl IntoIterator<Item = (&'a Connection, Option<Side>, Message<'a>)>,
) -> Vec<String> {
    let pipe = Pipe::default();
    let mut writer = Writer::new(pipe.clone(), Format::Text, view).with_look(look);
    writer.begin(BEGIN);
    for (number, (connection, side, message)) in (1..).zip(events) {
        let time = Timestamp(BEGIN.0 + number * 5_000_000_000);
        writer.event(&Event { time, connection: Some(connection), side, message });
    }
    writer.flush().expect("a pipe that takes all");
    pipe.text().lines().map(str::to_owned).collect()
}

#[test]
fn on_a_terminal_columns_are_aligned_and_rows_cut() {
    let four = ipv4();
    let short = connection(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(10, 0, 0, 1).into());
    let six = connection(Ipv6Addr::LOCALHOST.into(), "2001:db8::25".parse().expect("an address"));
    let long = connection(
        Ipv4Addr::new(192, 168, 100, 100).into(),
        "2001:db8:1111:2222:3333:4444:5555:6666".parse().expect("an address"),
    );
    let rows = shown(
        Look::fixed(80, false),
        View::Messages,
        [
            (&short, CLIENT, command("NOOP")),
            (&six, CLIENT, command("NOOP")),
            (&four, SERVER, reply("250 as long as a row can be, .")),
            (&four, SERVER, reply("250 as long as a row can be, ..")),
            (&four, SERVER, reply("250 日本語日本語日本語日本語日本語日本語日本語日本語")),
            (&long, CLIENT, command("an address that is too long for a column")),
            (&short, CLIENT, command("NOOP")),
        ],
    );
    assert_eq!(
        rows,
        [
            " 5.000000  127.0.0.1      10.0.0.1       SMTP  C: NOOP",
            "10.000000  ::1            2001:db8::25   SMTP  C: NOOP",
            "15.000000  192.168.1.25   192.168.1.9    SMTP  S: 250 as long as a row can be, .",
            "20.000000  192.168.1.25   192.168.1.9    SMTP  S: 250 as long as a row can be, …",
            "25.000000  192.168.1.25   192.168.1.9    SMTP  S: 250 日本語日本語日本語日本語…",
            "30.000000  192.168.100.100  2001:db8:1111:2222:3333:4444:5555:6666  SMTP  \
             C: an address that …",
            "35.000000  127.0.0.1        10.0.0.1       SMTP  C: NOOP",
        ]
    );
}

#[test]
fn colours_tell_protocols_errors_and_notes() {
    let four = ipv4();
    let events = || {
        [
            (&four, CLIENT, command("NOOP")),
            (&four, SERVER, refusal()),
            (&four, CLIENT, row()),
            (&four, CLIENT, anomaly(b"?")),
            (&four, SERVER, gap()),
        ]
    };
    let colored = |view| shown(Look::fixed(200, true), view, events());
    let begin = |time: &str| format!("\x1b[2m{time}\x1b[m  ");
    let server = "192.168.1.25   192.168.1.9    \x1b[36mSMTP\x1b[m  ";
    let rows = colored(View::Messages);
    let client = "192.168.1.9    192.168.1.25   \x1b[36mSMTP\x1b[m  ";
    assert_eq!(rows[0], format!("{}{client}C: NOOP", begin(" 5.000000")));
    assert_eq!(rows[1], format!("{}{server}\x1b[31mS: 550 no\x1b[m", begin("10.000000")));
    let note = format!("{}{client}\x1b[33m[anomaly: line-end: ?]\x1b[m", begin("20.000000"));
    assert_eq!(rows[2], note);
    assert!(rows[3].contains("\x1b[31m[1460 bytes from the server missing"), "{}", rows[3]);
    let rows = colored(View::Segments);
    assert!(rows[0].ends_with("C: NOOP"), "{rows:?}");
    assert!(rows[1].ends_with("\x1b[31mS: 550 no\x1b[m"), "held, and red all the same: {rows:?}");
    let plain = shown(Look::fixed(200, false), View::Messages, events());
    assert!(!plain.concat().contains('\x1b'));
}

#[test]
fn a_cut_row_ends_its_colour() {
    let four = ipv4();
    let detail = [b'x'; 200];
    let rows = shown(Look::fixed(60, true), View::Messages, [(&four, CLIENT, anomaly(&detail))]);
    assert!(rows[0].ends_with("…\x1b[m"), "{}", rows[0]);
}
