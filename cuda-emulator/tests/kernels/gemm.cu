// c[m, n] = a[m, k] * b[k, n], tiles through shared memory, four results a thread.
#define TILE 16
#define STEP 8
#define SIDE 8

extern "C" __global__ void gemm(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c, int m,
                                int n, int k) {
    __shared__ float left[STEP][TILE + 1];
    __shared__ float right[STEP][TILE];
    int tx = threadIdx.x, ty = threadIdx.y;
    int thread = ty * SIDE + tx;
    int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
    float sum[2][2] = {};
#pragma unroll 1
    for (int at = 0; at < k; at += STEP) {
#pragma unroll
        for (int part = 0; part < 2; part++) {
            int i = thread + part * SIDE * SIDE;
            int row = row0 + i / STEP, inner = at + i % STEP;
            left[i % STEP][i / STEP] = row < m && inner < k ? a[row * k + inner] : 0.0f;
            int column = column0 + i % TILE;
            inner = at + i / TILE;
            right[i / TILE][i % TILE] = column < n && inner < k ? b[inner * n + column] : 0.0f;
        }
        __syncthreads();
#pragma unroll 2
        for (int p = 0; p < STEP; p++) {
            float l0 = left[p][ty], l1 = left[p][ty + SIDE];
            float r0 = right[p][tx], r1 = right[p][tx + SIDE];
            sum[0][0] += l0 * r0;
            sum[0][1] += l0 * r1;
            sum[1][0] += l1 * r0;
            sum[1][1] += l1 * r1;
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
            int row = row0 + ty + i * SIDE, column = column0 + tx + j * SIDE;
            if (row < m && column < n) c[row * n + column] = sum[i][j];
        }
    }
}
