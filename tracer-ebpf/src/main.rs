//! The kernel side of tracer: entry points, one per hook and kind of device.
//!
//! The way of a packet: [`headers`] finds the TCP segment and decides whether
//! anybody wants it, [`shed`] whether its flow is followed, [`skip`] which part
//! of it is wanted, [`emit`] copies that into the ring of its flow's shard.
//! Whatever happens, TC programs answer "next" and XDP programs "pass": nothing
//! here can drop, delay or change a packet. Every packet is counted under
//! exactly one [`Outcome`].

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    unsafe_code,
    reason = "packet and map memory is reached by pointers that the verifier checks"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes are constants and fields as wide as the kernel fills them; a checked conversion is a panic's code"
)]
#![expect(
    clippy::inline_always,
    reason = "the verifier follows a packet pointer within a function"
)]
#![expect(clippy::needless_pass_by_value, reason = "aya's macros hand the context over by value")]

mod emit;
mod headers;
mod hosts;
mod maps;
mod owner;
mod packet;
mod scan;
mod shed;
mod skip;

use aya_ebpf::{
    bindings::{tcx_action_base::TCX_NEXT, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use tracer_common::{EGRESS, Outcome};

/// Flags of a record of a packet that came in: none.
const INGRESS: u8 = 0;

use crate::{
    headers::{Link, Segment},
    packet::{Buffer, Frame, Packet},
};

// Inlined into what the kernel calls: a call of a BPF function costs a packet
// that nobody wants a fifth of its time.

/// TC ingress of a device with an Ethernet header.
#[classifier]
#[inline(always)]
fn ingress_ethernet(context: TcContext) -> i32 {
    classify(&context, Link::Ethernet, INGRESS)
}

/// TC egress of a device with an Ethernet header.
#[classifier]
#[inline(always)]
fn egress_ethernet(context: TcContext) -> i32 {
    classify(&context, Link::Ethernet, EGRESS)
}

/// TC ingress of a device whose packets begin with the IP header.
#[classifier]
#[inline(always)]
fn ingress_ip(context: TcContext) -> i32 {
    classify(&context, Link::Ip, INGRESS)
}

/// TC egress of a device whose packets begin with the IP header.
#[classifier]
#[inline(always)]
fn egress_ip(context: TcContext) -> i32 {
    classify(&context, Link::Ip, EGRESS)
}

/// XDP of a device with an Ethernet header.
#[xdp(frags)]
#[inline(always)]
fn xdp_ethernet(context: XdpContext) -> u32 {
    trace(&Frame::new(&context), Link::Ethernet, INGRESS);
    XDP_PASS
}

#[inline(always)]
fn classify(context: &TcContext, link: Link, direction: u8) -> i32 {
    // For clsact the same number is TC_ACT_UNSPEC: go on with the next filter.
    if !maps::loader_is_gone() {
        trace(&Buffer::new(context), link, direction);
    }
    TCX_NEXT
}

#[inline(always)]
fn trace<P: Packet>(packet: &P, link: Link, direction: u8) {
    let outcome = match headers::parse(packet, link) {
        Ok(segment) => follow(packet, &segment, direction),
        Err(outcome) => outcome,
    };
    maps::count(outcome);
    if outcome == Outcome::LostCopy {
        packet.log_unreadable();
    }
}

/// Copies the segment, unless its flow is one that is not followed.
#[inline(always)]
fn follow<P: Packet>(packet: &P, segment: &Segment, direction: u8) -> Outcome {
    let Some(settings) = maps::settings() else { return Outcome::LostCopy };
    if shed::sheds(segment, settings.shards) {
        return Outcome::Shed;
    }
    let outcome = emit::emit(packet, segment, direction);
    // A flow is followed whole or not at all.
    let unseen = outcome == Outcome::LostRing && segment.is_opening();
    if unseen && shed::refuse(segment, settings.shards) { Outcome::Shed } else { outcome }
}

/// Never reached: no function here can panic. Were one to, the verifier would
/// refuse this loop, and with it the object.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Without a licence that the kernel takes for the GPL's, it refuses helpers.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
