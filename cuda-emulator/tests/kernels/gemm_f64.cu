// c[m, n] = alpha * a[m, k] * b[n, k]^T + beta * c, in double precision.
#define TILE 8

extern "C" __global__ void gemm_f64(const double *__restrict__ a, const double *__restrict__ b, double *c, int m, int n,
                                    int k, double alpha, double beta) {
    __shared__ double left[TILE][TILE + 1], right[TILE][TILE + 1];
    int tx = threadIdx.x, ty = threadIdx.y;
    int row = blockIdx.y * TILE + ty, column = blockIdx.x * TILE + tx;
    int other = blockIdx.x * TILE + ty;
    double sum = 0.0;
#pragma unroll 1
    for (int at = 0; at < k; at += TILE) {
        int inner = at + tx;
        left[ty][tx] = row < m && inner < k ? a[(long long)row * k + inner] : 0.0;
        right[ty][tx] = other < n && inner < k ? b[(long long)other * k + inner] : 0.0;
        __syncthreads();
#pragma unroll 4
        for (int p = 0; p < TILE; p++) sum += left[ty][p] * right[tx][p];
        __syncthreads();
    }
    if (row < m && column < n) {
        double *to = c + (long long)row * n + column;
        *to = alpha * sum + beta * *to;
    }
}
