// A thread waits for a flag that its own block would set after the barrier at which the others wait for it.
extern "C" __global__ void bug(volatile unsigned *flag, float *y) {
    if (threadIdx.x == 32) {
        while (*flag == 0) { // BUG: too many instructions
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) *flag = 1;
    y[threadIdx.x] = 1.0f;
}
