//! tshark itself, asked as the stored readings were made: two passes, with the
//! preferences spelled out so that a user's own cannot change the answer.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// The fields that are compared, and where they stand.
const FIELDS: [&str; 29] = [
    "frame.number",
    "frame.protocols",
    "_ws.col.Source",
    "_ws.col.Destination",
    "_ws.col.Info",
    "tcp.stream",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.reassembled.length",
    "http.request.method",
    "http.request.uri",
    "http.request.version",
    "http.host",
    "http.user_agent",
    "http.response.version",
    "http.response.code",
    "http.response.phrase",
    "http.content_type",
    "smtp.command_line",
    "smtp.auth.username",
    "smtp.auth.password",
    "smtp.response.code",
    "smtp.rsp.parameter",
    "imf.from",
    "imf.to",
    "imf.subject",
    "imf.message_id",
    "imf.date",
    "imap.line",
];

const PREFERENCES: [&str; 15] = [
    "tcp.desegment_tcp_streams:TRUE",
    "tcp.reassemble_out_of_order:TRUE",
    "tcp.check_checksum:FALSE",
    "tcp.analyze_sequence_numbers:TRUE",
    "tcp.try_heuristic_first:FALSE",
    "ip.defragment:TRUE",
    "ipv6.defragment:TRUE",
    "ip.check_checksum:FALSE",
    "http.desegment_headers:TRUE",
    "http.desegment_body:TRUE",
    "http.dechunk_body:TRUE",
    "http.decompress_body:TRUE",
    "smtp.desegment_lines:TRUE",
    "smtp.desegment_data:TRUE",
    "imap.ssl_heuristic:TRUE",
];

/// Frames of a capture with a message of one of the protocols.
pub(super) fn read(capture: &Path) -> Result<Vec<Map<String, Value>>> {
    let mut command = Command::new("timeout");
    command.args([
        "120",
        "tshark",
        "-2",
        "-n",
        "-T",
        "json",
        "-Y",
        "tcp && (http || smtp || imap)",
    ]);
    command.arg("-r").arg(capture);
    for preference in PREFERENCES {
        command.args(["-o", preference]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    // A folder without a user's preferences.
    command.env("WIRESHARK_CONFIG_DIR", "/nonexistent").env("XDG_CONFIG_HOME", "/nonexistent");
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().context("no stored reading, and starting tshark failed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let text = escaped(text.trim());
    if text.is_empty() {
        if output.status.success() {
            return Ok(Vec::new());
        }
        bail!("no stored reading, and tshark (is it installed?) ended with {}", output.status);
    }
    // A damaged capture ends tshark before it has closed the list.
    let closing = if text.ends_with(']') { "" } else { "\n]" };
    let list: Vec<Value> = serde_json::from_str(&format!("{text}{closing}"))
        .context("tshark's answer is not what is expected")?;
    let layers = |frame: &Value| frame.get("_source")?.get("layers")?.as_object().cloned();
    Ok(list.iter().filter_map(layers).collect())
}

/// JSON with the control characters in its strings escaped, which tshark leaves
/// as they are.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let (mut quoted, mut behind_backslash) = (false, false);
    for character in text.chars() {
        match character {
            '"' if !behind_backslash => quoted = !quoted,
            control if quoted && control.is_ascii_control() && control < ' ' => {
                let number = u32::from(control);
                result.extend(
                    ['\\', 'u', '0', '0'].into_iter().chain(hex(number >> 4)).chain(hex(number)),
                );
                continue;
            }
            _ => {}
        }
        behind_backslash = character == '\\' && !behind_backslash;
        result.push(character);
    }
    result
}

fn hex(number: u32) -> Option<char> {
    char::from_digit(number & 0xf, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_strings_are_escaped() {
        assert_eq!(escaped("{\n\"a\": \"b\tc\\\"\n\"}"), "{\n\"a\": \"b\\u0009c\\\"\\u000a\"}");
    }
}
