// Halves a number until it is zero; a negative one never gets there.
extern "C" __global__ void bug(const int *x, int *y) {
    int value = x[threadIdx.x], steps = 0;
    while (value != 0) { // BUG: too many instructions
        value >>= 1; // BUG: too many instructions
        steps++; // BUG: too many instructions
    }
    y[threadIdx.x] = steps;
}
