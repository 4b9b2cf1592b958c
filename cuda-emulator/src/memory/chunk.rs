//! The bytes of a stretch of memory, who may be in doubt about them, and whether anybody wrote them.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::shadow::Shadow;

/// What a word holds that nobody wrote: not a number in every float format, -1 as an index.
pub(super) const NEVER_WRITTEN: u32 = u32::MAX;

const LINE_WORDS: usize = 64;

/// 256 bytes, aligned as a device aligns allocations.
#[repr(align(256))]
struct Line([AtomicU32; LINE_WORDS]);

/// A stretch of memory. Words are relaxed atomics, so that blocks can run on several workers; what orders a kernel's
/// accesses is the business of the checker.
#[derive(Default)]
pub(super) struct Chunk {
    lines: Box<[Line]>,
    /// A bit a byte, set when it is written. Empty where everything counts as written.
    written: Box<[AtomicU32]>,
    shadow: Shadow,
}

/// The bits of `bytes` (1, 2, 4) at an offset within their word.
fn word_mask(offset: usize, bytes: u32) -> (u32, u32) {
    let shift = (offset as u32 & 3) * 8;
    let mask = if bytes >= 4 { u32::MAX } else { (1 << (bytes * 8)) - 1 };
    (mask, shift)
}

impl Chunk {
    /// Memory of `bytes`; `None` if there is none on this machine.
    pub(super) fn new(bytes: usize, fill: u32, all_written: bool) -> Option<Chunk> {
        let mut lines = Vec::new();
        let count = bytes.div_ceil(LINE_WORDS * 4);
        lines.try_reserve_exact(count).ok()?;
        lines.extend((0..count).map(|_| Line(std::array::from_fn(|_| AtomicU32::new(fill)))));
        let mut written = Vec::new();
        if !all_written {
            let count = bytes.div_ceil(32);
            written.try_reserve_exact(count).ok()?;
            written.extend((0..count).map(|_| AtomicU32::new(0)));
        }
        Some(Chunk { lines: lines.into(), written: written.into(), shadow: Shadow::default() })
    }

    /// Who accessed these bytes, and how many words there are.
    #[inline]
    pub(super) fn shadow(&self) -> (&Shadow, usize) {
        (&self.shadow, self.lines.len() * LINE_WORDS)
    }

    /// Where the bytes lie in this process.
    pub(super) fn pointer(&self) -> u64 {
        self.lines.as_ptr().expose_provenance() as u64
    }

    /// The word that holds the byte at `offset`.
    #[inline]
    pub(super) fn word(&self, offset: usize) -> Option<&AtomicU32> {
        let index = offset / 4;
        Some(&self.lines.get(index / LINE_WORDS)?.0[index % LINE_WORDS])
    }

    /// The value of 1, 2, 4 or 8 aligned bytes.
    #[inline]
    pub(super) fn load(&self, offset: usize, bytes: u32) -> Option<u64> {
        let low = self.word(offset)?.load(Relaxed);
        if bytes == 8 {
            return Some(u64::from(low) | u64::from(self.word(offset + 4)?.load(Relaxed)) << 32);
        }
        let (mask, shift) = word_mask(offset, bytes);
        Some(u64::from(low >> shift & mask))
    }

    /// Writes the low 1, 2, 4 or 8 bytes of a value to an aligned place.
    #[inline]
    pub(super) fn store(&self, offset: usize, bytes: u32, value: u64) -> Option<()> {
        let word = self.word(offset)?;
        if bytes >= 4 {
            word.store(value as u32, Relaxed);
            if bytes == 8 {
                self.word(offset + 4)?.store((value >> 32) as u32, Relaxed);
            }
        } else {
            let (mask, shift) = word_mask(offset, bytes);
            let value = (value as u32 & mask) << shift;
            word.fetch_update(Relaxed, Relaxed, |old| Some(old & !(mask << shift) | value)).ok()?;
        }
        self.mark_written(offset, bytes);
        Some(())
    }

    /// Replaces 1, 2 or 4 bytes by a function of them, at once; returns the old ones.
    pub(super) fn update(&self, offset: usize, bytes: u32, change: &dyn Fn(u64) -> Option<u64>) -> Option<u64> {
        let (mask, shift) = word_mask(offset, bytes);
        let old_part = |old: u32| u64::from(old >> shift & mask);
        let result = self.word(offset)?.fetch_update(Relaxed, Relaxed, |old| {
            let new = change(old_part(old))? as u32 & mask;
            Some(old & !(mask << shift) | new << shift)
        });
        if result.is_ok() {
            self.mark_written(offset, bytes);
        }
        let old = result.unwrap_or_else(|old| old);
        Some(old_part(old))
    }

    /// Which of up to 8 bytes nobody has written, a bit each. They lie within one or two whole words.
    #[inline]
    pub(super) fn unwritten(&self, offset: usize, bytes: u32) -> u32 {
        let wanted = (1u32 << bytes) - 1;
        match self.written.get(offset / 32) {
            Some(bits) => !(bits.load(Relaxed) >> (offset % 32)) & wanted,
            None => 0,
        }
    }

    /// Nobody has written any byte.
    pub(super) fn restart(&mut self, fill: u32) {
        self.lines.iter_mut().flat_map(|line| &mut line.0).for_each(|word| *word.get_mut() = fill);
        self.written.iter_mut().for_each(|bits| *bits.get_mut() = 0);
    }

    /// These bytes have been written.
    #[inline]
    pub(super) fn mark_written(&self, offset: usize, bytes: u32) {
        if let Some(bits) = self.written.get(offset / 32) {
            let mask = ((1u32 << bytes) - 1) << (offset % 32);
            // Mostly they are set already, and a load is much cheaper.
            if bits.load(Relaxed) & mask != mask {
                bits.fetch_or(mask, Relaxed);
            }
        }
    }

    /// Nobody has written these bytes.
    pub(super) fn mark_unwritten(&self, offset: usize, bytes: u32) {
        if let Some(bits) = self.written.get(offset / 32) {
            bits.fetch_and(!(((1u32 << bytes) - 1) << (offset % 32)), Relaxed);
        }
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Chunk({} lines)", self.lines.len())
    }
}
