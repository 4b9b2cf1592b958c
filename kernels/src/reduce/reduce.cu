// A reduction, or one of its two stages. Above stand the types and operators of one text: V, the type of values; Acc, what is
// accumulated, with neutral() and fold(); Reduction, the parameters; Number, wide enough for every count; COLUMNS, whether
// neighbouring threads take neighbouring results rather than neighbouring elements of one result; WIDTH, elements that are
// loaded together; and as functions the expressions: `elements` folds those at one place, `finish` stores a result.

// Values that are folded one after another before they meet the sum of those before: so that errors of long sums stay small.
#define CHUNK 32

// Loads of a thread that are under way together.
#define AT_ONCE 4

extern "C" __global__ void __launch_bounds__(THREADS) reduce(const __grid_constant__ Reduction r) {
    __shared__ Acc accs[THREADS];
    const u32 lanes = (u32)r.lanes, slots = THREADS / lanes;
    const u32 lane = COLUMNS ? threadIdx.x / slots : threadIdx.x % lanes;
    const u32 slot = COLUMNS ? threadIdx.x % slots : threadIdx.x / lanes;
    const Number first = (Number)blockIdx.x * slots;
    const Number result = first + slot;
    Acc total = neutral();
    if (result < (Number)r.results) {
        Number place = (Number)r.segment * blockIdx.y;
        const Number end = (Number)r.places - place < (Number)r.segment ? (Number)r.places : place + (Number)r.segment;
        // Before this place, WIDTH elements are there everywhere.
        const Number most = (Number)r.elements / WIDTH, whole = WIDTH > 1 && most < end ? most : end;
        const Start start = start_of(r, result);
        for (place += lane; place < end;) {
            Acc chunk = neutral();
            for (int i = 0; i < CHUNK && place < end; i += AT_ONCE) {
                if (place < whole && whole - place > (AT_ONCE - 1) * lanes) {
                    #pragma unroll
                    for (int k = 0; k < AT_ONCE; k++, place += lanes) chunk = elements<true>(r, start, place, chunk);
                } else {
                    for (; place < end; place += lanes) chunk = elements<false>(r, start, place, chunk);
                }
            }
            total = fold(total, chunk);
        }
    }
    accs[threadIdx.x] = total;
    __syncthreads();
    // The lanes of a slot, in a tree.
    for (u32 lower = lanes / 2; lower > 0; lower /= 2) {
        if (lane < lower) {
            accs[threadIdx.x] = fold(accs[threadIdx.x], accs[threadIdx.x + lower * (COLUMNS ? slots : 1)]);
        }
        __syncthreads();
    }
    if (threadIdx.x < slots && first + threadIdx.x < (Number)r.results) {
        finish(r, first + threadIdx.x, accs[COLUMNS ? threadIdx.x : threadIdx.x * lanes]);
    }
}
