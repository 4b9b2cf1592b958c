// A convolution as a product of matrices that are never formed: rows are the results' pixels, columns the output channels,
// and the inner index runs over kernel rows, kernel columns and channels. Layouts as in conv_direct.cu.
#define TILE 16
#define STEP 8

struct Shape {
    int batch, height, width, channels, outputs, kernel, stride, pad, out_height, out_width;
};

// Division by a number that many threads share: __umulhi with a prepared factor; right for n and d below 2^16.
__device__ __forceinline__ unsigned divide(unsigned n, unsigned d, unsigned factor) {
    return d == 1 ? n : __umulhi(n, factor);
}

extern "C" __global__ void conv_implicit(const float *__restrict__ x, const float *__restrict__ w,
                                         const float *__restrict__ bias, float *__restrict__ y, Shape s,
                                         unsigned by_channels, unsigned by_kernel) {
    __shared__ float pixels[STEP][TILE + 1];
    __shared__ float filters[STEP][TILE];
    int tx = threadIdx.x % TILE, ty = threadIdx.x / TILE;
    int rows = s.batch * s.out_height * s.out_width, taps = s.kernel * s.kernel * s.channels;
    // Each thread copies two taps of one pixel.
    int mine = blockIdx.x * TILE + tx;
    int q = mine % s.out_width, p = mine / s.out_width % s.out_height, b = mine / (s.out_width * s.out_height);
    int top = p * s.stride - s.pad, left = q * s.stride - s.pad;
    float sum[4] = {};
#pragma unroll 1
    for (int at = 0; at < taps; at += STEP) {
#pragma unroll 1
        for (int part = 0; part < STEP; part += 4) {
            int tap = at + part + ty;
            unsigned window = divide(tap, s.channels, by_channels), c = tap - window * s.channels;
            unsigned r = divide(window, s.kernel, by_kernel), t = window - r * s.kernel;
            int row = top + r, column = left + t;
            bool there = mine < rows && tap < taps && row >= 0 && row < s.height && column >= 0 && column < s.width;
            pixels[part + ty][tx] = there ? x[((b * s.height + row) * s.width + column) * s.channels + c] : 0.0f;
            int output = blockIdx.y * TILE + tx;
            filters[part + ty][tx] = tap < taps && output < s.outputs ? w[tap * s.outputs + output] : 0.0f;
        }
        __syncthreads();
#pragma unroll 2
        for (int i = 0; i < STEP; i++) {
#pragma unroll
            for (int j = 0; j < 4; j++) sum[j] += pixels[i][ty + j * 4] * filters[i][tx];
        }
        __syncthreads();
    }
    int output = blockIdx.y * TILE + tx;
#pragma unroll
    for (int j = 0; j < 4; j++) {
        int row = blockIdx.x * TILE + ty + j * 4;
        if (row < rows && output < s.outputs) y[row * s.outputs + output] = sum[j] + bias[output];
    }
}
