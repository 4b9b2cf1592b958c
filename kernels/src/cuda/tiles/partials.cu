// Adds up what the slices of a sum gave, in their order, and finishes the elements; the sums of columns come after them.
// Defined by the host: STORED, SUM, COMPUTED, SUMS.

struct Parameters { i64 slices, len, lines; u64 sums, scratch; Finish finish; };

extern "C" __global__ void __launch_bounds__(256) partials(const __grid_constant__ Parameters p) {
    const i64 flat = (i64)blockIdx.x * 256 + threadIdx.x;
    const bool element = flat < p.len;
    if (flat >= p.len + p.lines) return;
    const i64 step = element ? p.len : p.lines;
    const SUM* from = (const SUM*)p.scratch + (element ? flat : p.slices * p.len + flat - p.len);
    SUM sum = 0;
#pragma unroll 4
    for (i64 slice = 0; slice < p.slices; slice++) sum += from[slice * step];
    if (element) finish(p.finish, (Flat)flat, (COMPUTED)sum);
#if SUMS
    else ((STORED*)p.sums)[flat - p.len] = Narrow<STORED>::of((COMPUTED)sum);
#endif
}
