//! Every instruction set of the CPU against the reference: semantics 8.13.

use wengert_kernels::{Device, Isa};

wengert_kernels::conformance!(cpu_portable, Device::cpu().isa(Isa::Portable));
wengert_kernels::conformance!(cpu_avx2, Device::cpu().isa(Isa::Avx2));
wengert_kernels::conformance!(cpu_avx512, Device::cpu().isa(Isa::Avx512));
