// A product of 16 by 16 and 16 by 8 matrices on tensor cores, in three types.
extern "C" __global__ void product(const unsigned short* a, const unsigned short* b, float* c)
{
    __shared__ __align__(16) unsigned short left[16][16];
    __shared__ __align__(16) unsigned short right[16][8];
    int lane = threadIdx.x;
    for (int at = lane; at < 256; at += 32)
        left[at / 16][at % 16] = a[at];
    for (int at = lane; at < 128; at += 32)
        right[at / 8][at % 8] = b[at];
    __syncthreads();
    unsigned int x[4], y[2];
    unsigned int from = (unsigned int)__cvta_generic_to_shared(&left[lane % 16][lane / 16 * 8]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(from));
    from = (unsigned int)__cvta_generic_to_shared(&right[lane % 16][0]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(y[0]), "=r"(y[1]) : "r"(from));
    float sum[4] = {0, 0, 0, 0};
#define PRODUCT(shape, type, more) \
    asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, " more ", {%0, %1, %2, %3};" \
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) \
                 : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]))
    PRODUCT("m16n8k16", "f16", "{%4, %5, %6, %7}, {%8, %9}");
    PRODUCT("m16n8k16", "bf16", "{%4, %5, %6, %7}, {%8, %9}");
    PRODUCT("m16n8k8", "tf32", "{%4, %5, %6, %7}, {%8, %9}");
    PRODUCT("m16n8k8", "bf16", "{%4, %5}, {%8}");
    for (int at = 0; at < 4; ++at)
        c[(lane / 4 + at / 2 * 8) * 8 + lane % 4 * 2 + at % 2] = sum[at];
}
