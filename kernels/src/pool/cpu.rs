//! The family on the CPU: bands of rows of the result, each computed by one thread.
//!
//! The loops want channels side by side, as numbers in which sums are kept. Images that lie otherwise are brought into
//! this form band by band.

use super::{Pool, PoolOp, PoolSizes};
use crate::{
    Error, Operand, Slide, Step,
    cpu::{
        Context, Cpu, Launch, Place,
        rows::{Load, Number, Store},
        share,
    },
    map::cpu::{Blocks, Port},
};
use loops::{Grid, Loop, Loops, Row};
use std::ops::Range;

mod loops;

/// Pixels from which on a second thread pays: some 3 us of work. Tests divide even the smallest.
const HEAVY: usize = if cfg!(test) { 1 } else { 16 * 1024 };

/// Elements of a band, of the image or the result, whichever is larger: they stay in the cache nearest to the core.
/// Tests cut even small images.
const BAND: usize = if cfg!(test) { 32 } else { 4 * 1024 };

/// Scratch that no machine has; what is below can be added up without a thought for overflow.
const TOO_MUCH: usize = 1 << 46;

pub(crate) fn prepare(pool: &Pool, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    Ok(match step.inputs.first().map(|input| input.dtype) {
        Some(crate::DType::F64) => Box::new(Bands::<f64>::new(pool, step, cpu)?),
        _ => Box::new(Bands::<f32>::new(pool, step, cpu)?),
    })
}

/// An operand of the loops: the pooled image, the one beside it, or the values that are scattered.
struct Source<A> {
    place: Place,
    strides: [isize; 4],
    /// Elements along the width and the channels.
    row: [usize; 2],
    /// Bytes of an element.
    size: isize,
    /// Set if rows must be brought into the form that the loops take.
    load: Option<Load<A>>,
}

impl<A: Number> Source<A> {
    fn new(operand: &Operand) -> Result<Source<A>, Error> {
        let ([_, _, width, channels], [n, h, w, c]) = (&operand.layout.shape[..], &operand.layout.strides[..]) else {
            return Err(Error::invalid("a pooling of what are no images"));
        };
        let direct = operand.dtype == A::DTYPE && (*c == 1 || *channels == 1);
        Ok(Source {
            place: operand.into(),
            strides: [*n, *h, *w, *c],
            row: [*width, *channels],
            size: operand.dtype.size() as isize,
            load: (!direct).then(|| A::load(operand.dtype)),
        })
    }

    /// Bytes of scratch for so many rows.
    fn scratch(&self, rows: usize) -> usize {
        let [width, channels] = self.row;
        let bytes = rows.saturating_mul(width).saturating_mul(channels).saturating_mul(size_of::<A>());
        if self.load.is_some() { bytes.min(TOO_MUCH).next_multiple_of(64) } else { 0 }
    }

    /// Rows of image `image`, as a grid of the whole image of which only these rows may be touched.
    ///
    /// # Safety
    /// The rows exist; if the grid is not direct, `stage` has room for them and nobody else uses it.
    unsafe fn rows(&self, context: &Context<'_>, image: usize, rows: Range<usize>, stage: *mut A) -> Grid<A> {
        let [n, h, w, c] = self.strides;
        let [width, channels] = self.row;
        let start = context.at::<u8>(self.place).wrapping_offset(image as isize * n * self.size);
        let Some(load) = self.load else { return Grid { start: start.cast(), row: h, column: w } };
        let whole = channels as isize * c == w;
        let mut to = stage;
        for row in rows.clone() {
            let from = start.wrapping_offset(row as isize * h * self.size);
            // SAFETY: the row lies inside the operand, and the stage has room for it.
            unsafe {
                if whole {
                    load(from, c, to, width * channels);
                    to = to.add(width * channels);
                    continue;
                }
                for column in 0..width {
                    load(from.offset(column as isize * w * self.size), c, to, channels);
                    to = to.add(channels);
                }
            }
        }
        let row = width * channels;
        Grid { start: stage.wrapping_sub(rows.start * row), row: row as isize, column: channels as isize }
    }
}

struct Bands<A> {
    op: PoolOp,
    sizes: PoolSizes,
    slides: [Slide; 2],
    window: [usize; 2],
    first: Source<A>,
    second: Option<Source<A>>,
    result: Place,
    /// Turns a band into what the output or the epilogue takes, if that is not `A`.
    store: Option<(Store<A>, usize)>,
    epilogue: Option<Blocks>,
    /// Rows of the result in an image, and in a band.
    rows: usize,
    band: usize,
    /// Elements of a row of the result.
    row: usize,
    /// Where the parts of a thread's scratch begin.
    second_at: usize,
    panel_at: usize,
    blocks_at: usize,
    heavy: bool,
    run: Loop<A>,
}

impl<A: Loops> Bands<A> {
    fn new(pool: &Pool, step: &Step, cpu: Cpu) -> Result<Bands<A>, Error> {
        let unfit = || Error::invalid("a pooling of operands that do not fit");
        let (inputs, extra) = step.inputs.split_at_checked(pool.op.inputs()).ok_or_else(unfit)?;
        let output = step.outputs.first().ok_or_else(unfit)?;
        let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.layout.shape.as_slice()).collect();
        let sizes = pool.sizes(&shapes, &output.layout.shape).ok_or_else(unfit)?;
        let first = Source::new(inputs.first().ok_or_else(unfit)?)?;
        let second = inputs.get(1).map(Source::new).transpose()?;
        let (epilogue, given) = match &pool.epilogue {
            None => (None, output.dtype),
            Some(expr) => {
                let ports: Vec<Port<'_>> =
                    std::iter::once(Port::Given).chain(extra.iter().map(Port::Operand)).collect();
                let outputs: Vec<Port<'_>> = step.outputs.iter().map(Port::Operand).collect();
                let blocks = Blocks::new(expr, &output.layout.shape, &ports, &outputs, cpu.isa)?;
                (Some(blocks), expr.inputs().first().copied().ok_or_else(unfit)?)
            }
        };
        let [rows, columns] = if pool.op.scatters() { sizes.pixels } else { sizes.positions };
        let row = columns * sizes.channels;
        let widest = sizes.pixels[1].max(sizes.positions[1]).saturating_mul(sizes.channels);
        // Bands of scatters begin with a window where there is no padding.
        let grain = if pool.op.scatters() { pool.slides[0].stride } else { 1 };
        let band = (BAND / widest.max(1)).max(1).next_multiple_of(grain).min(rows.max(1));
        let mut bands = Bands {
            op: pool.op,
            sizes,
            slides: pool.slides,
            window: pool.window,
            first,
            second,
            result: output.into(),
            store: (given != A::DTYPE).then(|| (A::store(given), given.size())),
            epilogue,
            rows,
            band,
            row,
            second_at: 0,
            panel_at: 0,
            blocks_at: 0,
            heavy: false,
            run: A::choose(cpu.isa),
        };
        bands.lay_out();
        if bands.blocks_at >= TOO_MUCH {
            return Err(Error::out_of_memory(format!("a pooling of {:?} needs too much scratch", shapes[0])));
        }
        let work = [sizes.images, sizes.pixels[0], sizes.pixels[1], sizes.channels];
        bands.heavy = work.into_iter().fold(1, usize::saturating_mul) >= HEAVY;
        Ok(bands)
    }

    /// Settles where the parts of the scratch begin.
    fn lay_out(&mut self) {
        let Slide { stride, dilation, .. } = self.slides[0];
        let reach = self.window[0].saturating_sub(1) * dilation;
        let positions = if self.op.scatters() { (self.band - 1 + reach) / stride + 1 } else { self.band };
        let positions = positions.min(self.sizes.positions[0]);
        let pixels = (positions.saturating_sub(1) * stride + reach + 1).min(self.sizes.pixels[0]);
        let (first, second) = match self.op {
            PoolOp::Max | PoolOp::Sum => (pixels, 0),
            PoolOp::MaxGather => (pixels, pixels),
            PoolOp::MaxScatter => (pixels, positions),
            PoolOp::SumScatter => (positions, 0),
        };
        self.second_at = self.first.scratch(first);
        self.panel_at = self.second_at + self.second.as_ref().map_or(0, |source| source.scratch(second));
        let panel = if self.epilogue.is_some() || self.store.is_some() {
            (self.band.saturating_mul(self.row).saturating_mul(size_of::<A>())).min(TOO_MUCH).next_multiple_of(64)
        } else {
            0
        };
        self.blocks_at = self.panel_at + panel;
    }

    /// The first pixel under a window, and how many of its taps are over the image.
    #[inline]
    fn under(&self, position: usize) -> (usize, usize) {
        loops::under(self.slides[0], position, self.window[0], self.sizes.pixels[0])
    }

    /// The rows of pixels that windows at these positions may see.
    fn seen(&self, positions: &Range<usize>) -> Range<usize> {
        let Slide { stride, dilation, padding } = self.slides[0];
        if positions.is_empty() || self.window[0] == 0 {
            return 0..0;
        }
        let end = (positions.end - 1) * stride + (self.window[0] - 1) * dilation + 1;
        let end = end.saturating_sub(padding).min(self.sizes.pixels[0]);
        (positions.start * stride).saturating_sub(padding).min(end)..end
    }

    /// The positions whose windows may see one of these rows of pixels.
    fn seeing(&self, pixels: &Range<usize>) -> Range<usize> {
        let Slide { stride, dilation, padding } = self.slides[0];
        let reach = self.window[0].saturating_sub(1) * dilation;
        let end = ((pixels.end + padding).div_ceil(stride)).min(self.sizes.positions[0]);
        (pixels.start + padding).saturating_sub(reach).div_ceil(stride).min(end)..end
    }

    /// Computes rows of the result in one image.
    ///
    /// # Safety
    /// The rows exist, at most `band` of them, and no other thread works on them.
    unsafe fn band(&self, context: &Context<'_>, thread: usize, image: usize, rows: Range<usize>) {
        let scratch = context.scratch(thread);
        let flat = (image * self.rows + rows.start) * self.row;
        let len = rows.len() * self.row;
        let in_place = self.epilogue.is_none() && self.store.is_none();
        let panel: *mut A = if in_place {
            context.at::<A>(self.result).wrapping_add(flat)
        } else {
            scratch.wrapping_add(self.panel_at).cast()
        };
        let stage = [scratch.cast::<A>(), scratch.wrapping_add(self.second_at).cast()];
        // SAFETY: verified operands; the scratch has room for what `lay_out` counted, the panel for the band.
        unsafe {
            if self.op.scatters() {
                self.scatter(context, image, rows, panel, stage);
            } else {
                self.windows(context, image, rows, panel, stage);
            }
            match (&self.epilogue, self.store) {
                (Some(blocks), store) => {
                    if let Some((store, _)) = store {
                        // Narrower elements: each is written where elements were read before.
                        store(panel, panel.cast(), 1, len);
                    }
                    let rest = scratch.wrapping_add(self.blocks_at);
                    blocks.run(context, flat..flat + len, panel.cast(), std::ptr::null_mut(), rest);
                }
                (None, Some((store, size))) => {
                    store(panel, context.at::<u8>(self.result).wrapping_add(flat * size), 1, len);
                }
                (None, None) => {}
            }
        }
    }

    /// # Safety
    /// As for [`Bands::band`]; `panel` has room for the rows, `stage` for the images' rows that they need.
    unsafe fn windows(
        &self,
        context: &Context<'_>,
        image: usize,
        rows: Range<usize>,
        panel: *mut A,
        stage: [*mut A; 2],
    ) {
        let seen = self.seen(&rows);
        // SAFETY: as the caller promises.
        let x = unsafe { self.first.rows(context, image, seen.clone(), stage[0]) };
        let t = match &self.second {
            // SAFETY: as above.
            Some(second) => unsafe { second.rows(context, image, seen, stage[1]) },
            None => x,
        };
        let mut out = Grid { start: panel, row: self.row as isize, column: self.sizes.channels as isize };
        for position in rows {
            let (pixel, taps) = self.under(position);
            let row = self.row(taps, 0..taps, [x.skip_rows(pixel), t.skip_rows(pixel), out]);
            // SAFETY: the grids hold the taps of this row of windows and its results; the CPU was checked for the
            // instruction set.
            unsafe { (self.run)(&row) };
            out = out.skip_rows(1);
        }
    }

    /// # Safety
    /// As for [`Bands::windows`].
    unsafe fn scatter(
        &self,
        context: &Context<'_>,
        image: usize,
        rows: Range<usize>,
        panel: *mut A,
        stage: [*mut A; 2],
    ) {
        let positions = self.seeing(&rows);
        // SAFETY: as the caller promises; zero is zero bytes in every float.
        let (x, y) = unsafe {
            panel.write_bytes(0, rows.len() * self.row);
            match &self.second {
                Some(second) => (
                    self.first.rows(context, image, self.seen(&positions), stage[0]),
                    second.rows(context, image, positions.clone(), stage[1]),
                ),
                None => {
                    let y = self.first.rows(context, image, positions.clone(), stage[0]);
                    (y, y)
                }
            }
        };
        let start = panel.wrapping_sub(rows.start * self.row);
        let out = Grid { start, row: self.row as isize, column: self.sizes.channels as isize };
        let dilation = self.slides[0].dilation;
        for position in positions {
            let (pixel, taps) = self.under(position);
            // The taps over this band.
            let first = rows.start.saturating_sub(pixel).div_ceil(dilation).min(taps);
            let end = rows.end.saturating_sub(pixel).div_ceil(dilation).min(taps);
            let row = self.row(
                taps,
                first..end.max(first),
                [x.skip_rows(pixel), y.skip_rows(position), out.skip_rows(pixel)],
            );
            // SAFETY: the grids hold the taps of this row of windows, and the panel those that are written; the CPU was
            // checked for the instruction set.
            unsafe { (self.run)(&row) };
        }
    }

    fn row(&self, taps: usize, written: Range<usize>, [x, y, out]: [Grid<A>; 3]) -> Row<A> {
        let tapped = |grid: Grid<A>| Grid { row: grid.row.wrapping_mul(self.slides[0].dilation as isize), ..grid };
        Row {
            op: self.op,
            x: tapped(x),
            y: if self.op == PoolOp::MaxGather { tapped(y) } else { y },
            out: if self.op.scatters() { tapped(out) } else { out },
            taps,
            written,
            slide: self.slides[1],
            window: self.window[1],
            pixels: self.sizes.pixels[1],
            positions: self.sizes.positions[1],
            channels: self.sizes.channels,
        }
    }
}

impl<A: Loops> Launch for Bands<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        if self.row == 0 || self.rows == 0 {
            return Ok(());
        }
        let bands = self.rows.div_ceil(self.band);
        let units = self.sizes.images * bands;
        let threads = if self.heavy { context.team.threads().min(units) } else { 1 };
        context.team.run(threads, &|thread| {
            for unit in share(units, 1, threads, thread) {
                let (image, start) = (unit / bands, unit % bands * self.band);
                // SAFETY: the rows exist; bands are shared out.
                unsafe { self.band(context, thread, image, start..(start + self.band).min(self.rows)) };
            }
        });
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        self.blocks_at + self.epilogue.as_ref().map_or(0, Blocks::scratch)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Device, Isa, Memory, Program, conformance};

    #[test]
    fn bands_and_threads_do_not_show() {
        // semantics 8.10
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let device = Device::cpu().isa(isa).unwrap().threads(3);
            conformance::run("pool", &device).unwrap();
            conformance::same_bits("pool", &device, &[2, 7]).unwrap();
        }
    }

    /// One element can be read as an image without end; scratch for it is refused, not attempted.
    #[test]
    fn too_much_scratch_is_an_error() {
        // semantics 6.7
        for (step, image) in [
            ("sum_pool{window=[17592186044416, 1]} (extern0@0 f32[1, IMAGE, 1, 2]/[0, 0, 0, 0])", "17592186044416"),
            (
                "max_pool{window=[1152921504606846975, 1]} (extern0@0 f32[1, IMAGE, 1, 2]/[0, 0, 0, 0])",
                "1152921504606846975",
            ),
        ] {
            let step = step.replace("IMAGE", image);
            let text = format!(
                "program arena=0\nextern 0 \"x\" f32[1]\nextern 1 \"y\" f32[2] written\n%0: {step} -> (extern1@0 f32[1, 1, 1, 2])"
            );
            let program: Program = text.parse().unwrap();
            program.verify().unwrap();
            let why = Device::cpu().executor().unwrap().load(&program).unwrap_err();
            assert!(why.is_out_of_memory() && why.to_string().contains(image), "{why}");
        }
    }

    /// A large image without any windows, and strides along one pixel that nothing is multiplied by.
    #[test]
    fn no_windows_and_wild_strides_are_no_trouble() {
        let wild = "[9223372036854775807, 9223372036854775807, -9223372036854775807, 9223372036854775807]";
        for (step, wanted) in [
            ("max_pool{window=[2, 2]} (extern0@0 f32[1, 200, 100, 1]) -> (extern1@0 f32[1, 0, 9, 1])".into(), [7.0; 9]),
            (
                format!(
                    "sum_pool{{window=[1, 1], padding=[1, 1]}} (extern0@0 f32[1, 1, 1, 1]/{wild}) -> (extern1@0 f32[1, 3, 3, 1])"
                ),
                [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
            ),
        ] {
            let text = format!("program arena=0\nextern 0 \"x\" f32[20000]\nextern 1 \"y\" f32[9] written\n%0: {step}");
            let program: Program = text.parse().unwrap();
            let mut executor = Device::cpu().threads(2).executor().unwrap();
            let mut loaded = executor.load(&program).unwrap();
            let (x, mut y) = (vec![1f32; 20000], [7f32; 9]);
            let memory = [Memory::Read(bytemuck::cast_slice(&x)), Memory::Write(bytemuck::cast_slice_mut(&mut y))];
            executor.run(&mut loaded, 1, memory.into_iter()).unwrap();
            assert_eq!(y, wanted, "{step}");
        }
    }
}
