// The index of Gather and ScatterAdd: looked through before anything is written. Above stand I, the index's type, and RANK,
// the axes over which it lies.

struct Index {
    Failure* failure;
    const I* index;
    i64* rows;
    i64 count, size;
    i64 extent[RANK], stride[RANK];
};

// The row that each index names. One that is out of range stays as it is, for the message.
extern "C" __global__ void __launch_bounds__(THREADS) resolve(const __grid_constant__ Index r) {
    const i64 number = (i64)blockIdx.x * THREADS + threadIdx.x;
    if (number >= r.count || r.failure->settled) return;
    const i64 index = (i64)r.index[offset_of<RANK>(number, r.extent, r.stride)];
    const i64 row = index < 0 ? (i64)((u64)index + (u64)r.size) : index;
    const bool inside = row >= 0 && row < r.size;
    r.rows[number] = inside ? row : index;
    // The complement, so that the largest is the first: whatever the order of the threads.
    if (!inside) atomicMax(&r.failure->element, ~(u64)number);
}
