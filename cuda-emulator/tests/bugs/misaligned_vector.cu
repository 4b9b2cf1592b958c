// Four numbers at once, from a row that begins anywhere.
extern "C" __global__ void bug(const float *x, float *y, int columns) {
    const float *row = x + blockIdx.x * columns;
    float4 four = *(const float4 *)(row + 4 * threadIdx.x); // BUG: misaligned access
    y[blockIdx.x * blockDim.x + threadIdx.x] = four.x + four.y + four.z + four.w;
}
