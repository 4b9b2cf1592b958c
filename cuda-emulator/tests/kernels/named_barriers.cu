// A warp that fetches and a warp that works, with two buffers between them and a pair of named barriers for each: FULL says
// that a buffer is filled, EMPTY that it is used up.
#define BUFFERS 2
#define FULL 1
#define EMPTY 3

__device__ __forceinline__ void wait_at(int barrier) { asm volatile("bar.sync %0, 64;" ::"r"(barrier) : "memory"); }
__device__ __forceinline__ void arrive_at(int barrier) { asm volatile("bar.arrive %0, 64;" ::"r"(barrier) : "memory"); }

// y[i] = x[i] * x[i] + x[neighbour in its group of 32]
extern "C" __global__ void producer_consumer(const float *__restrict__ x, float *__restrict__ y, int n) {
    __shared__ float buffers[BUFFERS][32];
    int lane = threadIdx.x & 31;
    int groups = (n + 31) / 32;
    if (threadIdx.x < 32) {
#pragma unroll 1
        for (int group = blockIdx.x, turn = 0; group < groups; group += gridDim.x, turn++) {
            int buffer = turn % BUFFERS;
            if (turn >= BUFFERS) wait_at(EMPTY + buffer);
            int i = group * 32 + lane;
            buffers[buffer][lane] = i < n ? x[i] : 0.0f;
            arrive_at(FULL + buffer);
        }
    } else {
#pragma unroll 1
        for (int group = blockIdx.x, turn = 0; group < groups; group += gridDim.x, turn++) {
            int buffer = turn % BUFFERS;
            wait_at(FULL + buffer);
            float own = buffers[buffer][lane], other = buffers[buffer][lane ^ 1];
            // Nobody waits for the last ones.
            if (group + BUFFERS * gridDim.x < groups) arrive_at(EMPTY + buffer);
            int i = group * 32 + lane;
            if (i < n) y[i] = own * own + other;
        }
    }
}
