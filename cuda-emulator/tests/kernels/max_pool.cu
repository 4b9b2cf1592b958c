// The greatest of each window, the first of equals, and where it was; and the gradient, gathered by each input.
struct Shape {
    int batch, height, width, channels, window, stride, pad, out_height, out_width;
};

extern "C" __global__ void max_pool(const float *__restrict__ x, float *__restrict__ y, int *__restrict__ where, Shape s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.batch * s.out_height * s.out_width * s.channels) return;
    int c = i % s.channels, q = i / s.channels % s.out_width, p = i / (s.channels * s.out_width) % s.out_height;
    int b = i / (s.channels * s.out_width * s.out_height);
    float most = 0.0f;
    int at = -1;
#pragma unroll 1
    for (int r = max(p * s.stride - s.pad, 0); r < min(p * s.stride - s.pad + s.window, s.height); r++) {
#pragma unroll 1
        for (int t = max(q * s.stride - s.pad, 0); t < min(q * s.stride - s.pad + s.window, s.width); t++) {
            int from = ((b * s.height + r) * s.width + t) * s.channels + c;
            float value = x[from];
            if (at < 0 || value > most) {
                most = value;
                at = from;
            }
        }
    }
    y[i] = most;
    where[i] = at;
}

extern "C" __global__ void max_pool_gradient(const float *__restrict__ dy, const int *__restrict__ where,
                                             float *__restrict__ dx, Shape s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.batch * s.height * s.width * s.channels) return;
    int c = i % s.channels, column = i / s.channels % s.width, row = i / (s.channels * s.width) % s.height;
    int b = i / (s.channels * s.width * s.height);
    // The windows that have this input: those that begin at most window - 1 before it.
    int first_p = max(row + s.pad - s.window + s.stride, 0) / s.stride;
    int first_q = max(column + s.pad - s.window + s.stride, 0) / s.stride;
    int last_p = min((row + s.pad) / s.stride, s.out_height - 1), last_q = min((column + s.pad) / s.stride, s.out_width - 1);
    float sum = 0.0f;
#pragma unroll 1
    for (int p = first_p; p <= last_p; p++) {
#pragma unroll 1
        for (int q = first_q; q <= last_q; q++) {
            int window = ((b * s.out_height + p) * s.out_width + q) * s.channels + c;
            if (where[window] == i) sum += dy[window];
        }
    }
    dx[i] = sum;
}
