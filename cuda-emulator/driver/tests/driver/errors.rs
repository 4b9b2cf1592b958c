//! What goes wrong answers with the codes of a real driver, at the time at which it would.

use crate::common::{
    NULL_STREAM, PTX, case, context, download, fails, fresh_file, get, kernel, launch, load, ok, run, stream, upload,
};
use cudarc::driver::sys::{self, CUfunction_attribute, CUjit_option, CUresult};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

/// A launch that fails on the device: the call is taken, the next wait says why, and so does everything after.
fn poisons(name: &str, code: CUresult, parameters: [&dyn crate::common::Parameter; 2]) {
    let device = upload(&[0i32; 4]);
    let (function, stream) = (kernel(load(PTX).unwrap(), name), stream());
    run(function, (1, 64, 0), stream, [parameters[0], parameters[1]]);
    // SAFETY: no pointers but to answers.
    unsafe {
        assert_eq!(sys::cuStreamSynchronize(stream), code);
        assert_eq!(sys::cuCtxSynchronize(), code);
        assert_eq!(sys::cuMemAlloc_v2(&mut 0, 16), code);
        assert_eq!(sys::cuMemsetD8Async(device, 0, 1, stream), code);
        assert_eq!(sys::cuStreamDestroy_v2(stream), code);
    }
    // The primary context's reset is a new begin.
    ok!(cuDevicePrimaryCtxReset_v2(0));
    ok!(cuCtxSynchronize());
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(device));
    assert_eq!(download::<i32>(upload(&[3i32; 4]), 4), [3; 4]);
}

case!(out_of_bounds [REPORT = fresh_file("out_of_bounds.txt")] {
    context();
    let (x, n) = (upload(&[0i32; 4]), 4i32);
    poisons("beyond", CUresult::CUDA_ERROR_ILLEGAL_ADDRESS, [&x, &n]);
} then |output| {
    assert!(output.stderr.contains("out of bounds: write of 4 bytes"), "{}", output.stderr);
    assert!(output.stderr.contains("kernels.cu:"), "{}", output.stderr);
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/out_of_bounds.txt");
    assert!(std::fs::read_to_string(path).unwrap().contains("out of bounds: write of 4 bytes"));
});

case!(misaligned {
    context();
    let x = upload(&[0i32; 4]);
    poisons("askew", CUresult::CUDA_ERROR_MISALIGNED_ADDRESS, [&x, &0]);
});

case!(trap {
    context();
    poisons("fail", CUresult::CUDA_ERROR_LAUNCH_FAILED, [&0, &0]);
});

case!(endless_loop [INSTRUCTIONS = 10000] {
    context();
    let x = upload(&[0i32; 4]);
    poisons("endless", CUresult::CUDA_ERROR_LAUNCH_TIMEOUT, [&x, &0]);
});

case!(a_race_fails_the_launch {
    context();
    let x = upload(&[0i32; 64]);
    poisons("race", CUresult::CUDA_ERROR_LAUNCH_FAILED, [&x, &0]);
} then |output| {
    assert!(output.stderr.contains("cuda-emulator: race"), "{}", output.stderr);
});

/// Runs the kernel that races, and goes on.
fn race_and_go_on() {
    context();
    let x = upload(&[0i32; 64]);
    run(kernel(load(PTX).unwrap(), "race"), (1, 64, 0), NULL_STREAM, [&x]);
    ok!(cuCtxSynchronize());
}

case!(a_race_only_warns [FINDINGS = "warn"] {
    race_and_go_on();
} then |output| {
    assert!(output.stderr.contains("cuda-emulator: race"), "{}", output.stderr);
});

case!(a_race_is_not_looked_for [CHECKS = "none"] {
    race_and_go_on();
} then |output| {
    assert!(!output.stderr.contains("race"), "{}", output.stderr);
});

case!(uninitialised_memory {
    context();
    let (x, y): (u64, _) = (get!(cuMemAlloc_v2(_, 16)), upload(&[0f32; 4]));
    poisons_axpy(x, y);
} then |output| {
    assert!(output.stderr.contains("uninitialised read"), "{}", output.stderr);
});

fn poisons_axpy(x: u64, y: u64) {
    let function = kernel(load(PTX).unwrap(), "axpy");
    run(function, (1, 4, 0), NULL_STREAM, [&1f32, &x, &y, &4i32]);
    fails!(CUDA_ERROR_LAUNCH_FAILED, cuCtxSynchronize());
}

case!(use_after_free {
    context();
    let (x, y) = (upload(&[0f32; 4]), upload(&[0f32; 4]));
    ok!(cuMemFree_v2(x));
    run(kernel(load(PTX).unwrap(), "axpy"), (1, 4, 0), NULL_STREAM, [&1f32, &x, &y, &4i32]);
    fails!(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
} then |output| {
    assert!(output.stderr.contains("use after free"), "{}", output.stderr);
});

case!(impossible_launches {
    context();
    let module = load(PTX).unwrap();
    let (fill, n, x) = (kernel(module, "fill"), 4i32, upload(&[0i32; 1024]));
    for (blocks, threads, shared) in [(0, 1, 0), (1, 0, 0), (1, 1025, 0), (1 << 31, 1, 0), (1, 1, 50_000)] {
        let code = launch(fill, (blocks, threads, shared), NULL_STREAM, [&x, &n, &n]);
        assert_eq!(code, CUresult::CUDA_ERROR_INVALID_VALUE, "{blocks} {threads} {shared}");
    }
    let code = launch(kernel(module, "bounded"), (1, 65, 0), NULL_STREAM, [&x]);
    assert_eq!(code, CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    let none = ptr::null_mut();
    fails!(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(fill, 1, 1, 1, 1, 1, 1, 0, NULL_STREAM, none, none));
    let mut lone = [ptr::from_ref(&x).cast_mut().cast::<c_void>(), none.cast(), none.cast()];
    fails!(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(fill, 1, 1, 1, 1, 1, 1, 0, NULL_STREAM, lone.as_mut_ptr(), none));
    let mut list = crate::common::pointers([&x, &n, &n]);
    let parameters = list.as_mut_ptr();
    let grid = 108 * 32;
    ok!(cuLaunchCooperativeKernel(fill, grid, 1, 1, 64, 1, 1, 0, NULL_STREAM, parameters));
    fails!(
        CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
        cuLaunchCooperativeKernel(fill, grid + 1, 1, 1, 64, 1, 1, 0, NULL_STREAM, parameters)
    );
    // None of this is held against the context.
    ok!(cuCtxSynchronize());
});

case!(large_shared_memory_must_be_asked_for {
    context();
    let (reverse, n) = (kernel(load(PTX).unwrap(), "reverse"), 256i32);
    let x = upload(&(0..n).collect::<Vec<i32>>());
    let large = 100 << 10;
    let shape = (1, 256, large);
    assert_eq!(launch(reverse, shape, NULL_STREAM, [&x, &n]), CUresult::CUDA_ERROR_INVALID_VALUE);
    let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    fails!(CUDA_ERROR_INVALID_VALUE, cuFuncSetAttribute(reverse, most, 200 << 10));
    ok!(cuFuncSetAttribute(reverse, most, large as i32));
    run(reverse, shape, NULL_STREAM, [&x, &n]);
    assert_eq!(download::<i32>(x, 256), (0..n).rev().collect::<Vec<_>>());
});

case!(texts_that_are_no_programs {
    context();
    let newer = PTX.replace(".version 9.0", ".version 9.1");
    assert_eq!(load(&newer).unwrap_err(), CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
    let device = PTX.replace(".target sm_75", ".target sm_90");
    assert_eq!(load(&device).unwrap_err(), CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU);
    assert_eq!(load("int main() {}").unwrap_err(), CUresult::CUDA_ERROR_INVALID_PTX);
    assert_eq!(load("").unwrap_err(), CUresult::CUDA_ERROR_INVALID_PTX);
    assert_eq!(load(&PTX[..PTX.len() / 2]).unwrap_err(), CUresult::CUDA_ERROR_INVALID_PTX);
    let unknown = PTX.replacen("bar.sync", "bar.dance", 1);
    assert_eq!(load(&unknown).unwrap_err(), CUresult::CUDA_ERROR_INVALID_PTX);
    assert_eq!(load("\x7fELF\x02\x01").unwrap_err(), CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU);
    let mut module = ptr::null_mut();
    fails!(CUDA_ERROR_INVALID_VALUE, cuModuleLoadData(&mut module, ptr::null()));
    let name = CString::new("/nowhere/at/all.ptx").unwrap();
    fails!(CUDA_ERROR_FILE_NOT_FOUND, cuModuleLoad(&mut module, name.as_ptr()));
} then |output| {
    assert!(output.stderr.contains("bar.dance"), "{}", output.stderr);
    assert!(output.stderr.contains("only PTX text runs on the emulated device"), "{}", output.stderr);
    assert!(output.stderr.contains("PTX 9.1; the device's driver takes at most 9.0"), "{}", output.stderr);
});

case!(logs_say_what_is_wrong {
    context();
    let (text, mut log) = (CString::new(".version 9.0\n.target sm_80\nnonsense").unwrap(), [1u8; 40]);
    let mut options = [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    let mut values = [log.as_mut_ptr().cast::<c_void>(), 40 as *mut c_void];
    let (options, places) = (options.as_mut_ptr(), values.as_mut_ptr());
    let mut module = ptr::null_mut();
    fails!(CUDA_ERROR_INVALID_PTX, cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 2, options, places));
    let said = CStr::from_bytes_until_nul(&log).unwrap().to_str().unwrap();
    assert!(said.starts_with("PTX line 3"), "{said}");
    assert_eq!(values[1] as usize, said.len());
});

case!(names_that_are_not_there {
    context();
    let module = load(PTX).unwrap();
    let name = CString::new("nothing").unwrap();
    fails!(CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&mut ptr::null_mut(), module, name.as_ptr()));
    fails!(CUDA_ERROR_NOT_FOUND, cuModuleGetGlobal_v2(&mut 0, &mut 0, module, name.as_ptr()));
    ok!(cuModuleUnload(module));
    fails!(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(module));
});

case!(handles_are_checked {
    let context = context();
    let module = load(PTX).unwrap();
    let function = kernel(module, "fill");
    // Numbers, and handles of other kinds.
    for wrong in [7usize, usize::MAX, module as usize, context as usize] {
        fails!(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(wrong as sys::CUstream));
        fails!(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(wrong as sys::CUevent));
        fails!(CUDA_ERROR_INVALID_HANDLE, cuGraphDestroy(wrong as sys::CUgraph));
    }
    fails!(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(function as sys::CUmodule));
    fails!(CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(module as sys::CUcontext));
    fails!(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&mut 0, 1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuDeviceGet(ptr::null_mut(), 0));
    fails!(CUDA_ERROR_INVALID_VALUE, cuModuleGetFunction(ptr::null_mut(), module, c"fill".as_ptr()));
    fails!(CUDA_ERROR_INVALID_VALUE, cuModuleGetFunction(&mut ptr::null_mut(), module, ptr::null()));
    // A kernel outlives no module, and runs in its own context only.
    let other: sys::CUcontext = get!(cuCtxCreate_v2(_, 0, 0));
    let code = launch(function, (1, 1, 0), NULL_STREAM, [&0u64, &0, &0]);
    assert_eq!(code, CUresult::CUDA_ERROR_INVALID_HANDLE);
    ok!(cuCtxDestroy_v2(other));
    ok!(cuModuleUnload(module));
    let code = launch(function, (1, 1, 0), NULL_STREAM, [&0u64, &0, &0]);
    assert_eq!(code, CUresult::CUDA_ERROR_INVALID_HANDLE);
});

case!(contexts_are_needed {
    fails!(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&mut 0));
    ok!(cuInit(0));
    fails!(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&mut 0, 16));
    let current: sys::CUcontext = get!(cuCtxGetCurrent(_));
    assert!(current.is_null());
    let first: sys::CUcontext = get!(cuCtxCreate_v2(_, 0, 0));
    let second: sys::CUcontext = get!(cuCtxCreate_v2(_, 0, 0));
    let popped: sys::CUcontext = get!(cuCtxPopCurrent_v2(_));
    assert_eq!((popped, get!(cuCtxGetCurrent(_))), (second, first));
    ok!(cuCtxPushCurrent_v2(second));
    ok!(cuCtxDestroy_v2(first));
    let popped: sys::CUcontext = get!(cuCtxPopCurrent_v2(_));
    assert_eq!(popped, second);
    fails!(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemAlloc_v2(&mut 0, 16));
    fails!(CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(first));
    let (mut flags, mut active) = (9, 9);
    ok!(cuDevicePrimaryCtxGetState(0, &mut flags, &mut active));
    assert_eq!((flags, active), (0, 0));
    ok!(cuDevicePrimaryCtxSetFlags_v2(0, 4));
    let primary: sys::CUcontext = get!(cuDevicePrimaryCtxRetain(_, 0));
    ok!(cuDevicePrimaryCtxGetState(0, &mut flags, &mut active));
    assert_eq!((flags, active), (4, 1));
    assert_eq!(primary, get!(cuDevicePrimaryCtxRetain(_, 0)));
    ok!(cuDevicePrimaryCtxRelease_v2(0));
    ok!(cuCtxSetCurrent(primary));
    ok!(cuCtxSynchronize());
    ok!(cuDevicePrimaryCtxRelease_v2(0));
    fails!(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(0));
});

case!(codes_have_names {
    let mut text: *const c_char = ptr::null();
    for code in [
        CUresult::CUDA_SUCCESS,
        CUresult::CUDA_ERROR_INVALID_VALUE,
        CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
        CUresult::CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
        CUresult::CUDA_ERROR_UNKNOWN,
    ] {
        ok!(cuGetErrorName(code, &mut text));
        // SAFETY: the driver's text ends in NUL.
        assert_eq!(unsafe { CStr::from_ptr(text) }.to_str().unwrap(), format!("{code:?}"));
        ok!(cuGetErrorString(code, &mut text));
        assert!(!text.is_null());
    }
});
