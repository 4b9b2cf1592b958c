// Sums of 32 neighbours, and their order reversed, through shared memory of one warp each, without a barrier of the block.
#define WARPS 2

extern "C" __global__ void warp_exchange(const float *__restrict__ x, float *__restrict__ sums, float *__restrict__ reversed,
                                         int n) {
    __shared__ float lanes[WARPS][32];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int group = blockIdx.x * WARPS + warp, i = group * 32 + lane;
    // The whole warp goes or stays.
    if (group * 32 >= n) return;
    float *own = lanes[warp];
    own[lane] = i < n ? x[i] : 0.0f;
    __syncwarp();
    float mirror = own[31 - lane];
    __syncwarp();
#pragma unroll 1
    for (int half = 16; half > 0; half >>= 1) {
        if (lane < half) own[lane] += own[lane + half];
        __syncwarp();
    }
    if (lane == 0) sums[group] = own[0];
    reversed[i] = mirror;
}

// How many of each group of 32 are positive, the greatest as an integer, and which lane has it.
extern "C" __global__ void warp_votes(const int *__restrict__ x, int *__restrict__ out, int n) {
    int lane = threadIdx.x & 31;
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int value = i < n ? x[i] : -1;
    unsigned positive = __ballot_sync(0xffffffffu, value > 0);
    int most = value;
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) most = max(most, __shfl_xor_sync(0xffffffffu, most, mask));
    unsigned who = __ballot_sync(0xffffffffu, value == most);
    if (lane == 0 && i < n) {
        int *to = out + i / 32 * 3;
        to[0] = __popc(positive);
        to[1] = most;
        to[2] = __ffs(who) - 1;
    }
}
