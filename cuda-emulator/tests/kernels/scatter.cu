// y[index[i], :] += x[i, :], four columns a thread; an index out of range is left out.
extern "C" __global__ void scatter_add(const float4 *__restrict__ x, const int *__restrict__ index, float *y, int rows,
                                       int targets, int quads) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int row = i / quads;
    if (row >= rows) return;
    int target = index[row];
    if ((unsigned)target >= (unsigned)targets) return;
    float4 value = x[i];
    float *to = y + (target * quads + i % quads) * 4;
    atomicAdd(to, value.x);
    atomicAdd(to + 1, value.y);
    atomicAdd(to + 2, value.z);
    atomicAdd(to + 3, value.w);
}
