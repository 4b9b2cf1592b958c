//! Launches: what a device refuses at the call, the bytes of parameters, and how many blocks a multiprocessor holds.

use crate::code::{Answer, Code};
use crate::device::{MAX_BLOCK, MAX_GRID, MAX_THREADS, REGISTERS};
use crate::driver::{Driver, refuse};
use crate::export::{Session, exports};
use crate::ffi::{BlockToShared, Host, In, KernelNodeParams, LaunchAttribute, LaunchConfig, Out};
use crate::table::{FunctionId, StreamId};
use crate::work::{Kernel, Task};

/// Ends of the list `extra`, and what its entries are.
const EXTRA_END: u64 = 0;
const EXTRA_BUFFER: u64 = 1;
const EXTRA_SIZE: u64 = 2;

/// Launch attributes.
const COOPERATIVE: u32 = 2;
const CLUSTER: u32 = 4;

/// The shape of a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared: u32,
    pub(crate) cooperative: bool,
}

impl Driver {
    /// Blocks of a kernel that one multiprocessor holds at once.
    pub(crate) fn blocks_per_multiprocessor(&self, id: FunctionId, threads: u32, dynamic: usize) -> Answer<u32> {
        let (function, _, kernel) = self.kernel(id)?;
        let model = self.model();
        if threads == 0 || threads > self.max_threads(id)? || dynamic > function.max_dynamic as usize {
            return Ok(0);
        }
        let warps = threads.div_ceil(32);
        let by_threads = model.threads_per_multiprocessor / 32 / warps;
        let by_registers = REGISTERS / (self.registers(id)? * warps * 32);
        let shared = (kernel.static_shared + dynamic as u32).next_multiple_of(128) + model.reserved_shared;
        let by_shared = model.shared_per_multiprocessor.checked_div(shared).unwrap_or(u32::MAX);
        Ok(by_threads.min(by_registers).min(by_shared).min(model.blocks_per_multiprocessor))
    }

    /// A launch with its parameters, checked.
    pub(crate) fn prepare(
        &self,
        id: FunctionId,
        shape: Shape,
        parameters: In<Host>,
        extra: In<Host>,
    ) -> Answer<Kernel> {
        let (function, code, kernel) = self.kernel(id)?;
        let name = &function.name;
        let within =
            |values: [u32; 3], most: [u32; 3]| values.iter().zip(most).all(|(it, most)| (1..=most).contains(it));
        let threads = shape.block.into_iter().fold(1, u32::saturating_mul);
        if !within(shape.grid, MAX_GRID) || !within(shape.block, MAX_BLOCK) || threads > MAX_THREADS {
            let line = format_args!("{name}: no launch of {:?} blocks of {:?} threads", shape.grid, shape.block);
            return refuse(Code::INVALID_VALUE, line);
        }
        if kernel.cluster {
            return refuse(Code::NOT_SUPPORTED, format_args!("{name}: launches in clusters are not emulated yet"));
        }
        if kernel.required_threads.is_some_and(|it| it != shape.block) {
            return refuse(
                Code::INVALID_VALUE,
                format_args!("{name}: its block must be {:?}", kernel.required_threads),
            );
        }
        let most = self.max_threads(id)?;
        if threads > most {
            let line = format_args!("{name}: {threads} threads a block, its bound is {most}");
            return refuse(Code::LAUNCH_OUT_OF_RESOURCES, line);
        }
        if shape.shared > function.max_dynamic {
            let most = function.max_dynamic;
            let line = format_args!(
                "{name}: {} bytes of dynamic shared memory, allowed are {most}; more takes MAX_DYNAMIC_SHARED_SIZE_BYTES",
                shape.shared
            );
            return refuse(Code::INVALID_VALUE, line);
        }
        let resident = self.blocks_per_multiprocessor(id, threads, shape.shared as usize)?;
        if resident == 0 {
            return refuse(Code::LAUNCH_OUT_OF_RESOURCES, format_args!("{name}: no multiprocessor can hold a block"));
        }
        let blocks = shape.grid.into_iter().map(u64::from).fold(1, u64::saturating_mul);
        if shape.cooperative && blocks > u64::from(resident) * u64::from(self.limits.multiprocessors) {
            let line = format_args!("{name}: {blocks} blocks do not fit for a cooperative launch");
            return refuse(Code::COOPERATIVE_LAUNCH_TOO_LARGE, line);
        }
        let Shape { grid, block, shared, cooperative } = shape;
        let bytes = if !extra.is_null() && parameters.is_null() {
            buffer(extra, kernel.parameter_bytes as usize)?
        } else if !extra.is_null() {
            return Err(Code::INVALID_VALUE);
        } else {
            let mut bytes = vec![0; kernel.parameter_bytes as usize];
            for (at, parameter) in code.parameters.iter().enumerate() {
                let place = parameters.at(at)?;
                let begin = parameter.offset as usize;
                let target = bytes.get_mut(begin..begin.saturating_add(parameter.bytes as usize));
                let target = target.ok_or(Code::UNKNOWN)?;
                if place.is_null() {
                    return Err(Code::INVALID_VALUE);
                }
                place.load(0, target);
            }
            bytes
        };
        Ok(Kernel { function: id, grid, block, shared, cooperative, parameters: bytes })
    }

    /// The kernel of a graph's node.
    pub(crate) fn prepare_node(&self, node: &KernelNodeParams, kernel: u64, cooperative: bool) -> Answer<Kernel> {
        let function = FunctionId(if node.function == 0 { kernel } else { node.function });
        let shape = Shape { grid: node.grid, block: node.block, shared: node.shared, cooperative };
        self.prepare(function, shape, node.parameters, node.extra)
    }
}

/// Parameters as one buffer.
fn buffer(extra: In<Host>, need: usize) -> Answer<Vec<u8>> {
    let (mut begin, mut size) = (None, None);
    for at in (0..8).step_by(2) {
        let value = || extra.at(at + 1);
        match extra.at(at)?.address() {
            EXTRA_END => break,
            EXTRA_BUFFER => begin = Some(value()?),
            EXTRA_SIZE => size = Some(value()?.read::<usize>().get()?),
            _ => return Err(Code::INVALID_VALUE),
        }
    }
    let begin = begin.filter(|it| !it.is_null()).ok_or(Code::INVALID_VALUE)?;
    if size.is_none_or(|size| size < need) {
        return Err(Code::INVALID_VALUE);
    }
    let mut bytes = vec![0; need];
    begin.load(0, &mut bytes);
    Ok(bytes)
}

fn launch(
    session: &mut Session,
    function: FunctionId,
    shape: Shape,
    stream: StreamId,
    parameters: In<Host>,
    extra: In<Host>,
) -> Answer {
    let stream = session.stream_of(stream)?;
    if session.functions.get(function)?.context != session.streams.get(stream)?.context {
        return Err(Code::INVALID_HANDLE);
    }
    let kernel = session.prepare(function, shape, parameters, extra)?;
    session.submit(stream, Task::Kernel(kernel))
}

/// What the attributes of a launch ask for: whether it is cooperative.
fn attributes(list: In<LaunchAttribute>, count: u32) -> Answer<bool> {
    let mut cooperative = false;
    for attribute in list.all(count as usize)? {
        let value = attribute.value;
        match attribute.id {
            COOPERATIVE => cooperative = value[0] != 0,
            CLUSTER if value[..3].iter().any(|it| *it > 1) => {
                return refuse(Code::NOT_SUPPORTED, format_args!("launches in clusters are not emulated yet"));
            }
            // Policies, priorities and carveouts change speed alone; a launch that may begin early begins in its turn.
            0 | 1 | 3 | CLUSTER | 5 | 6 | 8 | 9 | 10 | 14 => {}
            other => return refuse(Code::NOT_SUPPORTED, format_args!("launch attribute {other} is not emulated")),
        }
    }
    Ok(cooperative)
}

fn launch_ex(
    session: &mut Session,
    config: In<LaunchConfig>,
    function: FunctionId,
    parameters: In<Host>,
    extra: In<Host>,
) -> Answer {
    let LaunchConfig { grid, block, shared, stream, attributes: list, count } = config.get()?;
    let cooperative = attributes(list, count)?;
    launch(session, function, Shape { grid, block, shared, cooperative }, StreamId(stream), parameters, extra)
}

/// Threads of a block as the interface of occupancy gives them.
fn threads(count: i32) -> Answer<u32> {
    u32::try_from(count).ok().filter(|it| *it > 0).ok_or(Code::INVALID_VALUE)
}

fn occupancy(session: &mut Session, blocks: Out<i32>, function: FunctionId, count: i32, dynamic: usize) -> Answer {
    let count = threads(count)?;
    blocks.put(session.blocks_per_multiprocessor(function, count, dynamic)? as i32)
}

fn best_block(
    session: &mut Session,
    answers: [Out<i32>; 2],
    function: FunctionId,
    shared: (BlockToShared, usize),
    limit: i32,
) -> Answer {
    let [grid, block] = answers;
    grid.check()?;
    block.check()?;
    let most = session.max_threads(function)?;
    let most = if limit > 0 { most.min(limit as u32) } else { most };
    let mut best = (0, 0, 0);
    for warps in 1..=most.div_ceil(32) {
        let threads = (warps * 32).min(most);
        let dynamic = match shared.0 {
            // SAFETY: the caller vouches for its own function; the lock is away, in case it calls the driver.
            Some(of_block) => session.unlocked(|| unsafe { of_block(threads as i32) }),
            None => shared.1,
        };
        let blocks = session.blocks_per_multiprocessor(function, threads, dynamic)?;
        if blocks * threads >= best.0 {
            best = (blocks * threads, blocks, threads);
        }
    }
    let (_, blocks, threads) = best;
    grid.put((blocks * session.limits.multiprocessors) as i32)?;
    block.put(threads as i32)
}

fn available_shared(session: &mut Session, bytes: Out<usize>, function: FunctionId, blocks: i32, count: i32) -> Answer {
    let (blocks, count) = (threads(blocks)?, threads(count)?);
    let model = session.model();
    let fixed = session.kernel(function)?.2.static_shared;
    if session.blocks_per_multiprocessor(function, count, 0)? < blocks {
        return Err(Code::INVALID_VALUE);
    }
    let each = (model.shared_per_multiprocessor / blocks) / 128 * 128;
    let most = session.limits.shared_per_block_optin;
    bytes.put(each.saturating_sub(model.reserved_shared).min(most).saturating_sub(fixed) as usize)
}

fn no_clusters() -> Answer {
    refuse(Code::NOT_SUPPORTED, format_args!("launches in clusters are not emulated yet"))
}

exports! {
    WORK cuLaunchKernel(
        function: FunctionId, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32,
        shared: u32, stream: StreamId, parameters: In<Host>, extra: In<Host>,
    ) |it| {
        let shape = Shape { grid: [grid_x, grid_y, grid_z], block: [block_x, block_y, block_z], shared, cooperative: false };
        launch(it, function, shape, stream, parameters, extra)
    };
    WORK cuLaunchCooperativeKernel(
        function: FunctionId, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32,
        shared: u32, stream: StreamId, parameters: In<Host>,
    ) |it| {
        let shape = Shape { grid: [grid_x, grid_y, grid_z], block: [block_x, block_y, block_z], shared, cooperative: true };
        launch(it, function, shape, stream, parameters, In::null())
    };
    WORK cuLaunchKernelEx(config: In<LaunchConfig>, function: FunctionId, parameters: In<Host>, extra: In<Host>) |it| {
        launch_ex(it, config, function, parameters, extra)
    };
    CONTEXT cuOccupancyMaxActiveBlocksPerMultiprocessor(
        blocks: Out<i32>, function: FunctionId, count: i32, dynamic: usize,
    ) |it| {
        occupancy(it, blocks, function, count, dynamic)
    };
    CONTEXT cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: Out<i32>, function: FunctionId, count: i32, dynamic: usize, flags: u32,
    ) |it| {
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        occupancy(it, blocks, function, count, dynamic)
    };
    CONTEXT cuOccupancyMaxPotentialBlockSize(
        grid: Out<i32>, block: Out<i32>, function: FunctionId, of_block: BlockToShared, dynamic: usize, limit: i32,
    ) |it| {
        best_block(it, [grid, block], function, (of_block, dynamic), limit)
    };
    CONTEXT cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: Out<i32>, block: Out<i32>, function: FunctionId, of_block: BlockToShared, dynamic: usize, limit: i32,
        flags: u32,
    ) |it| {
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        best_block(it, [grid, block], function, (of_block, dynamic), limit)
    };
    CONTEXT cuOccupancyAvailableDynamicSMemPerBlock(
        bytes: Out<usize>, function: FunctionId, blocks: i32, count: i32,
    ) |it| {
        available_shared(it, bytes, function, blocks, count)
    };
    CONTEXT cuOccupancyMaxActiveClusters(_count: Out<i32>, _function: FunctionId, _config: In<LaunchConfig>) |_| {
        no_clusters()
    };
    CONTEXT cuOccupancyMaxPotentialClusterSize(_size: Out<i32>, _function: FunctionId, _config: In<LaunchConfig>) |_| {
        no_clusters()
    };
}
