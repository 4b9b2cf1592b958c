// Calls of all kinds: by name, through a table, of the device's runtime; parameters that are structures; local arrays.
struct Pair {
    float first;
    double second;
    int rest[5];
};

typedef float (*Function)(float);

__device__ float successor(float x) { return x + 1.0f; }
__device__ float square(float x) { return x * x; }

__device__ Function table[2] = {successor, square};
__constant__ float factors[4] = {1.0f, 2.0f, 3.0f, -4.0f};
__device__ int counter = 7;
__device__ int* there = &counter;
__device__ double fractions[3] = {1.5, 2.5};

__device__ __noinline__ Pair changed(Pair pair, int by)
{
    pair.first += 1.0f;
    pair.rest[by & 3] = 7;
    return pair;
}

__device__ __noinline__ unsigned int depth(unsigned int n) { return n < 2 ? n : depth(n - 1) + depth(n - 2); }

extern "C" __global__ void __launch_bounds__(256, 2) calls(Pair pair, float* out, int n)
{
    Pair other = changed(pair, n);
    out[n] = table[n & 1](other.first + factors[n & 3]) + *there + fractions[n % 3] + other.rest[n & 3];
    if (n == 3)
        printf("%f %s %u\n", out[0], "three", depth(n));
    int* heap = (int*)malloc(44);
    if (heap) {
        heap[0] = 1;
        free(heap);
    }
    assert(n > 0);
    double local[8];
    for (int at = 0; at < 8; ++at)
        local[at] = out[at];
    out[0] = local[n & 7];
    switch (n) {
    case 1: out[1] = 1; break;
    case 2: out[2] = 4; break;
    case 3: out[n] = n * n; break;
    case 4: out[3] = out[n]; break;
    case 5: out[5] = 5; break;
    case 6: out[1] = out[2]; break;
    case 7: __trap();
    case 8: out[9] = 0.5f; break;
    }
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %0, 0; @p bra done; trap; done: }" ::"r"(n));
}
