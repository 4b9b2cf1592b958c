// Reads through the cache that nobody keeps up to date, what the kernel itself has written.
extern "C" __global__ void bug(float *x, float *y) {
    int i = threadIdx.x;
    x[i] = (float)i; // BUG: race
    __syncthreads();
    float value;
    asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(value) : "l"(x + (63 - i))); // BUG: race
    y[i] = value;
}
