// Reverses 64 numbers through shared memory; nobody waits for the other warp.
extern "C" __global__ void bug(const float *x, float *y) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    tile[i] = x[i]; // BUG: race
    y[i] = tile[63 - i]; // BUG: race
}
