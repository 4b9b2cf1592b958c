// The barrier waits for three warps; there are two.
extern "C" __global__ void bug(const float *x, float *y) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    tile[i] = x[i];
    asm volatile("bar.sync 1, 96;" ::: "memory"); // BUG: deadlock
    y[i] = tile[63 - i];
}
