//! Allocations, pools, copies of all shapes, and what pointers say of themselves.

use crate::common::{
    NULL_STREAM, case, context, counter, download, fails, fresh_file, get, ok, pinned, stream, upload,
};
use cudarc::driver::sys::{self, CUmemorytype, CUpointer_attribute as Attribute};
use std::ffi::c_void;
use std::mem::{MaybeUninit, zeroed};

case!(copies_within_the_device_and_of_host_memory {
    context();
    let a = upload(&[1i32, 2, 3, 4]);
    let b = upload(&[0i32; 4]);
    ok!(cuMemcpyDtoD_v2(b, a + 4, 12));
    assert_eq!(download::<i32>(b, 4), [2, 3, 4, 0]);
    // With unified addresses the kind of memory is seen from the pointer.
    let (source, mut target) = ([7i32; 4], [0i32; 4]);
    ok!(cuMemcpy(b, source.as_ptr() as u64, 16));
    ok!(cuMemcpy(target.as_mut_ptr() as u64, b, 16));
    assert_eq!(target, source);
});

case!(fills_of_each_width {
    context();
    let a = upload(&[0u8; 32]);
    ok!(cuMemsetD8_v2(a, 1, 3));
    ok!(cuMemsetD16_v2(a + 4, 0x0203, 2));
    ok!(cuMemsetD32_v2(a + 8, 0x0405_0607, 1));
    ok!(cuMemsetD2D8_v2(a + 12, 8, 9, 2, 2));
    let bytes = download::<u8>(a, 32);
    assert_eq!(bytes[..24], [1, 1, 1, 0, 3, 2, 3, 2, 7, 6, 5, 4, 9, 9, 0, 0, 0, 0, 0, 0, 9, 9, 0, 0]);
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemsetD32_v2(a + 1, 0, 1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemsetD2D8_v2(a, 1, 0, 2, 2));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(a, 0, 33));
});

case!(planes_are_copied_row_by_row {
    context();
    let source: [u8; 12] = std::array::from_fn(|i| i as u8);
    let device = upload(&[0xffu8; 32]);
    let mut copy = MaybeUninit::<sys::CUDA_MEMCPY2D>::zeroed();
    // SAFETY: apart from these two, zeros are values of all its fields.
    let mut copy = unsafe {
        (*copy.as_mut_ptr()).srcMemoryType = CUmemorytype::CU_MEMORYTYPE_HOST;
        (*copy.as_mut_ptr()).dstMemoryType = CUmemorytype::CU_MEMORYTYPE_DEVICE;
        copy.assume_init()
    };
    copy.srcHost = source.as_ptr().cast();
    copy.srcPitch = 4;
    copy.srcXInBytes = 1;
    copy.dstDevice = device;
    copy.dstPitch = 8;
    copy.dstY = 1;
    copy.WidthInBytes = 3;
    copy.Height = 3;
    ok!(cuMemcpy2D_v2(&copy));
    let bytes = download::<u8>(device, 32);
    for row in 0..3 {
        assert_eq!(bytes[8 + row * 8..][..4], [row as u8 * 4 + 1, row as u8 * 4 + 2, row as u8 * 4 + 3, 0xff]);
    }
    let mut solid = MaybeUninit::<sys::CUDA_MEMCPY3D>::zeroed();
    // SAFETY: as above.
    let mut solid = unsafe {
        (*solid.as_mut_ptr()).srcMemoryType = CUmemorytype::CU_MEMORYTYPE_HOST;
        (*solid.as_mut_ptr()).dstMemoryType = CUmemorytype::CU_MEMORYTYPE_DEVICE;
        solid.assume_init()
    };
    solid.srcHost = source.as_ptr().cast();
    (solid.srcPitch, solid.srcHeight) = (2, 3);
    solid.dstDevice = device;
    (solid.dstPitch, solid.dstHeight) = (4, 2);
    (solid.WidthInBytes, solid.Height, solid.Depth) = (2, 2, 2);
    ok!(cuMemcpy3D_v2(&solid));
    let bytes = download::<u8>(device, 16);
    for (at, expected) in [(0, [0, 1]), (4, [2, 3]), (8, [6, 7]), (12, [8, 9])] {
        assert_eq!(bytes[at..at + 2], expected);
    }
    copy.Height = 5;
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&copy));
    copy.dstPitch = 2;
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&copy));
    // SAFETY: null is refused.
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(std::ptr::null()));
});

case!(ranges_are_checked_at_the_call {
    context();
    let (a, host) = (upload(&[0u8; 16]), [0u8; 64]);
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(a, host.as_ptr().cast(), 17));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(a + 16, host.as_ptr().cast(), 1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoDAsync_v2(12345, host.as_ptr().cast(), 1, NULL_STREAM));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(a, std::ptr::null(), 1));
    ok!(cuMemcpyHtoD_v2(a, std::ptr::null(), 0));
    ok!(cuMemFree_v2(a));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(a, host.as_ptr().cast(), 1));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(a));
    ok!(cuMemFree_v2(0));
});

case!(memory_ends_at_its_limit [MEMORY = "1M"] {
    context();
    let (mut free, mut total) = (0, 0);
    ok!(cuMemGetInfo_v2(&mut free, &mut total));
    assert_eq!((free, total), (1 << 20, 1 << 20));
    let mut other = 0;
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemAlloc_v2(&mut other, 0));
    fails!(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&mut other, 1 << 40));
    let all: u64 = get!(cuMemAlloc_v2(_, 1 << 20));
    fails!(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&mut other, 1));
    ok!(cuMemFree_v2(all));
    ok!(cuMemAlloc_v2(&mut other, 1 << 20));
} then |output| {
    assert!(output.stderr.contains("out of memory: 1 bytes asked for, 0 free"), "{}", output.stderr);
});

case!(frees_in_a_stream_end_in_its_order [MEMORY = "1M"] {
    context();
    let (stream, host) = (stream(), pinned(4));
    let first: u64 = get!(cuMemAllocAsync(_, 1 << 20, stream));
    ok!(cuMemsetD32Async(first, 6, 4, stream));
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), first, 16, stream));
    ok!(cuMemFreeAsync(first, stream));
    assert_eq!(host, [0; 4]);
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemsetD32Async(first, 6, 4, stream));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(first, stream));
    // There is room only once the free has run, which this waits for.
    let second: u64 = get!(cuMemAllocAsync(_, 1 << 20, stream));
    assert_ne!(first, second);
    assert_eq!(host, [6; 4]);
});

case!(an_unordered_free_is_found {
    context();
    let (first, second) = (stream(), stream());
    let (memory, host) = (get!(cuMemAllocAsync(_, 16, first)), pinned(4));
    ok!(cuMemsetD32Async(memory, 1, 4, first));
    // Nothing orders the copy in front of the free; it is made to come later here.
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), memory, 16, second));
    ok!(cuMemFreeAsync(memory, first));
    ok!(cuStreamSynchronize(first));
    fails!(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(second));
} then |output| {
    assert!(output.stderr.contains("use after free"), "{}", output.stderr);
});

case!(pools_count {
    context();
    let (stream, own) = (stream(), get!(cuDeviceGetDefaultMemPool(_, 0)));
    let value = |pool: sys::CUmemoryPool, attribute| {
        let mut value = 9u64;
        ok!(cuMemPoolGetAttribute(pool, attribute, std::ptr::from_mut(&mut value).cast()));
        value
    };
    use sys::CUmemPool_attribute::{
        CU_MEMPOOL_ATTR_RELEASE_THRESHOLD as THRESHOLD, CU_MEMPOOL_ATTR_USED_MEM_CURRENT as USED,
        CU_MEMPOOL_ATTR_USED_MEM_HIGH as HIGH,
    };
    let memory: u64 = get!(cuMemAllocAsync(_, 100, stream));
    assert_eq!(value(own, USED), 100);
    ok!(cuMemFreeAsync(memory, stream));
    ok!(cuStreamSynchronize(stream));
    assert_eq!((value(own, USED), value(own, HIGH)), (0, 100));
    ok!(cuMemPoolSetAttribute(own, THRESHOLD, std::ptr::from_mut(&mut u64::MAX.clone()).cast()));
    assert_eq!(value(own, THRESHOLD), u64::MAX);
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(own));
    // SAFETY: zeros are a value of a structure of numbers and pointers.
    let mut props: sys::CUmemPoolProps = unsafe { zeroed() };
    props.allocType = sys::CUmemAllocationType::CU_MEM_ALLOCATION_TYPE_PINNED;
    props.location.type_ = sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE;
    let pool: sys::CUmemoryPool = get!(cuMemPoolCreate(_, &props));
    ok!(cuDeviceSetMemPool(0, pool));
    let memory: u64 = get!(cuMemAllocAsync(_, 64, stream));
    assert_eq!((value(own, USED), value(pool, USED)), (0, 64));
    let from: u64 = get!(cuMemAllocFromPoolAsync(_, 32, own, stream));
    assert_eq!((value(own, USED), value(pool, USED)), (32, 64));
    ok!(cuMemFreeAsync(memory, stream));
    ok!(cuMemFreeAsync(from, stream));
    ok!(cuStreamSynchronize(stream));
    ok!(cuMemPoolTrimTo(pool, 0));
    ok!(cuMemPoolDestroy(pool));
    assert_eq!(get!(cuDeviceGetMemPool(_, 0)) as *mut c_void, own.cast::<c_void>());
});

case!(pointers_say_what_they_are {
    let context = context();
    let (device, host) = (upload(&[0u8; 100]), pinned(4));
    let ask = |attribute, address: u64| {
        let mut value = 0u64;
        // SAFETY: there is room for the largest answer.
        let code = unsafe { sys::cuPointerGetAttribute(std::ptr::from_mut(&mut value).cast(), attribute, address) };
        (code == sys::CUresult::CUDA_SUCCESS).then_some(value)
    };
    let host_address = host.as_ptr() as u64;
    assert_eq!(ask(Attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device + 50), Some(2));
    assert_eq!(ask(Attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, host_address), Some(1));
    assert_eq!(ask(Attribute::CU_POINTER_ATTRIBUTE_CONTEXT, device), Some(context as u64));
    assert_eq!(ask(Attribute::CU_POINTER_ATTRIBUTE_RANGE_SIZE, device + 99), Some(100));
    assert_eq!(ask(Attribute::CU_POINTER_ATTRIBUTE_HOST_POINTER, device), None);
    assert_eq!(ask(Attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device + 100), None);
    let (mut base, mut size) = (0, 0);
    ok!(cuMemGetAddressRange_v2(&mut base, &mut size, device + 7));
    assert_eq!((base, size), (device, 100));
    assert_eq!(get!(cuMemHostGetDevicePointer_v2(_, host.as_mut_ptr().cast(), 0)), host_address);
    let mut answers = [77u64; 2];
    let [first, second] = &mut answers;
    let mut places = [std::ptr::from_mut(first).cast(), std::ptr::from_mut(second).cast()];
    let mut attributes = [Attribute::CU_POINTER_ATTRIBUTE_CONTEXT, Attribute::CU_POINTER_ATTRIBUTE_DEVICE_POINTER];
    ok!(cuPointerGetAttributes(2, attributes.as_mut_ptr(), places.as_mut_ptr(), 4096));
    assert_eq!(answers, [0, 0]);
    ok!(cuMemFreeHost(host.as_mut_ptr().cast()));
    fails!(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(host.as_mut_ptr().cast()));
    let mut managed = 0;
    fails!(CUDA_ERROR_NOT_SUPPORTED, cuMemAllocManaged(&mut managed, 16, 1));
});

case!(registered_memory_counts_as_page_locked {
    context();
    let (stream, device, mut host) = (stream(), upload(&[5i32; 4]), vec![0i32; 4]);
    ok!(cuMemHostRegister_v2(host.as_mut_ptr().cast(), 16, 0));
    fails!(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(host.as_mut_ptr().cast(), 16, 0));
    ok!(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), device, 16, stream));
    // The compiler must not remember what it was before.
    assert_eq!(std::hint::black_box(&host)[..], [0; 4]);
    ok!(cuStreamSynchronize(stream));
    assert_eq!(std::hint::black_box(&host)[..], [5; 4]);
    ok!(cuMemHostUnregister(host.as_mut_ptr().cast()));
    fails!(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(host.as_mut_ptr().cast()));
});

#[test]
fn leaks_are_counted() {
    let path = concat!(module_path!(), "::leaks_are_counted");
    if crate::common::in_child() {
        context();
        let kept = upload(&[0u8; 100]);
        ok!(cuMemFree_v2(upload(&[0u8; 50])));
        ok!(cuMemcpyDtoD_v2(kept, kept + 50, 10));
        ok!(cuDevicePrimaryCtxRelease_v2(0));
        return;
    }
    let file = fresh_file("leaks.csv");
    crate::common::start(path, &[("COUNTERS", file.clone())]);
    for (name, value) in [
        ("allocations", 2),
        ("leaked_allocations", 1),
        ("leaked_bytes", 100),
        ("live_device_allocations", 0),
        ("peak_bytes", 150),
        ("host_to_device_bytes", 150),
        ("device_to_device_bytes", 10),
        ("device_to_host_bytes", 0),
    ] {
        assert_eq!(counter(&file, &format!("driver,,{name}")), value, "{name}");
    }
}
