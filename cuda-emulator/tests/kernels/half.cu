// y = a * x + y in 16-bit floats, computed in f32; two at a time where they lie well.
__device__ __forceinline__ float wide(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ __forceinline__ unsigned short narrow(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

extern "C" __global__ void axpy_half(const unsigned short *__restrict__ x, unsigned short *__restrict__ y, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (2 * i + 1 < n) {
        ushort2 xs = ((const ushort2 *)x)[i], ys = ((ushort2 *)y)[i];
        ys.x = narrow(a * wide(xs.x) + wide(ys.x));
        ys.y = narrow(a * wide(xs.y) + wide(ys.y));
        ((ushort2 *)y)[i] = ys;
    } else if (2 * i < n) {
        y[2 * i] = narrow(a * wide(x[2 * i]) + wide(y[2 * i]));
    }
}
