// Sums a vector: shuffles in a warp, shared memory in a block, and the last block to finish adds up what the others left.
__device__ unsigned int finished;

extern "C" __global__ void sum(const float* __restrict__ values, float* partial, double* total, int count)
{
    __shared__ float warps[32];
    __shared__ bool last;
    float own = 0.0f;
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < count; at += gridDim.x * blockDim.x)
        own += values[at];
    for (int offset = 16; offset > 0; offset >>= 1)
        own += __shfl_down_sync(0xffffffffu, own, offset);
    if ((threadIdx.x & 31) == 0)
        warps[threadIdx.x >> 5] = own;
    __syncthreads();
    if (threadIdx.x == 0) {
        float block = 0.0f;
        for (int warp = 0; warp < blockDim.x / 32; ++warp)
            block += warps[warp];
        partial[blockIdx.x] = block;
        __threadfence();
        last = atomicInc(&finished, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        double all = 0.0;
        for (int block = 0; block < gridDim.x; ++block)
            all += ((volatile float*)partial)[block];
        atomicAdd(total, all);
    }
}

// What a warp can tell about itself.
extern "C" __global__ void votes(unsigned long long* out, unsigned int* counts, int limit)
{
    extern __shared__ int open[];
    int thread = threadIdx.x;
    open[thread] = thread * 3;
    int positive = __syncthreads_count(thread > limit);
    int any = __syncthreads_or(thread == limit);
    unsigned int ballot = __ballot_sync(0xffffffffu, thread & limit);
    int every;
    unsigned int same = __match_all_sync(0xffffffffu, open[thread ^ 1], &every);
    unsigned int alike = __match_any_sync(0xffffffffu, out[thread]);
    __syncwarp();
    out[thread] = ballot + same + alike + (unsigned long long)(positive + any + every) * __activemask();
#if __CUDA_ARCH__ >= 800
    counts[0] = __reduce_max_sync(0xffffffffu, (int)ballot);
#endif
    atomicMax(counts + 1, ballot);
    atomicCAS(out + 1, 1ull, 2ull);
    atomicExch(counts + 2, 3u);
    atomicAnd(counts + 3, 4u);
}
