// y[r, :] = (x[r, :] - mean) / sqrt(variance + epsilon) * gain + shift, one block a row: shuffles in a warp, shared memory
// between warps.
__device__ __forceinline__ float block_sum(float value, float *partial) {
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
    for (int delta = 16; delta > 0; delta >>= 1) value += __shfl_down_sync(0xffffffffu, value, delta);
    if (lane == 0) partial[warp] = value;
    __syncthreads();
    float sum = 0.0f;
#pragma unroll 1
    for (int i = 0; i < blockDim.x >> 5; i++) sum += partial[i];
    // The next sum begins with everybody having read this one.
    __syncthreads();
    return sum;
}

extern "C" __global__ void layer_norm(const float *__restrict__ x, const float *__restrict__ gain,
                                      const float *__restrict__ shift, float *__restrict__ y, int columns,
                                      float epsilon) {
    __shared__ float partial[32];
    x += blockIdx.x * columns;
    y += blockIdx.x * columns;
    float sum = 0.0f;
#pragma unroll 1
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += x[i];
    float mean = block_sum(sum, partial) / (float)columns;
    sum = 0.0f;
#pragma unroll 1
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        float d = x[i] - mean;
        sum += d * d;
    }
    float scale = rsqrtf(block_sum(sum, partial) / (float)columns + epsilon);
#pragma unroll 1
    for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = (x[i] - mean) * scale * gain[i] + shift[i];
}
