// Adds rows by index. Above stand T, the type of elements; BEFORE, INDEX and AFTER, the axes over which input and updates lie
// before the indexed one, along the index, and after it; WIDTH, neighbours that one thread takes; UNIFORM, whether the input
// is one element for all neighbours; Number, wide enough for every count.

struct Rows {
    Failure* failure;
    i64 step;
    const i64* rows;
    const u64* keys;
    const T* x;
    const T* updates;
    T* y;
    // Elements from one row of the input to the next; rows; indices; groups of neighbours after the axis; all groups.
    i64 along, size, indices, columns, groups, in_place;
    i64 before_size[BEFORE], index_size[INDEX], after_size[AFTER];
    i64 x_before[BEFORE], x_after[AFTER];
    i64 u_before[BEFORE], u_index[INDEX], u_after[AFTER];
};

// A thread adds all updates of its elements, in the order of the index: no two threads write to one place.
extern "C" __global__ void __launch_bounds__(THREADS) scatter_add(const __grid_constant__ Rows r) {
    if (has_failed(r.failure, r.step, r.rows)) return;
    const Number group = (Number)blockIdx.x * THREADS + threadIdx.x;
    if (group >= (Number)r.groups) return;
    const Number column = group % (Number)r.columns * WIDTH, rest = group / (Number)r.columns;
    const Number row = rest % (Number)r.size, outer = rest / (Number)r.size;
    i64 at = first_not_below(r.keys, r.indices, (u64)row << 32);
    if (r.in_place && (at >= r.indices || r.keys[at] >> 32 != row)) return;
    const T* x = r.x + offset_of<BEFORE>(outer, r.before_size, r.x_before) + (i64)row * r.along
        + offset_of<AFTER>(column, r.after_size, r.x_after);
    Pack<T, WIDTH> sum;
    if (UNIFORM) {
        for (int k = 0; k < WIDTH; k++) sum.at[k] = *x;
    } else {
        sum = load_pack<WIDTH>(x, WIDTH);
    }
    const T* updates = r.updates + offset_of<BEFORE>(outer, r.before_size, r.u_before)
        + offset_of<AFTER>(column, r.after_size, r.u_after);
    for (; at < r.indices && r.keys[at] >> 32 == row; at++) {
        const Number number = (Number)(u32)r.keys[at];
        const Pack<T, WIDTH> more =
            load_pack<WIDTH>(updates + offset_of<INDEX>(number, r.index_size, r.u_index), WIDTH);
        #pragma unroll
        for (int k = 0; k < WIDTH; k++) sum.at[k] = Narrow<T>::of(op_add(widen(sum.at[k]), widen(more.at[k])));
    }
    store_pack<WIDTH>(r.y + (i64)group * WIDTH, sum, WIDTH);
}
