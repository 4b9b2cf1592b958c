// Threads of a warp give each other numbers as if they went in step.
extern "C" __global__ void bug(const float *x, float *y) {
    __shared__ float lanes[32];
    int lane = threadIdx.x;
    lanes[lane] = x[lane]; // BUG: race
    y[lane] = lanes[31 - lane]; // BUG: race
}
