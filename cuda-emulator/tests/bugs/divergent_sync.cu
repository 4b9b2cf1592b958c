// The barrier stands in a branch that only half of the second warp takes.
extern "C" __global__ void bug(const float *x, float *y, int n) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    tile[i] = x[i];
    if (i < n) {
        __syncthreads(); // BUG: divergent barrier
        y[i] = tile[n - 1 - i];
    } else {
        y[i] = 0.0f;
    }
}
