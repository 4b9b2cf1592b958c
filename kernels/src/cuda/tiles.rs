//! Products of matrices on the device, tile by tile: what gemm and conv are both made of.
//!
//! The families say what the matrices are made of and how their panels are read; the loop over panels, the division of the
//! work and what becomes of the sums are here.

use super::{Argument, Finish, Launch, Prepared, Source, grid_of, source};
use crate::program::Place;
use crate::{DType, Error};
use std::sync::Arc;

/// Blocks that a device is to get if there is work for them: about what fills the larger ones once. It is the same on all
/// devices, and so are the results.
const BLOCKS: usize = 128;

/// A sum that several blocks share is at least so long for each.
const SHARE: usize = 512;

/// Blocks that share a sum, at most.
const SLICES: usize = 64;

/// Threads of a block that adds up slices.
const THREADS: usize = 256;

/// Bytes to which what lies in the scratch memory is aligned.
const ALIGN: usize = 256;

/// How panels of a matrix are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// An element at a time.
    One,
    /// Four at a time that lie side by side along the sum.
    AlongSum,
    /// Four at a time that lie side by side across lines: rows of A, columns of B.
    AcrossLines,
}

impl Way {
    /// Elements that are read at a time.
    pub(crate) const PIECE: usize = 4;
}

/// A product and what becomes of it.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) dtype: DType,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) batches: usize,
    /// Elements of the result from one batch, and from one row, to the next.
    pub(crate) batch_step: usize,
    pub(crate) row_step: usize,
    pub(crate) ways: [Way; 2],
    /// The text of `Operands` and `Sides`.
    pub(crate) sides: String,
    /// The members of `Operands`.
    pub(crate) operands: Vec<Argument>,
    pub(crate) finish: Finish,
    /// Where the sums of B's columns go.
    pub(crate) sums: Option<Place>,
}

/// The type of sums: that of the arithmetic, without a sign so that integers wrap.
pub(crate) fn sum(dtype: DType) -> &'static str {
    match dtype.compute() {
        DType::I64 => "u64",
        DType::I32 | DType::U8 | DType::Bool => "u32",
        other => other.name(),
    }
}

/// What the texts of the tiles and of the slices define.
pub(crate) fn types(dtype: DType, sums: bool) -> String {
    let (sum, computed, sums) = (sum(dtype), dtype.compute(), i32::from(sums));
    format!("#define STORED {dtype}\n#define SUM {sum}\n#define COMPUTED {computed}\n#define SUMS {sums}\n")
}

/// How many blocks share each sum of `k` terms where there are `blocks` otherwise.
pub(crate) fn slices(k: usize, blocks: usize) -> usize {
    let wanted = if blocks < BLOCKS { (2 * BLOCKS).div_ceil(blocks.max(1)) } else { 1 };
    wanted.min(k / SHARE).clamp(1, SLICES)
}

/// The scratch memory of sums in slices and the launch that adds them up.
#[derive(Debug)]
pub(crate) struct Partials {
    pub(crate) scratch: usize,
    pub(crate) launch: Launch,
}

impl Partials {
    /// `len` sums of elements and `lines` of channels or columns in each of `slices`.
    pub(crate) fn new(
        dtype: DType,
        slices: usize,
        [len, lines]: [usize; 2],
        sums: Option<Place>,
        finish: &Finish,
    ) -> Result<Partials, Error> {
        let size = if matches!(sum(dtype), "u64" | "f64") { 8 } else { 4 };
        let text = [source::PRELUDE, &types(dtype, sums.is_some()), &finish.text, include_str!("tiles/partials.cu")];
        let mut words: Vec<Argument> = [slices, len, lines].map(|it| Argument::I64(it as i64)).into();
        words.extend([place(sums), Argument::Scratch(0)]);
        words.extend(finish.members.iter().cloned());
        let blocks = (len + lines).div_ceil(THREADS);
        Ok(Partials {
            scratch: (slices * (len + lines) * size).next_multiple_of(ALIGN),
            launch: Launch {
                source: Arc::new(Source { name: "partials".into(), text: text.concat() }),
                grid: [grid_of(blocks)?, 1, 1],
                block: [THREADS as u32, 1, 1],
                shared: 0,
                arguments: vec![Argument::Words(words)],
            },
        })
    }
}

/// The address of what may not be wanted.
pub(crate) fn place(place: Option<Place>) -> Argument {
    place.map_or(Argument::I64(0), Argument::Place)
}

impl Product {
    /// Tiles of the result with that many rows and columns. There is one where there are no rows, if columns are summed up.
    fn tiles(&self, tile: usize) -> [usize; 2] {
        let rows = if self.sums.is_some() { self.m.max(1) } else { self.m };
        [rows.div_ceil(tile), self.n.div_ceil(tile)]
    }

    fn blocks(&self, tile: usize) -> usize {
        let [down, across] = self.tiles(tile);
        down.saturating_mul(across).saturating_mul(self.batches)
    }

    /// The size of the tiles: the largest with which there is work for all of the device. Sums of 64 bits would not fit the
    /// registers in the largest.
    fn tile(&self) -> usize {
        let sizes: &[usize] = if sum(self.dtype) == "f32" { &[128, 64] } else { &[64] };
        let fills = |&&tile: &&usize| {
            let shares = slices(self.k, self.blocks(tile));
            self.blocks(tile).saturating_mul(shares) >= BLOCKS && self.m.min(self.n) > tile / 2
        };
        sizes.iter().find(fills).copied().unwrap_or(32)
    }

    pub(crate) fn prepare(self) -> Result<Prepared, Error> {
        let tile = self.tile();
        let [down, across] = self.tiles(tile);
        let blocks = self.blocks(tile);
        if blocks == 0 {
            return Ok(Prepared::default());
        }
        let shares = slices(self.k, blocks);
        // Whole panels for each, so that pieces of neighbours stay together.
        let depth = self.k.div_ceil(shares).next_multiple_of(64);
        let shares = self.k.div_ceil(depth.max(1)).max(1);
        let len = self.batches * self.m * self.n;
        let lines = if self.sums.is_some() { self.batches * self.n } else { 0 };
        let split = shares > 1;
        let partials =
            if split { Some(Partials::new(self.dtype, shares, [len, lines], self.sums, &self.finish)?) } else { None };

        // Where sums are split, what becomes of them is not this kernel's business: its text is the same for all.
        let finish = if split { Finish::none() } else { self.finish.clone() };
        let Product { m, n, k, batches, batch_step, row_step, .. } = self;
        let sizes = [m, n, k, down, across, batches, depth, batch_step, row_step, len];
        let mut words: Vec<Argument> = sizes.map(|it| Argument::I64(it as i64)).into();
        words.extend([place(self.sums), if split { Argument::Scratch(0) } else { Argument::I64(0) }]);
        words.extend(self.operands.iter().cloned());
        words.extend(finish.members.iter().cloned());
        let text = [source::PRELUDE, &self.defines(tile, split), &finish.text, include_str!("tiles/panels.cu")];
        let text = text.concat() + &self.sides + include_str!("tiles/tiles.cu");
        let launch = Launch {
            source: Arc::new(Source { name: "tiles".into(), text }),
            grid: [grid_of(blocks.saturating_mul(shares))?, 1, 1],
            block: [2 * tile as u32, 1, 1],
            shared: 0,
            arguments: vec![Argument::Words(words)],
        };
        let scratch = partials.as_ref().map_or(0, |partials| partials.scratch);
        let launches = std::iter::once(launch).chain(partials.map(|partials| partials.launch)).collect();
        Ok(Prepared { launches, scratch, failure: None })
    }

    /// What the text of the tiles depends on.
    fn defines(&self, tile: usize, split: bool) -> String {
        let [down, across] = match tile {
            128 => [8, 8],
            64 => [8, 4],
            _ => [4, 4],
        };
        let [a, b] = self.ways.map(|way| way as usize);
        types(self.dtype, self.sums.is_some())
            + &format!(
                "#define TILE {tile}\n#define DOWN {down}\n#define ACROSS {across}\n#define SPLIT {}\n#define A_WAY {a}\n#define B_WAY {b}\n",
                i32::from(split)
            )
    }
}
