// The kernels of the driver's tests. kernels.ptx is what NVRTC 13.0.88 makes of this with
// --gpu-architecture=compute_75 -lineinfo -default-device.

__constant__ float coefficients[2];
__device__ int total;

extern "C" __global__ void axpy(float a, const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void line(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = coefficients[0] + coefficients[1] * x[i];
}

extern "C" __global__ void fill(int* out, int value, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = value;
}

extern "C" __global__ void count() {
    atomicAdd(&total, 1);
}

extern "C" __global__ void reverse(int* x, int n) {
    extern __shared__ int tile[];
    int i = threadIdx.x;
    if (i < n) tile[i] = x[i];
    __syncthreads();
    if (i < n) x[i] = tile[n - 1 - i];
}

struct Mixed {
    char a;
    double b;
    short c;
};

extern "C" __global__ void unpack(Mixed mixed, unsigned char byte, long long wide, double* out) {
    out[0] = mixed.a;
    out[1] = mixed.b;
    out[2] = mixed.c;
    out[3] = byte;
    out[4] = (double)wide;
}

extern "C" __global__ void __launch_bounds__(64) bounded(int* out) {
    out[threadIdx.x] = 1;
}

extern "C" __global__ void beyond(int* x, int n) {
    x[n + threadIdx.x] = 1;
}

extern "C" __global__ void askew(char* x) {
    *(int*)(x + 1) = 1;
}

extern "C" __global__ void fail() {
    asm volatile("trap;");
}

extern "C" __global__ void endless(volatile int* x) {
    while (*x == 0) {}
}

// Two warps, and no barrier between the writes of one and the reads of the other.
extern "C" __global__ void race(int* out) {
    __shared__ int cells[64];
    cells[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = cells[threadIdx.x ^ 32];
}

extern "C" __global__ void hello(int value) {
    if (threadIdx.x == 0) printf("hello %d\n", value);
}
