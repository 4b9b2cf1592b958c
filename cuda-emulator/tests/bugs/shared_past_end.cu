// The row of the tile after the last.
extern "C" __global__ void bug(const float *x, float *y, int row) {
    __shared__ float tile[2][32];
    tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
    __syncthreads();
    y[threadIdx.y * 32 + threadIdx.x] = tile[threadIdx.y + row][threadIdx.x]; // BUG: out of bounds
}
