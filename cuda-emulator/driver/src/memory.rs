//! Allocations: whose they are, what is known of a pointer, and when they end.

use crate::code::{Answer, Code};
use crate::driver::{Driver, refuse};
use crate::export::{Session, exports};
use crate::ffi::{Host, In, Out};
use crate::table::{ContextId, PoolId, StreamId};
use crate::work::Task;
use std::collections::BTreeMap;

/// An allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) address: u64,
    pub(crate) bytes: u64,
    pub(crate) context: ContextId,
    /// Page-locked memory of the host.
    pub(crate) host: bool,
    /// The flags that page-locked memory was asked for with.
    pub(crate) flags: u32,
    /// The pool that it comes from, if from one.
    pub(crate) pool: Option<PoolId>,
    /// It has been given back in a stream that has not come so far.
    pub(crate) freed: bool,
}

/// All allocations by address, and memory of the program that was registered as page-locked.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    blocks: BTreeMap<u64, Block>,
    registered: BTreeMap<u64, (u64, u32)>,
}

/// The type of memory that pointers belong to, as the interface numbers them.
const MEMORY_HOST: u32 = 1;
const MEMORY_DEVICE: u32 = 2;

impl Blocks {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The allocation that an address lies in.
    pub(crate) fn find(&self, address: u64) -> Option<&Block> {
        let block = self.blocks.range(..=address).next_back()?.1;
        (address - block.address < block.bytes).then_some(block)
    }

    /// Whether all of a range was registered as page-locked.
    pub(crate) fn is_registered(&self, address: u64, bytes: usize) -> bool {
        let Some((begin, (size, _))) = self.registered.range(..=address).next_back() else { return false };
        (address - begin).checked_add(bytes as u64).is_some_and(|end| end <= *size)
    }
}

impl Driver {
    /// Memory of the device. When there is none, all work that may give some back runs first.
    pub(crate) fn allocate(&mut self, context: ContextId, bytes: usize, pool: Option<PoolId>) -> Answer<u64> {
        let address = self.memory.allocate(bytes as u64).or_else(|none| {
            let text = format_args!("out of memory: {} bytes asked for, {} free", none.asked, none.free);
            refuse(Code::OUT_OF_MEMORY, text)
        })?;
        self.keep(Block { address, bytes: bytes as u64, context, host: false, flags: 0, pool, freed: false });
        Ok(address)
    }

    fn keep(&mut self, block: Block) {
        self.blocks.blocks.insert(block.address, block);
        if let Some(pool) = block.pool.and_then(|pool| self.pools.get_mut(pool).ok()) {
            pool.take(block.bytes);
        }
    }

    /// The allocation that begins at an address and has not been given back.
    fn block(&self, address: u64, host: bool) -> Answer<&Block> {
        let block = self.blocks.blocks.get(&address).filter(|block| block.host == host && !block.freed);
        block.ok_or(Code::INVALID_VALUE)
    }

    /// Ends an allocation now.
    pub(crate) fn release(&mut self, address: u64) {
        if let Some(block) = self.blocks.blocks.remove(&address) {
            if let Some(pool) = block.pool.and_then(|pool| self.pools.get_mut(pool).ok()) {
                pool.give(block.bytes);
            }
            // It was in the table, so memory knows it.
            let _ = self.memory.free(address);
        }
    }

    /// Ends all allocations of a context; they count as leaked.
    pub(crate) fn free_all(&mut self, context: ContextId) {
        let left: Vec<_> = self.blocks.iter().filter(|it| it.context == context).copied().collect();
        for block in left {
            // Page-locked memory may be in the program's hands still.
            self.tally.leaked += 1;
            self.tally.leaked_bytes += block.bytes;
            self.release(block.address);
        }
    }
}

impl Session {
    /// Memory of the device; where there is not enough, work that gives some back is waited for.
    pub(crate) fn obtain(&mut self, bytes: usize, pool: Option<PoolId>) -> Answer<u64> {
        let context = self.context()?;
        if bytes as u64 > self.memory.limit().saturating_sub(self.memory.used()) {
            self.wait_context(context)?;
        }
        self.allocate(context, bytes, pool)
    }
}

fn allocate(session: &mut Session, address: Out<u64>, bytes: usize) -> Answer {
    address.check()?;
    if bytes == 0 {
        return Err(Code::INVALID_VALUE);
    }
    address.put(session.obtain(bytes, None)?)
}

fn allocate_pitch(session: &mut Session, address: Out<u64>, pitch: Out<usize>, shape: (usize, usize, u32)) -> Answer {
    let (width, height, element) = shape;
    address.check()?;
    if !matches!(element, 4 | 8 | 16) || width == 0 || height == 0 {
        return Err(Code::INVALID_VALUE);
    }
    let row = width.checked_next_multiple_of(512).ok_or(Code::OUT_OF_MEMORY)?;
    let bytes = row.checked_mul(height).ok_or(Code::OUT_OF_MEMORY)?;
    pitch.put(row)?;
    address.put(session.obtain(bytes, None)?)
}

fn free(session: &mut Session, address: u64) -> Answer {
    if address == 0 {
        return Ok(());
    }
    let block = *session
        .block(address, false)
        .or_else(|code| refuse(code, format_args!("cuMemFree: {address:#x} is not the begin of a live allocation")))?;
    session.wait_context(block.context)?;
    session.release(address);
    Ok(())
}

fn allocate_host(session: &mut Session, pointer: Out<u64>, bytes: usize, flags: u32) -> Answer {
    pointer.check()?;
    if flags > 7 || bytes == 0 {
        return Err(Code::INVALID_VALUE);
    }
    let context = session.context()?;
    let address = session.memory.allocate_host(bytes as u64).or(Err(Code::OUT_OF_MEMORY))?;
    session.keep(Block { address, bytes: bytes as u64, context, host: true, flags, pool: None, freed: false });
    pointer.put(address)
}

fn free_host(session: &mut Session, pointer: Host) -> Answer {
    if pointer.is_null() {
        return Ok(());
    }
    let context = session.block(pointer.address(), true)?.context;
    session.wait_context(context)?;
    session.release(pointer.address());
    Ok(())
}

fn register(session: &mut Session, pointer: Host, bytes: usize, flags: u32) -> Answer {
    if pointer.is_null() || bytes == 0 || flags > 15 {
        return Err(Code::INVALID_VALUE);
    }
    let (begin, end) = (pointer.address(), pointer.address().saturating_add(bytes as u64));
    let near = session.blocks.registered.range(..end).next_back();
    if near.is_some_and(|(at, (size, _))| at + size > begin) || session.blocks.find(begin).is_some() {
        return Err(Code::HOST_MEMORY_ALREADY_REGISTERED);
    }
    session.blocks.registered.insert(begin, (bytes as u64, flags));
    Ok(())
}

fn unregister(session: &mut Session, pointer: Host) -> Answer {
    let context = session.context()?;
    if !session.blocks.registered.contains_key(&pointer.address()) {
        return Err(Code::HOST_MEMORY_NOT_REGISTERED);
    }
    session.wait_context(context)?;
    session.blocks.registered.remove(&pointer.address());
    Ok(())
}

fn device_pointer(session: &mut Session, address: Out<u64>, pointer: Host, flags: u32) -> Answer {
    if flags != 0 {
        return Err(Code::INVALID_VALUE);
    }
    if session.blocks.is_registered(pointer.address(), 1) {
        let text = format_args!("kernels cannot reach memory of cuMemHostRegister here; take cuMemHostAlloc");
        return refuse(Code::NOT_SUPPORTED, text);
    }
    session.blocks.find(pointer.address()).filter(|it| it.host).ok_or(Code::INVALID_VALUE)?;
    // One address for host and device, as with unified addressing.
    address.put(pointer.address())
}

fn host_flags(session: &mut Session, flags: Out<u32>, pointer: Host) -> Answer {
    flags.put(session.blocks.find(pointer.address()).filter(|it| it.host).ok_or(Code::INVALID_VALUE)?.flags)
}

/// A device's address with its allocation: of the program, or a variable of a module.
fn range(session: &Session, address: u64) -> Option<(u64, u64, Option<Block>)> {
    let block = session.blocks.find(address).copied();
    if let Some(block) = block {
        return Some((block.address, block.bytes, Some(block)));
    }
    session.memory.find(address).map(|it| (it.address, it.bytes, None))
}

fn address_range(session: &mut Session, base: Out<u64>, size: Out<usize>, address: u64) -> Answer {
    let (begin, bytes, _) = range(session, address).ok_or(Code::NOT_FOUND)?;
    base.put_if(begin);
    size.put_if(bytes as usize);
    Ok(())
}

/// Answers one question about a pointer.
fn pointer_attribute(session: &mut Session, data: Host, attribute: u32, address: u64) -> Answer {
    let (begin, bytes, block) = range(session, address).ok_or(Code::INVALID_VALUE)?;
    let host = block.is_some_and(|it| it.host);
    let context = session.context();
    match attribute {
        1 => data.write().put(block.map_or(context, |it| Ok(it.context))?),
        2 => data.write().put(if host { MEMORY_HOST } else { MEMORY_DEVICE }),
        3 => data.write().put(address),
        4 if host => data.write().put(address),
        4 => Err(Code::INVALID_VALUE),
        // Whether copies synchronise, is managed, ordinal, may be shared between processes by the old way.
        6 | 8 | 9 | 10 => data.write().put(0u32),
        7 => data.write().put(begin),
        11 => data.write().put(begin),
        12 => data.write().put(bytes),
        // Mapped, and no handle types; reachable for reading and writing.
        13 => data.write().put(1u8),
        14 => data.write().put(0u64),
        15 => data.write().put(0u8),
        16 => data.write().put(3u32),
        17 => data.write().put(block.and_then(|it| it.pool).unwrap_or(PoolId(0))),
        _ => Err(Code::INVALID_VALUE),
    }
}

/// Answers several; what an unknown pointer has not is zero.
fn pointer_attributes(session: &mut Session, count: u32, attributes: In<u32>, data: In<Host>, address: u64) -> Answer {
    let known = range(session, address).is_some();
    for at in 0..count as usize {
        let (attribute, data) = (attributes.at(at)?, data.at(at)?);
        let missing = attribute == 4 && !session.blocks.find(address).is_some_and(|it| it.host);
        if known && !missing {
            pointer_attribute(session, data, attribute, address)?;
        } else {
            match attribute {
                1 | 3 | 4 | 7 | 11 | 12 | 14 | 17 => data.write().put(0u64)?,
                2 | 6 | 8 | 10 | 16 => data.write().put(0u32)?,
                9 => data.write().put(-2i32)?,
                13 | 15 => data.write().put(0u8)?,
                _ => return Err(Code::INVALID_VALUE),
            }
        }
    }
    Ok(())
}

fn info(session: &mut Session, free: Out<usize>, total: Out<usize>) -> Answer {
    let limit = session.memory.limit();
    free.put(limit.saturating_sub(session.memory.used()) as usize)?;
    total.put(limit as usize)
}

/// `cuMemAllocAsync` and its kind: the address is there at once, the end comes in the stream's order.
pub(crate) fn allocate_in_stream(
    session: &mut Session,
    address: Out<u64>,
    bytes: usize,
    pool: PoolId,
    stream: StreamId,
) -> Answer {
    address.check()?;
    session.pools.get(pool)?;
    let stream = session.stream_of(stream)?;
    session.forbid_allocation(stream)?;
    if bytes == 0 {
        return address.put(0);
    }
    address.put(session.obtain(bytes, Some(pool))?)
}

fn free_in_stream(session: &mut Session, address: u64, stream: StreamId) -> Answer {
    let stream = session.stream_of(stream)?;
    if address == 0 {
        return Ok(());
    }
    session.forbid_allocation(stream)?;
    session.block(address, false).or_else(|code| {
        refuse(code, format_args!("cuMemFreeAsync: {address:#x} is not the begin of a live allocation"))
    })?;
    session.submit(stream, Task::Free(address))?;
    if let Some(block) = session.blocks.blocks.get_mut(&address) {
        block.freed = true;
    }
    Ok(())
}

fn managed() -> Answer {
    refuse(Code::NOT_SUPPORTED, format_args!("the device has no managed memory; its attribute MANAGED_MEMORY says so"))
}

exports! {
    ALLOC cuMemAlloc_v2(address: Out<u64>, bytes: usize) |it| allocate(it, address, bytes);
    ALLOC cuMemAllocPitch_v2(address: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element: u32) |it| {
        allocate_pitch(it, address, pitch, (width, height, element))
    };
    UNSAFE cuMemFree_v2(address: u64) |it| free(it, address);
    STREAM_ALLOC cuMemAllocAsync(address: Out<u64>, bytes: usize, stream: StreamId) |it| {
        let pool = it.current_pool;
        allocate_in_stream(it, address, bytes, pool, stream)
    };
    WORK cuMemFreeAsync(address: u64, stream: StreamId) |it| free_in_stream(it, address, stream);
    ALLOC cuMemAllocHost_v2(pointer: Out<u64>, bytes: usize) |it| allocate_host(it, pointer, bytes, 0);
    ALLOC cuMemHostAlloc(pointer: Out<u64>, bytes: usize, flags: u32) |it| allocate_host(it, pointer, bytes, flags);
    UNSAFE cuMemFreeHost(pointer: Host) |it| free_host(it, pointer);
    UNSAFE cuMemHostRegister_v2(pointer: Host, bytes: usize, flags: u32) |it| register(it, pointer, bytes, flags);
    UNSAFE cuMemHostUnregister(pointer: Host) |it| unregister(it, pointer);
    CONTEXT cuMemHostGetDevicePointer_v2(address: Out<u64>, pointer: Host, flags: u32) |it| {
        device_pointer(it, address, pointer, flags)
    };
    CONTEXT cuMemHostGetFlags(flags: Out<u32>, pointer: Host) |it| host_flags(it, flags, pointer);
    CONTEXT cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) |it| info(it, free, total);
    CONTEXT cuMemGetAddressRange_v2(base: Out<u64>, size: Out<usize>, address: u64) |it| {
        address_range(it, base, size, address)
    };
    INIT cuPointerGetAttribute(data: Host, attribute: u32, address: u64) |it| {
        pointer_attribute(it, data, attribute, address)
    };
    INIT cuPointerGetAttributes(count: u32, attributes: In<u32>, data: In<Host>, address: u64) |it| {
        pointer_attributes(it, count, attributes, data, address)
    };
    CONTEXT cuMemAllocManaged(_address: Out<u64>, _bytes: usize, _flags: u32) |_| managed();
    CONTEXT cuMemAdvise(_address: u64, _bytes: usize, _advice: u32, _device: i32) |_| managed();
    CONTEXT cuMemAdvise_v2(_address: u64, _bytes: usize, _advice: u32, _location: u64) |_| managed();
    CONTEXT cuMemPrefetchAsync(_address: u64, _bytes: usize, _device: i32, _stream: StreamId) |_| managed();
    CONTEXT cuMemPrefetchAsync_v2(_address: u64, _bytes: usize, _location: u64, _flags: u32, _stream: StreamId) |_| {
        managed()
    };
}
