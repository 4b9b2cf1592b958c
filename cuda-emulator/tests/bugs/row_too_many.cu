// The guard lets one row more pass than there are.
extern "C" __global__ void bug(float *y, int rows, int columns) {
    int column = threadIdx.x, row = blockIdx.x * blockDim.y + threadIdx.y;
    if (column < columns && row <= rows) {
        y[row * columns + column] = 1.0f; // BUG: out of bounds
    }
}
