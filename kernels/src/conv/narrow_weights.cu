// The weights' gradient where groups are narrow. A block takes one tap, 32 filters and a slice of the positions; neighbours in
// a warp have neighbouring channels. Its warps share the positions, and add up what they have in a fixed order.

#define WARPS 8
#define BLOCK 64

struct Parameters {
    Operands operands;
    i64 rows, columns, groups, terms, depth, len, across;
    u64 sums, scratch;
    Finish finish;
};

// The sum of what the block's warps have, for the first of them.
FN SUM added_up(SUM (&shared)[WARPS][32], SUM sum) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    shared[warp][lane] = sum;
    __syncthreads();
    sum = 0;
    for (int other = 0; other < WARPS; other++) sum += shared[other][lane];
    __syncthreads();
    return sum;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, 4) narrow_weights(const __grid_constant__ Parameters p) {
    __shared__ SUM shared[WARPS][32];
    const Operands& o = p.operands;
    u32 rest = blockIdx.x;
    const u32 channels = (u32)(p.columns * p.groups);
    const u32 filter = rest % (u32)p.across * 32 + threadIdx.x % 32;
    rest /= (u32)p.across;
    // At least one row is visited, for the sums of channels.
    const u32 rows = p.rows > 0 ? (u32)p.rows : 1;
    const u32 row = rest % rows, slice = rest / rows;
    const i64 first = slice * p.depth;
    const i64 end = first + p.depth < p.terms ? first + p.depth : p.terms;
    SUM total = 0, channel_total = 0;
    if (filter < channels) {
        const u32 group = filter / (u32)p.columns;
        const STORED* a = (const STORED*)o.a + group * o.a_group;
        const STORED* b = (const STORED*)o.b + filter * o.b_stride[3];
        const Point here = p.rows > 0 ? tap(o, digits(row, o.taps)) : Point { NOWHERE, NOWHERE, 0 };
        for (i64 block = first + threadIdx.x / 32; block < end; block += BLOCK * WARPS) {
            SUM sum = 0, channel_sum = 0;
            for (i64 term = block; term < block + BLOCK * WARPS && term < end; term += WARPS) {
                const Digits d = digits((u32)term, o.positions);
                i64 at;
                const bool found = find(o, here, position(o, d), at);
                if (!found && !(SUMS && row == 0)) continue;
                const SUM y = (SUM)widen(b[d.u * o.b_stride[0] + d.v * o.b_stride[1] + d.w * o.b_stride[2]]);
                if (found) sum += (SUM)widen(a[at]) * y;
                channel_sum += y;
            }
            total += sum;
            channel_total += channel_sum;
        }
    }
    total = added_up(shared, total);
    const bool element = threadIdx.x < 32 && filter < channels;
    if (element && p.rows > 0) {
        const i64 flat = (i64)row * channels + filter;
#if SPLIT
        ((SUM*)p.scratch)[slice * p.len + flat] = total;
#else
        finish(p.finish, (Flat)flat, (COMPUTED)total);
#endif
    }
#if SUMS
    if (row != 0) return;
    channel_total = added_up(shared, channel_total);
    if (!element) return;
#if SPLIT
    const i64 slices = (p.terms + p.depth - 1) / p.depth;
    ((SUM*)p.scratch)[slices * p.len + (i64)slice * channels + filter] = channel_total;
#else
    ((STORED*)p.sums)[filter] = Narrow<STORED>::of((COMPUTED)channel_total);
#endif
#endif
}
