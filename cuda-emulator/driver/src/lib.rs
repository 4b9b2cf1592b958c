//! The CUDA driver's C interface over [`cuda_emulator`]: a `libcuda.so.1` for machines without a GPU.
