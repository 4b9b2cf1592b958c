// Differences of neighbours; the last number has none. The wrong difference is not even stored.
extern "C" __global__ void bug(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float own = x[i];
    float next = x[i + 1]; // BUG: out of bounds
    if (next - own > 0.0f && i < n - 1) y[i] = next - own;
}
