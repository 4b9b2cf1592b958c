// Bitonic sort, ascending: parts in shared memory, then steps over the whole. The scratch has a power of two of keys.
#define PART 128

__device__ __forceinline__ void order(int &a, int &b, bool ascending) {
    if ((a > b) == ascending) {
        int t = a;
        a = b;
        b = t;
    }
}

// Sorts each part of PART keys, every other one descending; what is missing of the last counts as greatest.
extern "C" __global__ void bitonic_parts(const int *__restrict__ keys, int *__restrict__ scratch, int n) {
    __shared__ int part[PART];
    int base = blockIdx.x * PART;
#pragma unroll 1
    for (int i = threadIdx.x; i < PART; i += PART / 2) part[i] = base + i < n ? keys[base + i] : 0x7fffffff;
#pragma unroll 1
    for (int size = 2; size <= PART; size <<= 1) {
#pragma unroll 1
        for (int stride = size / 2; stride > 0; stride >>= 1) {
            __syncthreads();
            int i = 2 * threadIdx.x - (threadIdx.x & (stride - 1));
            order(part[i], part[i + stride], ((base + i) & size) == 0);
        }
    }
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < PART; i += PART / 2) scratch[base + i] = part[i];
}

// One step over pairs that are stride apart.
extern "C" __global__ void bitonic_step(int *scratch, int size, int stride) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    int i = 2 * t - (t & (stride - 1));
    order(scratch[i], scratch[i + stride], (i & size) == 0);
}
