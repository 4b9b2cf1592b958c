//! Memory pools: what is taken from one and given back is counted; nothing is kept for later.

use crate::code::{Answer, Code};
use crate::export::{Session, exports};
use crate::ffi::{Access, Host, In, Location, Out, PoolProps};
use crate::table::{PoolId, StreamId};

/// A pool.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Attributes 1 to 3, of the reuse of memory, which never happens here.
    reuse: [u32; 3],
    /// Bytes that may be kept.
    threshold: u64,
    used: u64,
    used_high: u64,
    reserved_high: u64,
}

/// A place of memory: on a device.
const ON_DEVICE: u32 = 1;

impl Pool {
    /// Memory is taken.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.used += bytes;
        self.used_high = self.used_high.max(self.used);
        self.reserved_high = self.reserved_high.max(self.used);
    }

    /// Memory comes back.
    pub(crate) fn give(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

fn create(session: &mut Session, pool: Out<PoolId>, props: In<PoolProps>) -> Answer {
    let props = props.get()?;
    pool.check()?;
    if props.kind != 1 || props.handle_types != 0 {
        return Err(if props.kind == 1 { Code::NOT_SUPPORTED } else { Code::INVALID_VALUE });
    }
    on_this_device(props.location)?;
    pool.put(session.pools.add(Pool { reuse: [1; 3], ..Pool::default() }))
}

fn on_this_device(location: Location) -> Answer {
    match (location.kind, location.id) {
        (ON_DEVICE, 0) => Ok(()),
        (ON_DEVICE, _) => Err(Code::INVALID_DEVICE),
        (2.., _) => Err(Code::NOT_SUPPORTED),
        _ => Err(Code::INVALID_VALUE),
    }
}

fn destroy(session: &mut Session, pool: PoolId) -> Answer {
    if pool == session.default_pool {
        return Err(Code::INVALID_VALUE);
    }
    session.pools.remove(pool)?;
    if session.current_pool == pool {
        session.current_pool = session.default_pool;
    }
    Ok(())
}

fn get_attribute(session: &mut Session, pool: PoolId, attribute: u32, value: Host) -> Answer {
    let pool = session.pools.get(pool)?;
    match attribute {
        1..=3 => value.write().put(pool.reuse.get(attribute as usize - 1).copied().unwrap_or(0)),
        4 => value.write().put(pool.threshold),
        5 | 7 => value.write().put(pool.used),
        6 => value.write().put(pool.reserved_high),
        8 => value.write().put(pool.used_high),
        _ => Err(Code::INVALID_VALUE),
    }
}

fn set_attribute(session: &mut Session, pool: PoolId, attribute: u32, value: Host) -> Answer {
    let pool = session.pools.get_mut(pool)?;
    match attribute {
        1..=3 => {
            let value = value.read::<u32>().get()?;
            if let Some(place) = pool.reuse.get_mut(attribute as usize - 1) {
                *place = value;
            }
        }
        4 => pool.threshold = value.read().get()?,
        // The high-water marks can be set back, to the bytes in use.
        6 | 8 if value.read::<u64>().get()? == 0 => {
            let mark = if attribute == 6 { &mut pool.reserved_high } else { &mut pool.used_high };
            *mark = pool.used;
        }
        _ => return Err(Code::INVALID_VALUE),
    }
    Ok(())
}

fn set_access(session: &mut Session, pool: PoolId, accesses: In<Access>, count: usize) -> Answer {
    session.pools.get(pool)?;
    for access in accesses.all(count)? {
        on_this_device(access.location)?;
        // A device always reaches its own pool.
        if access.flags != 3 {
            return Err(Code::INVALID_VALUE);
        }
    }
    Ok(())
}

/// Answers with a pool of the device.
fn of_device(session: &Session, pool: Out<PoolId>, device: i32, id: PoolId) -> Answer {
    session.check_device(device)?;
    pool.put(id)
}

exports! {
    INIT cuMemPoolCreate(pool: Out<PoolId>, props: In<PoolProps>) |it| create(it, pool, props);
    INIT cuMemPoolDestroy(pool: PoolId) |it| destroy(it, pool);
    INIT cuMemPoolGetAttribute(pool: PoolId, attribute: u32, value: Host) |it| {
        get_attribute(it, pool, attribute, value)
    };
    INIT cuMemPoolSetAttribute(pool: PoolId, attribute: u32, value: Host) |it| {
        set_attribute(it, pool, attribute, value)
    };
    INIT cuMemPoolTrimTo(pool: PoolId, _keep: usize) |it| it.pools.get(pool).map(drop);
    INIT cuMemPoolSetAccess(pool: PoolId, accesses: In<Access>, count: usize) |it| {
        set_access(it, pool, accesses, count)
    };
    INIT cuMemPoolGetAccess(flags: Out<u32>, pool: PoolId, location: In<Location>) |it| {
        it.pools.get(pool)?;
        on_this_device(location.get()?)?;
        flags.put(3)
    };
    INIT cuDeviceGetDefaultMemPool(pool: Out<PoolId>, device: i32) |it| of_device(it, pool, device, it.default_pool);
    INIT cuDeviceGetMemPool(pool: Out<PoolId>, device: i32) |it| of_device(it, pool, device, it.current_pool);
    INIT cuDeviceSetMemPool(device: i32, pool: PoolId) |it| {
        it.check_device(device)?;
        it.pools.get(pool)?;
        it.current_pool = pool;
        Ok(())
    };
    STREAM_ALLOC cuMemAllocFromPoolAsync(address: Out<u64>, bytes: usize, pool: PoolId, stream: StreamId) |it| {
        crate::memory::allocate_in_stream(it, address, bytes, pool, stream)
    };
}
