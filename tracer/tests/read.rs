//! `tracer read`, the program, on files.

#![cfg(test)]

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

/// A handshake between 127.0.0.1 and port 80 of 127.0.0.2, a quarter of a
/// second from packet to packet.
fn capture() -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    let (client, server) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let to_server = |sequence| {
        etherparse::PacketBuilder::ipv4(client, server, 64).tcp(40_000, 80, sequence, 512)
    };
    let to_client = |sequence| {
        etherparse::PacketBuilder::ipv4(server, client, 64).tcp(80, 40_000, sequence, 256)
    };
    let packets =
        vec![to_server(999).syn(), to_client(1999).syn().ack(1000), to_server(1000).ack(2000)];
    for (number, builder) in (0_u32..).zip(packets) {
        let mut packet = Vec::new();
        builder.write(&mut packet, b"").unwrap();
        let len = u32::try_from(packet.len()).unwrap();
        for word in [100, number * 250_000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// Its rows, one space between columns.
const ROWS: &str = "\
0.000000 127.0.0.1 127.0.0.2 TCP 40000 → 80 [SYN] Seq=0 Win=512 Len=0
0.250000 127.0.0.2 127.0.0.1 TCP 80 → 40000 [SYN, ACK] Seq=0 Ack=1 Win=256 Len=0
0.500000 127.0.0.1 127.0.0.2 TCP 40000 → 80 [ACK] Seq=1 Ack=1 Win=512 Len=0
";

fn rows(output: &Output) -> String {
    let squeezed = |row: &str| row.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text(&output.stdout).lines().map(squeezed).collect()
}

/// Keeps the settings of this host out.
const NO_SETTINGS: [&str; 2] = ["--config", "none"];

fn tracer(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .args(NO_SETTINGS)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_file_and_a_pipe_give_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pcap");
    fs::write(&file, capture()).unwrap();
    // Only who opened the file before root was given up can read it.
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let of_file = tracer(&["read", "--view", "segments", file.to_str().unwrap()], b"");
    let of_pipe = tracer(&["--view", "segments", "read", "-"], &capture());
    assert!(of_file.status.success(), "{}", text(&of_file.stderr));
    assert_eq!(text(&of_file.stdout), text(&of_pipe.stdout));
    assert_eq!(rows(&of_file), ROWS);
    assert!(text(&of_file.stderr).starts_with("3 packets seen = 3 copied"));
}

#[test]
fn damage_is_told_once_behind_what_was_read() {
    let mut damaged = capture();
    damaged.truncate(damaged.len() - 1);
    let output = tracer(&["read", "--view", "segments", "-"], &damaged);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows(&output).lines().count(), 2);
    assert!(ROWS.starts_with(&rows(&output)));
    let errors: Vec<_> = text(&output.stderr).lines().filter(|l| l.contains("error")).collect();
    assert_eq!(
        errors,
        ["tracer: error: standard input: at byte 136: the file is cut short: \
          56 bytes should follow, 55 do"]
    );
}

#[test]
fn a_file_that_is_not_there_is_told_before_anything_is_read() {
    let output = tracer(&["read", "-", "/nonexistent/file"], &capture());
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let expected = "tracer: error: cannot open /nonexistent/file: No such file or directory";
    assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
}

#[test]
fn wrong_use_is_status_2() {
    let output = tracer(&["-i", "lo", "read", "-"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("options of `live`"));
    assert_eq!(tracer(&["read", "--port", "ftp=21", "-"], b"").status.code(), Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .args(NO_SETTINGS)
        .args(["read", "--view", "segments", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    drop(child.stdout.take());
    let capture = capture();
    let (header, packets) = capture.split_at(24);
    // It may end before it has read all of this.
    let _ = input.write_all(header);
    for _ in 0..20_000 {
        if input.write_all(packets).is_err() {
            break;
        }
    }
    drop(input);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn root_is_given_up_before_the_first_byte() {
    if !Path::new("/proc/self/status").exists() || !nix::unistd::geteuid().is_root() {
        let _ = writeln!(std::io::stderr(), "skipped: needs root, to see it given up");
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .args(NO_SETTINGS)
        .args(["read", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut seen = String::new();
    for _ in 0..500 {
        seen = fs::read_to_string(&status).unwrap();
        if seen.contains("NoNewPrivs:\t1") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "Groups:\t \n",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(seen.contains(line), "{line:?} in {seen}");
    }
}
