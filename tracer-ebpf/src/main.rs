//! The kernel side of tracer: entry points.

#![no_std]
#![no_main]

use aya_ebpf::{macros::classifier, programs::TcContext};

/// Placeholder that passes everything on.
#[classifier]
fn ingress_ethernet(_ctx: TcContext) -> i32 {
    -1
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
