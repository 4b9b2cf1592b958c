//! The number of threads changes no bit: semantics 8.10.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wengert_kernels::{Device, conformance};

macro_rules! same_bits {
    ($($family:ident)*) => {$(
        #[test]
        fn $family() {
            conformance::same_bits(stringify!($family), &Device::cpu(), &[2, 3, 7]).unwrap();
        }
    )*};
}

same_bits! { reduce conv pool softmax gather random }
