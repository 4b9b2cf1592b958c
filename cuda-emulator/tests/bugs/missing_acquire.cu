// The second block waits for the first, but may read what it had read before.
extern "C" __global__ void bug(const float *x, float *box, unsigned *ready, float *y) {
    if (threadIdx.x != 0) return;
    if (blockIdx.x == 0) {
        *box = *x * 2.0f; // BUG: race
        __threadfence();
        atomicExch(ready, 1u);
    } else {
        while (atomicAdd(ready, 0u) == 0) {
        }
        *y = *box; // BUG: race
    }
}
