//! What the environment says shall break does break, and nothing before it.

use crate::common::{
    NULL_STREAM, PTX, case, context, counter, fails, fresh_file, get, kernel, load, ok, run, stream, upload,
};
use cudarc::driver::sys::CUresult;

case!(the_third_allocation_fails [FAIL = "alloc:3"] {
    context();
    let (first, second): (u64, u64) = (get!(cuMemAlloc_v2(_, 16)), get!(cuMemAllocAsync(_, 16, NULL_STREAM)));
    fails!(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&mut 0, 16));
    let third: u64 = get!(cuMemAlloc_v2(_, 16));
    for address in [first, second, third] {
        ok!(cuMemFree_v2(address));
    }
} then |output| {
    assert!(output.stderr.contains("allocation 3 fails, as CUDA_EMULATOR_FAIL demands"), "{}", output.stderr);
});

case!(the_second_launch_fails [FAIL = "launch:2"] {
    context();
    let (function, x, n) = (kernel(load(PTX).unwrap(), "fill"), upload(&[0i32; 4]), 4i32);
    run(function, (1, 4, 0), NULL_STREAM, [&x, &n, &n]);
    ok!(cuCtxSynchronize());
    run(function, (1, 4, 0), NULL_STREAM, [&x, &n, &n]);
    fails!(CUDA_ERROR_LAUNCH_FAILED, cuCtxSynchronize());
    fails!(CUDA_ERROR_LAUNCH_FAILED, cuMemFree_v2(x));
});

case!(the_first_module_fails [FAIL = "module:1"] {
    context();
    assert_eq!(load(PTX).unwrap_err(), CUresult::CUDA_ERROR_INVALID_IMAGE);
    load(PTX).unwrap();
});

case!(the_device_is_lost [FAIL = "lost:4"] {
    context();
    let (stream, address): (_, u64) = (stream(), get!(cuMemAlloc_v2(_, 16)));
    ok!(cuMemsetD8Async(address, 0, 16, stream));
    ok!(cuMemsetD8Async(address, 1, 16, stream));
    fails!(CUDA_ERROR_DEVICE_UNAVAILABLE, cuMemsetD8Async(address, 2, 16, stream));
    fails!(CUDA_ERROR_DEVICE_UNAVAILABLE, cuStreamSynchronize(stream));
    fails!(CUDA_ERROR_DEVICE_UNAVAILABLE, cuMemFree_v2(address));
    fails!(CUDA_ERROR_DEVICE_UNAVAILABLE, cuStreamDestroy_v2(stream));
    fails!(CUDA_ERROR_DEVICE_UNAVAILABLE, cuDevicePrimaryCtxRetain(&mut std::ptr::null_mut(), 0));
    // It still answers for itself, and can be let go.
    assert_eq!(get!(cuDeviceGetCount(_)), 1);
    ok!(cuDevicePrimaryCtxRelease_v2(0));
});

case!(there_is_no_device [FAIL = "nodevice"] {
    fails!(CUDA_ERROR_NO_DEVICE, cuInit(0));
    fails!(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&mut 0));
});

#[test]
fn counters_tell_launches_and_bytes() {
    let path = concat!(module_path!(), "::counters_tell_launches_and_bytes");
    if crate::common::in_child() {
        context();
        let (function, x, n) = (kernel(load(PTX).unwrap(), "fill"), upload(&[0i32; 64]), 64i32);
        for _ in 0..3 {
            run(function, (2, 32, 0), NULL_STREAM, [&x, &n, &n]);
        }
        ok!(cuCtxSynchronize());
        // The process ends without giving anything back; the file is written all the same.
        return;
    }
    let file = fresh_file("counters.csv");
    crate::common::start(path, &[("COUNTERS", file.clone())]);
    for (name, value) in [
        ("driver,,launches", 3),
        ("driver,,live_device_allocations", 1),
        ("driver,,live_modules", 1),
        ("driver,,findings", 0),
        ("kernel,fill,launches", 3),
        ("kernel,fill,global_bytes", 3 * 64 * 4),
        ("kernel,fill,global_sectors", 3 * 8),
        ("kernel,fill,flops", 0),
    ] {
        assert_eq!(counter(&file, name), value, "{name}");
    }
    assert!(counter(&file, "kernel,fill,warp_instructions") >= 6);
}
