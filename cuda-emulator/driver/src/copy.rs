//! Copies and fills: what they may touch, and when they happen.
//!
//! Pageable memory is read when a copy from it is submitted, as a driver stages it, and written before a copy to it returns.
//! Page-locked memory is read and written when the copy runs. Copies within the device and fills return at once, those
//! without `Async` in their name too: they stand in the legacy stream.

use crate::code::{Answer, Code};
use crate::driver::{Driver, refuse};
use crate::export::{Session, exports};
use crate::ffi::{Copy2d, Copy3d, FillNodeParams, Host, In};
use crate::table::{ContextId, StreamId};
use crate::work::{Fill, Place, Side, Task, Transfer};
use cuda_emulator::memory::Windows;

/// Types of memory, as the interface numbers them.
const HOST: u32 = 1;
const DEVICE: u32 = 2;
const UNIFIED: u32 = 4;

/// Allocations of the device begin below this; pointers of a process lie above.
const DEVICE_END: u64 = 0x5000_0000_0000;

/// The legacy stream's handle.
const LEGACY: StreamId = StreamId(0);

/// Whether the caller goes on while the copy waits in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// `cuMemcpy..`: as soon as the rules allow, which differs by the kind of memory.
    Sync,
    /// `cuMemcpy..Async`.
    Async,
}

impl Driver {
    /// The place of a pointer whose kind nobody told.
    fn place(&self, address: u64) -> Place {
        let device = self.memory.find(address).is_some() || (Windows::DEVICE..DEVICE_END).contains(&address);
        if device { Place::Device(address) } else { Place::Host(Host::from_address(address)) }
    }

    /// Refuses a range of the device's memory that is not within one live allocation, as a driver does at the call.
    fn check_range(&self, what: &str, address: u64, bytes: usize) -> Answer {
        let known = self.memory.find(address).filter(|it| bytes as u64 <= it.bytes - (address - it.address));
        // What was given back in a stream's order is gone for who submits work later.
        if known.is_some() && self.blocks.find(address).is_none_or(|block| !block.freed) {
            return Ok(());
        }
        refuse(
            Code::INVALID_VALUE,
            format_args!("{what}: {bytes} bytes at {address:#x} are not within a live allocation"),
        )
    }

    fn check_side(&self, what: &str, side: &Side, shape: [usize; 3]) -> Answer {
        let span = side.span(shape[0], shape[1], shape[2]).ok_or(Code::INVALID_VALUE)?;
        match side.place {
            Place::Device(address) => self.check_range(what, address, span),
            Place::Host(host) if host.is_null() => Err(Code::INVALID_VALUE),
            Place::Host(_) | Place::Staged(_) => Ok(()),
        }
    }

    /// A copy as the interface describes it, checked.
    pub(crate) fn transfer(&self, what: &str, copy: &Copy3d) -> Answer<Transfer> {
        let side = |kind, host: Host, device, at: [usize; 3], pitch: usize, height: usize, rows: [usize; 3]| {
            let pitch = if pitch == 0 { rows[0] } else { pitch };
            let height = if height == 0 { rows[1] } else { height };
            if pitch < rows[0] && rows[1] > 1 || height < rows[1] && rows[2] > 1 {
                return Err(Code::INVALID_VALUE);
            }
            let slice = pitch.checked_mul(height).ok_or(Code::INVALID_VALUE)?;
            let skipped = at[2].checked_mul(slice).zip(at[1].checked_mul(pitch));
            let offset = skipped.and_then(|(z, y)| z.checked_add(y)?.checked_add(at[0])).ok_or(Code::INVALID_VALUE)?;
            let begin = match kind {
                HOST => host.address(),
                DEVICE | UNIFIED => device,
                // Arrays are of textures, which the emulator has not.
                _ => return Err(Code::NOT_SUPPORTED),
            };
            let address = begin.checked_add(offset as u64).ok_or(Code::INVALID_VALUE)?;
            let place = match kind {
                DEVICE => Place::Device(address),
                _ => self.place(address),
            };
            Ok(Side { place, pitch, slice })
        };
        let rows = [copy.width, copy.height, copy.depth];
        let source = side(
            copy.source_type,
            copy.source_host,
            copy.source_device,
            [copy.source_x, copy.source_y, copy.source_z],
            copy.source_pitch,
            copy.source_height,
            rows,
        )?;
        let target = side(
            copy.target_type,
            copy.target_host,
            copy.target_device,
            [copy.target_x, copy.target_y, copy.target_z],
            copy.target_pitch,
            copy.target_height,
            rows,
        )?;
        if !rows.contains(&0) {
            self.check_side(what, &source, rows)?;
            self.check_side(what, &target, rows)?;
        }
        Ok(Transfer { source, target, width: copy.width, height: copy.height, depth: copy.depth })
    }

    /// A fill, checked.
    pub(crate) fn fill(&self, what: &str, parameters: &FillNodeParams) -> Answer<Fill> {
        let FillNodeParams { target, pitch, value, element, width, height } = *parameters;
        if !matches!(element, 1 | 2 | 4) || target % u64::from(element) != 0 {
            return Err(Code::INVALID_VALUE);
        }
        let row = width.checked_mul(element as usize).ok_or(Code::INVALID_VALUE)?;
        let pitch = if height <= 1 { row } else { pitch };
        if pitch < row || pitch % element as usize != 0 {
            return Err(Code::INVALID_VALUE);
        }
        let side = Side { place: Place::Device(target), pitch, slice: 0 };
        if row > 0 && height > 0 {
            self.check_side(what, &side, [row, height, 1])?;
        }
        Ok(Fill { target, pitch, value, element, width, height })
    }

    /// Whether a place is memory that the program may page out, so that the device cannot reach it.
    fn pageable(&self, place: &Place, span: usize) -> bool {
        matches!(place, Place::Host(host) if !self.blocks.is_registered(host.address(), span))
    }
}

fn copy(session: &mut Session, copy: &Copy3d, stream: StreamId, when: When) -> Answer {
    let name = session.name;
    let stream = session.stream_of(stream)?;
    let mut transfer = session.transfer(name, copy)?;
    let shape = (transfer.width, transfer.height, transfer.depth);
    let span = |side: &Side| side.span(shape.0, shape.1, shape.2).unwrap_or(0);
    if shape.0 == 0 || shape.1 == 0 || shape.2 == 0 {
        return Ok(());
    }
    let from_pageable = session.pageable(&transfer.source.place, span(&transfer.source));
    let to_pageable = session.pageable(&transfer.target.place, span(&transfer.target));
    // A graph reads and writes the program's memory when it is launched.
    let captured = session.streams.get(stream)?.capture.is_some();
    if from_pageable && !captured {
        if when == When::Sync {
            session.wait_stream(stream)?;
        }
        transfer.stage()?;
    }
    // Page-locked memory counts as the device's here; what is on the host's side decides whether a call blocks.
    let on_host = |session: &Session, place: &Place| match place {
        Place::Host(_) => true,
        Place::Device(address) => session.blocks.find(*address).is_some_and(|block| block.host),
        Place::Staged(_) => false,
    };
    let pinned = on_host(session, &transfer.source.place) || on_host(session, &transfer.target.place);
    session.submit(stream, Task::Copy(transfer))?;
    let waits = to_pageable || when == When::Sync && pinned;
    if waits && !captured { session.wait_stream(stream) } else { Ok(()) }
}

/// A copy of so many bytes in one piece.
fn dense(source: (u32, u64), target: (u32, u64), bytes: usize) -> Copy3d {
    Copy3d {
        source_x: 0,
        source_y: 0,
        source_z: 0,
        source_level: 0,
        source_type: source.0,
        source_host: Host::from_address(source.1),
        source_device: source.1,
        source_array: 0,
        source_reserved: 0,
        source_pitch: 0,
        source_height: 0,
        target_x: 0,
        target_y: 0,
        target_z: 0,
        target_level: 0,
        target_type: target.0,
        target_host: Host::from_address(target.1),
        target_device: target.1,
        target_array: 0,
        target_reserved: 0,
        target_pitch: 0,
        target_height: 0,
        width: bytes,
        height: 1,
        depth: 1,
    }
}

/// A copy of one slice.
fn planar(it: &Copy2d) -> Copy3d {
    Copy3d {
        source_x: it.source_x,
        source_y: it.source_y,
        source_pitch: it.source_pitch,
        source_host: it.source_host,
        source_device: it.source_device,
        target_x: it.target_x,
        target_y: it.target_y,
        target_pitch: it.target_pitch,
        target_host: it.target_host,
        target_device: it.target_device,
        height: it.height,
        ..dense((it.source_type, 0), (it.target_type, 0), it.width)
    }
}

/// Between two pointers, each of the kind that is said.
fn line(session: &mut Session, ends: [(u32, u64); 2], bytes: usize, stream: StreamId, when: When) -> Answer {
    let [target, source] = ends;
    copy(session, &dense(source, target, bytes), stream, when)
}

fn fill(session: &mut Session, parameters: FillNodeParams, stream: StreamId, when: When) -> Answer {
    let name = session.name;
    let stream = session.stream_of(stream)?;
    let fill = session.fill(name, &parameters)?;
    if fill.width == 0 || fill.height == 0 {
        return Ok(());
    }
    let pinned = session.blocks.find(fill.target).is_some_and(|block| block.host);
    session.submit(stream, Task::Fill(fill))?;
    if pinned && when == When::Sync { session.wait_stream(stream) } else { Ok(()) }
}

/// One row.
fn row(target: u64, value: u32, element: u32, width: usize) -> FillNodeParams {
    FillNodeParams { target, pitch: 0, value, element, width, height: 1 }
}

/// Several rows.
fn plane(target: u64, pitch: usize, value: u32, element: u32, width: usize, height: usize) -> FillNodeParams {
    FillNodeParams { target, pitch, value, element, width, height }
}

fn peer(session: &Session, contexts: [ContextId; 2]) -> Answer {
    contexts.into_iter().try_for_each(|context| session.contexts.get(context).map(drop))
}

use When::{Async, Sync};

exports! {
    UNSAFE_WORK cuMemcpy(target: u64, source: u64, bytes: usize) |it| {
        line(it, [(UNIFIED, target), (UNIFIED, source)], bytes, LEGACY, Sync)
    };
    WORK cuMemcpyAsync(target: u64, source: u64, bytes: usize, stream: StreamId) |it| {
        line(it, [(UNIFIED, target), (UNIFIED, source)], bytes, stream, Async)
    };
    UNSAFE_WORK cuMemcpyHtoD_v2(target: u64, source: Host, bytes: usize) |it| {
        line(it, [(DEVICE, target), (HOST, source.address())], bytes, LEGACY, Sync)
    };
    WORK cuMemcpyHtoDAsync_v2(target: u64, source: Host, bytes: usize, stream: StreamId) |it| {
        line(it, [(DEVICE, target), (HOST, source.address())], bytes, stream, Async)
    };
    UNSAFE_WORK cuMemcpyDtoH_v2(target: Host, source: u64, bytes: usize) |it| {
        line(it, [(HOST, target.address()), (DEVICE, source)], bytes, LEGACY, Sync)
    };
    WORK cuMemcpyDtoHAsync_v2(target: Host, source: u64, bytes: usize, stream: StreamId) |it| {
        line(it, [(HOST, target.address()), (DEVICE, source)], bytes, stream, Async)
    };
    UNSAFE_WORK cuMemcpyDtoD_v2(target: u64, source: u64, bytes: usize) |it| {
        line(it, [(DEVICE, target), (DEVICE, source)], bytes, LEGACY, Sync)
    };
    WORK cuMemcpyDtoDAsync_v2(target: u64, source: u64, bytes: usize, stream: StreamId) |it| {
        line(it, [(DEVICE, target), (DEVICE, source)], bytes, stream, Async)
    };
    UNSAFE_WORK cuMemcpyPeer(target: u64, to: ContextId, source: u64, from: ContextId, bytes: usize) |it| {
        peer(it, [to, from])?;
        line(it, [(DEVICE, target), (DEVICE, source)], bytes, LEGACY, Sync)
    };
    WORK cuMemcpyPeerAsync(
        target: u64, to: ContextId, source: u64, from: ContextId, bytes: usize, stream: StreamId,
    ) |it| {
        peer(it, [to, from])?;
        line(it, [(DEVICE, target), (DEVICE, source)], bytes, stream, Async)
    };
    UNSAFE_WORK cuMemcpy2D_v2(description: In<Copy2d>) |it| copy(it, &planar(&description.get()?), LEGACY, Sync);
    UNSAFE_WORK cuMemcpy2DUnaligned_v2(description: In<Copy2d>) |it| {
        copy(it, &planar(&description.get()?), LEGACY, Sync)
    };
    WORK cuMemcpy2DAsync_v2(description: In<Copy2d>, stream: StreamId) |it| {
        copy(it, &planar(&description.get()?), stream, Async)
    };
    UNSAFE_WORK cuMemcpy3D_v2(description: In<Copy3d>) |it| copy(it, &description.get()?, LEGACY, Sync);
    WORK cuMemcpy3DAsync_v2(description: In<Copy3d>, stream: StreamId) |it| {
        copy(it, &description.get()?, stream, Async)
    };
    UNSAFE_WORK cuMemsetD8_v2(target: u64, value: u8, count: usize) |it| {
        fill(it, row(target, value.into(), 1, count), LEGACY, Sync)
    };
    UNSAFE_WORK cuMemsetD16_v2(target: u64, value: u16, count: usize) |it| {
        fill(it, row(target, value.into(), 2, count), LEGACY, Sync)
    };
    UNSAFE_WORK cuMemsetD32_v2(target: u64, value: u32, count: usize) |it| {
        fill(it, row(target, value, 4, count), LEGACY, Sync)
    };
    WORK cuMemsetD8Async(target: u64, value: u8, count: usize, stream: StreamId) |it| {
        fill(it, row(target, value.into(), 1, count), stream, Async)
    };
    WORK cuMemsetD16Async(target: u64, value: u16, count: usize, stream: StreamId) |it| {
        fill(it, row(target, value.into(), 2, count), stream, Async)
    };
    WORK cuMemsetD32Async(target: u64, value: u32, count: usize, stream: StreamId) |it| {
        fill(it, row(target, value, 4, count), stream, Async)
    };
    UNSAFE_WORK cuMemsetD2D8_v2(target: u64, pitch: usize, value: u8, width: usize, height: usize) |it| {
        fill(it, plane(target, pitch, value.into(), 1, width, height), LEGACY, Sync)
    };
    UNSAFE_WORK cuMemsetD2D16_v2(target: u64, pitch: usize, value: u16, width: usize, height: usize) |it| {
        fill(it, plane(target, pitch, value.into(), 2, width, height), LEGACY, Sync)
    };
    UNSAFE_WORK cuMemsetD2D32_v2(target: u64, pitch: usize, value: u32, width: usize, height: usize) |it| {
        fill(it, plane(target, pitch, value, 4, width, height), LEGACY, Sync)
    };
    WORK cuMemsetD2D8Async(target: u64, pitch: usize, value: u8, width: usize, height: usize, stream: StreamId) |it| {
        fill(it, plane(target, pitch, value.into(), 1, width, height), stream, Async)
    };
    WORK cuMemsetD2D16Async(target: u64, pitch: usize, value: u16, width: usize, height: usize, stream: StreamId) |it| {
        fill(it, plane(target, pitch, value.into(), 2, width, height), stream, Async)
    };
    WORK cuMemsetD2D32Async(target: u64, pitch: usize, value: u32, width: usize, height: usize, stream: StreamId) |it| {
        fill(it, plane(target, pitch, value, 4, width, height), stream, Async)
    };
}
