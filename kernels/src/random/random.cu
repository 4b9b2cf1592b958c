// Random numbers: a thread for a block of four words. Above stand T, the type of elements; whether BITS or NORMAL numbers are
// drawn (else uniform ones); WIDTH, elements that are stored together; and the constants of Philox.

struct Draw {
    const u64* seed;
    const u64* run;
    T* y;
    i64 elements;
    u64 stream;
};

FN u64 mix(u64 x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

struct Words { u32 at[4]; };

// Philox 4x32 with 10 rounds.
FN Words philox(u64 block, u64 run, u64 key) {
    Words w = { { (u32)block, (u32)(block >> 32), (u32)run, (u32)(run >> 32) } };
    u32 low = (u32)key, high = (u32)(key >> 32);
    #pragma unroll
    for (int round = 0; round < 10; round++) {
        const u64 a = (u64)w.at[0] * MULTIPLIER_0, b = (u64)w.at[2] * MULTIPLIER_1;
        w = { { (u32)(b >> 32) ^ w.at[1] ^ low, (u32)b, (u32)(a >> 32) ^ w.at[3] ^ high, (u32)a } };
        low += WEYL_0;
        high += WEYL_1;
    }
    return w;
}

#define PER_BLOCK (sizeof(T) == 8 && !BITS ? 2 : 4)

// Two words as a number, the earlier one its low half.
FN u64 joined(Words w, int pair) { return (u64)w.at[2 * pair] | (u64)w.at[2 * pair + 1] << 32; }

FN void draw(Words w, Pack<i64, 4>& out) {
    for (int k = 0; k < 4; k++) out.at[k] = (i64)w.at[k];
}

// Both conversions and both products are exact.
FN f32 unit(u32 word) { return (f32)(word >> 8) * (1.0f / 16777216.0f); }
FN f64 unit(u64 word) { return (f64)(word >> 11) * (1.0 / 9007199254740992.0); }

FN void draw(Words w, Pack<f32, 4>& out) {
    for (int k = 0; k < 4; k += 2) {
        if (NORMAL) {
            const f32 u = fmaxf(__uint2float_rn(w.at[k]), 0.5f) * (1.0f / 4294967296.0f);
            const f32 radius = sqrtf(-2.0f * logf(u));
            // The angle in half turns: no multiple of pi is ever rounded.
            const f32 turns = 2.0f * unit(w.at[k + 1]);
            out.at[k] = radius * cospif(turns);
            out.at[k + 1] = radius * sinpif(turns);
        } else {
            out.at[k] = unit(w.at[k]);
            out.at[k + 1] = unit(w.at[k + 1]);
        }
    }
}

FN void draw(Words w, Pack<f64, 2>& out) {
    const u64 first = joined(w, 0), second = joined(w, 1);
    if (NORMAL) {
        const f64 u = (f64)((first >> 11) + 1) * (1.0 / 9007199254740992.0);
        const f64 radius = sqrt(-2.0 * log(u)), turns = 2.0 * unit(second);
        out.at[0] = radius * cospi(turns);
        out.at[1] = radius * sinpi(turns);
    } else {
        out.at[0] = unit(first);
        out.at[1] = unit(second);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) random(const __grid_constant__ Draw r) {
    const u64 block = (u64)blockIdx.x * THREADS + threadIdx.x;
    const i64 first = (i64)(block * PER_BLOCK);
    if (first >= r.elements) return;
    const u64 key = mix(*r.seed ^ mix(r.stream));
    Pack<T, PER_BLOCK> out;
    draw(philox(block, *r.run, key), out);
    if (WIDTH == PER_BLOCK) {
        store_pack<PER_BLOCK>(r.y + first, out, r.elements - first);
    } else {
        for (int k = 0; k < PER_BLOCK; k++) if (first + k < r.elements) r.y[first + k] = out.at[k];
    }
}
