//! The CUDA driver, probed before it is used: `cudarc` panics where a library or a function is missing.

use super::Ordinal;
use crate::Error;
use cudarc::driver::{result, sys};
use std::ffi::{c_int, c_void};
use std::sync::{Arc, OnceLock};

/// The library of the driver.
pub(super) const LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// Every function that this crate calls. A driver that lacks one is refused as a whole, with its name.
const FUNCTIONS: &[&str] = &[
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuCtxSynchronize",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuFuncSetAttribute",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamEndCapture",
    "cuStreamSynchronize",
];

/// What the driver says of itself.
#[derive(Debug)]
pub(super) struct Driver {
    /// The newest CUDA version that it serves: `(13, 0)`.
    pub(super) version: (u32, u32),
    pub(super) devices: Vec<Description>,
}

/// A CUDA device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Its number: `cuda:0`.
    pub ordinal: usize,
    /// Its name, as `NVIDIA H200`.
    pub name: String,
    /// Its compute capability: `(9, 0)`.
    pub compute_capability: (u32, u32),
    /// Its memory in bytes.
    pub memory: usize,
    /// Its multiprocessors.
    pub multiprocessors: u32,
}

impl Description {
    /// Whether the device is emulated and takes PTX instead of machine code.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.name.to_lowercase().contains("emulat")
    }
}

/// The driver of this machine. It is looked for once.
///
/// # Errors
/// What is missing, in one sentence.
pub(super) fn driver() -> Result<&'static Driver, &'static str> {
    static DRIVER: OnceLock<Result<Driver, String>> = OnceLock::new();
    DRIVER.get_or_init(probe).as_ref().map_err(String::as_str)
}

fn probe() -> Result<Driver, String> {
    // SAFETY: the driver's library may be loaded by anybody; it has no start-up code that needs care.
    let library = unsafe { libloading::Library::new(LIBRARY) }.map_err(|why| {
        let cause = std::error::Error::source(&why).map_or_else(|| why.to_string(), ToString::to_string);
        format!("the driver's library {LIBRARY} cannot be loaded ({cause}): install the NVIDIA driver")
    })?;
    for name in FUNCTIONS {
        // SAFETY: only its presence is asked for; the type is never used.
        let function = unsafe { library.get::<*const c_void>(name.as_bytes()) };
        function.map_err(|_| {
            format!("{LIBRARY} has no function {name}: install a driver for CUDA 12 or newer (525 or newer)")
        })?;
    }
    let failed = |what: &str, why: result::DriverError| format!("{what} failed: {}", name(why));
    result::init().map_err(|why| match why.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => "the driver sees no device".to_owned(),
        _ => failed("cuInit", why),
    })?;
    let mut version: c_int = 0;
    // SAFETY: the pointer is to a local integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().map_err(|why| failed("cuDriverGetVersion", why))?;
    let version = version.unsigned_abs();
    let count = result::device::get_count().map_err(|why| failed("cuDeviceGetCount", why))?;
    let devices: Result<Vec<Description>, _> = (0..count).map(describe).collect();
    let devices = devices.map_err(|why| failed("asking for the devices", why))?;
    if devices.is_empty() {
        return Err("the driver sees no device".to_owned());
    }
    // The library stays: cudarc opens it again and finds this very one.
    std::mem::forget(library);
    Ok(Driver { version: (version / 1000, version % 1000 / 10), devices })
}

fn describe(ordinal: c_int) -> Result<Description, result::DriverError> {
    use sys::CUdevice_attribute_enum as Attribute;
    let device = result::device::get(ordinal)?;
    // SAFETY: the device comes from the driver.
    let ask = |what| unsafe { result::device::get_attribute(device, what) }.map(c_int::unsigned_abs);
    Ok(Description {
        ordinal: ordinal.unsigned_abs() as usize,
        name: result::device::get_name(device)?,
        compute_capability: (
            ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        // SAFETY: as above.
        memory: unsafe { result::device::total_mem(device) }?,
        multiprocessors: ask(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    })
}

/// The driver's own name of a failure.
fn name(why: result::DriverError) -> String {
    why.error_name().ok().and_then(|name| name.to_str().ok()).map_or_else(|| format!("{:?}", why.0), str::to_owned)
}

/// A failure of the driver while it did something, as this crate's error.
fn error(what: &str, why: result::DriverError) -> Error {
    let message = format!("cuda: {what} failed: {}", name(why));
    match why.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::out_of_memory(message),
        _ => Error::device(message),
    }
}

/// The context of a device, which every executor of it shares.
#[derive(Debug)]
pub(super) struct Context {
    context: sys::CUcontext,
    device: sys::CUdevice,
}

// SAFETY: the driver's contexts may be used by any thread that makes them current, which `bind` does.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    pub(super) fn new(ordinal: Ordinal) -> Result<Arc<Context>, Error> {
        let device = result::device::get(ordinal.0 as c_int).map_err(|why| error("finding the device", why))?;
        // SAFETY: the device comes from the driver; the context is released when this value is dropped.
        let context = unsafe { result::primary_ctx::retain(device) };
        let context = context.map_err(|why| error("opening the device", why))?;
        let context = Arc::new(Context { context, device });
        context.bind()?;
        Ok(context)
    }

    /// Makes this the context of the calling thread. Every other function of this file needs that.
    pub(super) fn bind(&self) -> Result<(), Error> {
        // SAFETY: the context is retained as long as `self` lives.
        unsafe { result::ctx::set_current(self.context) }.map_err(|why| error("switching to the device", why))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once, in `new`. A failure leaves nothing that could be done.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

/// Memory of a device.
#[derive(Debug)]
pub(crate) struct Block {
    context: Arc<Context>,
    address: sys::CUdeviceptr,
    bytes: usize,
}

impl Block {
    /// `bytes` of memory, with any content. No bytes are no memory.
    pub(super) fn new(context: &Arc<Context>, bytes: usize, what: &str) -> Result<Block, Error> {
        if bytes == 0 {
            return Ok(Block { context: context.clone(), address: 0, bytes });
        }
        // SAFETY: not empty; freed when this value is dropped.
        let address = unsafe { result::malloc_sync(bytes) }.map_err(|why| match why.0 {
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                let free = result::mem_get_info()
                    .map_or(String::new(), |(free, total)| format!(", of which {free} of {total} bytes are free"));
                Error::out_of_memory(format!("cuda: {what} needs {bytes} bytes of the device's memory{free}"))
            }
            _ => error(&format!("allocating {bytes} bytes for {what}"), why),
        })?;
        Ok(Block { context: context.clone(), address, bytes })
    }

    pub(super) fn address(&self) -> u64 {
        self.address
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.bytes > 0 && self.context.bind().is_ok() {
            // SAFETY: allocated in `new`, freed only here; freeing waits for the kernels that use it.
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

/// Page-locked memory of the host, through which bytes travel to and from the device.
#[derive(Debug)]
pub(super) struct Pinned {
    context: Arc<Context>,
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory belongs to this value alone.
unsafe impl Send for Pinned {}
// SAFETY: shared access gives nothing but its length.
unsafe impl Sync for Pinned {}

impl Pinned {
    pub(super) fn new(context: &Arc<Context>, bytes: usize) -> Result<Pinned, Error> {
        let start = if bytes == 0 {
            std::ptr::null_mut()
        } else {
            // SAFETY: not empty; freed when this value is dropped.
            let start = unsafe { result::malloc_host(bytes, 0) };
            start.map_err(|why| error(&format!("allocating {bytes} page-locked bytes"), why))?.cast()
        };
        Ok(Pinned { context: context.clone(), start, bytes })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes. No copy of the device may be under way in them.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        if self.bytes == 0 {
            return &mut [];
        }
        // SAFETY: allocated for so many bytes, which the driver hands out zeroed or written before; the caller has waited for
        // the copies that use them.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.bytes > 0 && self.context.bind().is_ok() {
            // SAFETY: allocated in `new`, freed only here.
            let _ = unsafe { result::free_host(self.start.cast()) };
        }
    }
}

/// An order of work on the device.
#[derive(Debug)]
pub(super) struct Stream {
    context: Arc<Context>,
    stream: sys::CUstream,
}

// SAFETY: streams may be used by any thread that has the context current.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    pub(super) fn new(context: &Arc<Context>) -> Result<Stream, Error> {
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        Ok(Stream { context: context.clone(), stream: stream.map_err(|why| error("making a stream", why))? })
    }

    /// Waits for all that was enqueued.
    pub(super) fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the stream lives.
        unsafe { result::stream::synchronize(self.stream) }.map_err(|why| error("a kernel or a copy", why))
    }

    /// Enqueues a copy to the device. The caller keeps `from` as it is until the stream was waited for.
    pub(super) fn upload(&self, to: u64, from: &[u8]) -> Result<(), Error> {
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: `to` is memory of at least as many bytes, which the caller knows; the bytes stay until the copy is done.
        unsafe { result::memcpy_htod_async(to, from, self.stream) }.map_err(|why| error("copying to the device", why))
    }

    /// Enqueues a copy from the device. Nobody touches `to` until the stream was waited for.
    pub(super) fn download(&self, to: &mut [u8], from: u64) -> Result<(), Error> {
        if to.is_empty() {
            return Ok(());
        }
        // SAFETY: `from` is memory of at least as many bytes; `to` stays until the copy is done.
        unsafe { result::memcpy_dtoh_async(to, from, self.stream) }.map_err(|why| error("copying from the device", why))
    }

    /// Enqueues a copy within the device.
    pub(super) fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: both are memory of at least as many bytes.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream) }
            .map_err(|why| error("copying on the device", why))
    }

    /// Enqueues zeros.
    pub(super) fn zero(&self, at: u64, bytes: usize) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: `at` is memory of at least as many bytes.
        unsafe { result::memset_d8_async(at, 0, bytes, self.stream) }.map_err(|why| error("clearing memory", why))
    }

    /// Enqueues a kernel. `arguments` are its parameters' bytes, in order.
    pub(super) fn launch(
        &self,
        function: &Function,
        grid: [u32; 3],
        block: [u32; 3],
        shared: u32,
        arguments: &mut [*mut c_void],
    ) -> Result<(), Error> {
        let (grid, block) = ((grid[0], grid[1], grid[2]), (block[0], block[1], block[2]));
        // SAFETY: the function lives as long as its module, which `function` holds; the arguments are what its
        // parameters are, by the contract between a family's source and its host side.
        unsafe { result::launch_kernel(function.function, grid, block, shared, self.stream, arguments) }
            .map_err(|why| error(&format!("launching {}", function.name), why))
    }

    /// Records what `work` enqueues instead of running it, as a graph to replay.
    pub(super) fn capture(&self, work: impl FnOnce() -> Result<(), Error>) -> Result<Graph, Error> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives.
        unsafe { result::stream::begin_capture(self.stream, mode) }.map_err(|why| error("beginning a graph", why))?;
        let worked = work();
        // SAFETY: as above. The capture ends whether or not the work was recorded.
        let graph = unsafe { result::stream::end_capture(self.stream) };
        worked?;
        let graph = graph.map_err(|why| error("ending a graph", why))?;
        let mut exec: sys::CUgraphExec = std::ptr::null_mut();
        // SAFETY: the graph is the one just made; the executable graph does not need it any more.
        let made = unsafe { sys::cuGraphInstantiateWithFlags(&raw mut exec, graph, 0) }.result();
        // SAFETY: as above.
        let _ = unsafe { result::graph::destroy(graph) };
        made.map_err(|why| error("making a graph", why))?;
        Ok(Graph { context: self.context.clone(), exec })
    }

    /// Enqueues a graph.
    pub(super) fn replay(&self, graph: &Graph) -> Result<(), Error> {
        // SAFETY: both live.
        unsafe { result::graph::launch(graph.exec, self.stream) }.map_err(|why| error("launching a graph", why))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: made in `new`, destroyed only here.
            let _ = unsafe { result::stream::destroy(self.stream) };
        }
    }
}

/// A recorded sequence of work.
#[derive(Debug)]
pub(super) struct Graph {
    context: Arc<Context>,
    exec: sys::CUgraphExec,
}

// SAFETY: as for streams.
unsafe impl Send for Graph {}
// SAFETY: as for streams.
unsafe impl Sync for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: made in `capture`, destroyed only here.
            let _ = unsafe { result::graph::exec_destroy(self.exec) };
        }
    }
}

/// Compiled kernels.
#[derive(Debug)]
struct Module {
    context: Arc<Context>,
    module: sys::CUmodule,
}

// SAFETY: as for streams.
unsafe impl Send for Module {}
// SAFETY: as for streams.
unsafe impl Sync for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: loaded in `Function::load`, unloaded only here.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

/// A kernel that can be launched.
#[derive(Clone, Debug)]
pub(super) struct Function {
    function: sys::CUfunction,
    name: Arc<str>,
    _module: Arc<Module>,
}

// SAFETY: as for streams.
unsafe impl Send for Function {}
// SAFETY: as for streams.
unsafe impl Sync for Function {}

impl Function {
    /// The kernel `name` of a compiled image (machine code, or PTX that ends in a zero byte).
    pub(super) fn load(context: &Arc<Context>, image: &[u8], name: &str) -> Result<Function, Error> {
        // SAFETY: the image is a whole one: NVRTC's, or one from the cache whose check sum fits. PTX ends in a zero byte.
        let module = unsafe { result::module::load_data(image.as_ptr().cast()) };
        let module = module.map_err(|why| error(&format!("loading the kernel {name}"), why))?;
        let module = Arc::new(Module { context: context.clone(), module });
        let symbol = std::ffi::CString::new(name).map_err(|_| Error::invalid("a kernel's name has a zero byte"))?;
        // SAFETY: the module was loaded above.
        let function = unsafe { result::module::get_function(module.module, symbol) };
        let function = function.map_err(|why| error(&format!("finding the kernel {name}"), why))?;
        Ok(Function { function, name: name.into(), _module: module })
    }

    /// Lets the kernel have so many bytes of dynamic shared memory; needed from 48 KiB on.
    pub(super) fn allow_shared(&self, bytes: u32) -> Result<(), Error> {
        let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function lives.
        unsafe { result::function::set_function_attribute(self.function, attribute, bytes as c_int) }
            .map_err(|why| error(&format!("giving {} {bytes} bytes of shared memory", self.name), why))
    }
}
