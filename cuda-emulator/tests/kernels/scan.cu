// y[i] = x[0] + .. + x[i] in one pass: blocks take tickets, scan their part, and look back at the blocks before them.
#define THREADS 64
#define NOTHING 0u
#define OWN 1u
#define ALL 2u

extern "C" __global__ void scan(const int *__restrict__ x, int *__restrict__ y, unsigned *ticket,
                                volatile unsigned *state, int *own, int *all, int n) {
    __shared__ int warps[THREADS / 32];
    __shared__ unsigned part;
    __shared__ int before;
    // Blocks may start in any order, but who holds a ticket runs, so that nobody waits for a block that cannot start.
    if (threadIdx.x == 0) part = atomicAdd(ticket, 1u);
    __syncthreads();
    int i = part * THREADS + threadIdx.x;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int value = i < n ? x[i] : 0;
#pragma unroll
    for (int delta = 1; delta < 32; delta <<= 1) {
        int other = __shfl_up_sync(0xffffffffu, value, delta);
        if (lane >= delta) value += other;
    }
    if (lane == 31) warps[warp] = value;
    __syncthreads();
    if (warp > 0) value += warps[0];
    if (threadIdx.x == THREADS - 1) {
        own[part] = value;
        __threadfence();
        state[part] = OWN;
        int sum = 0;
        int back = (int)part - 1;
        while (back >= 0) {
            unsigned seen = state[back];
            if (seen == NOTHING) continue;
            __threadfence();
            if (seen == ALL) {
                sum += all[back];
                break;
            }
            sum += own[back];
            back--;
        }
        before = sum;
        all[part] = sum + value;
        __threadfence();
        state[part] = ALL;
    }
    __syncthreads();
    if (i < n) y[i] = before + value;
}
