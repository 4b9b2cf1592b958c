// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; 2011).
__device__ __noinline__ uint4 philox(uint4 counter, unsigned key0, unsigned key1) {
#pragma unroll 1
    for (int round = 0; round < 10; round++) {
        unsigned high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        unsigned high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = make_uint4(high1 ^ counter.y ^ key0, low1, high0 ^ counter.w ^ key1, low0);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

extern "C" __global__ void philox_blocks(const uint4 *__restrict__ counters, const uint2 *__restrict__ keys, uint4 *out,
                                         int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = philox(counters[i], keys[i].x, keys[i].y);
}

// n numbers in [0, 1), four a thread.
extern "C" __global__ void philox_uniform(float *out, int n, unsigned long long seed) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * i >= n) return;
    uint4 bits = philox(make_uint4(i, 0, 0, 0), (unsigned)seed, (unsigned)(seed >> 32));
    unsigned words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int part = 0; part < 4; part++) {
        if (4 * i + part < n) out[4 * i + part] = (float)(words[part] >> 8) * 0x1p-24f;
    }
}
