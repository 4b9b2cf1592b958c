//! Pointers that come through the C interface, and the structures behind them.
//!
//! [`Out`] and [`In`] look to C like pointers. They come into being only as arguments of exported functions, whose callers vouch
//! for what a pointer that is not null points to; so the places that follow a pointer stand here, each once.

use crate::code::{Answer, Code};
use std::ffi::{CStr, c_char, c_void};

/// Where an answer goes.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

/// Where a request stands.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct In<T>(*const T);

/// Text that ends in NUL.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

/// Memory of the caller of which only the address is known: what a copy reads or writes, what a callback is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Host(pub(crate) *mut c_void);

// SAFETY: only an address; whoever follows it says why it may.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<T> {}

impl<T> Out<T> {
    /// No answer wanted.
    pub(crate) const fn null() -> Self {
        Out(std::ptr::null_mut())
    }

    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Refuses a null pointer; called before there is anything to undo.
    pub(crate) fn check(self) -> Answer {
        if self.0.is_null() { Err(Code::INVALID_VALUE) } else { Ok(()) }
    }

    /// Writes an answer.
    pub(crate) fn put(self, value: T) -> Answer {
        self.check()?;
        // SAFETY: not null, and the caller of the C interface vouches for room for one `T` there.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// Writes an answer if the caller wants one.
    pub(crate) fn put_if(self, value: T) {
        if !self.0.is_null() {
            let _ = self.put(value);
        }
    }

    /// Writes as many as there is room for.
    pub(crate) fn put_all(self, room: usize, values: impl IntoIterator<Item = T>) -> Answer {
        self.check()?;
        for (at, value) in values.into_iter().take(room).enumerate() {
            // SAFETY: not null, `at` is less than `room`, and the caller vouches for room for so many.
            unsafe { self.0.add(at).write_unaligned(value) };
        }
        Ok(())
    }

    /// What stands there now: a size that the caller gives and gets back.
    pub(crate) fn get(self) -> Answer<T>
    where
        T: Copy,
    {
        In(self.0.cast_const()).get()
    }

    /// The place of another in an array.
    pub(crate) fn at(self, index: usize) -> Self {
        Out(self.0.wrapping_add(index))
    }
}

impl<T: Copy> In<T> {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// No request.
    pub(crate) const fn null() -> Self {
        In(std::ptr::null())
    }

    /// Reads a request.
    pub(crate) fn get(self) -> Answer<T> {
        self.at(0)
    }

    /// Reads the request at a place in an array.
    pub(crate) fn at(self, index: usize) -> Answer<T> {
        if self.0.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: not null, and the caller of the C interface vouches for a value there.
        Ok(unsafe { self.0.add(index).read_unaligned() })
    }

    /// Reads an array; an empty one may be null. Callers say how long theirs is, so an absurd length is refused.
    pub(crate) fn all(self, count: usize) -> Answer<Vec<T>> {
        if count > 1 << 24 {
            return Err(Code::INVALID_VALUE);
        }
        (0..count).map(|index| self.at(index)).collect()
    }
}

impl Text {
    fn bytes<'a>(self) -> Answer<&'a [u8]> {
        if self.0.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: not null, and the caller vouches for text that ends in NUL and stays as it is during the call.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes())
    }

    /// The text; bytes that are no UTF-8 are replaced.
    pub(crate) fn string(self) -> Answer<String> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }
}

impl Host {
    /// The pointer as the number that a device sees.
    pub(crate) fn address(self) -> u64 {
        self.0 as usize as u64
    }

    pub(crate) fn from_address(address: u64) -> Self {
        Host(std::ptr::with_exposed_provenance_mut(address as usize))
    }

    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    pub(crate) fn text(self) -> Text {
        Text(self.0.cast_const().cast())
    }

    pub(crate) fn read<T: Copy>(self) -> In<T> {
        In(self.0.cast_const().cast())
    }

    pub(crate) fn write<T>(self) -> Out<T> {
        Out(self.0.cast())
    }

    /// Copies bytes from here.
    pub(crate) fn load(self, offset: usize, target: &mut [u8]) {
        // SAFETY: a copy from the host's memory was asked for through the C interface; the caller vouches for the source until the
        // copy is done, as the driver's documentation demands.
        unsafe { std::ptr::copy_nonoverlapping(self.0.cast::<u8>().add(offset), target.as_mut_ptr(), target.len()) }
    }

    /// Copies bytes to here.
    pub(crate) fn store(self, offset: usize, source: &[u8]) {
        // SAFETY: as in `load`, of the target.
        unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), self.0.cast::<u8>().add(offset), source.len()) }
    }
}

/// A function of the host that work in a stream calls.
pub(crate) type HostFunction = unsafe extern "C" fn(*mut c_void);

/// A callback of `cuStreamAddCallback`.
pub(crate) type StreamCallback = unsafe extern "C" fn(u64, u32, *mut c_void);

/// How much dynamic shared memory a block of a size needs.
pub(crate) type BlockToShared = Option<unsafe extern "C" fn(i32) -> usize>;

/// `CUDA_MEMCPY2D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Copy2d {
    pub(crate) source_x: usize,
    pub(crate) source_y: usize,
    pub(crate) source_type: u32,
    pub(crate) source_host: Host,
    pub(crate) source_device: u64,
    pub(crate) source_array: u64,
    pub(crate) source_pitch: usize,
    pub(crate) target_x: usize,
    pub(crate) target_y: usize,
    pub(crate) target_type: u32,
    pub(crate) target_host: Host,
    pub(crate) target_device: u64,
    pub(crate) target_array: u64,
    pub(crate) target_pitch: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// `CUDA_MEMCPY3D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Copy3d {
    pub(crate) source_x: usize,
    pub(crate) source_y: usize,
    pub(crate) source_z: usize,
    pub(crate) source_level: usize,
    pub(crate) source_type: u32,
    pub(crate) source_host: Host,
    pub(crate) source_device: u64,
    pub(crate) source_array: u64,
    pub(crate) source_reserved: u64,
    pub(crate) source_pitch: usize,
    pub(crate) source_height: usize,
    pub(crate) target_x: usize,
    pub(crate) target_y: usize,
    pub(crate) target_z: usize,
    pub(crate) target_level: usize,
    pub(crate) target_type: u32,
    pub(crate) target_host: Host,
    pub(crate) target_device: u64,
    pub(crate) target_array: u64,
    pub(crate) target_reserved: u64,
    pub(crate) target_pitch: usize,
    pub(crate) target_height: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) depth: usize,
}

/// `CUDA_KERNEL_NODE_PARAMS`, version 1, with which version 2 begins.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct KernelNodeParams {
    pub(crate) function: u64,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared: u32,
    pub(crate) parameters: In<Host>,
    pub(crate) extra: In<Host>,
}

/// `CUDA_KERNEL_NODE_PARAMS`, version 2.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct KernelNodeParams2 {
    pub(crate) first: KernelNodeParams,
    pub(crate) kernel: u64,
    pub(crate) context: u64,
}

/// `CUDA_MEMSET_NODE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct FillNodeParams {
    pub(crate) target: u64,
    pub(crate) pitch: usize,
    pub(crate) value: u32,
    pub(crate) element: u32,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// `CUDA_HOST_NODE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct HostNodeParams {
    pub(crate) function: Option<HostFunction>,
    pub(crate) data: Host,
}

/// `CUlaunchConfig`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct LaunchConfig {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared: u32,
    pub(crate) stream: u64,
    pub(crate) attributes: In<LaunchAttribute>,
    pub(crate) count: u32,
}

/// `CUlaunchAttribute`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct LaunchAttribute {
    pub(crate) id: u32,
    pub(crate) pad: [u8; 4],
    pub(crate) value: [u32; 16],
}

/// `CUmemPoolProps`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct PoolProps {
    pub(crate) kind: u32,
    pub(crate) handle_types: u32,
    pub(crate) location: Location,
    pub(crate) security: u64,
    pub(crate) max_size: usize,
    pub(crate) reserved: [u8; 56],
}

/// `CUmemLocation`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Location {
    pub(crate) kind: u32,
    pub(crate) id: i32,
}

/// `CUmemAccessDesc`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Access {
    pub(crate) location: Location,
    pub(crate) flags: u32,
}

/// `CUgraphExecUpdateResultInfo`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct UpdateResult {
    pub(crate) result: u32,
    pub(crate) node: u64,
    pub(crate) from: u64,
}

/// `CUDA_GRAPH_INSTANTIATE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct InstantiateParams {
    pub(crate) flags: u64,
    pub(crate) stream: u64,
    pub(crate) node: u64,
    pub(crate) result: u32,
}

/// `CUdevprop`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct DeviceProps {
    pub(crate) threads: i32,
    pub(crate) block: [i32; 3],
    pub(crate) grid: [i32; 3],
    pub(crate) shared: i32,
    pub(crate) constant: i32,
    pub(crate) lanes: i32,
    pub(crate) pitch: i32,
    pub(crate) registers: i32,
    pub(crate) clock: i32,
    pub(crate) texture_align: i32,
}
