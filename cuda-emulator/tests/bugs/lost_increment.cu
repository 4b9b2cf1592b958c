// Threads count the same bin without knowing of each other.
extern "C" __global__ void bug(const unsigned char *x, unsigned *bins) {
    int i = threadIdx.x;
    bins[x[i]] += 1u; // BUG: race
}
