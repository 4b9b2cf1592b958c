// How often each byte occurs: counted in shared memory, then added to the whole.
#define BINS 256

extern "C" __global__ void histogram(const unsigned char *__restrict__ x, unsigned *bins, int n) {
    __shared__ unsigned own[BINS];
#pragma unroll 1
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) own[i] = 0;
    __syncthreads();
#pragma unroll 1
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&own[x[i]], 1u);
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < BINS; i += blockDim.x) {
        unsigned count = own[i];
        if (count > 0) atomicAdd(&bins[i], count);
    }
}

// The same without shared memory; the greatest byte too, and the sum of all by compare-and-swap.
extern "C" __global__ void histogram_global(const unsigned char *__restrict__ x, unsigned *bins, int *most, float *sum,
                                            int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned value = x[i];
    atomicAdd(&bins[value], 1u);
    atomicMax(most, (int)value);
    int *bits = (int *)sum;
    int old = atomicAdd(bits, 0), expected;
    do {
        expected = old;
        old = atomicCAS(bits, expected, __float_as_int(__int_as_float(expected) + (float)value));
    } while (old != expected);
}
