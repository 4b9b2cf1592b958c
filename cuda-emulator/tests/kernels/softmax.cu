// y[r, :] = softmax(x[r, :]), one warp a row, several warps a block; shuffles only.
__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, mask));
    return value;
}

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) value += __shfl_xor_sync(0xffffffffu, value, mask);
    return value;
}

extern "C" __global__ void softmax(const float *__restrict__ x, float *__restrict__ y, int rows, int columns) {
    int lane = threadIdx.x;
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    x += row * columns;
    y += row * columns;
    float most = -3.4e38f;
#pragma unroll 1
    for (int i = lane; i < columns; i += 32) most = fmaxf(most, x[i]);
    most = warp_max(most);
    float sum = 0.0f;
#pragma unroll 1
    for (int i = lane; i < columns; i += 32) sum += expf(x[i] - most);
    sum = warp_sum(sum);
#pragma unroll 1
    for (int i = lane; i < columns; i += 32) y[i] = expf(x[i] - most) / sum;
}
