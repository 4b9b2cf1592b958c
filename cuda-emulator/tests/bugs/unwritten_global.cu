// Adds to what is there; nothing is.
extern "C" __global__ void bug(const float *x, float *y) {
    int i = threadIdx.x;
    y[i] += x[i]; // BUG: uninitialised read
}
