//! Secrets of SMTP.

use tracer::event::Side::{Client, Server};

use super::{LOGIN, PASSWORD, PLAIN, Steps};

/// Each secret where it may stand.
pub(crate) fn dialogues() -> Vec<Steps> {
    let mut dialogues = Vec::new();
    for (secret, steps) in [
        (PLAIN, vec![format!("AUTH PLAIN {PLAIN}")]),
        (PLAIN, vec![format!(" auth\tplain {PLAIN}")]),
        (PLAIN, vec![format!("AUTH {PLAIN}")]),
        (PLAIN, vec![format!("AUTH=PLAIN {PLAIN}")]),
        (PLAIN, vec![format!("XAUTH PLAIN {PLAIN}")]),
        (PASSWORD, vec![format!("LOGIN eve {PASSWORD}")]),
        (PASSWORD, vec![format!("AUTH PLAIN {PLAIN}")]),
        (PLAIN, vec!["AUTH PLAIN".into(), PLAIN.into()]),
        (LOGIN, vec!["AUTH LOGIN".into(), "ZXZl".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH LOGIN ZXZl".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH X-NEW".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH CRAM-MD5".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH DIGEST-MD5".into(), LOGIN.into(), String::new()]),
        (LOGIN, vec!["AUTH SCRAM-SHA-256 biws".into(), LOGIN.into()]),
        (PLAIN, vec![format!("AUTH SCRAM-SHA-256 {PLAIN}"), LOGIN.into()]),
        (PLAIN, vec![format!("AUTH XOAUTH2 {PLAIN}")]),
        (PLAIN, vec!["AUTH XOAUTH2".into(), PLAIN.into()]),
        (PLAIN, vec![format!("AUTH OAUTHBEARER {PLAIN}")]),
        (PLAIN, vec![format!("AUTH NTLM {PLAIN}")]),
        (PLAIN, vec!["AUTH GSSAPI".into(), PLAIN.into()]),
        (
            PASSWORD,
            vec![format!("BURL imap://eve@h/in;uid=2;urlauth=submit+eve:internal:{PASSWORD}")],
        ),
        (PASSWORD, vec![format!("BURL imap://eve:{PASSWORD}@h/in;uid=2 LAST")]),
        (PASSWORD, vec![format!("PASS {PASSWORD}")]),
    ] {
        let sent = steps.len() - 1;
        for refusal in [
            format!("535 5.7.8 Error: authentication failed: {secret}"),
            format!("501-5.5.4 Syntax [{secret}]\r\n501 {secret}"),
        ] {
            let mut dialogue = vec![
                (Server, "220 mx ESMTP\r\n".to_owned()),
                (Client, "EHLO me\r\n".to_owned()),
                (Server, "250-mx\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()),
            ];
            for (number, step) in steps.iter().enumerate() {
                dialogue.push((Client, format!("{step}\r\n")));
                if number < sent {
                    dialogue.push((Server, "334 \r\n".to_owned()));
                }
            }
            dialogue.push((Server, format!("{refusal}\r\n")));
            dialogue.push((Client, "MAIL FROM:<a@b>\r\nQUIT\r\n".to_owned()));
            dialogue.push((Server, "250 ok\r\n221 bye\r\n".to_owned()));
            dialogues.push(dialogue);
        }
    }
    dialogues
}
