// Rows by index. Above stand E, the type of what is moved at once; BEFORE and AFTER, the axes over which the input lies on
// either side of the indexed one; Number, wide enough for every count.

struct Rows {
    Failure* failure;
    i64 step;
    const i64* rows;
    const E* x;
    E* y;
    // Elements from one row to the next; indices; elements after the axis; all elements.
    i64 along, indices, columns, elements;
    i64 before_size[BEFORE], after_size[AFTER];
    i64 before[BEFORE], after[AFTER];
};

extern "C" __global__ void __launch_bounds__(THREADS) gather(const __grid_constant__ Rows r) {
    if (has_failed(r.failure, r.step, r.rows)) return;
    const Number element = (Number)blockIdx.x * THREADS + threadIdx.x;
    if (element >= (Number)r.elements) return;
    const Number column = element % (Number)r.columns, rest = element / (Number)r.columns;
    const i64 row = r.rows[rest % (Number)r.indices];
    const E* x = r.x + offset_of<BEFORE>(rest / (Number)r.indices, r.before_size, r.before) + row * r.along;
    r.y[element] = x[offset_of<AFTER>(column, r.after_size, r.after)];
}
