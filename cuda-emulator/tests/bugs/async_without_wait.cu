// The barrier does not wait for copies that are under way.
extern "C" __global__ void bug(const float *x, float *y) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    unsigned to = (unsigned)__cvta_generic_to_shared(&tile[i]);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + i) : "memory"); // BUG: race
    asm volatile("cp.async.commit_group;" ::: "memory");
    __syncthreads();
    y[i] = tile[63 - i]; // BUG: race
}
