// As it should be, but that both fences order for the threads of one block only.
extern "C" __global__ void bug(const float *x, float *box, unsigned *ready, float *y) {
    if (threadIdx.x != 0) return;
    if (blockIdx.x == 0) {
        *box = *x * 2.0f; // BUG: race
        __threadfence_block();
        atomicExch(ready, 1u);
    } else {
        while (atomicAdd(ready, 0u) == 0) {
        }
        __threadfence_block();
        *y = *box; // BUG: race
    }
}
