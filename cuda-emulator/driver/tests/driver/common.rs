//! How each test gets a process of its own with the emulated driver, and short ways to call it.

use cudarc::driver::sys::{self, CUresult};
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, ptr};

/// Set in the process that a test starts for itself.
const CHILD: &str = "DRIVER_TEST_CHILD";

/// The kernels of `kernels.cu`, as NVRTC compiled them.
pub(crate) const PTX: &str = include_str!("../kernels.ptx");

/// A test in a process of its own, where the loader finds the emulated driver and these variables are set. What the process
/// wrote can be looked at afterwards.
macro_rules! case {
    ($name:ident $([$($variable:ident = $value:expr),* $(,)?])? $body:block $(then |$output:pat_param| $check:block)?) => {
        #[test]
        fn $name() {
            if $crate::common::in_child() {
                $body
                return;
            }
            let path = concat!(module_path!(), "::", stringify!($name));
            let _output = $crate::common::start(path, &[$($((stringify!($variable), $value.to_string())),*)?]);
            $(
                let $output = &_output;
                $check
            )?
        }
    };
}

/// Calls the driver, which must succeed.
macro_rules! ok {
    ($name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: pointers in the arguments are to values that live.
        assert_eq!(unsafe { cudarc::driver::sys::$name($($argument),*) }, cudarc::driver::sys::CUresult::CUDA_SUCCESS, stringify!($name))
    };
}

/// Calls the driver, which must answer with this code.
macro_rules! fails {
    ($code:ident, $name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: as in `ok`.
        assert_eq!(unsafe { cudarc::driver::sys::$name($($argument),*) }, cudarc::driver::sys::CUresult::$code, stringify!($name))
    };
}

/// Calls the driver for an answer that it puts somewhere.
macro_rules! get {
    ($name:ident(_ $(, $argument:expr)* $(,)?)) => {{
        // SAFETY: all answers are numbers, pointers or structures of them, for which zeros are values.
        let mut answer = unsafe { std::mem::zeroed() };
        ok!($name(&mut answer $(, $argument)*));
        answer
    }};
}

pub(crate) use {case, fails, get, ok};

/// What a child wrote.
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Whether this process is the one that a test started for itself.
pub(crate) fn in_child() -> bool {
    if env::var_os(CHILD).is_none() {
        return false;
    }
    // The right library, whatever else this machine has.
    // SAFETY: no pointers.
    let _ = unsafe { sys::cuCtxSynchronize() };
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let built = library();
    assert!(maps.contains(built.to_str().unwrap()), "{} is not what was loaded", built.display());
    true
}

/// The library that cargo built beside this test.
fn library() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.parent().unwrap().join("libcuda.so").canonicalize().unwrap()
}

/// Runs a test once more in a child, with variables of the emulator (without their prefix).
pub(crate) fn start(path: &str, variables: &[(&str, String)]) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loader");
    fs::create_dir_all(&folder).unwrap();
    // cudarc asks for the plain name first; both lead here before any driver of this machine.
    for name in ["libcuda.so", "libcuda.so.1"] {
        let _ = std::os::unix::fs::symlink(library(), folder.join(name));
    }
    let test = path.split_once("::").unwrap().1;
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(CHILD, "1").env("LD_LIBRARY_PATH", folder);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CUDA_EMULATOR_")) {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (format!("CUDA_EMULATOR_{name}"), value)));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{test}: {}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("1 passed"), "{test} did not run:\n{stdout}");
    Output { stdout, stderr }
}

/// A file for this test's process to write, gone before it begins.
pub(crate) fn fresh_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path.to_str().unwrap().to_owned()
}

/// The value of a counter in a file of `CUDA_EMULATOR_COUNTERS`: `driver,,launches`.
pub(crate) fn counter(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name},")));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

pub(crate) const NULL_STREAM: sys::CUstream = ptr::null_mut();

/// Makes the primary context current.
pub(crate) fn context() -> sys::CUcontext {
    ok!(cuInit(0));
    let context: sys::CUcontext = get!(cuDevicePrimaryCtxRetain(_, 0));
    ok!(cuCtxSetCurrent(context));
    context
}

/// A module from PTX text.
pub(crate) fn load(ptx: &str) -> Result<sys::CUmodule, CUresult> {
    let text = CString::new(ptx).unwrap();
    let mut module = ptr::null_mut();
    // SAFETY: the text ends in NUL.
    match unsafe { sys::cuModuleLoadData(&mut module, text.as_ptr().cast()) } {
        CUresult::CUDA_SUCCESS => Ok(module),
        code => Err(code),
    }
}

/// A kernel of the tests' module.
pub(crate) fn kernel(module: sys::CUmodule, name: &str) -> sys::CUfunction {
    let name = CString::new(name).unwrap();
    get!(cuModuleGetFunction(_, module, name.as_ptr()))
}

/// Device memory with these numbers, in the legacy stream.
pub(crate) fn upload<T: Copy>(values: &[T]) -> sys::CUdeviceptr {
    let bytes = size_of_val(values);
    let address = get!(cuMemAlloc_v2(_, bytes));
    ok!(cuMemcpyHtoD_v2(address, values.as_ptr().cast(), bytes));
    ok!(cuStreamSynchronize(NULL_STREAM));
    address
}

/// Numbers from device memory, after all that the legacy stream waits for.
pub(crate) fn download<T: Copy + Default>(address: sys::CUdeviceptr, count: usize) -> Vec<T> {
    let mut values = vec![T::default(); count];
    ok!(cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address, size_of_val(values.as_slice())));
    values
}

/// Page-locked memory for so many numbers, all zero.
pub(crate) fn pinned(count: usize) -> &'static mut [i32] {
    let pointer: *mut c_void = get!(cuMemHostAlloc(_, count * 4, 0));
    // SAFETY: the driver gave so much memory, zeroed, and no test frees it while it has it.
    unsafe { std::slice::from_raw_parts_mut(pointer.cast(), count) }
}

/// The pointers to parameters.
pub(crate) fn pointers<const N: usize>(parameters: [&dyn Parameter; N]) -> [*mut c_void; N] {
    parameters.map(|it| it.pointer())
}

/// A value that a kernel can be given.
pub(crate) trait Parameter {
    fn pointer(&self) -> *mut c_void;
}

impl<T: Copy> Parameter for T {
    fn pointer(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}

/// Launches a kernel on one-dimensional blocks.
pub(crate) fn launch<const N: usize>(
    function: sys::CUfunction,
    (blocks, threads, shared): (u32, u32, u32),
    stream: sys::CUstream,
    parameters: [&dyn Parameter; N],
) -> CUresult {
    let mut pointers = pointers(parameters);
    let (list, none) = (pointers.as_mut_ptr(), ptr::null_mut());
    // SAFETY: the parameters live through the call.
    unsafe { sys::cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, stream, list, none) }
}

/// As [`launch`], and it must be taken.
pub(crate) fn run<const N: usize>(
    function: sys::CUfunction,
    shape: (u32, u32, u32),
    stream: sys::CUstream,
    parameters: [&dyn Parameter; N],
) {
    assert_eq!(launch(function, shape, stream, parameters), CUresult::CUDA_SUCCESS);
}

/// A stream that takes no part in the legacy stream's order.
pub(crate) fn stream() -> sys::CUstream {
    get!(cuStreamCreate(_, 1))
}

/// An event that takes times.
pub(crate) fn event() -> sys::CUevent {
    get!(cuEventCreate(_, 0))
}
