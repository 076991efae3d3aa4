//! protolens on the same segments: a task for each connection, which puts its
//! segments in order and calls back with what it finds.

use std::{cell::Cell, ffi::c_void, hint::black_box, net::IpAddr, rc::Rc};

use anyhow::{Result, bail};
use protolens::{Direction, L7Proto, Packet, Prolens, TransProto};
use tracer::capture::{Segment, TcpFlags};

use super::load::Load;

/// A segment, which need not be copied to be kept.
#[derive(Clone, Copy)]
struct Borrowed(&'static Segment<'static>);

impl Packet for Borrowed {
    fn trans_proto(&self) -> TransProto {
        TransProto::Tcp
    }

    fn sip(&self) -> IpAddr {
        self.0.source.ip
    }

    fn dip(&self) -> IpAddr {
        self.0.destination.ip
    }

    fn tu_sport(&self) -> u16 {
        self.0.source.port
    }

    fn tu_dport(&self) -> u16 {
        self.0.destination.port
    }

    fn seq(&self) -> u32 {
        self.0.tcp.sequence
    }

    fn syn(&self) -> bool {
        self.0.tcp.flags.has(TcpFlags::SYN)
    }

    fn fin(&self) -> bool {
        self.0.tcp.flags.has(TcpFlags::FIN)
    }

    fn payload_len(&self) -> usize {
        self.0.bytes.len()
    }

    fn payload(&self) -> &[u8] {
        self.0.bytes
    }
}

/// Takes the load through. Whose segment each is, is known: looking a flow up
/// is left to who uses the crate.
pub(super) fn pass(load: &'static Load) -> Result<u64> {
    let mut lens = Prolens::<Borrowed>::default();
    let found = Rc::new(Cell::new(0));
    let count = |found: &Rc<Cell<u64>>| {
        let found = Rc::clone(found);
        move |bytes: &[u8], _: u32, _: *mut c_void, _: Direction| {
            found.set(found.get() + 1);
            black_box(bytes);
        }
    };
    let plain = |bytes: &[u8], _: u32, _: *mut c_void| {
        black_box(bytes);
    };
    let header = |bytes: &[u8], _: u32, _: *mut c_void, _: Direction| {
        black_box(bytes);
    };
    let ended = {
        let found = Rc::clone(&found);
        move |_: *mut c_void, _: Direction| found.set(found.get() + 1)
    };
    let protocol = match load.protocol.label.name {
        "http" => {
            lens.set_cb_http_start_line(count(&found));
            lens.set_cb_http_header(header);
            L7Proto::Http
        }
        "smtp" => {
            lens.set_cb_smtp_mailfrom(plain);
            lens.set_cb_smtp_rcpt(plain);
            lens.set_cb_smtp_header(header);
            lens.set_cb_smtp_srv(plain);
            lens.set_cb_smtp_body_stop(ended);
            L7Proto::Smtp
        }
        "imap" => {
            let found = Rc::clone(&found);
            lens.set_cb_imap_clt(move |bytes: &[u8], _: u32, _: *mut c_void| {
                found.set(found.get() + 1);
                black_box(bytes);
            });
            lens.set_cb_imap_srv(plain);
            lens.set_cb_imap_header(header);
            L7Proto::Imap
        }
        other => bail!("protolens is not asked for {other}"),
    };
    let mut tasks: Vec<_> = (0..load.connections).map(|_| None).collect();
    for (connection, segment) in &load.segments {
        let Some(task) = tasks.get_mut(*connection) else { continue };
        let task = task.get_or_insert_with(|| {
            let mut task = lens.new_task(TransProto::Tcp);
            lens.set_task_parser(&mut task, protocol);
            task
        });
        black_box(lens.run_task(task, Borrowed(segment)));
    }
    Ok(found.get())
}
