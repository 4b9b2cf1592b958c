// The matrices of a convolution: what is read for a result and a term is found by adding what belongs to the one and the other.
//
// Of a number among rows or terms the digits are either a position (image, row, column) or a tap (row, column, channel of the
// group). A's element stands where both point to: forward and for the weights' gradient at pixel position * step + origin +
// tap * dilation; for the images' gradient at that divided by the stride, if it is a multiple. Defined by the host: TAPS_DEEP,
// if terms are taps; DIVIDED, if there is a stride to divide by.

struct Operands {
    u64 a, b;
    // Positions along the height and the width, and taps along the width and channels of a group: what digits are counted by.
    i64 positions[2], taps[2];
    // How positions and taps move over A, along the height and the width, and A's size.
    i64 step[2], origin[2], dilation[2], stride[2], limit[2];
    // Strides of A: images, rows, columns, channels; of B: the three digits of a term, and columns.
    i64 a_stride[4], b_stride[4];
    // From group to group.
    i64 a_group, b_group;
    // Whether B lies side by side along the sum rather than along columns.
    i64 b_along_sum;
};

struct Digits { int u, v, w; };

// Where in A something stands, and what it adds to the element's offset besides.
struct Point { int y, x; i64 at; };

// Far enough from any image, and nothing overflows that is added to it.
#define NOWHERE (-(1 << 30))

FN Digits digits(u32 number, const i64 (&sizes)[2]) {
    const u32 w = number % (u32)sizes[1];
    number /= (u32)sizes[1];
    return { (int)(number / (u32)sizes[0]), (int)(number % (u32)sizes[0]), (int)w };
}

FN Point position(const Operands& o, const Digits& d) {
    return { d.v * (int)o.step[0] + (int)o.origin[0], d.w * (int)o.step[1] + (int)o.origin[1], d.u * o.a_stride[0] };
}

FN Point tap(const Operands& o, const Digits& d) {
    return { d.u * (int)o.dilation[0], d.v * (int)o.dilation[1], d.w * o.a_stride[3] };
}

// Whether both together point to an element of A, and its offset.
FN bool find(const Operands& o, const Point& p, const Point& q, i64& offset) {
    int y = p.y + q.y, x = p.x + q.x;
#if DIVIDED
    if (y < 0 || x < 0 || y % (int)o.stride[0] || x % (int)o.stride[1]) return false;
    y /= (int)o.stride[0];
    x /= (int)o.stride[1];
#endif
    offset = p.at + q.at + y * o.a_stride[1] + x * o.a_stride[2];
    return (u32)y < (u32)o.limit[0] && (u32)x < (u32)o.limit[1];
}
