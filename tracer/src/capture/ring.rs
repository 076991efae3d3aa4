//! The reading end of a BPF ring buffer, which the kernel and this process
//! have mapped both (`kernel/bpf/ringbuf.c`).
//!
//! What has been read is given back in batches. A record that the kernel
//! commits exactly where the reader has given back up to would wake the
//! reader: so the last record that was read stays with it until it is going to
//! sleep ([`Ring::give_back_all`]), and as long as it looks by itself, nothing
//! wakes anybody.
#![expect(unsafe_code, reason = "memory is shared with the kernel, by pointers")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

/// Set in the length of a record that is being written
/// (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;

/// Set in the length of a record that was taken back
/// (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARDED: u32 = 1 << 30;

/// Bytes before each record: its length, and a number for the kernel
/// (`BPF_RINGBUF_HDR_SZ`).
const HEADER: usize = 8;

/// The part of a ring that may be read before it is given back to the kernel.
const KEPT: usize = 8;

/// The reading end of a ring.
pub(super) struct Ring {
    descriptor: OwnedFd,
    shared: Arc<Shared>,
    /// Where the next record is; positions count bytes and wrap.
    next: usize,
    /// Where the record that was read last is.
    last: usize,
    /// Up to where the kernel may write again.
    given_back: usize,
    /// Up to where the kernel had written when it was last asked.
    written: usize,
}

/// How full a ring is, for any thread.
#[derive(Clone)]
pub struct Fill(Arc<Shared>);

/// What the kernel and all threads see.
struct Shared {
    consumer: NonNull<AtomicUsize>,
    producer: NonNull<AtomicUsize>,
    /// The ring, twice in a row, so that every record stands in one piece.
    data: NonNull<u8>,
    /// Bytes of the ring: a power of two.
    size: usize,
    /// Up to where the reader has read.
    read: AtomicUsize,
    /// Holds what the pointers lead to.
    _memory: Memory,
}

/// Memory that is freed with its owner.
enum Memory {
    Mapped {
        _positions: Pages,
        _data: Pages,
    },
    #[cfg(test)]
    Owned(#[expect(dead_code, reason = "only held")] Box<[u64]>),
}

// SAFETY: the positions are atomics. The data is only read, and only by the
// one `Ring` there is, between the position that it has given back and the one
// that it has seen written; there the kernel writes nothing.
unsafe impl Send for Shared {}
// SAFETY: as above; `Fill` reads positions alone.
unsafe impl Sync for Shared {}

impl Ring {
    /// Maps a ring of `size` bytes.
    ///
    /// # Errors
    ///
    /// When the descriptor is not of a ring of that size.
    pub(super) fn map(descriptor: OwnedFd, size: usize) -> io::Result<Self> {
        let page = page_size();
        // The kernel wants the part that is written to and the part that is
        // not in two pieces; behind the producer's page it maps the ring twice.
        let positions = Pages::map(descriptor.as_fd(), 0, page, true)?;
        let len = size.checked_mul(2).and_then(|twice| twice.checked_add(page));
        let len = len.ok_or(io::ErrorKind::InvalidInput)?;
        let data = Pages::map(descriptor.as_fd(), page, len, false)?;
        let shared = Shared {
            consumer: positions.begin.cast(),
            producer: data.begin.cast(),
            // SAFETY: a page stands before the data in the same mapping.
            data: unsafe { data.begin.add(page) },
            size,
            read: AtomicUsize::new(0),
            _memory: Memory::Mapped { _positions: positions, _data: data },
        };
        Ok(Self::new(descriptor, shared))
    }

    fn new(descriptor: OwnedFd, shared: Shared) -> Self {
        let next = shared.consumer().load(Ordering::Acquire);
        shared.read.store(next, Ordering::Release);
        let shared = Arc::new(shared);
        Self { descriptor, shared, next, last: next, given_back: next, written: next }
    }

    /// The next record that is complete, in the order in which the kernel
    /// began them.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        loop {
            if self.next == self.written {
                self.written = self.shared.producer().load(Ordering::Acquire);
                if self.next == self.written {
                    return None;
                }
            }
            let at = self.next & (self.shared.size - 1);
            // SAFETY: `at` is in the ring, and a multiple of eight, as the
            // kernel's positions are; a header stands there, because the
            // kernel has written beyond it.
            let header = unsafe { self.shared.data.add(at).cast::<AtomicU32>().as_ref() };
            let header = header.load(Ordering::Acquire);
            if header & BUSY != 0 {
                return None;
            }
            let len = usize::try_from(header & !DISCARDED).unwrap_or(usize::MAX);
            let total = len.checked_add(HEADER)?.checked_next_multiple_of(HEADER)?;
            if total > self.written.wrapping_sub(self.next) {
                // Not a ring that this side knows how to read.
                return None;
            }
            self.last = self.next;
            self.next = self.next.wrapping_add(total);
            if self.last.wrapping_sub(self.given_back) >= self.shared.size / KEPT {
                self.give_back_to(self.last);
            }
            if header & DISCARDED == 0 {
                // SAFETY: the record is complete, which was read with Acquire
                // from its header, and the kernel does not write to it before
                // it is given back, which takes `&mut self` and so the end of
                // the slice. `at` is within the first of two copies of the
                // ring, and the record, being within what was written, is no
                // longer than one.
                let begin = unsafe { self.shared.data.add(at + HEADER) };
                // SAFETY: as above.
                return Some(unsafe { std::slice::from_raw_parts(begin.as_ptr(), len) });
            }
        }
    }

    /// Gives what was read back to the kernel, but for the last record.
    pub(super) fn give_back(&mut self) {
        self.shared.read.store(self.next, Ordering::Release);
        self.give_back_to(self.last);
    }

    /// Gives all that was read back: from now on the next record makes the
    /// descriptor readable.
    pub(super) fn give_back_all(&mut self) {
        self.give_back_to(self.next);
    }

    fn give_back_to(&mut self, position: usize) {
        if self.given_back != position {
            self.given_back = position;
            self.shared.consumer().store(position, Ordering::Release);
        }
    }

    /// Tells other threads how full the ring is.
    pub(super) fn fill(&self) -> Fill {
        Fill(Arc::clone(&self.shared))
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Fill {
    /// Up to where the kernel has written: a count of bytes that wraps.
    pub fn written(&self) -> usize {
        self.0.producer().load(Ordering::Acquire)
    }

    /// Up to where the reader has read, at the end of its last batch.
    pub fn read(&self) -> usize {
        self.0.read.load(Ordering::Acquire)
    }

    /// Bytes that wait to be read.
    pub fn waiting(&self) -> usize {
        let read = self.read();
        self.written().wrapping_sub(read)
    }

    /// Bytes that the ring takes.
    pub fn size(&self) -> usize {
        self.0.size
    }
}

impl Shared {
    const fn consumer(&self) -> &AtomicUsize {
        // SAFETY: leads to the begin of a page that lives as long as `self`;
        // all who share it use it as an atomic.
        unsafe { self.consumer.as_ref() }
    }

    const fn producer(&self) -> &AtomicUsize {
        // SAFETY: as above.
        unsafe { self.producer.as_ref() }
    }
}

/// Mapped memory.
pub(super) struct Pages {
    begin: NonNull<u8>,
    len: usize,
}

// SAFETY: memory belongs to no thread.
unsafe impl Send for Pages {}
// SAFETY: who reaches into the memory answers for how.
unsafe impl Sync for Pages {}

impl Pages {
    /// Where the memory begins.
    pub(super) const fn begin(&self) -> NonNull<u8> {
        self.begin
    }

    pub(super) fn map(
        descriptor: BorrowedFd<'_>,
        offset: usize,
        len: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (descriptor, flags) = (descriptor.as_raw_fd(), libc::MAP_SHARED);
        // SAFETY: a mapping at a place of the kernel's choice touches no other.
        let begin =
            unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, descriptor, offset) };
        if begin == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let begin = NonNull::new(begin.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { begin, len })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: was mapped with this length; nobody else holds it.
        unsafe { libc::munmap(self.begin.as_ptr().cast(), self.len) };
    }
}

fn page_size() -> usize {
    // SAFETY: asks for a constant.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    const SIZE: usize = 4096;

    /// The kernel's side of a ring: positions, a page's worth apart, and the
    /// data twice.
    struct Kernel(Fill);

    fn ring() -> (Kernel, Ring) {
        let mut memory = vec![0_u64; 2 + 2 * SIZE / 8].into_boxed_slice();
        let begin = NonNull::new(memory.as_mut_ptr()).unwrap();
        let shared = Shared {
            consumer: begin.cast(),
            // SAFETY: in the memory.
            producer: unsafe { begin.add(1) }.cast(),
            // SAFETY: in the memory.
            data: unsafe { begin.add(2) }.cast(),
            size: SIZE,
            read: AtomicUsize::new(0),
            _memory: Memory::Owned(memory),
        };
        let ring = Ring::new(File::open("/dev/null").unwrap().into(), shared);
        (Kernel(ring.fill()), ring)
    }

    impl Kernel {
        fn put(&self, position: usize, byte: u8) {
            let at = position & (SIZE - 1);
            for at in [at, at + SIZE] {
                // SAFETY: within the two copies; nobody reads it now.
                unsafe { self.0.0.data.add(at).write(byte) };
            }
        }

        fn header(&self, position: usize, header: u32) {
            for (position, byte) in (position..).zip(header.to_ne_bytes()) {
                self.put(position, byte);
            }
        }

        /// Reserves a record; returns its position.
        fn reserve(&self, len: usize) -> usize {
            let position = self.0.written();
            let end = position + (len + HEADER).next_multiple_of(HEADER);
            assert!(end - self.0.0.consumer().load(Ordering::Acquire) <= SIZE, "no room");
            self.header(position, u32::try_from(len).unwrap() | BUSY);
            self.0.0.producer().store(end, Ordering::Release);
            position
        }

        fn submit(&self, position: usize, record: &[u8]) {
            for (position, byte) in (position + HEADER..).zip(record) {
                self.put(position, *byte);
            }
            self.header(position, u32::try_from(record.len()).unwrap());
        }

        fn record(&self, record: &[u8]) {
            self.submit(self.reserve(record.len()), record);
        }

        fn consumer(&self) -> usize {
            self.0.0.consumer().load(Ordering::Acquire)
        }
    }

    #[test]
    fn records_come_in_order_over_many_rounds() {
        let (kernel, mut ring) = ring();
        for round in 0..100_u8 {
            let len = usize::from(round) * 7 + 1;
            kernel.record(&vec![round; len]);
            kernel.record(&[!round]);
            assert_eq!(ring.next(), Some(&*vec![round; len]));
            assert_eq!(ring.next(), Some(&[!round][..]));
            assert_eq!(ring.next(), None);
            ring.give_back();
        }
        ring.give_back_all();
        assert_eq!(kernel.consumer(), kernel.0.written());
    }

    #[test]
    fn a_record_that_is_being_written_holds_those_behind_it() {
        let (kernel, mut ring) = ring();
        let first = kernel.reserve(5);
        kernel.record(b"second");
        assert_eq!(ring.next(), None);
        assert!(kernel.0.waiting() > 0);
        kernel.submit(first, b"first");
        assert_eq!(ring.next(), Some(&b"first"[..]));
        assert_eq!(ring.next(), Some(&b"second"[..]));
        assert_eq!(ring.next(), None);
    }

    #[test]
    fn what_was_taken_back_is_passed_over() {
        let (kernel, mut ring) = ring();
        let gone = kernel.reserve(96);
        kernel.record(b"after");
        kernel.header(gone, 0x60 | DISCARDED);
        assert_eq!(ring.next(), Some(&b"after"[..]));
        assert_eq!(ring.next(), None);
        ring.give_back_all();
        assert_eq!(kernel.consumer(), kernel.0.written());
    }

    #[test]
    fn the_last_record_is_kept_until_the_reader_sleeps() {
        let (kernel, mut ring) = ring();
        kernel.record(b"first");
        kernel.record(b"second");
        while ring.next().is_some() {}
        assert_eq!(kernel.consumer(), 0);
        assert!(kernel.0.waiting() > 0);
        ring.give_back();
        // Where the second begins: a third one wakes nobody.
        assert_eq!(kernel.consumer(), 16);
        assert_eq!(kernel.0.waiting(), 0);
        ring.give_back_all();
        assert_eq!(kernel.consumer(), kernel.0.written());
    }

    #[test]
    fn room_is_given_back_within_a_batch() {
        let (kernel, mut ring) = ring();
        // Eleven times the ring in one batch of the reader's.
        for _ in 0..11 * SIZE / 256 {
            kernel.record(&[7; 248]);
            assert_eq!(ring.next(), Some(&[7; 248][..]));
        }
        assert!(kernel.0.written() - kernel.consumer() <= SIZE / KEPT + 2 * 256);
    }

    #[test]
    fn a_length_beyond_what_was_written_is_not_believed() {
        let (kernel, mut ring) = ring();
        let position = kernel.reserve(8);
        kernel.header(position, 4000);
        assert_eq!(ring.next(), None);
    }

    #[test]
    fn what_is_no_ring_is_not_mapped() {
        let file = File::open("/dev/null").unwrap();
        assert!(Ring::map(file.into(), SIZE).is_err());
    }
}
