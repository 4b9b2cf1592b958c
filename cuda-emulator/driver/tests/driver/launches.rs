//! Parameters in all ways in which they can be given, output, attributes of functions, occupancy, libraries.

use crate::common::{NULL_STREAM, PTX, case, context, download, fails, get, kernel, load, ok, pointers, run, upload};
use cudarc::driver::sys::{self, CUfunction_attribute as Attribute};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

/// What the kernel `unpack` is given first.
#[derive(Clone, Copy)]
#[repr(C)]
struct Mixed {
    a: i8,
    b: f64,
    c: i16,
}

const MIXED: Mixed = Mixed { a: -3, b: 0.5, c: -700 };
const UNPACKED: [f64; 5] = [-3.0, 0.5, -700.0, 200.0, -5e9];

case!(parameters_of_many_sizes {
    context();
    let (function, out) = (kernel(load(PTX).unwrap(), "unpack"), upload(&[0f64; 5]));
    run(function, (1, 1, 0), NULL_STREAM, [&MIXED, &200u8, &-5_000_000_000i64, &out]);
    assert_eq!(download::<f64>(out, 5), UNPACKED);
});

case!(parameters_in_one_buffer {
    context();
    let (function, out) = (kernel(load(PTX).unwrap(), "unpack"), upload(&[0f64; 5]));
    let mut bytes = [0u8; 48];
    bytes[0] = MIXED.a as u8;
    bytes[8..16].copy_from_slice(&MIXED.b.to_le_bytes());
    bytes[16..18].copy_from_slice(&MIXED.c.to_le_bytes());
    bytes[24] = 200;
    bytes[32..40].copy_from_slice(&(-5_000_000_000i64).to_le_bytes());
    bytes[40..48].copy_from_slice(&out.to_le_bytes());
    let mut size = bytes.len();
    let [buffer, length] = [1, 2].map(ptr::without_provenance_mut::<c_void>);
    let mut extra = [buffer, bytes.as_mut_ptr().cast(), length, ptr::from_mut(&mut size).cast(), ptr::null_mut()];
    let (none, list) = (ptr::null_mut(), extra.as_mut_ptr());
    ok!(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL_STREAM, none, list));
    assert_eq!(download::<f64>(out, 5), UNPACKED);
    *std::hint::black_box(&mut size) = 47;
    fails!(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL_STREAM, none, list));
});

case!(output_of_kernels_is_output {
    context();
    run(kernel(load(PTX).unwrap(), "hello"), (1, 32, 0), NULL_STREAM, [&7i32]);
    ok!(cuCtxSynchronize());
} then |output| {
    assert!(output.stdout.contains("hello 7\n"), "{}", output.stdout);
});

case!(blocks_on_all_workers_count_together [WORKERS = 4] {
    context();
    let module = load(PTX).unwrap();
    let (mut total, mut bytes) = (0, 0);
    ok!(cuModuleGetGlobal_v2(&mut total, &mut bytes, module, c"total".as_ptr()));
    assert_eq!(bytes, 4);
    run(kernel(module, "count"), (50, 64, 0), NULL_STREAM, []);
    run(kernel(module, "count"), (1, 1, 0), NULL_STREAM, []);
    assert_eq!(download::<i32>(total, 1), [50 * 64 + 1]);
});

case!(attributes_of_launches {
    context();
    let (function, x, n) = (kernel(load(PTX).unwrap(), "fill"), upload(&[0i32; 4]), 4i32);
    let mut list = pointers([&x, &5i32, &n]);
    let mut attribute = MaybeUninit::<sys::CUlaunchAttribute>::zeroed();
    let mut launch = |id, value: [i32; 3]| {
        // SAFETY: zeros are values of the rest.
        unsafe {
            let place = attribute.as_mut_ptr();
            ptr::from_mut(&mut (*place).id).write(id);
            ptr::from_mut(&mut (*place).value).cast::<[i32; 3]>().write_unaligned(value);
        }
        let config = sys::CUlaunchConfig {
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: 4,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            hStream: NULL_STREAM,
            attrs: attribute.as_mut_ptr(),
            numAttrs: 1,
        };
        // SAFETY: all pointers are to values that live.
        unsafe { sys::cuLaunchKernelEx(&config, function, list.as_mut_ptr(), ptr::null_mut()) }
    };
    use sys::CUlaunchAttributeID::{CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, CU_LAUNCH_ATTRIBUTE_COOPERATIVE};
    assert_eq!(launch(CU_LAUNCH_ATTRIBUTE_COOPERATIVE, [1, 0, 0]), sys::CUresult::CUDA_SUCCESS);
    assert_eq!(download::<i32>(x, 4), [5; 4]);
    assert_eq!(launch(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, [2, 1, 1]), sys::CUresult::CUDA_ERROR_NOT_SUPPORTED);
} then |output| {
    assert!(output.stderr.contains("clusters are not emulated yet"), "{}", output.stderr);
});

case!(attributes_of_functions {
    context();
    let module = load(PTX).unwrap();
    let of = |name: &str, attribute| {
        let value: i32 = get!(cuFuncGetAttribute(_, attribute, kernel(module, name)));
        value
    };
    assert_eq!(of("bounded", Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), 64);
    assert_eq!(of("race", Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES), 256);
    assert_eq!(of("race", Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), (48 << 10) - 256);
    assert_eq!(of("line", Attribute::CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES), 8);
    assert_eq!(of("line", Attribute::CU_FUNC_ATTRIBUTE_PTX_VERSION), 75);
    assert_eq!(of("line", Attribute::CU_FUNC_ATTRIBUTE_BINARY_VERSION), 80);
    let function = kernel(module, "line");
    ok!(cuFuncSetCacheConfig(function, sys::CUfunc_cache::CU_FUNC_CACHE_PREFER_L1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuFuncSetAttribute(function, Attribute::CU_FUNC_ATTRIBUTE_NUM_REGS, 1));
    assert_eq!(get!(cuFuncGetModule(_, function)), module);
});

case!(occupancy {
    context();
    let module = load(PTX).unwrap();
    let (fill, bounded) = (kernel(module, "fill"), kernel(module, "bounded"));
    let blocks = |function, threads, shared| {
        let blocks: i32 = get!(cuOccupancyMaxActiveBlocksPerMultiprocessor(_, function, threads, shared));
        blocks
    };
    assert_eq!(blocks(fill, 1024, 0), 2);
    assert_eq!(blocks(fill, 32, 0), 32);
    // 164 KiB a multiprocessor, of which each block has one more for the system.
    assert_eq!(blocks(fill, 128, 40 << 10), 4);
    assert_eq!(blocks(bounded, 128, 0), 0);
    let (mut grid, mut block) = (0, 0);
    ok!(cuOccupancyMaxPotentialBlockSize(&mut grid, &mut block, fill, None, 0, 0));
    assert_eq!((grid, block), (2 * 108, 1024));
    ok!(cuOccupancyMaxPotentialBlockSize(&mut grid, &mut block, bounded, None, 0, 0));
    assert_eq!((grid, block), (32 * 108, 64));
    let bytes: usize = get!(cuOccupancyAvailableDynamicSMemPerBlock(_, fill, 2, 1024));
    assert_eq!(bytes, 81 << 10);
});

case!(libraries_are_modules {
    context();
    let text = std::ffi::CString::new(PTX).unwrap();
    let (none, list) = (ptr::null_mut(), ptr::null_mut());
    let library: sys::CUlibrary =
        get!(cuLibraryLoadData(_, text.as_ptr().cast(), none, list, 0, ptr::null_mut(), ptr::null_mut(), 0));
    let entry: sys::CUkernel = get!(cuLibraryGetKernel(_, library, c"fill".as_ptr()));
    let function: sys::CUfunction = get!(cuKernelGetFunction(_, entry));
    let x = upload(&[0i32; 4]);
    run(function, (1, 4, 0), NULL_STREAM, [&x, &9i32, &4i32]);
    assert_eq!(download::<i32>(x, 4), [9; 4]);
    ok!(cuLibraryUnload(library));
    fails!(CUDA_ERROR_INVALID_HANDLE, cuKernelGetFunction(&mut { function }, entry));
});

case!(what_is_not_emulated_says_so {
    context();
    fails!(CUDA_ERROR_NOT_SUPPORTED, cuUserObjectRelease(ptr::null_mut(), 1));
} then |output| {
    assert!(output.stderr.contains("cuUserObjectRelease is not emulated"), "{}", output.stderr);
});
