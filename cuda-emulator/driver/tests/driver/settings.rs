//! What the environment makes of the device, and values that it does not take.

use crate::common::{case, context, fails, get, ok};
use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUdevprop};

fn attribute(attribute: Attribute) -> i32 {
    get!(cuDeviceGetAttribute(_, attribute, 0))
}

case!(a_device_of_75 [CC = "7.5"] {
    context();
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 7);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR), 5);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), 64 << 10);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR), 1024);
});

case!(a_device_of_90 [CC = "9.0", MEMORY = "8G"] {
    context();
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 9);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), 132);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), 227 << 10);
    let bytes: usize = get!(cuDeviceTotalMem_v2(_, 0));
    assert_eq!(bytes, 8 << 30);
});

case!(what_every_device_says {
    context();
    assert_eq!(get!(cuDriverGetVersion(_)), 13_000);
    for (name, value) in [
        (Attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32),
        (Attribute::CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1),
        (Attribute::CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0),
        (Attribute::CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1),
        (Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1),
        (Attribute::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65_535),
    ] {
        assert_eq!(attribute(name), value, "{name:?}");
    }
    // Every attribute of its time has a value.
    for number in 1..130u32 {
        let mut value = 0;
        // SAFETY: the enumeration's numbers are without gaps up to here, but for 128.
        if number != 128 && number != 121 {
            // SAFETY: as above.
            let name = unsafe { std::mem::transmute::<u32, Attribute>(number) };
            ok!(cuDeviceGetAttribute(&mut value, name, 0));
        }
    }
    let properties: CUdevprop = get!(cuDeviceGetProperties(_, 0));
    assert_eq!((properties.maxThreadsPerBlock, properties.SIMDWidth), (1024, 32));
    let mut name = [1i8; 8];
    ok!(cuDeviceGetName(name.as_mut_ptr().cast(), 8, 0));
    assert_eq!(name.map(|it| it as u8), *b"CUDA em\0");
    fails!(CUDA_ERROR_INVALID_VALUE, cuDeviceGetName(name.as_mut_ptr().cast(), 0, 0));
});

case!(functions_are_found_by_name {
    let mut found = std::ptr::null_mut();
    let mut status = cudarc::driver::sys::CUdriverProcAddressQueryResult::CU_GET_PROC_ADDRESS_SUCCESS;
    ok!(cuGetProcAddress_v2(c"cuDriverGetVersion".as_ptr(), &mut found, 12_000, 0, &mut status));
    // SAFETY: the function has this type.
    let version = unsafe { std::mem::transmute::<*mut std::ffi::c_void, extern "C" fn(&mut i32) -> u32>(found) };
    let mut number = 0;
    assert_eq!((version(&mut number), number), (0, 13_000));
    fails!(CUDA_ERROR_NOT_FOUND, cuGetProcAddress_v2(c"cuNothing".as_ptr(), &mut found, 12_000, 0, std::ptr::null_mut()));
});

/// A value that no setting takes.
fn refused() {
    fails!(CUDA_ERROR_INVALID_VALUE, cuInit(0));
}

case!(a_wrong_capability [CC = "8.7"] {
    refused();
} then |output| {
    assert!(output.stderr.contains("CUDA_EMULATOR_CC=8.7: it takes 7.5, 8.0 or 9.0"), "{}", output.stderr);
});

case!(a_wrong_fault [FAIL = "alloc:never"] {
    refused();
} then |output| {
    assert!(output.stderr.contains("CUDA_EMULATOR_FAIL=alloc:never: it takes"), "{}", output.stderr);
});

case!(a_variable_that_does_not_exist [SEEED = 1] {
    refused();
} then |output| {
    assert!(output.stderr.contains("the variable CUDA_EMULATOR_SEEED does not exist"), "{}", output.stderr);
});
