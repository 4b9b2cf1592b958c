// The kernel. `Operands` and `Sides` are the family's: `aim` at the tile's first row and column and a block's first term,
// `ahead` of the reading of a panel by two, `fetch_a` and `fetch_b`, and `a` and `b`, the slots that they fill. Of panel number
// `panel`, `left` terms and those after it are to be read, what is beyond is zero.

struct Parameters { Frame frame; Operands operands; Finish finish; };

// Sums of 32 bits are taken from zero for each block of so many panels, and then added to the total: long sums stay accurate.
#define BLOCK 64
#define BLOCKED (IsFloat<SUM>::value && sizeof(SUM) == 4)

// The row (or column) within the tile of a thread's element number i: CHUNK of them side by side, then those of other threads.
template <int OWN> FN int place(int thread, int i) {
    return i / CHUNK * (TILE / (OWN / CHUNK)) + thread * CHUNK + i % CHUNK;
}

template <int OWN> FN void take(SUM (&to)[OWN], const SUM* line, int thread) {
#pragma unroll
    for (int i = 0; i < OWN; i += CHUNK) {
        const Pack<SUM, CHUNK> chunk = *(const Pack<SUM, CHUNK>*)&line[place<OWN>(thread, i)];
#pragma unroll
        for (int j = 0; j < CHUNK; j++) to[i + j] = chunk.at[j];
    }
}

// One block of a multiprocessor is enough to ask for: told nothing, the compiler spills registers to make room for more.
extern "C" __global__ void __launch_bounds__(THREADS, 1) tiles(const __grid_constant__ Parameters p) {
    __shared__ __align__(16) Panel a[2];
    __shared__ __align__(16) Panel b[2];
    const Frame& frame = p.frame;
    const int x = threadIdx.x % (TILE / ACROSS), y = threadIdx.x / (TILE / ACROSS);
    u32 rest = blockIdx.x;
    const i64 column = (i64)(rest % (u32)frame.across) * TILE;
    rest /= (u32)frame.across;
    const i64 row = (i64)(rest % (u32)frame.down) * TILE;
    rest /= (u32)frame.down;
    const u32 batch = rest % (u32)frame.batches, slice = rest / (u32)frame.batches;
    const i64 first = slice * frame.depth;
    const i64 terms = frame.k - first < frame.depth ? frame.k - first : frame.depth;
    const i64 panels = (terms + DEEP - 1) / DEEP;

    SUM sum[DOWN][ACROSS] = {};
    SUM column_sum = 0;
#if SUMS
    const bool sums = row == 0 && threadIdx.x < TILE;
#endif
    SUM total[DOWN][ACROSS] = {};
    SUM column_total = 0;

    Sides sides;
    sides.aim(p.operands, frame, batch, row, column, first);
    sides.ahead(0, terms);
    sides.ahead(1, terms - DEEP);
    __syncthreads();
    if (panels > 0) {
        const Piece some_a = sides.fetch_a(0, terms), some_b = sides.fetch_b(0, terms);
        sides.a.put<A_WAY>(a[0], some_a);
        sides.b.put<B_WAY>(b[0], some_b);
    }
    __syncthreads();
    for (i64 panel = 0; panel < panels; panel++) {
        const int now = panel % 2;
        const i64 left = terms - (panel + 1) * DEEP;
        Piece next_a, next_b;
        sides.ahead(now, left - DEEP);
        if (left > 0) {
            next_a = sides.fetch_a(1 - now, left);
            next_b = sides.fetch_b(1 - now, left);
        }
        // Unrolled further, the compiler reads so far ahead that registers run out.
#pragma unroll 4
        for (int deep = 0; deep < DEEP; deep++) {
            SUM rows[DOWN], columns[ACROSS];
            take(rows, a[now][deep], y);
            take(columns, b[now][deep], x);
#pragma unroll
            for (int i = 0; i < DOWN; i++)
#pragma unroll
                for (int j = 0; j < ACROSS; j++) sum[i][j] += rows[i] * columns[j];
#if SUMS
            if (sums) column_sum += b[now][deep][threadIdx.x];
#endif
        }
        if (left > 0) {
            sides.a.put<A_WAY>(a[1 - now], next_a);
            sides.b.put<B_WAY>(b[1 - now], next_b);
        }
        __syncthreads();
        if (BLOCKED && panel % BLOCK == BLOCK - 1) {
            column_total += column_sum;
            column_sum = 0;
#pragma unroll
            for (int i = 0; i < DOWN; i++)
#pragma unroll
                for (int j = 0; j < ACROSS; j++) total[i][j] += sum[i][j], sum[i][j] = 0;
        }
    }

    // The sums change hands through shared memory, a row of each thread at a time: neighbours write side by side, and the
    // epilogue stands in the text once.
    SUM* stage = &a[0][0][0];
#pragma unroll 1
    for (int i = 0; i < DOWN; i++) {
#pragma unroll
        for (int own = 0; own < DOWN; own++) {
            if (own != i) continue;
#pragma unroll
            for (int j = 0; j < ACROSS; j++) stage[y * TILE + place<ACROSS>(x, j)] = total[own][j] + sum[own][j];
        }
        __syncthreads();
#pragma unroll 1
        for (int at = threadIdx.x; at < TILE / DOWN * TILE; at += THREADS) {
            const i64 r = row + place<DOWN>(at / TILE, i), c = column + at % TILE;
            if (r >= frame.m || c >= frame.n) continue;
            const i64 flat = batch * frame.batch_step + r * frame.row_step + c;
#if SPLIT
            ((SUM*)frame.scratch)[slice * frame.len + flat] = stage[at];
#else
            finish(p.finish, (Flat)flat, (COMPUTED)stage[at]);
#endif
        }
        __syncthreads();
    }
#if SUMS
    const i64 c = column + threadIdx.x;
    if (!sums || c >= frame.n) return;
    const i64 line = batch * frame.n + c;
#if SPLIT
    const i64 lines = frame.batches * frame.n, slices = (frame.k + frame.depth - 1) / frame.depth;
    ((SUM*)frame.scratch)[slices * frame.len + slice * lines + line] = column_total + column_sum;
#else
    ((STORED*)frame.sums)[line] = Narrow<STORED>::of((COMPUTED)(column_total + column_sum));
#endif
#endif
}
