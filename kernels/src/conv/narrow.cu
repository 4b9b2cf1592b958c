// Convolution and its images' gradient where groups are narrow: a thread for an element of the result. Neighbours in a warp have
// neighbouring channels, which lie side by side.

struct Parameters { Operands operands; i64 len, columns, groups, taps_down; Finish finish; };

extern "C" __global__ void __launch_bounds__(256, 4) narrow(const __grid_constant__ Parameters p) {
    const Operands& o = p.operands;
    const i64 flat = (i64)blockIdx.x * 256 + threadIdx.x;
    if (flat >= p.len) return;
    const Flat row = (Flat)flat / (Flat)(p.columns * p.groups);
    const u32 channel = (u32)((Flat)flat % (Flat)(p.columns * p.groups));
    const u32 group = channel / (u32)p.columns, column = channel % (u32)p.columns;
    const Point here = position(o, digits((u32)row, o.positions));
    const STORED* a = (const STORED*)o.a + group * o.a_group;
    const STORED* b = (const STORED*)o.b + group * o.b_group + column * o.b_stride[3];
    SUM sum = 0;
    for (int i = 0; i < (int)p.taps_down; i++) {
        for (int j = 0; j < (int)o.taps[0]; j++) {
            i64 at_a;
            if (!find(o, here, tap(o, { i, j, 0 }), at_a)) continue;
            i64 at_b = i * o.b_stride[0] + j * o.b_stride[1];
            SUM part = 0;
            for (int c = 0; c < (int)o.taps[1]; c++) {
                part += (SUM)widen(a[at_a]) * (SUM)widen(b[at_b]);
                at_a += o.a_stride[3];
                at_b += o.b_stride[2];
            }
            sum += part;
        }
    }
    finish(p.finish, (Flat)flat, (COMPUTED)sum);
}
