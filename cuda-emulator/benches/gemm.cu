// C = A B, n by n, n a multiple of 64. The two usual shapes: an output a thread, and 4 by 4 outputs a thread.

extern "C" __global__ void gemm_tile(const float* a, const float* b, float* c, int n) {
    __shared__ float x[16][16];
    __shared__ float y[16][16];
    int column = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    float sum = 0.0f;
    for (int k = 0; k < n; k += 16) {
        x[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
        y[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + column];
        __syncthreads();
        for (int i = 0; i < 16; i++) sum += x[threadIdx.y][i] * y[i][threadIdx.x];
        __syncthreads();
    }
    c[row * n + column] = sum;
}

extern "C" __global__ void gemm_registers(const float* a, const float* b, float* c, int n) {
    __shared__ float x[16][68];
    __shared__ float y[16][64];
    int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
    int row = blockIdx.y * 64, column = blockIdx.x * 64;
    float sum[4][4] = {};
    for (int k = 0; k < n; k += 16) {
        for (int i = 0; i < 4; i++) {
            int at = threadIdx.x + 256 * i;
            x[at & 15][at >> 4] = a[(row + (at >> 4)) * n + k + (at & 15)];
            y[at >> 6][at & 63] = b[(k + (at >> 6)) * n + column + (at & 63)];
        }
        __syncthreads();
        for (int i = 0; i < 16; i++) {
            float4 left = *(float4*)&x[i][4 * ty], right = *(float4*)&y[i][4 * tx];
            float l[4] = {left.x, left.y, left.z, left.w}, r[4] = {right.x, right.y, right.z, right.w};
            for (int u = 0; u < 4; u++)
                for (int v = 0; v < 4; v++) sum[u][v] += l[u] * r[v];
        }
        __syncthreads();
    }
    for (int u = 0; u < 4; u++)
        for (int v = 0; v < 4; v++) c[(row + 4 * ty + u) * n + column + 4 * tx + v] = sum[u][v];
}
