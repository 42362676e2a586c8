//! A ring of provided buffers: memory the kernel picks from when bytes arrive.

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// The only buffer group of a ring.
pub(super) const GROUP: u16 = 0;
const PAGE: usize = 4096;

/// A filled buffer. Not `Clone`: whoever holds it is the only one to read it, until it is given
/// back to the kernel.
#[derive(Debug)]
pub struct Buffer {
    pub(super) id: u16,
    /// Filled bytes; less of them to send less.
    pub len: u32,
}

/// Page-aligned memory.
struct Pages {
    at: NonNull<u8>,
    layout: Layout,
}

impl Pages {
    fn new(len: usize) -> io::Result<Self> {
        let layout = Layout::from_size_align(len.max(PAGE), PAGE)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the layout has a size of at least one page.
        let at = unsafe { alloc_zeroed(layout) };
        let Some(at) = NonNull::new(at) else { handle_alloc_error(layout) };
        Ok(Self { at, layout })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout) }
    }
}

pub(super) struct Buffers {
    entries: Pages,
    memory: Pages,
    count: u16,
    size: u32,
    /// Entries published so far, modulo 2^16 as the kernel counts.
    tail: u16,
}

impl Buffers {
    /// Registers `count` buffers (a power of two) of `size` bytes and hands all to the kernel.
    pub(super) fn new(submitter: &Submitter<'_>, count: u16, size: u32) -> io::Result<Self> {
        if !count.is_power_of_two() || count > 1 << 15 || size == 0 {
            let text = "buffers: a power of two, at most 32768, of at least one byte";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let entries = Pages::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = Pages::new(usize::from(count) * size as usize)?;
        // SAFETY: the entries are page-aligned, as many as announced, and live until they are
        // unregistered in `release`, which the owner calls before this value is dropped.
        unsafe {
            submitter.register_buf_ring_with_flags(entries.at.as_ptr() as u64, count, GROUP, 0)?
        };
        let mut buffers = Self { entries, memory, count, size, tail: 0 };
        for id in 0..count {
            buffers.give_back(Buffer { id, len: 0 });
        }
        buffers.publish();
        Ok(buffers)
    }

    pub(super) fn release(&self, submitter: &Submitter<'_>) {
        // It fails only when the ring itself is broken; then closing the ring does the same.
        let _ = submitter.unregister_buf_ring(GROUP);
    }

    /// Start of a buffer's memory.
    pub(super) fn at(&self, id: u16) -> *const u8 {
        assert!(id < self.count, "a buffer of another ring");
        // SAFETY: in bounds, the id was compared with the count.
        unsafe { self.memory.at.as_ptr().add(usize::from(id) * self.size as usize) }
    }

    pub(super) fn bytes<'b>(&'b self, buffer: &'b Buffer) -> &'b [u8] {
        assert!(buffer.len <= self.size, "a buffer of another ring");
        // SAFETY: in bounds; the kernel writes to a buffer only between `give_back` and the
        // completion that hands it out again, and a `Buffer` exists only outside of that time.
        unsafe { std::slice::from_raw_parts(self.at(buffer.id), buffer.len as usize) }
    }

    pub(super) fn bytes_mut<'b>(&'b mut self, buffer: &'b mut Buffer) -> &'b mut [u8] {
        assert!(buffer.len <= self.size, "a buffer of another ring");
        let at = self.at(buffer.id).cast_mut();
        // SAFETY: as for `bytes`, and both are borrowed exclusively: no other slice of this memory
        // exists. What the kernel reads of it to send is no access of this process.
        unsafe { std::slice::from_raw_parts_mut(at, buffer.len as usize) }
    }

    /// Queues a buffer for the kernel; `publish` makes it visible.
    pub(super) fn give_back(&mut self, buffer: Buffer) {
        let address = self.at(buffer.id) as u64;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: the index is below the count, and entries at or beyond the published tail belong
        // to this side: at most `count` buffers exist.
        let entry = unsafe { &mut *self.entries.at.as_ptr().cast::<BufRingEntry>().add(index) };
        entry.set_addr(address);
        entry.set_len(self.size);
        entry.set_bid(buffer.id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given back.
    pub(super) fn publish(&self) {
        let entries = self.entries.at.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the tail lies inside the first entry, aligned to two bytes, and the kernel only
        // reads it.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()) };
        // Release: the entries must be seen before the tail that covers them.
        tail.store(self.tail, Ordering::Release);
    }
}
