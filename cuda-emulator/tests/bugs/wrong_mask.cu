// The mask names the whole warp, half of which is elsewhere.
extern "C" __global__ void bug(const float *x, float *y) {
    int lane = threadIdx.x;
    float value = x[lane];
    if (lane < 16) {
        value += __shfl_down_sync(0xffffffffu, value, 8); // BUG: bad warp mask
        y[lane] = value;
    }
}
