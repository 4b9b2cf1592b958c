// Softmax of rows. Above stands what one text differs in from another:
// T, A     the type of elements, and the one they are computed in
// LOG      whether the logarithm is wanted
// RANK     axes over which the rows are spread
// WIDTH    neighbours that are moved together; 1 where they do not lie side by side
// ITEMS    (softmax_warp) elements of a row that one lane holds
// ACROSS   (softmax_short) whether neighbours in memory belong to neighbouring rows

struct Rows {
    i64 rows, len;
    const T* x;
    T* y;
    // Elements from one column to the next; rows of a block; whether a row fits into shared memory.
    i64 along, block, keep;
    i64 size[RANK], stride[RANK];
};

FN const T* row_of(const Rows& r, i64 row) { return r.x + offset_of<RANK>((u64)row, r.size, r.stride); }

// The largest element met, and the sum of e^(x - largest).
struct Partial { A max, sum; };

FN A lowest() { return -op_div((A)1, (A)0); }

// x - x is 0, or NaN for an infinity: as the quotient of two infinities has to be.
FN Partial with(Partial p, A x) {
    if (x > p.max) return { x, p.sum * op_exp(p.max - x) + ((A)1 + (x - x)) };
    if (x != lowest()) p.sum += op_exp(x - p.max);
    return p;
}

FN Partial merged(Partial p, Partial q) {
    A max = op_maximum(p.max, q.max);
    if (max == lowest()) return { max, p.sum + q.sum };
    return { max, p.sum * op_exp(p.max - max) + q.sum * op_exp(q.max - max) };
}

// Among the lanes of a warp, the same tree for every one of them.
FN Partial of_warp(Partial p) {
    for (int lane = 16; lane > 0; lane /= 2) {
        p = merged(p, { __shfl_xor_sync(~0u, p.max, lane), __shfl_xor_sync(~0u, p.sum, lane) });
    }
    return p;
}

// `shift` is the sum or its logarithm.
FN T result(A x, A max, A shift) {
    return Narrow<T>::of(LOG ? x - max - shift : op_exp(x - max) / shift);
}

#if defined(SHORT)

// A block's rows travel through shared memory, so that accesses are side by side however short a row is.
extern "C" __global__ void __launch_bounds__(THREADS) softmax_short(const __grid_constant__ Rows r) {
    __shared__ A tile[TILE];
    const i64 first = (i64)blockIdx.x * r.block;
    const u32 len = (u32)r.len, rows = (u32)(r.rows - first < r.block ? r.rows - first : r.block);
    // An odd pitch spreads a column over all banks.
    const u32 pitch = len | 1;
    for (u32 e = threadIdx.x; e < rows * len; e += THREADS) {
        const u32 row = ACROSS ? e % rows : e / len, column = ACROSS ? e / rows : e % len;
        tile[row * pitch + column] = widen(row_of(r, first + row)[column * r.along]);
    }
    __syncthreads();
    if (threadIdx.x < rows) {
        A* x = tile + threadIdx.x * pitch;
        A max = x[0], sum = 0;
        for (u32 i = 1; i < len; i++) max = op_maximum(max, x[i]);
        for (u32 i = 0; i < len; i++) {
            const A shifted = x[i] - max, e = op_exp(shifted);
            sum += e;
            x[i] = LOG ? shifted : e;
        }
        const A shift = LOG ? op_log(sum) : sum;
        for (u32 i = 0; i < len; i++) x[i] = LOG ? x[i] - shift : x[i] / shift;
    }
    __syncthreads();
    T* y = r.y + first * r.len;
    for (u32 e = threadIdx.x; e < rows * len; e += THREADS) {
        y[e] = Narrow<T>::of(tile[e / len * pitch + e % len]);
    }
}

#elif defined(ITEMS)

// A warp for a row, which stays in its registers.
extern "C" __global__ void __launch_bounds__(THREADS) softmax_warp(const __grid_constant__ Rows r) {
    const u32 lane = threadIdx.x % 32;
    const i64 row = (i64)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    if (row >= r.rows) return;
    const T* x = row_of(r, row);
    A item[ITEMS];
    A max = lowest();
    #pragma unroll
    for (int i = 0; i < ITEMS; i += WIDTH) {
        const i64 column = (i64)(i * 32 + lane * WIDTH);
        const Pack<T, WIDTH> pack = load_pack<WIDTH>(x + column * r.along, r.len - column);
        #pragma unroll
        for (int k = 0; k < WIDTH; k++) {
            item[i + k] = column + k < r.len ? widen(pack.at[k]) : lowest();
            max = op_maximum(max, item[i + k]);
        }
    }
    for (int other = 16; other > 0; other /= 2) max = op_maximum(max, __shfl_xor_sync(~0u, max, other));
    A sum = 0;
    #pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        const i64 column = (i64)(i / WIDTH * WIDTH * 32 + lane * WIDTH + i % WIDTH);
        if (column < r.len) {
            item[i] -= max;
            const A e = op_exp(item[i]);
            sum += e;
            if (!LOG) item[i] = e;
        }
    }
    for (int other = 16; other > 0; other /= 2) sum += __shfl_xor_sync(~0u, sum, other);
    const A shift = LOG ? op_log(sum) : sum;
    #pragma unroll
    for (int i = 0; i < ITEMS; i += WIDTH) {
        const i64 column = (i64)(i * 32 + lane * WIDTH);
        Pack<T, WIDTH> pack;
        #pragma unroll
        for (int k = 0; k < WIDTH; k++) pack.at[k] = Narrow<T>::of(LOG ? item[i + k] - shift : item[i + k] / shift);
        store_pack<WIDTH>(r.y + row * r.len + column, pack, r.len - column);
    }
}

#else

extern __shared__ Pack<T, WIDTH> kept[];

// A block for a row: maximum and sum together in one pass. A row that fits stays in shared memory for the second; each thread
// writes what it has read itself, so that the output may be the input's memory.
extern "C" __global__ void __launch_bounds__(THREADS) softmax_block(const __grid_constant__ Rows r) {
    __shared__ Partial of_warps[THREADS / 32];
    const i64 row = blockIdx.x;
    const T* x = row_of(r, row);
    Partial p = { lowest(), 0 };
    const i64 groups = (r.len + WIDTH - 1) / WIDTH;
    for (i64 group = threadIdx.x; group < groups; group += THREADS) {
        const i64 column = group * WIDTH;
        const Pack<T, WIDTH> pack = load_pack<WIDTH>(x + column * r.along, r.len - column);
        #pragma unroll
        for (int k = 0; k < WIDTH; k++) {
            if (column + k < r.len) p = with(p, widen(pack.at[k]));
        }
        if (r.keep) kept[group] = pack;
    }
    p = of_warp(p);
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = p;
    __syncthreads();
    p = of_warps[0];
    for (int warp = 1; warp < THREADS / 32; warp++) p = merged(p, of_warps[warp]);
    const A shift = LOG ? op_log(p.sum) : p.sum;
    for (i64 group = threadIdx.x; group < groups; group += THREADS) {
        const i64 column = group * WIDTH;
        Pack<T, WIDTH> pack;
        if (r.keep) {
            pack = kept[group];
        } else {
            pack = load_pack<WIDTH>(x + column * r.along, r.len - column);
        }
        #pragma unroll
        for (int k = 0; k < WIDTH; k++) pack.at[k] = result(widen(pack.at[k]), p.max, shift);
        store_pack<WIDTH>(r.y + row * r.len + column, pack, r.len - column);
    }
}

#endif
