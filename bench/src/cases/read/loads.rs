//! What is read, and how each tool is called for it.

use crate::{
    made::{self, Kind},
    rivals::SURICATA_SETTINGS,
};

/// The floor: tcpdump, which reads and copies and decodes nothing.
pub(super) const FLOOR: &str = "tcpdump";
pub(super) const TEXT: &str = "tracer text";
pub(super) const JSON: &str = "tracer json";
pub(super) const EXCHANGES: &str = "tracer exchanges";

/// A kind of capture, and who reads it.
pub(super) struct Load {
    pub(super) kind: &'static Kind,
    /// What it is, in words.
    pub(super) about: &'static str,
    pub(super) readers: &'static [Call],
}

/// A tool, and how one sees what it finds.
pub(super) struct Call {
    pub(super) tool: &'static str,
    pub(super) arguments: &'static [&'static str],
    /// What a line has in it that tells of a message; none where nothing is
    /// decoded.
    pub(super) tells: Option<&'static str>,
    /// How many such lines an exchange has.
    pub(super) each: u64,
    /// How often it reads how much.
    pub(super) effort: Effort,
}

/// How much of a tool's time there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// The whole file in each round.
    Full,
    /// The whole file, in two rounds at most: one of them takes as long as all
    /// other tools together.
    Twice,
    /// In two rounds at most, and a capture of the same kind of that share of
    /// its exchanges.
    Part(u64),
}

impl Call {
    const fn new(
        tool: &'static str,
        arguments: &'static [&'static str],
        tells: &'static str,
        each: u64,
    ) -> Self {
        Self { tool, arguments, tells: Some(tells), each, effort: Effort::Full }
    }

    const FLOOR: Self = Self {
        tool: FLOOR,
        arguments: &["-n", "-Z", "root", "-r", "-", "-w", "/dev/null"],
        tells: None,
        each: 1,
        effort: Effort::Full,
    };

    const fn text(tells: &'static str, each: u64) -> Self {
        Self::new(TEXT, &["read"], tells, each)
    }

    const fn json(tells: &'static str, each: u64) -> Self {
        Self::new(JSON, &["read", "--format", "json"], tells, each)
    }

    const fn exchanges(tells: &'static str) -> Self {
        Self::new(EXCHANGES, &["read", "--format", "json", "--view", "exchanges"], tells, 1)
    }

    const fn with(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// Suricata, as it is called for files, without rules.
    const fn suricata(tells: &'static str) -> Self {
        const CALL: &[&str] = &[
            "-c",
            SURICATA_SETTINGS,
            "-S",
            "/dev/null",
            "-k",
            "none",
            "--runmode",
            "single",
            "-r",
            "/dev/stdin",
        ];
        Self::new("suricata", CALL, tells, 1)
    }

    const fn tcpflow(tells: &'static str, each: u64) -> Self {
        Self::new("tcpflow", &["-r", "-", "-c"], tells, each)
    }
}

/// Arguments of tshark that has it show fields of the packets that a filter
/// takes.
macro_rules! tshark {
    ($filter:literal: $($field:literal)*) => {
        &["-n", "-r", "-", "-Y", $filter, "-T", "fields", $("-e", $field),*]
    };
}

/// The same with all fields of those packets.
macro_rules! tshark_ek {
    ($filter:literal) => {
        &["-n", "-r", "-", "-Y", $filter, "-T", "ek"]
    };
}

/// The rows of tshark.
const FIELDS: &str = "tshark";
const EK: &str = "tshark ek";

/// Both HTTP loads are read by the same.
const HTTP: &[Call] = &[
    Call::FLOOR,
    Call::new("httpry", &["-r", "-"], "HTTP/1.1", 2),
    Call::tcpflow("HTTP/1.1", 2),
    Call::new(
        "ngrep",
        &["-q", "-I", "-", "-W", "byline", "^(GET|POST|HTTP/1)", "tcp"],
        "HTTP/1.1",
        2,
    ),
    Call::new(
        FIELDS,
        tshark!("http":
            "frame.time_epoch" "ip.src" "ip.dst"
            "http.request.method" "http.request.uri" "http.response.code"),
        "192.0.2.80",
        2,
    )
    .with(Effort::Twice),
    Call::new(EK, tshark_ek!("http"), r#""ip_ip_src":"#, 2).with(Effort::Part(20)),
    Call::suricata(r#""event_type":"http""#),
    Call::text("  HTTP  ", 2),
    Call::json(r#""action":"http-re"#, 2),
    Call::exchanges(r#""action":"http-exchange""#),
];

pub(super) const LOADS: &[Load] = &[
    Load {
        kind: &made::SMALL,
        about: "HTTP exchanges of browsers and nginx with bodies of at most 300 bytes, most on \
                connections that are kept",
        readers: HTTP,
    },
    Load {
        kind: &made::LARGE,
        about: "HTTP answers with bodies of 1 MiB in packets of 1,500 bytes",
        readers: HTTP,
    },
    Load {
        kind: &made::MAILS,
        about: "mails of 4 KiB, text alone, with HTML or with an attachment, half of them pipelined",
        readers: &[
            Call::FLOOR,
            Call::tcpflow("MAIL FROM:", 1),
            Call::new(
                "ngrep",
                &["-q", "-I", "-", "-W", "byline", "^(MAIL FROM|RCPT TO)", "tcp"],
                "MAIL FROM:",
                1,
            ),
            Call::new(
                FIELDS,
                tshark!("imf": "frame.time_epoch" "ip.src" "imf.from" "imf.to" "imf.subject"),
                "198.51.",
                1,
            )
            .with(Effort::Twice),
            Call::new(EK, tshark_ek!("imf"), r#""imf_imf_subject":"#, 1).with(Effort::Part(20)),
            Call::suricata(r#""email":{"#),
            Call::text("  SMTP  subject: ", 1),
            Call::json(r#""action":"smtp-message""#, 1),
            Call::exchanges(r#""action":"smtp-message""#),
        ],
    },
    Load {
        kind: &made::IMAP,
        about: "commands of webmails at dovecot: LOGIN, SELECT, FETCH and APPEND with literals",
        readers: &[
            Call::FLOOR,
            Call::tcpflow(" completed.", 1),
            Call::new(
                "ngrep",
                &["-q", "-I", "-", "-W", "byline", "A[0-9]+ (OK|LOGIN|SELECT|UID)", "tcp"],
                " completed.",
                1,
            ),
            Call::new(
                FIELDS,
                tshark!("imap":
                    "frame.time_epoch" "ip.src"
                    "imap.request.command" "imap.response_tag" "imap.response.status"),
                // The tag of a completion.
                "A0",
                1,
            )
            .with(Effort::Twice),
            Call::new(EK, tshark_ek!("imap.response"), " completed", 1).with(Effort::Part(20)),
            Call::text("  IMAP  Request: A", 1),
            Call::json(r#""action":"imap-command""#, 1),
            Call::exchanges(r#""command":{"tag""#),
        ],
    },
];
