//! What the program itself says: its log and its errors, beside its output.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use tests::{
    program::{NO_SETTINGS, tracer},
    secret::Secrets,
};

use super::{CLIENT_PORT, Dialogue, PASSWORD, arrivals::capture, hide, http, imap, pop3, smtp};

/// How the program is called: with each protocol on its port, with the port
/// found out, and with ports on which nothing can be made of what is said.
const CALLS: [&[&str]; 8] = [
    &["--format", "text", "--port", "http=25,110,143", "--port", "smtp=80", "--explain"],
    &["--format", "json", "--port", "imap=25,80,110", "--port", "pop3=143", "--explain"],
    &["--format", "json", "--port", "auto=25,80,110,143", "--explain"],
    &["--format", "text", "--port", "auto=25,80,110,143", "--explain", "--view", "segments"],
    &["--format", "text", "--view", "messages", "--port", "pop3=110"],
    &["--format", "json", "--view", "exchanges", "--port", "pop3=110"],
    &["--format", "json", "--view", "segments"],
    &["--format", "text", "--view", "segments"],
];

/// The two streams of `tracer read -vv` for a file.
fn says(file: &Path, arguments: &[&str]) -> Result<[String; 2]> {
    let output = Command::new(tracer())
        .args(NO_SETTINGS)
        .args(["-vv", "--body", "4096", "read"])
        .args(arguments)
        .arg(file)
        .output()
        .with_context(|| tracer().display().to_string())?;
    ensure!(!output.stderr.is_empty(), "says nothing although it was asked to say all");
    Ok([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// All dialogues in one file; the same file cut off, and damaged.
#[test]
fn neither_output_nor_log_nor_errors() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut packets = Vec::new();
    let mut secrets = Secrets::default();
    let all = [
        (80, http::dialogues()),
        (25, smtp::dialogues()),
        (143, imap::dialogues()),
        (110, pop3::dialogues()),
    ];
    let all = all.iter().flat_map(|(port, dialogues)| dialogues.iter().map(|steps| (*port, steps)));
    for ((port, steps), client) in all.zip(CLIENT_PORT..) {
        let dialogue = Dialogue::new(port, steps);
        packets.extend(dialogue.said(client, |_, bytes| vec![bytes.to_vec()])?);
        for text in steps.iter().map(|(_, text)| text) {
            for part in text.split('‹').skip(1) {
                hide(&mut secrets, part.split_once('›').map_or(part, |(secret, _)| secret));
            }
        }
    }
    let whole = capture(&packets)?.pcap()?;
    let mut damaged = whole.clone();
    // The head of a packet, so that the file makes no sense from there on.
    let middle = capture(&packets[..packets.len() / 2])?.pcap()?.len();
    damaged[middle..middle + 16].fill(0xff);
    let files = [("whole", whole.clone()), ("cut", whole[..middle].to_vec()), ("damaged", damaged)];
    for (name, bytes) in files {
        let file = folder.path().join(format!("{name}.pcap"));
        fs::write(&file, bytes)?;
        for arguments in CALLS {
            for stream in says(&file, arguments)? {
                let leak = secrets.leak(&stream);
                ensure!(leak.is_none(), "{name}, {arguments:?}: {}", leak.unwrap_or_default());
            }
        }
    }
    let shown = says(&folder.path().join("whole.pcap"), &["--show-secrets"])?;
    ensure!(shown[0].contains(PASSWORD.trim_matches(['‹', '›'])), "not even when asked to");
    Ok(())
}
