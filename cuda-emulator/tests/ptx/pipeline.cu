// A product of matrices whose tiles come by asynchronous copies, two stages ahead; and arithmetic of 128 bits.
#define TILE 32

__device__ __forceinline__ void copy16(void* to, const void* from, bool valid)
{
    unsigned int shared = (unsigned int)__cvta_generic_to_shared(to);
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(bytes) : "memory");
}

extern "C" __global__ void __launch_bounds__(256) multiply(const float* a, const float* b, float* c, int n)
{
    __shared__ __align__(16) float left[2][TILE][TILE + 4];
    __shared__ __align__(16) float right[2][TILE][TILE];
    int row = threadIdx.x / 8, column = threadIdx.x % 8 * 4;
    int top = blockIdx.y * TILE, edge = blockIdx.x * TILE;
    float4 sum = make_float4(0, 0, 0, 0);
    auto fetch = [&](int stage, int k) {
        copy16(&left[stage][row][column], a + (size_t)(top + row) * n + k + column, top + row < n && k + column < n);
        copy16(&right[stage][row][column], b + (size_t)(k + row) * n + edge + column, k + row < n && edge + column < n);
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    fetch(0, 0);
    for (int k = 0, stage = 0; k < n; k += TILE, stage ^= 1) {
        if (k + TILE < n)
            fetch(stage ^ 1, k + TILE);
        else
            asm volatile("cp.async.commit_group;" ::: "memory");
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
#pragma unroll
        for (int inner = 0; inner < TILE; ++inner) {
            float factor = left[stage][row][inner];
            float4 other = *(float4*)&right[stage][inner][column];
            sum.x += factor * other.x, sum.y += factor * other.y, sum.z += factor * other.z, sum.w += factor * other.w;
        }
        __syncthreads();
    }
    if (top + row < n && edge + column < n)
        *(float4*)(c + (size_t)(top + row) * n + edge + column) = sum;
}

extern "C" __global__ void wide(unsigned long long* out, const short* small, const unsigned char* bytes, double* real)
{
    unsigned __int128 product = (unsigned __int128)out[0] * out[1] + out[2];
    out[3] = (unsigned long long)(product >> 64);
    out[4] = (unsigned long long)product - clock64();
    out[5] = __umul64hi(out[0], out[1]) + small[0] * bytes[3] + __isGlobal(out) + __isShared(out);
    real[0] = sqrt(real[1]) / real[2] + __ldg(real + 3) + __ldcs(real + 4);
    __nanosleep(100);
    __threadfence_block();
    __threadfence_system();
}
