//! Memory.

use crate::Error;
use std::{alloc, fmt, ptr::NonNull};

/// A block of bytes whose start is aligned to 64, the widest vector and a cache line.
pub struct Buffer {
    start: NonNull<u8>,
    len: usize,
}

impl Buffer {
    /// The alignment of every buffer, in bytes.
    pub const ALIGN: usize = 64;

    /// `len` bytes, all zero.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn zeroed(len: usize) -> Result<Buffer, Error> {
        let refused = || Error::out_of_memory(format!("cannot allocate {len} bytes"));
        let layout = alloc::Layout::from_size_align(len, Buffer::ALIGN).map_err(|_| refused())?;
        if len == 0 {
            return Ok(Buffer { start: NonNull::<Aligned>::dangling().cast(), len });
        }
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc::alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(Buffer { start, len })
    }

    /// A copy of `bytes`.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn copy_of(bytes: &[u8]) -> Result<Buffer, Error> {
        let mut buffer = Buffer::zeroed(bytes.len())?;
        buffer.as_mut().copy_from_slice(bytes);
        Ok(buffer)
    }
}

#[repr(align(64))]
struct Aligned;

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` initialised bytes (dangling but aligned when empty) while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_ref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated in `zeroed` with this very layout, whose validity was checked there.
            unsafe {
                alloc::dealloc(self.start.as_ptr(), alloc::Layout::from_size_align_unchecked(self.len, Buffer::ALIGN))
            }
        }
    }
}

// SAFETY: the buffer owns its bytes alone; they are plain data.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}
