// A product of two matrices, tile by tile, whoever knows where their elements lie: what is read, and by whom.
//
// A block computes TILE x TILE elements of the result, a thread DOWN x ACROSS of them. Along the sum it goes in panels, DEEP
// terms each, in which lines (rows of A, columns of B) lie side by side: so a thread reads what it multiplies in pieces of 16
// bytes. CHUNK elements between one term's lines and the next's keep writes free of bank conflicts, whichever way they came.
//
// Defined by the host: STORED, the elements' type; SUM, that of the sums; TILE, DOWN, ACROSS; SUMS, if the sums of B's columns
// are wanted too; SPLIT, if several blocks share a sum; A_WAY and B_WAY, how panels are read.

#define DEEP 8
#define THREADS (2 * TILE)
#define CHUNK (16 / (int)sizeof(SUM))
#define PIECE 4
#define METHOD __device__ __forceinline__

// The ways: one element at a time, or a piece of neighbours along the sum, or across lines.
#define ONE 0
#define ALONG_SUM 1
#define ACROSS_LINES 2

// Elements that are read at once: neighbours, at most 16 bytes of them, so that what a warp reads at once lies side by side too.
#define RUN (16 / (int)sizeof(STORED) < PIECE ? 16 / (int)sizeof(STORED) : PIECE)
#define RUNS (PIECE / RUN)

typedef SUM Panel[DEEP][TILE + CHUNK];
typedef Pack<STORED, RUN> Run;
struct Piece { Pack<STORED, RUN> run[RUNS]; };

// Which elements of a panel a thread brings: what it reads at once, number s of a piece, begins at (deep + s * deep_step, line +
// s * line_step). One at a time, eight threads share a line where elements lie side by side along the sum; else a warp reads 32
// lines.
struct Slots {
    int deep, line, deep_step, line_step;

    FN Slots of(int way, bool along_sum) {
        const int t = threadIdx.x;
        if (way == ALONG_SUM) return { t % (DEEP / RUN) * RUN, t / (DEEP / RUN), 0, THREADS / (DEEP / RUN) };
        if (way == ACROSS_LINES) return { t / (TILE / PIECE), t % (TILE / PIECE) * RUN, 0, TILE / RUNS };
        if (along_sum) return { t % DEEP, t / DEEP, 0, THREADS / DEEP };
        return { t / TILE, t % TILE, THREADS / TILE, 0 };
    }

    template <int WAY> METHOD void put(Panel& to, const Piece& piece) const {
        for (int s = 0; s < RUNS; s++) {
            Pack<SUM, RUN> wide;
            for (int j = 0; j < RUN; j++) wide.at[j] = (SUM)widen(piece.run[s].at[j]);
            const int down = deep + s * deep_step, across = line + s * line_step;
            if (WAY == ACROSS_LINES) *(Pack<SUM, RUN>*)&to[down][across] = wide;
            else if (WAY == ALONG_SUM) for (int j = 0; j < RUN; j++) to[down + j][across] = wide.at[j];
            else for (int j = 0; j < RUN; j++) {
                const int slot = s * RUN + j;
                to[deep + slot * deep_step][line + slot * line_step] = wide.at[j];
            }
        }
    }
};

// What is computed: m x n elements in each batch, sums of k products, `depth` of them by one block. An element's number among
// those of the whole result is batch * batch_step + row * row_step + column.
struct Frame { i64 m, n, k, down, across, batches, depth, batch_step, row_step, len; u64 sums, scratch; };
