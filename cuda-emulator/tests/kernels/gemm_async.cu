// c[m, n] = a[m, k] * b[k, n]; asynchronous copies keep STAGES tiles on their way while one is multiplied.
#define TILE 16
#define STEP 8
#define SIDE 8
#define STAGES 3

// Four bytes, or zeros where there is nothing to read.
__device__ __forceinline__ void copy4(float *shared, const float *global, bool there) {
    unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    int bytes = there ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
}

__device__ __forceinline__ void copy16(float *shared, const float *global, bool there) {
    unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most STAGES - 2 groups are on their way.
__device__ __forceinline__ void wait() { asm volatile("cp.async.wait_group 1;" ::: "memory"); }

struct Tiles {
    float left[TILE][STEP];
    float right[STEP][TILE];
};

__device__ __forceinline__ void multiply(const Tiles &tiles, float (&sum)[2][2], int tx, int ty) {
#pragma unroll 2
    for (int p = 0; p < STEP; p++) {
        float l0 = tiles.left[ty][p], l1 = tiles.left[ty + SIDE][p];
        float r0 = tiles.right[p][tx], r1 = tiles.right[p][tx + SIDE];
        sum[0][0] += l0 * r0;
        sum[0][1] += l0 * r1;
        sum[1][0] += l1 * r0;
        sum[1][1] += l1 * r1;
    }
}

__device__ __forceinline__ void store(float *c, const float (&sum)[2][2], int row0, int column0, int m, int n) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
            int row = row0 + i * SIDE, column = column0 + j * SIDE;
            if (row < m && column < n) c[row * n + column] = sum[i][j];
        }
    }
}

template <typename Fetch>
__device__ __forceinline__ void run(Tiles *tiles, float *c, int m, int n, int k, Fetch fetch) {
    int tx = threadIdx.x, ty = threadIdx.y;
    float sum[2][2] = {};
    int steps = (k + STEP - 1) / STEP;
#pragma unroll 1
    for (int stage = 0; stage < STAGES - 1; stage++) {
        if (stage < steps) fetch(tiles[stage], stage * STEP);
        commit();
    }
    int slot = 0;
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        wait();
        __syncthreads();
        // Everybody has left the tile that this one replaces: the barrier above came after it was multiplied.
        int next = step + STAGES - 1;
        if (next < steps) fetch(tiles[slot == 0 ? STAGES - 1 : slot - 1], next * STEP);
        commit();
        multiply(tiles[slot], sum, tx, ty);
        slot = slot == STAGES - 1 ? 0 : slot + 1;
    }
    store(c, sum, blockIdx.y * TILE + ty, blockIdx.x * TILE + tx, m, n);
}

extern "C" __global__ void gemm_async(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c,
                                      int m, int n, int k) {
    __shared__ Tiles tiles[STAGES];
    int thread = threadIdx.y * SIDE + threadIdx.x;
    int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
    run(tiles, c, m, n, k, [=](Tiles &to, int at) {
#pragma unroll
        for (int part = 0; part < 2; part++) {
            int i = thread + part * SIDE * SIDE;
            int row = row0 + i / STEP, inner = at + i % STEP;
            bool there = row < m && inner < k;
            copy4(&to.left[i / STEP][i % STEP], there ? a + row * k + inner : a, there);
            int column = column0 + i % TILE;
            inner = at + i / TILE;
            there = column < n && inner < k;
            copy4(&to.right[i / TILE][i % TILE], there ? b + inner * n + column : b, there);
        }
    });
}

// The same for n and k that are multiples of 4.
extern "C" __global__ void gemm_async16(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c,
                                        int m, int n, int k) {
    __shared__ __align__(16) Tiles tiles[STAGES];
    int thread = threadIdx.y * SIDE + threadIdx.x;
    int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
    run(tiles, c, m, n, k, [=](Tiles &to, int at) {
        if (thread < 32) {
            int i = thread * 4;
            int row = row0 + i / STEP, inner = at + i % STEP;
            bool there = row < m && inner < k;
            copy16(&to.left[i / STEP][i % STEP], there ? a + row * k + inner : a, there);
        } else {
            int i = (thread - 32) * 4;
            int column = column0 + i % TILE, inner = at + i / TILE;
            bool there = column < n && inner < k;
            copy16(&to.right[i / TILE][i % TILE], there ? b + inner * n + column : b, there);
        }
    });
}
