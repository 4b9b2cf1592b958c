// A sum over a block; where numbers are missing, nobody writes a zero.
extern "C" __global__ void bug(const float *x, float *y, int n) {
    __shared__ float tree[64];
    int i = threadIdx.x;
    if (i < n) tree[i] = x[i];
    __syncthreads();
    for (int half = 32; half > 0; half >>= 1) {
        if (i < half) {
            tree[i] += tree[i + half]; // BUG: uninitialised read
        }
        __syncthreads();
    }
    if (i == 0) *y = tree[0];
}
