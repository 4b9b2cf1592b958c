// What every kernel of wengert begins with: element types and the operators of the scalar IR.
// No headers: a machine that runs this may have none.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;

// 16-bit floats are storage; arithmetic on them is done in f32.
struct f16 { unsigned short bits; };
struct bf16 { unsigned short bits; };

#define FN static __device__ __forceinline__

// The offset of the element with row-major number `number`.
template <int RANK, class Number> FN i64 offset_of(Number number, const i64* size, const i64* stride) {
    i64 offset = 0;
    for (int axis = RANK - 1; axis > 0; axis--) {
        offset += (i64)(number % (Number)size[axis]) * stride[axis];
        number /= (Number)size[axis];
    }
    return offset + (i64)number * stride[0];
}

// How many of the ascending `keys` are below `key`.
FN i64 first_not_below(const u64* keys, i64 count, u64 key) {
    i64 low = 0;
    while (low < count) {
        const i64 middle = low + (count - low) / 2;
        if (keys[middle] < key) low = middle + 1; else count = middle;
    }
    return low;
}

// The first failure of a run, of which there is one record: the complement of the lowest element number whose index is out of
// range (0: none), that index, and the program's step. Once a step has settled it, no other step touches it.
struct Failure {
    u64 element;
    i64 index;
    u64 step, settled;
};

// Whether this step, or one before it, has failed: then nothing is written. The first thread settles the record, if this step
// has found out: `indices` are those that the step has looked through.
FN bool has_failed(Failure* failure, i64 step, const i64* indices) {
    const u64 element = failure->element;
    if (element && blockIdx.x == 0 && threadIdx.x == 0 && !failure->settled) {
        failure->index = indices[~element];
        failure->step = (u64)step;
        failure->settled = 1;
    }
    return element != 0;
}

// Several elements that lie side by side and are moved together, at most 16 bytes at a time.
template <class T, int N> struct alignas(sizeof(T) * N > 16 ? 16 : sizeof(T) * N) Pack { T at[N]; };

// The first of them where fewer than all exist; the others are 0. Nothing is touched that does not exist.
template <int N, class T> FN Pack<T, N> load_pack(const T* from, i64 count) {
    if (count >= N) return *(const Pack<T, N>*)from;
    Pack<T, N> pack = {};
    for (int k = 0; k < N; k++) if (k < count) pack.at[k] = from[k];
    return pack;
}
template <int N, class T> FN void store_pack(T* to, const Pack<T, N>& pack, i64 count) {
    if (count >= N) { *(Pack<T, N>*)to = pack; return; }
    for (int k = 0; k < N; k++) if (k < count) to[k] = pack.at[k];
}

// The type in which a stored element is computed, and the way between the two.
FN f32 widen(f16 x) {
    f32 y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
FN f32 widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
template <class T> FN T widen(T x) { return x; }

template <class T> struct Narrow {
    template <class C> FN T of(C x) { return x; }
};
template <> struct Narrow<f16> {
    FN f16 of(f32 x) {
        f16 y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }
};
template <> struct Narrow<bf16> {
    // Rounds half to even; NaN stays NaN.
    FN bf16 of(f32 x) {
        u32 bits = __float_as_uint(x);
        u32 rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        return { (unsigned short)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded) };
    }
};

// Integers wrap, as unsigned arithmetic does.
template <class T> struct Unsigned { typedef T type; };
template <> struct Unsigned<i32> { typedef u32 type; };
template <> struct Unsigned<i64> { typedef u64 type; };
template <class T> struct IsFloat { static const bool value = false; };
template <> struct IsFloat<f32> { static const bool value = true; };
template <> struct IsFloat<f64> { static const bool value = true; };

FN bool isnan_(f32 x) { return x != x; }
FN bool isnan_(f64 x) { return x != x; }
FN bool isinf_(f32 x) { return (__float_as_uint(x) & 0x7fffffff) == 0x7f800000; }
FN bool isinf_(f64 x) { return (__double_as_longlong(x) & 0x7fffffffffffffffll) == 0x7ff0000000000000ll; }
template <class T> FN bool op_isnan(T x) { return isnan_(x); }
template <class T> FN bool op_isinf(T x) { return isinf_(x); }
template <class T> FN bool op_isfinite(T x) { return !isnan_(x) && !isinf_(x); }
FN bool op_not(bool x) { return !x; }

template <class T> FN T op_neg(T x) { return (T)(0 - (typename Unsigned<T>::type)x); }
FN f32 op_neg(f32 x) { return -x; }
FN f64 op_neg(f64 x) { return -x; }
template <class T> FN T op_abs(T x) { return x < (T)0 ? op_neg(x) : x; }
FN f32 op_abs(f32 x) { return fabsf(x); }
FN f64 op_abs(f64 x) { return fabs(x); }
template <class T> FN T op_sign(T x) { return (T)((x > (T)0) - (x < (T)0)); }
FN f32 op_sign(f32 x) { return x == 0 || x != x ? fabsf(x) : copysignf(1.0f, x); }
FN f64 op_sign(f64 x) { return x == 0 || x != x ? fabs(x) : copysign(1.0, x); }
// NaN for NaN.
template <class T> FN T op_relu(T x) { return x <= (T)0 ? (T)0 : x; }
template <class T> FN T op_square(T x) { return (T)((typename Unsigned<T>::type)x * (typename Unsigned<T>::type)x); }

#define BOTH(name, single, twice) \
    FN f32 op_##name(f32 x) { return single; } \
    FN f64 op_##name(f64 x) { return twice; }
BOTH(exp, expf(x), exp(x))
BOTH(expm1, expm1f(x), expm1(x))
BOTH(log, logf(x), log(x))
BOTH(log1p, log1pf(x), log1p(x))
BOTH(sqrt, sqrtf(x), sqrt(x))
BOTH(rsqrt, 1.0f / sqrtf(x), 1.0 / sqrt(x))
BOTH(reciprocal, 1.0f / x, 1.0 / x)
BOTH(sin, sinf(x), sin(x))
BOTH(cos, cosf(x), cos(x))
BOTH(tanh, tanhf(x), tanh(x))
BOTH(erf, erff(x), erf(x))
BOTH(floor, floorf(x), floor(x))
BOTH(ceil, ceilf(x), ceil(x))
BOTH(round, rintf(x), rint(x))
#undef BOTH

// Without overflow: the exponential's argument is never positive.
template <class T> FN T op_sigmoid(T x) {
    T e = op_exp(-op_abs(x));
    return (x < (T)0 ? e : (T)1) / ((T)1 + e);
}
template <class T> FN T op_softplus(T x) { return (x > (T)0 ? x : (T)0) + (x != x ? x : op_log1p(op_exp(-op_abs(x)))); }

template <class T> FN T op_add(T a, T b) { return (T)((typename Unsigned<T>::type)a + (typename Unsigned<T>::type)b); }
template <class T> FN T op_sub(T a, T b) { return (T)((typename Unsigned<T>::type)a - (typename Unsigned<T>::type)b); }
template <class T> FN T op_mul(T a, T b) { return (T)((typename Unsigned<T>::type)a * (typename Unsigned<T>::type)b); }
// A quotient that overflows wraps: the only one is that of the least number by -1.
template <class T> FN T op_div(T a, T b) { return b == 0 ? (T)0 : b == (T)-1 && (T)-1 < 0 ? op_neg(a) : (T)(a / b); }
FN f32 op_div(f32 a, f32 b) { return a / b; }
FN f64 op_div(f64 a, f64 b) { return a / b; }
// The sign of the divisor; 0 for an integer divisor of 0.
template <class T> FN T op_mod(T a, T b) {
    if (b == 0 || (b == (T)-1 && (T)-1 < 0)) return 0;
    T rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? (T)(rest + b) : rest;
}
FN f32 op_mod(f32 a, f32 b) {
    f32 rest = fmodf(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
FN f64 op_mod(f64 a, f64 b) {
    f64 rest = fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
FN f32 op_pow(f32 a, f32 b) { return powf(a, b); }
FN f64 op_pow(f64 a, f64 b) { return pow(a, b); }
// NaN if either is.
template <class T> FN T op_maximum(T a, T b) { return a != a ? a : (a > b ? a : b); }
template <class T> FN T op_minimum(T a, T b) { return a != a ? a : (a < b ? a : b); }
template <class T> FN T op_and(T a, T b) { return (T)(a & b); }
template <class T> FN T op_or(T a, T b) { return (T)(a | b); }
template <class T> FN T op_xor(T a, T b) { return (T)(a ^ b); }
template <class T> FN bool op_equal(T a, T b) { return a == b; }
template <class T> FN bool op_not_equal(T a, T b) { return a != b; }
template <class T> FN bool op_less(T a, T b) { return a < b; }
template <class T> FN bool op_less_equal(T a, T b) { return a <= b; }
template <class T> FN bool op_greater(T a, T b) { return a > b; }
template <class T> FN bool op_greater_equal(T a, T b) { return a >= b; }

// Conversions: floats to integers truncate toward zero and saturate, NaN gives 0; to bool is a test for non-zero.
template <class To> struct Cast {
    template <class From> FN To of(From x) { return (To)x; }
};
template <> struct Cast<bool> {
    template <class From> FN bool of(From x) { return x != (From)0; }
};
template <> struct Cast<u8> {
    template <class From> FN u8 of(From x) { return (u8)x; }
    FN u8 of(f32 x) { return (u8)fminf(fmaxf(x, 0.0f), 255.0f); }
    FN u8 of(f64 x) { return (u8)fmin(fmax(x, 0.0), 255.0); }
};
template <> struct Cast<i32> {
    template <class From> FN i32 of(From x) { return (i32)x; }
    FN i32 of(f32 x) { return __float2int_rz(x); }
    FN i32 of(f64 x) { return x != x ? 0 : __double2int_rz(x); }
};
template <> struct Cast<i64> {
    template <class From> FN i64 of(From x) { return (i64)x; }
    FN i64 of(f32 x) { return x != x ? 0 : __float2ll_rz(x); }
    FN i64 of(f64 x) { return x != x ? 0 : __double2ll_rz(x); }
};
// A 16-bit float that is computed in f32, rounded as if it had been stored.
template <> struct Cast<f16> {
    template <class From> FN f32 of(From x) { return widen(Narrow<f16>::of((f32)x)); }
};
template <> struct Cast<bf16> {
    template <class From> FN f32 of(From x) { return widen(Narrow<bf16>::of((f32)x)); }
};
