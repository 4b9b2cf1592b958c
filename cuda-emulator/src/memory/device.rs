//! Global memory: allocations, and what the host does with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::chunk::{Chunk, NEVER_WRITTEN};
use super::shadow::TAGS;
use super::{Trouble, Windows};
use crate::Finding;

/// Allocations begin at multiples of this, and so many bytes behind each belong to nobody.
const ALIGN: u64 = 256;
/// The words of an allocation come in stretches of so many bytes, each made when it is first touched.
const CHUNK_SHIFT: u32 = 14;
/// Addresses of device allocations stay below those that a process has for itself.
const DEVICE_END: u64 = 0x5000_0000_0000;
/// Freed ranges that are remembered; the lowest addresses are forgotten first.
const FREED_LIMIT: usize = 1 << 16;

/// Locks for atomics of 64 bits.
pub(super) const WIDE_LOCKS: usize = 64;

/// Memory of one device: allocations, freed ones, and the limit. Shared by all threads of the host.
///
/// Addresses are never used twice (those of page-locked memory are the process's own and may be), and there is a red zone
/// of at least 256 bytes between two allocations. Of freed ones the last 65,536 are remembered, so that an access to them is
/// told from one that is out of bounds.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    state: RwLock<State>,
    /// Taken by atomics of 64 bits, whose words are two; by address.
    wide_atomics: Arc<[Mutex<()>; WIDE_LOCKS]>,
}

#[derive(Debug)]
struct State {
    live: BTreeMap<u64, Arc<Allocation>>,
    freed: Arc<BTreeMap<u64, Allocated>>,
    next: u64,
    used: u64,
    used_host: u64,
    peak: u64,
    launches: u32,
    /// How often the shadow's launch tags have come round.
    tag_round: u32,
    /// `live` as a list, for the views of a launch; made anew after each change.
    snapshot: Option<Arc<[Arc<Allocation>]>>,
}

/// Why there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub asked: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// What one address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Where it begins.
    pub address: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it is the host's, page-locked.
    pub host: bool,
    /// Whether kernels may only read it.
    pub read_only: bool,
}

/// Why an address cannot be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeError {
    /// It has been freed before.
    AlreadyFreed(Allocated),
    /// It points into the middle of this one.
    Inside(Allocated),
    /// Nothing is known of it.
    Unknown,
}

/// An allocation with its bytes.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) about: Allocated,
    shift: u32,
    chunks: Box<[OnceLock<Box<Chunk>>]>,
}

impl Allocation {
    fn new(about: Allocated, first: Option<Chunk>) -> Option<Self> {
        // Page-locked memory must be one piece: the host uses it through a pointer.
        let shift = if about.host { 63 } else { CHUNK_SHIFT };
        let count = if about.host { 1 } else { usize::try_from(about.bytes.div_ceil(1 << shift)).ok()? };
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(count).ok()?;
        chunks.resize_with(count, OnceLock::new);
        if let (Some(chunk), Some(slot)) = (first, chunks.first()) {
            slot.set(Box::new(chunk)).ok()?;
        }
        Some(Allocation { about, shift, chunks: chunks.into() })
    }

    /// The stretch that holds the byte at `offset`, and where in it. Aligned accesses of up to 256 bytes never cross its end.
    #[inline]
    pub(super) fn chunk(&self, offset: u64) -> Option<(&Chunk, usize)> {
        let slot = self.chunks.get((offset >> self.shift) as usize)?;
        let within = (offset & ((1 << self.shift) - 1)) as usize;
        let chunk = match slot.get() {
            Some(chunk) => chunk,
            None => slot.get_or_init(|| Box::new(self.first_touch(offset >> self.shift << self.shift))),
        };
        Some((chunk, within))
    }

    #[cold]
    fn first_touch(&self, begin: u64) -> Chunk {
        let bytes = (self.about.bytes - begin).min(1 << CHUNK_SHIFT) as usize;
        Chunk::new(bytes, NEVER_WRITTEN, false).unwrap_or_default()
    }

    /// Runs `each(chunk, offset in it, bytes, position)` over a range in pieces that fill one aligned word, or less at its ends.
    fn pieces(&self, offset: u64, bytes: u64, mut each: impl FnMut(&Chunk, usize, u32, usize)) {
        let mut done = 0;
        while done < bytes {
            let at = offset + done;
            let Some((chunk, within)) = self.chunk(at) else { return };
            let chunk_end = (at | ((1 << self.shift) - 1)) + 1;
            let end = bytes.min(done + (chunk_end - at));
            let mut within = within;
            while done < end {
                let piece = (4 - (within as u32 & 3)).min((end - done).min(4) as u32);
                each(chunk, within, piece, done as usize);
                within += piece as usize;
                done += u64::from(piece);
            }
        }
    }
}

impl Allocated {
    /// Whether the address lies in it.
    pub fn holds(&self, address: u64) -> bool {
        address.checked_sub(self.address).is_some_and(|offset| offset < self.bytes)
    }

    pub(super) fn describe(&self) -> String {
        let kind = if self.host { "page-locked allocation" } else { "allocation" };
        format!("the {kind} of {} bytes at {:#x}", self.bytes, self.address)
    }
}

impl Memory {
    /// An empty memory of so many bytes. Page-locked memory of the host has the same limit of its own.
    pub fn new(limit: u64) -> Self {
        let state = State {
            live: BTreeMap::new(),
            freed: Arc::default(),
            next: Windows::DEVICE,
            used: 0,
            used_host: 0,
            peak: 0,
            launches: 0,
            tag_round: 0,
            snapshot: None,
        };
        Memory { limit, state: RwLock::new(state), wide_atomics: Arc::new(std::array::from_fn(|_| Mutex::default())) }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes in all.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes of the device in use.
    pub fn used(&self) -> u64 {
        self.state().used
    }

    /// The most bytes of the device that were ever in use.
    pub fn peak(&self) -> u64 {
        self.state().peak
    }

    /// How many allocations there are, page-locked ones too.
    pub fn live(&self) -> usize {
        self.state().live.len()
    }

    /// The number of a new launch. Numbers order launches: what earlier ones did happened before.
    pub fn begin_launch(&self) -> u32 {
        let mut state = self.state_mut();
        state.launches = state.launches.wrapping_add(1);
        state.launches
    }

    /// Memory of the device. Zero bytes are a byte: whether to refuse them is the caller's business.
    ///
    /// # Errors
    /// Fewer bytes are free.
    pub fn allocate(&self, bytes: u64) -> Result<u64, OutOfMemory> {
        self.allocate_device(bytes, false)
    }

    /// Memory of the device that kernels may only read, for `.const` variables.
    ///
    /// # Errors
    /// Fewer bytes are free.
    pub fn allocate_read_only(&self, bytes: u64) -> Result<u64, OutOfMemory> {
        self.allocate_device(bytes, true)
    }

    fn allocate_device(&self, bytes: u64, read_only: bool) -> Result<u64, OutOfMemory> {
        let bytes = bytes.max(1);
        let mut state = self.state_mut();
        let free = self.limit.saturating_sub(state.used);
        let none = OutOfMemory { asked: bytes, free };
        if bytes > free {
            return Err(none);
        }
        let address = state.next;
        let next = address.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(ALIGN)).ok_or(none)? + ALIGN;
        if next > DEVICE_END {
            return Err(none);
        }
        let about = Allocated { address, bytes, host: false, read_only };
        let allocation = Allocation::new(about, None).ok_or(none)?;
        state.next = next;
        state.used += bytes;
        state.peak = state.peak.max(state.used);
        state.live.insert(address, Arc::new(allocation));
        state.snapshot = None;
        Ok(address)
    }

    /// Page-locked memory of the host, zeroed. Its address is a pointer that the host may use until it is freed; kernels may
    /// use it too. What the host writes through the pointer is not seen here, so all of it counts as written.
    ///
    /// # Errors
    /// Fewer bytes are free.
    pub fn allocate_host(&self, bytes: u64) -> Result<u64, OutOfMemory> {
        let bytes = bytes.max(1);
        let mut state = self.state_mut();
        let none = OutOfMemory { asked: bytes, free: self.limit.saturating_sub(state.used_host) };
        if bytes > none.free {
            return Err(none);
        }
        let chunk = usize::try_from(bytes).ok().and_then(|bytes| Chunk::new(bytes, 0, true)).ok_or(none)?;
        let about = Allocated { address: chunk.pointer(), bytes, host: true, read_only: false };
        let end = about.address.saturating_add(bytes);
        // The process may give an address again.
        Arc::make_mut(&mut state.freed).retain(|_, it| it.address >= end || it.address + it.bytes <= about.address);
        let allocation = Allocation::new(about, Some(chunk)).ok_or(none)?;
        state.used_host += bytes;
        state.live.insert(about.address, Arc::new(allocation));
        state.snapshot = None;
        Ok(about.address)
    }

    /// Gives an allocation back: its bytes are gone, its range stays known.
    ///
    /// # Errors
    /// The address is not the begin of a live allocation; the error says what it is.
    pub fn free(&self, address: u64) -> Result<Allocated, FreeError> {
        let mut state = self.state_mut();
        let Some(allocation) = state.live.remove(&address) else {
            drop(state);
            if let Some(about) = self.find(address) {
                return Err(FreeError::Inside(about));
            }
            let freed = self.state().freed.clone();
            return Err(below(&freed, address)
                .filter(|it| it.holds(address))
                .map_or(FreeError::Unknown, |&it| FreeError::AlreadyFreed(it)));
        };
        let about = allocation.about;
        if about.host {
            state.used_host -= about.bytes;
        } else {
            state.used -= about.bytes;
        }
        let freed = Arc::make_mut(&mut state.freed);
        freed.insert(address, about);
        if freed.len() > FREED_LIMIT {
            freed.pop_first();
        }
        state.snapshot = None;
        Ok(about)
    }

    /// The live allocation that an address lies in.
    pub fn find(&self, address: u64) -> Option<Allocated> {
        below(&self.state().live, address).map(|it| it.about).filter(|it| it.holds(address))
    }

    /// What a launch sees: the allocations as they are, those that were freed, and the tag that its accesses get.
    pub(super) fn snapshot(&self, launch: u32) -> Snapshot {
        let mut state = self.state_mut();
        // Tags begin again some time, and must then meet no old ones.
        let round = launch / TAGS;
        if round != state.tag_round {
            state.tag_round = round;
            let chunks = state.live.values().flat_map(|it| it.chunks.iter()).filter_map(OnceLock::get);
            chunks.for_each(|it| it.shadow().0.clear());
        }
        let live = match &state.snapshot {
            Some(live) => live.clone(),
            None => {
                let live: Arc<[_]> = state.live.values().cloned().collect();
                state.snapshot = Some(live.clone());
                live
            }
        };
        let freed = state.freed.clone();
        Snapshot { live, freed, wide_atomics: self.wide_atomics.clone(), tag: launch % TAGS + 1 }
    }

    /// The allocation that holds all bytes of a range, and where in it the range begins.
    fn range(&self, address: u64, bytes: u64) -> Result<(Arc<Allocation>, u64), Trouble> {
        let state = self.state();
        if let Some(allocation) = below(&state.live, address) {
            let offset = address - allocation.about.address;
            if bytes <= allocation.about.bytes && offset <= allocation.about.bytes - bytes {
                return Ok((allocation.clone(), offset));
            }
        }
        let live = |address: u64| {
            let before = below(&state.live, address).map(|it| it.about);
            let after = state.live.range(address..).next().map(|(_, it)| it.about);
            (before, after)
        };
        Err(out_of_bounds(address, bytes, live(address), below(&state.freed, address).copied()))
    }

    /// Copies bytes to the host. Answers how many of them nobody has written: not an error, but worth a warning.
    ///
    /// # Errors
    /// The range does not lie in one live allocation.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result<u64, Trouble> {
        let (allocation, offset) = self.range(address, to.len() as u64)?;
        let mut unwritten = 0;
        allocation.pieces(offset, to.len() as u64, |chunk, within, bytes, position| {
            unwritten += u64::from(chunk.unwritten(within, bytes).count_ones());
            let word =
                chunk.word(within).map_or(0, |word| word.load(std::sync::atomic::Ordering::Relaxed)).to_le_bytes();
            let from = word.get(within % 4..within % 4 + bytes as usize);
            if let (Some(to), Some(from)) = (to.get_mut(position..position + bytes as usize), from) {
                to.copy_from_slice(from);
            }
        });
        Ok(unwritten)
    }

    /// Copies bytes from the host.
    ///
    /// # Errors
    /// The range does not lie in one live allocation.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), Trouble> {
        let (allocation, offset) = self.range(address, from.len() as u64)?;
        allocation.pieces(offset, from.len() as u64, |chunk, within, bytes, position| {
            store_piece(chunk, within, from.get(position..position + bytes as usize).unwrap_or_default());
        });
        Ok(())
    }

    /// Writes a pattern of 1, 2 or 4 bytes so many times; other widths count as 1.
    ///
    /// # Errors
    /// The range does not lie in one live allocation.
    pub fn fill(&self, address: u64, pattern: u32, width: u32, count: u64) -> Result<(), Trouble> {
        let width = if matches!(width, 2 | 4) { width as usize } else { 1 };
        let bytes = count.saturating_mul(width as u64);
        let (allocation, offset) = self.range(address, bytes)?;
        let pattern = pattern.to_le_bytes();
        allocation.pieces(offset, bytes, |chunk, within, bytes, position| {
            let values: [u8; 4] = std::array::from_fn(|i| pattern[(position + i) % width]);
            store_piece(chunk, within, values.get(..bytes as usize).unwrap_or_default());
        });
        Ok(())
    }

    /// Copies bytes within the device (or to and from page-locked memory). Bytes that nobody wrote stay so.
    ///
    /// # Errors
    /// A range does not lie in one live allocation.
    pub fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), Trouble> {
        let (source, source_offset) = self.range(from, bytes)?;
        let (target, target_offset) = self.range(to, bytes)?;
        let mut buffer = [0u8; 4096];
        let mut unwritten = [false; 4096];
        let mut done = 0;
        while done < bytes {
            let some = (bytes - done).min(buffer.len() as u64);
            source.pieces(source_offset + done, some, |chunk, within, bytes, position| {
                let holes = chunk.unwritten(within, bytes);
                for i in 0..bytes as usize {
                    if let (Some(to), Some(hole)) = (buffer.get_mut(position + i), unwritten.get_mut(position + i)) {
                        *to = chunk.load(within + i, 1).unwrap_or(0) as u8;
                        *hole = holes >> i & 1 != 0;
                    }
                }
            });
            target.pieces(target_offset + done, some, |chunk, within, bytes, position| {
                store_piece(chunk, within, buffer.get(position..position + bytes as usize).unwrap_or_default());
                for i in 0..bytes as usize {
                    if unwritten.get(position + i).is_some_and(|hole| *hole) {
                        chunk.mark_unwritten(within + i, 1);
                    }
                }
            });
            done += some;
        }
        Ok(())
    }
}

/// What a worker of a launch sees of a memory.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// In the order of addresses.
    pub(super) live: Arc<[Arc<Allocation>]>,
    pub(super) freed: Arc<BTreeMap<u64, Allocated>>,
    pub(super) wide_atomics: Arc<[Mutex<()>; WIDE_LOCKS]>,
    pub(super) tag: u32,
}

impl Snapshot {
    /// Why bytes lie in no live allocation.
    #[cold]
    pub(super) fn out_of_bounds(&self, address: u64, bytes: u32) -> Trouble {
        let after = self.live.partition_point(|it| it.about.address <= address);
        let before = after.checked_sub(1).and_then(|at| self.live.get(at));
        let live = (before.map(|it| it.about), self.live.get(after).map(|it| it.about));
        out_of_bounds(address, u64::from(bytes), live, below(&self.freed, address).copied())
    }
}

/// Writes up to four bytes that lie in one word.
fn store_piece(chunk: &Chunk, within: usize, bytes: &[u8]) {
    match <[u8; 4]>::try_from(bytes) {
        Ok(word) => _ = chunk.store(within, 4, u64::from(u32::from_le_bytes(word))),
        Err(_) => bytes.iter().enumerate().for_each(|(i, &byte)| _ = chunk.store(within + i, 1, u64::from(byte))),
    }
}

/// What begins at or below an address.
fn below<T>(map: &BTreeMap<u64, T>, address: u64) -> Option<&T> {
    map.range(..=address).next_back().map(|(_, it)| it)
}

/// Why a range is in no live allocation: `live` are the nearest ones that begin at or below it and above it, `freed` the
/// nearest freed one that begins at or below it.
fn out_of_bounds(
    address: u64,
    bytes: u64,
    (before, after): (Option<Allocated>, Option<Allocated>),
    freed: Option<Allocated>,
) -> Trouble {
    let trouble = |finding, note| Trouble { finding, other: None, note };
    if before.is_none_or(|it| !it.holds(address))
        && let Some(freed) = freed.filter(|it| it.holds(address))
    {
        let offset = address - freed.address;
        return trouble(Finding::UseAfterFree, format!("byte {offset} of {}, which was freed", freed.describe()));
    }
    let end = address.saturating_add(bytes);
    let past = before.map(|it| (address.saturating_sub(it.address + it.bytes), it));
    let front = after.map(|it| (it.address - address, it));
    let note = match (past, front) {
        (Some((_, it)), _) if it.holds(address) => {
            format!("{} bytes past the end of {}", end - (it.address + it.bytes), it.describe())
        }
        (Some((gap, it)), front) if front.is_none_or(|(other, _)| gap <= other) => {
            format!("{gap} bytes behind the end of {}", it.describe())
        }
        (_, Some((gap, it))) => format!("{gap} bytes in front of {}", it.describe()),
        _ => "there are no allocations".into(),
    };
    trouble(Finding::OutOfBounds, note)
}
