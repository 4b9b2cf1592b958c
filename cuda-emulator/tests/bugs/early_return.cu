// Threads without a number of their own leave before the barrier.
extern "C" __global__ void bug(const float *x, float *y, int n) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    if (i >= n) return;
    tile[i] = x[i];
    __syncthreads(); // BUG: divergent barrier
    y[i] = tile[n - 1 - i];
}
