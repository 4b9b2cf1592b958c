// Panels of the matrices of a convolution. What belongs to the terms of a panel is worked out by the first threads two panels
// ahead, once for all lines.

// Lines of A that a thread reads.
#define LINES (A_WAY != ONE ? RUNS : TAPS_DEEP ? PIECE : 1)

struct Sides {
    const Operands* o;
    const STORED *from_a, *from_b;
    Point (*terms)[DEEP];
    i64 (*terms_b)[DEEP];
    u32 next, columns;
    Point rows[LINES];
    i64 column;
    Slots a, b;

    METHOD void aim(const Operands& operands, const Frame& frame, u32 group, i64 row, i64 from_column, i64 first) {
        __shared__ Point shared_terms[2][DEEP];
        __shared__ i64 shared_terms_b[2][DEEP];
        terms = shared_terms;
        terms_b = shared_terms_b;
        o = &operands;
        from_a = (const STORED*)o->a + group * o->a_group;
        from_b = (const STORED*)o->b + group * o->b_group;
        next = (u32)first;
        // Rows are positions or taps: channels lie side by side, along the sum or across rows.
        a = Slots::of(A_WAY, TAPS_DEEP);
        for (int s = 0; s < LINES; s++) {
            const i64 number = row + a.line + s * a.line_step;
            rows[s] = { NOWHERE, NOWHERE, 0 };
            if (number < frame.m)
                rows[s] = TAPS_DEEP ? position(*o, digits((u32)number, o->positions)) : tap(*o, digits((u32)number, o->taps));
        }
        b = Slots::of(B_WAY, o->b_along_sum);
        column = from_column + b.line;
        columns = (u32)frame.n;
    }

    METHOD void ahead(int panel, i64 left) {
        if (threadIdx.x < DEEP && threadIdx.x < left) {
            const Digits d = digits(next + threadIdx.x, TAPS_DEEP ? o->taps : o->positions);
            terms[panel][threadIdx.x] = TAPS_DEEP ? tap(*o, d) : position(*o, d);
            terms_b[panel][threadIdx.x] = d.u * o->b_stride[0] + d.v * o->b_stride[1] + d.w * o->b_stride[2];
        }
        next += DEEP;
    }

    METHOD Piece fetch_a(int panel, i64 left) const {
        Piece piece = {};
        i64 offset;
        if (A_WAY != ONE) {
            for (int s = 0; s < RUNS; s++)
                if (a.deep < left && find(*o, rows[s % LINES], terms[panel][a.deep], offset))
                    piece.run[s] = *(const Run*)(from_a + offset);
            return piece;
        }
        for (int s = 0; s < PIECE; s++) {
            const int deep = a.deep + s * a.deep_step;
            if (deep < left && find(*o, rows[s % LINES], terms[panel][deep], offset))
                piece.run[s / RUN].at[s % RUN] = from_a[offset];
        }
        return piece;
    }

    METHOD Piece fetch_b(int panel, i64 left) const {
        Piece piece = {};
        if (B_WAY != ONE) {
            for (int s = 0; s < RUNS; s++) {
                const i64 at = column + s * b.line_step;
                if (b.deep < left && at < columns)
                    piece.run[s] = *(const Run*)(from_b + terms_b[panel][b.deep] + at * o->b_stride[3]);
            }
            return piece;
        }
        for (int s = 0; s < PIECE; s++) {
            const int deep = b.deep + s * b.deep_step;
            const i64 at = column + s * b.line_step;
            if (deep < left && at < columns) piece.run[s / RUN].at[s % RUN] = from_b[terms_b[panel][deep] + at * o->b_stride[3]];
        }
        return piece;
    }
};
