// The order in which ScatterAdd adds: all indices as keys (row, number of the index), ascending. No two keys are equal, so there
// is one order, however it is found.

#define CHUNK (8 * THREADS)

struct Sort {
    Failure* failure;
    const i64* rows;
    const u64* from;
    u64* to;
    i64 count, run;
};

// Sorts chunks: a bitonic network in shared memory.
extern "C" __global__ void __launch_bounds__(THREADS) sort_chunks(const __grid_constant__ Sort r) {
    __shared__ u64 keys[CHUNK];
    if (r.failure->element) return;
    const i64 first = (i64)blockIdx.x * CHUNK;
    for (u32 i = threadIdx.x; i < CHUNK; i += THREADS) {
        // What fills up the last chunk comes after all keys.
        keys[i] = first + i < r.count ? (u64)r.rows[first + i] << 32 | (u64)(first + i) : ~0ull;
    }
    for (u32 size = 2; size <= CHUNK; size *= 2) {
        for (u32 apart = size / 2; apart > 0; apart /= 2) {
            __syncthreads();
            for (u32 pair = threadIdx.x; pair < CHUNK / 2; pair += THREADS) {
                const u32 low = pair / apart * apart * 2 + pair % apart, high = low + apart;
                const u64 a = keys[low], b = keys[high];
                if ((a > b) == ((low & size) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
        }
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < CHUNK; i += THREADS) {
        if (first + i < r.count) r.to[first + i] = keys[i];
    }
}

// Merges sorted runs in pairs: a key's place is its place in its own run and the number of lesser ones in the other.
extern "C" __global__ void __launch_bounds__(THREADS) merge_runs(const __grid_constant__ Sort r) {
    if (r.failure->element) return;
    const i64 place = (i64)blockIdx.x * THREADS + threadIdx.x;
    if (place >= r.count) return;
    const i64 base = place / (2 * r.run) * (2 * r.run);
    const i64 middle = base + r.run < r.count ? base + r.run : r.count;
    const i64 end = middle + r.run < r.count ? middle + r.run : r.count;
    const u64 key = r.from[place];
    const bool lower = place < middle;
    const i64 other = lower ? middle : base;
    const i64 lesser = first_not_below(r.from + other, (lower ? end : middle) - other, key);
    r.to[place + lesser - (lower ? 0 : r.run)] = key;
}
