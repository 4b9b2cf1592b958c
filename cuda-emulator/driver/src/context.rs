//! Contexts: what a program makes on a device belongs to one, and what fails in it stays failed until it is gone.

use crate::code::{Answer, Code};
use crate::driver::Driver;
use crate::export::{Session, exports};
use crate::ffi::{Host, Out};
use crate::stream::{Kind, Stream};
use crate::table::{ContextId, StreamId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// A context.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) primary: bool,
    pub(crate) flags: u32,
    /// The stream that waits for all blocking ones, and they for it.
    pub(crate) legacy: StreamId,
    /// The default stream of each thread that asked for it.
    pub(crate) per_thread: BTreeMap<u64, StreamId>,
    /// What failed; every later call says it again.
    pub(crate) poison: Option<Code>,
    limits: [usize; 11],
    cache_config: u32,
    shared_config: u32,
}

/// The device's primary context.
#[derive(Debug, Default)]
pub(crate) struct Primary {
    context: Option<ContextId>,
    retained: u32,
    flags: u32,
}

thread_local! {
    static STACK: RefCell<Vec<ContextId>> = const { RefCell::new(Vec::new()) };
    static NUMBER: u64 = {
        static THREADS: AtomicU64 = AtomicU64::new(1);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
    static CAPTURE_MODE: Cell<u32> = const { Cell::new(0) };
    static IN_HOST_FUNCTION: Cell<bool> = const { Cell::new(false) };
}

/// What each thread of the program has for itself. A thread that is ending has nothing any more.
pub(crate) struct Threads;

impl Threads {
    fn stack<T>(change: impl FnOnce(&mut Vec<ContextId>) -> T) -> Answer<T> {
        STACK.try_with(|stack| change(&mut stack.borrow_mut())).map_err(|_| Code::DEINITIALIZED)
    }

    /// A number that no other thread has.
    pub(crate) fn number() -> Answer<u64> {
        NUMBER.try_with(|it| *it).map_err(|_| Code::DEINITIALIZED)
    }

    /// How strict this thread is about captures: 0 global, 1 thread-local, 2 relaxed.
    pub(crate) fn capture_mode() -> u32 {
        CAPTURE_MODE.try_with(Cell::get).unwrap_or(0)
    }

    pub(crate) fn exchange_capture_mode(mode: u32) -> u32 {
        CAPTURE_MODE.try_with(|it| it.replace(mode)).unwrap_or(0)
    }

    /// Whether this thread runs a function that a stream called.
    pub(crate) fn in_host_function() -> bool {
        IN_HOST_FUNCTION.try_with(Cell::get).unwrap_or(false)
    }

    pub(crate) fn enter_host_function() {
        // Without its variables the thread is ending, and calls nothing any more.
        let _ = IN_HOST_FUNCTION.try_with(|it| it.set(true));
    }
}

const LIMIT_STACK: usize = 0;
const LIMIT_PRINTF: usize = 1;
const LIMIT_HEAP: usize = 2;
const LIMIT_L2_FETCH: usize = 5;
const LIMIT_L2_PERSISTING: usize = 6;
const KNOWN_LIMITS: [usize; 5] = [LIMIT_STACK, LIMIT_PRINTF, LIMIT_HEAP, LIMIT_L2_FETCH, LIMIT_L2_PERSISTING];

/// All flags of contexts, and those of them that say how to wait, of which one may be set.
const FLAGS: u32 = 0xff;
const SCHEDULING: u32 = 7;

fn check_flags(flags: u32) -> Answer {
    let one_way = (flags & SCHEDULING).count_ones() <= 1;
    if flags & !FLAGS == 0 && one_way { Ok(()) } else { Err(Code::INVALID_VALUE) }
}

impl Driver {
    /// The context that is current to the calling thread.
    pub(crate) fn current(&self) -> Answer<ContextId> {
        let context = Threads::stack(|stack| stack.last().copied())?.ok_or(Code::INVALID_CONTEXT)?;
        if self.contexts.contains(context) { Ok(context) } else { Err(Code::CONTEXT_IS_DESTROYED) }
    }

    /// What failed in the context.
    pub(crate) fn check_poison(&self, context: ContextId) -> Answer {
        // A function that destroyed its own context has nothing to tell.
        self.contexts.get(context).ok().and_then(|it| it.poison).map_or(Ok(()), Err)
    }

    /// Work failed: the context is of no use any more, and what waits in its streams is dropped.
    pub(crate) fn poison(&mut self, id: ContextId, code: Code) {
        if let Ok(context) = self.contexts.get_mut(id) {
            context.poison.get_or_insert(code);
        }
        for (_, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.context == id) {
            stream.queue.clear();
        }
    }

    fn new_context(&mut self, flags: u32, primary: bool) -> ContextId {
        let mut limits = [0; 11];
        for (limit, value) in [(LIMIT_STACK, 1 << 10), (LIMIT_PRINTF, 1 << 20), (LIMIT_HEAP, 8 << 20)] {
            limits[limit] = value;
        }
        limits[LIMIT_L2_FETCH] = 64;
        let legacy = StreamId(0);
        let per_thread = BTreeMap::new();
        let context =
            Context { primary, flags, legacy, per_thread, poison: None, limits, cache_config: 0, shared_config: 0 };
        let id = self.contexts.add(context);
        let legacy = self.streams.add(Stream::new(id, Kind::Legacy, 0, 0));
        if let Ok(context) = self.contexts.get_mut(id) {
            context.legacy = legacy;
        }
        id
    }

    /// Forgets all that belongs to the context, without waiting for it.
    fn clear_context(&mut self, id: ContextId) {
        self.free_all(id);
        let captures: Vec<_> = self.streams.iter().filter(|(_, it)| it.context == id).map(|(id, _)| id).collect();
        captures.into_iter().for_each(|stream| self.abandon_capture(stream));
        self.streams.retain(|it| it.context != id);
        self.events.retain(|it| it.context != id);
        for module in self.modules.take(|it| it.context == id) {
            module.code.unload(&self.memory);
        }
        self.functions.retain(|it| it.context != id);
        crate::counters::write(self);
    }
}

impl Session {
    /// Waits for what the context still does, then forgets all that belongs to it.
    fn finish_context(&mut self, id: ContextId) {
        // What fails now fails in a context that nobody asks any more.
        let _ = self.wait_context(id);
        self.clear_context(id);
    }

    fn destroy_context(&mut self, id: ContextId) -> Answer {
        self.finish_context(id);
        self.contexts.remove(id)?;
        Ok(())
    }
}

fn create(session: &mut Session, context: Out<ContextId>, flags: u32, device: i32) -> Answer {
    session.check_device(device)?;
    context.check()?;
    check_flags(flags)?;
    let id = session.new_context(flags, false);
    Threads::stack(|stack| stack.push(id))?;
    context.put(id)
}

fn destroy(session: &mut Session, context: ContextId) -> Answer {
    if session.contexts.get(context)?.primary {
        return Err(Code::INVALID_CONTEXT);
    }
    session.destroy_context(context)?;
    Threads::stack(|stack| {
        if stack.last() == Some(&context) {
            stack.pop();
        }
    })
}

fn retain(session: &mut Session, context: Out<ContextId>, device: i32) -> Answer {
    session.check_device(device)?;
    session.check_lost()?;
    context.check()?;
    let id = match session.primary.context {
        Some(id) => id,
        None => {
            let flags = session.primary.flags;
            session.new_context(flags, true)
        }
    };
    session.primary.context = Some(id);
    session.primary.retained = session.primary.retained.saturating_add(1);
    context.put(id)
}

fn release(session: &mut Session, device: i32) -> Answer {
    session.check_device(device)?;
    let id = session.primary.context.ok_or(Code::INVALID_CONTEXT)?;
    session.primary.retained = session.primary.retained.saturating_sub(1);
    if session.primary.retained == 0 {
        session.primary.context = None;
        session.destroy_context(id)?;
    }
    Ok(())
}

fn reset(session: &mut Session, device: i32) -> Answer {
    session.check_device(device)?;
    let Some(id) = session.primary.context else { return Ok(()) };
    session.finish_context(id);
    // Its handle stays good for those who hold it; what it holds begins anew.
    let legacy = session.streams.add(Stream::new(id, Kind::Legacy, 0, 0));
    let context = session.contexts.get_mut(id)?;
    context.legacy = legacy;
    context.per_thread.clear();
    context.poison = None;
    Ok(())
}

fn state(session: &mut Session, device: i32, flags: Out<u32>, active: Out<i32>) -> Answer {
    session.check_device(device)?;
    let now = session.primary.context.and_then(|id| session.contexts.get(id).ok()).map(|it| it.flags);
    flags.put(now.unwrap_or(session.primary.flags))?;
    active.put(now.is_some().into())
}

fn set_primary_flags(session: &mut Session, device: i32, flags: u32) -> Answer {
    session.check_device(device)?;
    check_flags(flags)?;
    session.primary.flags = flags;
    let Some(id) = session.primary.context else { return Ok(()) };
    session.contexts.get_mut(id)?.flags = flags;
    Ok(())
}

fn set_current(session: &mut Session, context: ContextId) -> Answer {
    if context.0 == 0 {
        return Threads::stack(|stack| {
            stack.pop();
        });
    }
    session.contexts.get(context)?;
    Threads::stack(|stack| {
        stack.pop();
        stack.push(context);
    })
}

fn push(session: &mut Session, context: ContextId) -> Answer {
    session.contexts.get(context)?;
    Threads::stack(|stack| {
        // Far above what a program needs, far below what would hurt.
        if stack.len() >= 1 << 16 {
            return Err(Code::OUT_OF_MEMORY);
        }
        stack.push(context);
        Ok(())
    })?
}

fn pop(_: &mut Session, context: Out<ContextId>) -> Answer {
    let popped = Threads::stack(Vec::pop)?.ok_or(Code::INVALID_CONTEXT)?;
    context.put_if(popped);
    Ok(())
}

fn get_current(session: &mut Session, context: Out<ContextId>) -> Answer {
    context.put(match session.context() {
        Err(Code::INVALID_CONTEXT) => ContextId(0),
        current => current?,
    })
}

/// A null handle means the current context.
fn or_current(session: &Session, context: ContextId) -> Answer<ContextId> {
    if context.0 == 0 { session.context() } else { Ok(context) }
}

fn api_version(session: &mut Session, context: ContextId, version: Out<u32>) -> Answer {
    let context = or_current(session, context)?;
    session.contexts.get(context)?;
    version.put(3020)
}

fn number(session: &mut Session, context: ContextId, number: Out<u64>) -> Answer {
    let context = or_current(session, context)?;
    session.contexts.get(context)?;
    number.put(context.0)
}

fn set_flags(session: &mut Session, flags: u32) -> Answer {
    check_flags(flags)?;
    let context = session.context()?;
    session.contexts.get_mut(context)?.flags = flags;
    Ok(())
}

fn set_limit(session: &mut Session, limit: u32, value: usize) -> Answer {
    let context = session.context()?;
    let limit = KNOWN_LIMITS.into_iter().find(|it| *it == limit as usize).ok_or(Code::UNSUPPORTED_LIMIT)?;
    session.contexts.get_mut(context)?.limits[limit] = value;
    Ok(())
}

fn get_limit(session: &mut Session, value: Out<usize>, limit: u32) -> Answer {
    let limit = KNOWN_LIMITS.into_iter().find(|it| *it == limit as usize).ok_or(Code::UNSUPPORTED_LIMIT)?;
    value.put(session.contexts.get(session.context()?)?.limits[limit])
}

fn set_config(session: &mut Session, config: u32, largest: u32, place: fn(&mut Context) -> &mut u32) -> Answer {
    if config > largest {
        return Err(Code::INVALID_VALUE);
    }
    let context = session.context()?;
    *place(session.contexts.get_mut(context)?) = config;
    Ok(())
}

fn peers(session: &mut Session, context: ContextId) -> Answer {
    session.contexts.get(context)?;
    // There is one device, which is no peer of itself.
    Err(Code::PEER_ACCESS_UNSUPPORTED)
}

exports! {
    INIT cuDevicePrimaryCtxRetain(context: Out<ContextId>, device: i32) |it| retain(it, context, device);
    INIT cuDevicePrimaryCtxRelease(device: i32) |it| release(it, device);
    INIT cuDevicePrimaryCtxRelease_v2(device: i32) |it| release(it, device);
    INIT cuDevicePrimaryCtxReset(device: i32) |it| reset(it, device);
    INIT cuDevicePrimaryCtxReset_v2(device: i32) |it| reset(it, device);
    INIT cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, active: Out<i32>) |it| {
        state(it, device, flags, active)
    };
    INIT cuDevicePrimaryCtxSetFlags(device: i32, flags: u32) |it| set_primary_flags(it, device, flags);
    INIT cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) |it| set_primary_flags(it, device, flags);
    INIT cuCtxCreate_v2(context: Out<ContextId>, flags: u32, device: i32) |it| create(it, context, flags, device);
    INIT cuCtxCreate_v3(context: Out<ContextId>, affinity: Host, count: i32, flags: u32, device: i32) |it| {
        if count != 0 || !affinity.is_null() {
            return Err(Code::UNSUPPORTED_EXEC_AFFINITY);
        }
        create(it, context, flags, device)
    };
    INIT cuCtxCreate_v4(context: Out<ContextId>, parameters: Host, flags: u32, device: i32) |it| {
        if !parameters.is_null() {
            return Err(Code::NOT_SUPPORTED);
        }
        create(it, context, flags, device)
    };
    INIT cuCtxDestroy_v2(context: ContextId) |it| destroy(it, context);
    INIT cuCtxSetCurrent(context: ContextId) |it| set_current(it, context);
    INIT cuCtxGetCurrent(context: Out<ContextId>) |it| get_current(it, context);
    INIT cuCtxPushCurrent_v2(context: ContextId) |it| push(it, context);
    INIT cuCtxPopCurrent_v2(context: Out<ContextId>) |it| pop(it, context);
    INIT cuCtxGetApiVersion(context: ContextId, version: Out<u32>) |it| api_version(it, context, version);
    INIT cuCtxGetId(context: ContextId, number_out: Out<u64>) |it| number(it, context, number_out);
    CONTEXT cuCtxGetDevice(device: Out<i32>) |_| device.put(0);
    CONTEXT cuCtxGetFlags(flags: Out<u32>) |it| flags.put(it.contexts.get(it.context()?)?.flags);
    CONTEXT cuCtxSetFlags(flags: u32) |it| set_flags(it, flags);
    CONTEXT cuCtxSynchronize() |it| {
        let context = it.context()?;
        it.forbid_in_captures(context)?;
        it.wait_context(context)
    };
    CONTEXT cuCtxSetLimit(limit: u32, value: usize) |it| set_limit(it, limit, value);
    CONTEXT cuCtxGetLimit(value: Out<usize>, limit: u32) |it| get_limit(it, value, limit);
    CONTEXT cuCtxSetCacheConfig(config: u32) |it| set_config(it, config, 3, |it| &mut it.cache_config);
    CONTEXT cuCtxGetCacheConfig(config: Out<u32>) |it| config.put(it.contexts.get(it.context()?)?.cache_config);
    CONTEXT cuCtxSetSharedMemConfig(config: u32) |it| set_config(it, config, 2, |it| &mut it.shared_config);
    CONTEXT cuCtxGetSharedMemConfig(config: Out<u32>) |it| config.put(it.contexts.get(it.context()?)?.shared_config);
    CONTEXT cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) |_| {
        least.put_if(crate::stream::LEAST_PRIORITY);
        greatest.put_if(crate::stream::GREATEST_PRIORITY);
        Ok(())
    };
    CONTEXT cuCtxResetPersistingL2Cache() |_| Ok(());
    CONTEXT cuCtxEnablePeerAccess(context: ContextId, flags: u32) |it| {
        if flags == 0 { peers(it, context) } else { Err(Code::INVALID_VALUE) }
    };
    CONTEXT cuCtxDisablePeerAccess(context: ContextId) |it| {
        it.contexts.get(context)?;
        Err(Code::PEER_ACCESS_NOT_ENABLED)
    };
}
