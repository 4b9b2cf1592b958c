// Each thread waits for its own copies only, and too late to tell the others.
extern "C" __global__ void bug(const float *x, float *y) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    unsigned to = (unsigned)__cvta_generic_to_shared(&tile[i]);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + i) : "memory"); // BUG: race
    __syncthreads();
    asm volatile("cp.async.wait_all;" ::: "memory"); // BUG: race
    y[i] = tile[63 - i]; // BUG: race
}
