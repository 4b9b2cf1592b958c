// The matrices of gemm: any strides. Defined by the host: AXES, those of the batch.

struct Side { u64 start; i64 line, deep, step[AXES], along_sum; };
struct Operands { Side a, b; i64 size[AXES]; };

// The panels of one matrix.
template <int WAY> struct Strided {
    Slots slots;
    const STORED* from;
    // Elements from one slot to the next, and from panel to panel.
    i64 step, advance;
    // Bit s: slot s is a line of the matrix.
    u32 inside;

    METHOD void aim(const Side& side, i64 batch_offset, i64 line, i64 lines, i64 first) {
        slots = Slots::of(WAY, side.along_sum);
        inside = 0;
        for (int s = 0; s < PIECE; s++) inside |= (u32)(line + slots.line + s * slots.line_step < lines) << s;
        step = slots.deep_step * side.deep + slots.line_step * side.line;
        advance = DEEP * side.deep;
        from = (const STORED*)side.start + batch_offset + (line + slots.line) * side.line + (first + slots.deep) * side.deep;
    }

    METHOD Piece fetch(i64 left) {
        Piece piece = {};
        if (WAY != ONE) {
            // What is read several at a time ends with a multiple of that.
            for (int s = 0; s < RUNS; s++)
                if ((inside >> s & 1) && slots.deep < left) piece.run[s] = *(const Run*)(from + s * step);
        } else {
            for (int s = 0; s < PIECE; s++)
                if ((inside >> s & 1) && slots.deep + s * slots.deep_step < left) piece.run[s / RUN].at[s % RUN] = from[s * step];
        }
        from += advance;
        return piece;
    }
};

struct Sides {
    Strided<A_WAY> of_a;
    Strided<B_WAY> of_b;
    Slots a, b;

    METHOD void aim(const Operands& o, const Frame& frame, u32 batch, i64 row, i64 column, i64 first) {
        i64 at_a = 0, at_b = 0;
        for (int axis = AXES - 1; axis >= 0; axis--) {
            const i64 index = batch % (u32)o.size[axis];
            batch /= (u32)o.size[axis];
            at_a += index * o.a.step[axis];
            at_b += index * o.b.step[axis];
        }
        of_a.aim(o.a, at_a, row, frame.m, first);
        of_b.aim(o.b, at_b, column, frame.n, first);
        a = of_a.slots;
        b = of_b.slots;
    }
    METHOD void ahead(int, i64) {}
    METHOD Piece fetch_a(int, i64 left) { return of_a.fetch(left); }
    METHOD Piece fetch_b(int, i64 left) { return of_b.fetch(left); }
};
