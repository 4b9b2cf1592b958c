// y[b, p, q, o] = bias[o] + sum over r, s, c of x[b, p * stride - pad + r, q * stride - pad + s, c] * w[r, s, c, o]; one thread
// a result; the filters lie in shared memory as far as a block needs them.
struct Shape {
    int batch, height, width, channels, outputs, kernel, stride, pad, out_height, out_width;
};

extern "C" __global__ void conv_direct(const float *__restrict__ x, const float *__restrict__ w,
                                       const float *__restrict__ bias, float *__restrict__ y, Shape s) {
    extern __shared__ float filter[];
    int o = blockIdx.y;
    int taps = s.kernel * s.kernel * s.channels;
#pragma unroll 1
    for (int i = threadIdx.x; i < taps; i += blockDim.x) filter[i] = w[i * s.outputs + o];
    __syncthreads();
    int pixels = s.batch * s.out_height * s.out_width;
#pragma unroll 1
    for (int pixel = blockIdx.x * blockDim.x + threadIdx.x; pixel < pixels; pixel += gridDim.x * blockDim.x) {
        int q = pixel % s.out_width, p = pixel / s.out_width % s.out_height, b = pixel / (s.out_width * s.out_height);
        float sum = bias[o];
#pragma unroll 1
        for (int r = 0; r < s.kernel; r++) {
            int row = p * s.stride - s.pad + r;
            if (row < 0 || row >= s.height) continue;
#pragma unroll 1
            for (int t = 0; t < s.kernel; t++) {
                int column = q * s.stride - s.pad + t;
                if (column < 0 || column >= s.width) continue;
                const float *from = x + ((b * s.height + row) * s.width + column) * s.channels;
                const float *by = filter + (r * s.kernel + t) * s.channels;
#pragma unroll 1
                for (int c = 0; c < s.channels; c++) sum += from[c] * by[c];
            }
        }
        y[pixel * s.outputs + o] = sum;
    }
}
