//! The packet as the two kinds of hook show it.

use core::{
    arch::asm,
    ffi::c_void,
    mem::{MaybeUninit, size_of},
};

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::warn;
use tracer_common::NO_VLAN;

/// Offsets beyond this are not looked at for headers; also what tells the
/// verifier that adding an offset to a packet pointer cannot overflow.
const MAX_HEADER_OFFSET: u32 = 0x3fff;

/// Plain bytes that may be read out of a packet.
///
/// # Safety
///
/// Any bit pattern must be a valid value.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: arrays of bytes.
unsafe impl<const N: usize> Plain for [u8; N] {}

// SAFETY: arrays of those.
unsafe impl<const N: usize, const M: usize> Plain for [[u8; N]; M] {}

/// The first `LEN` bytes of a header.
///
/// Fields are loaded whole. Out of an array, whose alignment is that of a byte,
/// the compiler loads each byte by itself, and spills them, which took half of
/// the time of a packet that nobody wants. The verifier allows it at the
/// offsets that fields have in headers.
#[derive(Clone, Copy)]
pub(crate) struct Header<const LEN: usize>(*const u8);

/// Loads a field of a header.
macro_rules! load {
    ($header:ident, $at:ident, $size:literal) => {{
        const { assert!($at + $size / 8 <= LEN, "a field of the header") };
        let value: u64;
        // SAFETY: the header has LEN bytes, as whoever made it has seen; nothing
        // writes them.
        unsafe {
            asm!(concat!("{value} = *(u", $size, " *)({start} + {at})"),
                value = lateout(reg) value, start = in(reg) $header.0, at = const $at,
                options(readonly, nostack, preserves_flags));
        }
        value
    }};
}

impl<const LEN: usize> Header<LEN> {
    /// The byte at an offset.
    #[inline(always)]
    pub(crate) fn byte<const AT: usize>(self) -> u8 {
        load!(self, AT, 8) as u8
    }

    /// The number of two bytes at an offset.
    #[inline(always)]
    pub(crate) fn half<const AT: usize>(self) -> u16 {
        u16::from_be(load!(self, AT, 16) as u16)
    }

    /// The four bytes at an offset.
    #[inline(always)]
    pub(crate) fn word<const AT: usize>(self) -> [u8; 4] {
        (load!(self, AT, 32) as u32).to_ne_bytes()
    }
}

/// Moves a packet pointer on. The mask, which the compiler would leave out, goes
/// with the addition: of an offset that stood on the stack meanwhile, the
/// verifier of Linux 6.1 no longer knows that it was checked.
#[inline(always)]
fn forward(start: usize, offset: u32) -> usize {
    let mut at = start;
    // SAFETY: changes registers alone; the mask changes no offset that is not
    // beyond it.
    unsafe {
        asm!("{offset} &= {mask}", "{at} += {offset}",
            at = inout(reg) at, offset = inout(reg) u64::from(offset) => _,
            mask = const MAX_HEADER_OFFSET, options(nomem, nostack));
    }
    at
}

/// What the programs ask of a packet.
pub(crate) trait Packet {
    /// Bytes in the packet, paged ones included.
    fn len(&self) -> u32;

    /// First and one-past-last address of the part that can be read in place.
    fn linear(&self) -> (usize, usize);

    /// Copies `len` bytes (at least 1) from `offset` on; false if that failed.
    ///
    /// # Safety
    ///
    /// `to` must be valid for `len` bytes, visibly to the verifier.
    unsafe fn copy(&self, offset: u32, to: *mut c_void, len: u32) -> bool;

    /// Index of the interface whose hook runs.
    fn interface(&self) -> u32;

    /// VLAN id that the device or the stack took out of the frame.
    fn offloaded_vlan(&self) -> u16;

    /// Says that the bytes of a packet could not be read.
    fn log_unreadable(&self);

    /// Fields of a header, of which so many bytes must be there. They are taken
    /// where the header is found, in place or copied: were it a pointer that
    /// outlived this, the verifier would walk all that follows for both.
    #[inline(always)]
    fn fields<const LEN: usize, T>(
        &self,
        offset: u32,
        take: impl Fn(Header<LEN>) -> T,
    ) -> Option<T> {
        if offset > MAX_HEADER_OFFSET {
            return None;
        }
        let (start, end) = self.linear();
        let at = start + offset as usize;
        if at + LEN <= end {
            return Some(take(Header(at as *const u8)));
        }
        let mut copied = MaybeUninit::<[u8; LEN]>::uninit();
        // SAFETY: the buffer has LEN bytes; the helper fills all of them.
        unsafe { self.copy(offset, copied.as_mut_ptr().cast(), LEN as u32) }
            .then(|| take(Header(copied.as_ptr().cast())))
    }

    /// Reads bytes of a header: in place where the packet is linear, which is
    /// nearly always, else by copy.
    #[inline(always)]
    fn read<T: Plain>(&self, offset: u32) -> Option<T> {
        if offset > MAX_HEADER_OFFSET {
            return None;
        }
        let (start, end) = self.linear();
        let at = forward(start, offset);
        if at + size_of::<T>() <= end {
            // SAFETY: checked against the end of the linear part, and T has no
            // alignment and no invalid values.
            return Some(unsafe { *(at as *const T) });
        }
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the buffer is as large as T; the helper fills all of it.
        unsafe {
            self.copy(offset, value.as_mut_ptr().cast(), size_of::<T>() as u32)
                .then(|| value.assume_init())
        }
    }
}

/// A socket buffer, at TC.
pub(crate) struct Buffer<'a> {
    context: &'a TcContext,
}

impl<'a> Buffer<'a> {
    /// The packet of a TC hook.
    #[inline(always)]
    pub(crate) fn new(context: &'a TcContext) -> Self {
        Self { context }
    }
}

impl Packet for Buffer<'_> {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.context.len()
    }

    #[inline(always)]
    fn linear(&self) -> (usize, usize) {
        (self.context.data(), self.context.data_end())
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut c_void, len: u32) -> bool {
        // SAFETY: the caller's promise about `to`; the kernel checks the rest.
        unsafe { bpf_skb_load_bytes(self.context.as_ptr(), offset, to, len) == 0 }
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: the context is valid while the program runs.
        unsafe { (*self.context.skb.skb).ifindex }
    }

    #[inline(always)]
    fn offloaded_vlan(&self) -> u16 {
        let skb = self.context.skb.skb;
        // SAFETY: the context is valid while the program runs.
        unsafe { if (*skb).vlan_present == 0 { NO_VLAN } else { (*skb).vlan_tci as u16 & 0x0fff } }
    }

    #[inline(always)]
    fn log_unreadable(&self) {
        warn!(
            self.context,
            "interface {}: a packet of {} bytes could not be read",
            self.interface(),
            self.len()
        );
    }
}

/// A frame, at XDP.
pub(crate) struct Frame<'a> {
    context: &'a XdpContext,
}

impl<'a> Frame<'a> {
    /// The frame of an XDP hook.
    #[inline(always)]
    pub(crate) fn new(context: &'a XdpContext) -> Self {
        Self { context }
    }
}

impl Packet for Frame<'_> {
    #[inline(always)]
    fn len(&self) -> u32 {
        // SAFETY: the context is valid while the program runs.
        unsafe { bpf_xdp_get_buff_len(self.context.ctx) as u32 }
    }

    #[inline(always)]
    fn linear(&self) -> (usize, usize) {
        (self.context.data(), self.context.data_end())
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut c_void, len: u32) -> bool {
        // SAFETY: the caller's promise about `to`; the kernel checks the rest.
        unsafe { bpf_xdp_load_bytes(self.context.ctx, offset, to, len) == 0 }
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        self.context.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn offloaded_vlan(&self) -> u16 {
        NO_VLAN
    }

    #[inline(always)]
    fn log_unreadable(&self) {
        warn!(
            self.context,
            "interface {}: a frame of {} bytes could not be read",
            self.interface(),
            self.len()
        );
    }
}
