// The host has freed x.
extern "C" __global__ void bug(const float *x, float *y) {
    int i = threadIdx.x;
    y[i] = x[i] + 1.0f; // BUG: use after free
}
