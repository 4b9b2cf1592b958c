//! The fourth stage: sizes known, memory planned, kernels in the order in which they run.

use super::Fused;
use super::fuse::{Access, FusedKernel, Kind, Source};
use super::layout::{layout, size, sizes};
use crate::{DType, Error};
use std::fmt;
use wengert_kernels::{
    Array, Base, Conv, ConvPass, Expr, Extern, Gather, Gemm, Kernel, Layout, Map, Operand, Pool, PoolOp, Program,
    Random, Reduce, ScatterAdd, Softmax, Step,
};

/// A program for one set of sizes, and what its externs are: inputs, constants, variables (ascending), outputs.
#[derive(Clone, Debug)]
pub struct Planned {
    program: Program,
    constants: Vec<Array>,
    variables: Vec<PlannedVariable>,
    outputs: Vec<(DType, Vec<usize>)>,
}

/// A variable that a program reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedVariable {
    pub(crate) index: usize,
    pub(crate) written: bool,
}

impl Planned {
    /// Binds sizes and plans memory.
    ///
    /// # Errors
    /// When a size is missing, negative or too large.
    pub fn new(fused: &Fused, symbols: &[Option<usize>]) -> Result<Planned, Error> {
        Planner::new(fused, symbols)?.plan()
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Bytes of scratch memory, besides inputs, variables and outputs.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.program.arena
    }

    pub(crate) fn constants(&self) -> &[Array] {
        &self.constants
    }

    pub(crate) fn variables(&self) -> &[PlannedVariable] {
        &self.variables
    }

    pub(crate) fn outputs(&self) -> &[(DType, Vec<usize>)] {
        &self.outputs
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.program, f)
    }
}

/// A place in memory: which, and from which byte on.
type Place = (Base, usize);

struct Planner<'a> {
    fused: &'a Fused,
    symbols: &'a [Option<usize>],
    shapes: Vec<Vec<usize>>,
    place: Vec<Option<Place>>,
    /// The last kernel that reads each value.
    last_reader: Vec<Option<usize>>,
    arena: Arena,
    externs: Vec<Extern>,
    steps: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn new(fused: &'a Fused, symbols: &'a [Option<usize>]) -> Result<Planner<'a>, Error> {
        let mut shapes = Vec::with_capacity(fused.values.len());
        for value in &fused.values {
            let shape = sizes(&value.ty.shape, symbols)?;
            wengert_kernels::checked_len(&shape, value.ty.dtype.size())?;
            shapes.push(shape);
        }
        let mut last_reader = vec![None; fused.values.len()];
        for (number, kernel) in fused.kernels.iter().enumerate() {
            for access in &kernel.inputs {
                last_reader[access.value] = Some(number);
            }
        }
        Ok(Planner {
            fused,
            symbols,
            shapes,
            place: vec![None; fused.values.len()],
            last_reader,
            arena: Arena::default(),
            externs: Vec::new(),
            steps: Vec::new(),
        })
    }

    fn dtype(&self, value: usize) -> DType {
        self.fused.values[value].ty.dtype
    }

    fn bytes(&self, value: usize) -> usize {
        self.shapes[value].iter().product::<usize>() * self.dtype(value).size()
    }

    fn add_extern(&mut self, name: String, dtype: DType, len: usize, written: bool) -> Base {
        self.externs.push(Extern { name, dtype, len, written });
        Base::Extern(self.externs.len() as u32 - 1)
    }

    fn plan(mut self) -> Result<Planned, Error> {
        let fused = self.fused;
        for (position, (name, ty)) in fused.inputs.iter().enumerate() {
            let len = sizes(&ty.shape, self.symbols)?.iter().product();
            let base = self.add_extern(name.clone(), ty.dtype, len, false);
            for value in 0..fused.values.len() {
                if matches!(fused.values[value].source, Source::Input(p) if p == position) {
                    self.place[value] = Some((base, 0));
                }
            }
        }
        let constants = self.constants()?;
        let variables = self.variables();
        for (number, &output) in fused.outputs.iter().enumerate() {
            let len = self.shapes[output].iter().product();
            let base = self.add_extern(format!("output {number}"), self.dtype(output), len, true);
            self.place[output] = Some((base, 0));
        }
        let mut commits: Vec<(usize, Base)> = Vec::new();
        for &(variable, value) in &fused.updates {
            let number = variables.iter().position(|planned| planned.index == variable).unwrap_or_default();
            let base = Base::Extern((fused.inputs.len() + constants.len() + number) as u32);
            if self.can_overwrite(variable, value) {
                self.place[value] = Some((base, 0));
            } else {
                commits.push((value, base));
                self.last_reader[value] = Some(usize::MAX);
            }
        }
        for (number, kernel) in fused.kernels.iter().enumerate() {
            self.allocate(number, kernel);
            self.emit(kernel)?;
            self.release(number, kernel);
        }
        for (value, base) in commits {
            let operand = |place: Place| self.operand(place, value);
            let (from, to) = (self.place[value].map(operand), operand((base, 0)));
            let dtype = self.dtype(value);
            let kernel = Kernel::Map(Map { expr: Expr::copy(dtype, dtype), segments: 1 });
            self.steps.push(Step {
                kernel,
                inputs: from.into_iter().collect(),
                outputs: vec![to],
                label: "commit".into(),
            });
        }
        let program = Program { arena: self.arena.size, externs: self.externs, steps: self.steps };
        if cfg!(debug_assertions) {
            program.verify()?;
        }
        let outputs =
            fused.outputs.iter().map(|&value| (fused.values[value].ty.dtype, self.shapes[value].clone())).collect();
        Ok(Planned { program, constants, variables, outputs })
    }

    fn constants(&mut self) -> Result<Vec<Array>, Error> {
        let mut constants = Vec::new();
        for (n, value) in self.fused.values.iter().enumerate() {
            let array = match &value.source {
                Source::Constant(array) => array.clone(),
                Source::Size(dim) => Array::full(value.ty.dtype, &[], size(dim, self.symbols)? as f64)?,
                Source::Input(_) | Source::Variable(_) | Source::Kernel => continue,
            };
            let base = self.add_extern(format!("constant {}", constants.len()), array.dtype(), array.len(), false);
            self.place[n] = Some((base, 0));
            constants.push(array);
        }
        Ok(constants)
    }

    fn variables(&mut self) -> Vec<PlannedVariable> {
        let fused = self.fused;
        let mut used: Vec<(usize, usize)> = (fused.values.iter().enumerate())
            .filter_map(|(value, v)| if let Source::Variable(index) = v.source { Some((index, value)) } else { None })
            .chain(fused.updates.iter().copied())
            .collect();
        used.sort_unstable();
        let mut variables: Vec<PlannedVariable> = Vec::new();
        for (index, value) in used {
            if variables.last().is_none_or(|last| last.index != index) {
                let written = fused.updates.iter().any(|(variable, _)| *variable == index);
                let len = self.shapes[value].iter().product();
                self.add_extern(format!("variable {index}"), self.dtype(value), len, written);
                variables.push(PlannedVariable { index, written });
            }
            if matches!(fused.values[value].source, Source::Variable(_)) {
                self.place[value] = Some((Base::Extern(self.externs.len() as u32 - 1), 0));
            }
        }
        variables
    }

    /// Whether an update can be computed where the variable lies: its kernel is one that nothing waits for, and whoever
    /// reads the old value has run by then, or reads each element just before it is written.
    fn can_overwrite(&self, variable: usize, value: usize) -> bool {
        let fused = self.fused;
        let Some(producer) = fused.kernels.iter().position(|kernel| kernel.outputs.contains(&value)) else {
            return false;
        };
        // Whatever can fail runs before any variable changes.
        let may_fail = fused.kernels[producer..].iter().any(|kernel| kernel.kind.may_fail());
        let copies = matches!(fused.kernels[producer].kind, Kind::Concat(_) | Kind::Pad(_));
        if self.last_reader[value].is_some() || may_fail || copies {
            return false;
        }
        let Some(old) =
            fused.values.iter().position(|v| matches!(v.source, Source::Variable(index) if index == variable))
        else {
            return true;
        };
        match self.last_reader[old] {
            None => true,
            Some(last) if last < producer => true,
            Some(last) if last == producer => self.reads_in_step(&fused.kernels[producer], old, value),
            Some(_) => false,
        }
    }

    /// Whether a kernel reads `old` only element by element where it writes `new`.
    fn reads_in_step(&self, kernel: &FusedKernel, old: usize, new: usize) -> bool {
        let place = kernel.outputs.iter().position(|&output| output == new);
        let mut reads = kernel.inputs.iter().enumerate().filter(|(_, access)| access.value == old);
        reads.all(|(number, access)| {
            let (input_segment, output_segment) = match &kernel.kind {
                Kind::Map(expr) => {
                    (number / expr.inputs().len().max(1), place.map(|place| place / expr.outputs().len()))
                }
                kind if kind.own_inputs().is_some_and(|own| number >= own) => (0, Some(0)),
                _ => return false,
            };
            Some(input_segment) == output_segment
                && access.views.is_empty()
                && self.shapes[old] == self.shapes[new]
                && self.dtype(old).size() == self.dtype(new).size()
                && !(kernel.kind.sums_in_passing() && place == Some(kernel.outputs.len() - 1))
        })
    }

    /// Finds memory for what a kernel writes: that of an operand that is read for the last time, element by element, or a
    /// free stretch of the arena.
    fn allocate(&mut self, number: usize, kernel: &FusedKernel) {
        let mut reused: Vec<usize> = Vec::new();
        for &output in &kernel.outputs {
            if self.place[output].is_some() {
                continue;
            }
            let candidate = kernel.inputs.iter().map(|access| access.value).find(|&old| {
                matches!(self.place[old], Some((Base::Arena, _)))
                    && self.last_reader[old] == Some(number)
                    && self.bytes(old) > 0
                    && !reused.contains(&old)
                    && self.reads_in_step(kernel, old, output)
            });
            self.place[output] = match candidate {
                Some(old) => {
                    reused.push(old);
                    self.arena.hand_over(old, output);
                    self.place[old]
                }
                None => Some((Base::Arena, self.arena.allocate(output, self.bytes(output)))),
            };
        }
    }

    /// Frees what is not read again.
    fn release(&mut self, number: usize, kernel: &FusedKernel) {
        for access in &kernel.inputs {
            if self.last_reader[access.value] == Some(number) {
                self.arena.free(access.value);
            }
        }
        for &output in &kernel.outputs {
            if self.last_reader[output].is_none() {
                self.arena.free(output);
            }
        }
    }

    fn operand(&self, (base, offset): Place, value: usize) -> Operand {
        Operand { base, offset, dtype: self.dtype(value), layout: Layout::contiguous(&self.shapes[value]) }
    }

    /// An operand for reading; repeated to `space` if there is one.
    fn read(&self, access: &Access, space: Option<&[usize]>) -> Result<Operand, Error> {
        let value = access.value;
        let (base, offset) =
            self.place[value].ok_or_else(|| Error::run(format!("plan: value {value} has no memory")))?;
        let (start, mut layout) = layout(access, &self.shapes[value], self.symbols)?;
        if let Some(space) = space {
            layout = layout.broadcast_to(space)?;
        }
        Ok(Operand { base, offset: offset + start * self.dtype(value).size(), dtype: self.dtype(value), layout })
    }

    fn write(&self, value: usize) -> Result<Operand, Error> {
        self.read(&Access::whole(value), None)
    }

    fn emit(&mut self, kernel: &FusedKernel) -> Result<(), Error> {
        let outputs = kernel.outputs.iter().map(|&output| self.write(output)).collect::<Result<Vec<_>, _>>()?;
        let spaces = kernel.spaces.iter().map(|space| sizes(space, self.symbols)).collect::<Result<Vec<_>, _>>()?;
        let mut inputs = Vec::with_capacity(kernel.inputs.len());
        for (number, access) in kernel.inputs.iter().enumerate() {
            let space = match &kernel.kind {
                Kind::Map(expr) => Some(&spaces[number / expr.inputs().len().max(1)]),
                kind if kind.own_inputs().is_some_and(|own| number >= own) => Some(&outputs[0].layout.shape),
                Kind::Reduce { .. } => Some(&spaces[0]),
                _ => None,
            };
            inputs.push(self.read(access, space.map(Vec::as_slice))?);
        }
        let label = kernel.label.clone();
        let kernel = match &kernel.kind {
            Kind::Map(expr) => Kernel::Map(Map { expr: expr.clone(), segments: spaces.len() }),
            Kind::Reduce { op, axes, prologue, epilogue } => Kernel::Reduce(Reduce {
                op: *op,
                axes: axes.clone(),
                prologue: prologue.clone(),
                epilogue: epilogue.clone(),
            }),
            Kind::Gemm { column_sums, epilogue } => {
                Kernel::Gemm(Gemm { column_sums: *column_sums, epilogue: epilogue.clone() })
            }
            Kind::Conv { pass, sliding, groups, channel_sums, epilogue } => {
                let pixels = if *pass == ConvPass::InputGradient { &outputs[0] } else { &inputs[0] };
                let filters = if *pass == ConvPass::WeightGradient { &outputs[0] } else { &inputs[1] };
                let sides = |operand: &Operand, first: usize| [0, 1].map(|axis| operand.layout.shape[first + axis]);
                Kernel::Conv(Conv {
                    pass: *pass,
                    slides: sliding.slides(sides(pixels, 1), sides(filters, 0)),
                    groups: *groups,
                    channel_sums: *channel_sums,
                    epilogue: epilogue.clone(),
                })
            }
            Kind::Pool { op, window, sliding, epilogue } => {
                let image = if *op == PoolOp::SumScatter { &outputs[0] } else { &inputs[0] };
                let pixels = [0, 1].map(|axis| image.layout.shape[1 + axis]);
                let slides = sliding.slides(pixels, *window);
                Kernel::Pool(Pool { op: *op, window: *window, slides, epilogue: epilogue.clone() })
            }
            Kind::Softmax { log } => Kernel::Softmax(Softmax { log: *log }),
            Kind::Gather(axis) => Kernel::Gather(Gather { axis: *axis }),
            Kind::ScatterAdd(axis) => Kernel::ScatterAdd(ScatterAdd { axis: *axis }),
            Kind::Random(distribution, stream) => {
                Kernel::Random(Random { distribution: *distribution, stream: *stream })
            }
            Kind::Custom(custom) => Kernel::Custom(custom.clone()),
            Kind::Concat(axis) => {
                self.emit_concat(*axis, inputs, &outputs[0], &label);
                return Ok(());
            }
            Kind::Pad(widths) => {
                self.emit_pad(widths, inputs, &outputs[0], &label);
                return Ok(());
            }
        };
        self.steps.push(Step { kernel, inputs, outputs, label });
        Ok(())
    }

    fn copy(&mut self, from: Operand, to: Operand, label: &str) {
        let kernel = Kernel::Map(Map { expr: Expr::copy(from.dtype, to.dtype), segments: 1 });
        self.steps.push(Step { kernel, inputs: vec![from], outputs: vec![to], label: label.to_owned() });
    }

    /// Each part is copied into its stretch of the result.
    fn emit_concat(&mut self, axis: usize, parts: Vec<Operand>, whole: &Operand, label: &str) {
        let mut first = 0;
        for part in parts {
            let mut to = whole.clone();
            to.layout.shape.clone_from(&part.layout.shape);
            to.offset += first * whole.layout.strides[axis] as usize * whole.dtype.size();
            first += part.layout.shape[axis];
            self.copy(part, to, label);
        }
    }

    /// The result is filled, then the inner part copied over.
    fn emit_pad(&mut self, widths: &[(usize, usize)], mut inputs: Vec<Operand>, whole: &Operand, label: &str) {
        let (Some(inner), Some(mut fill)) = (inputs.pop(), inputs.pop()) else { return };
        fill.layout = Layout { shape: whole.layout.shape.clone(), strides: vec![0; whole.layout.rank()] };
        self.copy(fill, whole.clone(), label);
        let mut to = whole.clone();
        to.layout.shape.clone_from(&inner.layout.shape);
        let start: usize =
            widths.iter().zip(&whole.layout.strides).map(|(&(before, _), &stride)| before * stride as usize).sum();
        if !to.layout.is_empty() {
            to.offset += start * whole.dtype.size();
        }
        self.copy(inner, to, label);
    }
}

/// The arena while it is planned: which stretches are taken, by which value.
#[derive(Debug, Default)]
struct Arena {
    /// First byte, length, value; ascending and disjoint.
    taken: Vec<(usize, usize, usize)>,
    size: usize,
}

impl Arena {
    /// The smallest free stretch that holds `bytes`, aligned for the widest vector.
    fn allocate(&mut self, value: usize, bytes: usize) -> usize {
        const ALIGN: usize = 64;
        let bytes = bytes.max(1).next_multiple_of(ALIGN);
        let mut best: Option<(usize, usize, usize)> = None;
        let mut end = 0;
        for (place, &(start, len, _)) in self.taken.iter().enumerate() {
            let gap = start - end;
            if gap >= bytes && best.is_none_or(|(_, _, smallest)| gap < smallest) {
                best = Some((place, end, gap));
            }
            end = start + len;
        }
        let (place, start, _) = best.unwrap_or((self.taken.len(), end, 0));
        self.taken.insert(place, (start, bytes, value));
        self.size = self.size.max(start + bytes);
        start
    }

    fn hand_over(&mut self, old: usize, new: usize) {
        if let Some(entry) = self.taken.iter_mut().find(|(_, _, value)| *value == old) {
            entry.2 = new;
        }
    }

    fn free(&mut self, value: usize) {
        self.taken.retain(|(_, _, taken)| *taken != value);
    }
}
