//! From an expression and the layouts of its operands to instructions over blocks.
//!
//! What depends on no index (constants, inputs broadcast along every axis, and what is computed from them) is computed once
//! a run, in one group of lanes that later instructions repeat. Everything else lives in registers of one block, which are
//! reused as soon as their value is dead, or in the operands' memory itself.

use super::{
    Blocks, Few, Load, Port, Source, Store, View, few,
    vector::{self, Arg, Fused, Kernel, LANES, Op},
    walk::Walk,
};
use crate::{Binary, DType, Error, Expr, Isa, Layout, Scalar, Unary, Value, cpu::Place};

/// Elements of a block: a dozen registers of it stay in the first-level cache, and calls are lost in its work.
const BLOCK: usize = 512;

/// Instructions, inputs and outputs that an expression may have together.
const LARGEST: usize = 16_000;

/// Bytes of a group of the widest elements.
const GROUP: usize = LANES * 8;

/// The bases that every expression has: registers and constants.
const REGISTERS: u16 = 0;
const CONSTANTS: u16 = 1;
const PORTS: u16 = 2;

/// A value of the expression or, beyond them, the storage of a 16-bit float.
type Id = usize;

/// An instruction whose operands have no places yet.
struct Draft {
    kernel: Kernel,
    to: Id,
    from: Vec<Id>,
}

struct Compiler<'a> {
    expr: &'a Expr,
    isa: Isa,
    len: usize,
    block: usize,
    /// Whether one group of lanes is all, and every operand is either one element or in the order of the iteration.
    few: bool,
    /// How many instructions and results take each value.
    uses: Vec<usize>,
    uniform: Vec<bool>,
    /// Which operand's instruction each instruction takes over.
    absorbs: Vec<Option<Id>>,
    /// The size and, once known, the place of each value.
    sizes: Vec<usize>,
    homes: Vec<Option<Arg>>,
    /// Bytes of registers handed out so far.
    used: usize,
    constants: Vec<[u64; LANES]>,
    uniforms: Vec<(usize, Place)>,
    prelude: Vec<Op>,
    loads: Vec<Load>,
    stores: Vec<Store>,
    body: Vec<Draft>,
    cost: f64,
}

pub(super) fn compile(
    expr: &Expr,
    shape: &[usize],
    inputs: &[Port<'_>],
    outputs: &[Port<'_>],
    isa: Isa,
) -> Result<Blocks, Error> {
    // Bases and offsets are small numbers; a larger expression than this has no business in one kernel.
    if expr.body().len() + inputs.len() + outputs.len() > LARGEST {
        return Err(Error::invalid(format!("an expression of {} instructions in one kernel", expr.body().len())));
    }
    let len = if shape.contains(&0) { 0 } else { shape.iter().product::<usize>() };
    let count = expr.body().len();
    let mut compiler = Compiler {
        expr,
        isa,
        len,
        block: len.next_multiple_of(LANES).clamp(LANES, BLOCK),
        few: (1..=LANES).contains(&len) && is_plain(expr, inputs) && is_plain(expr, outputs),
        uses: count_uses(expr),
        uniform: vec![false; count],
        absorbs: vec![None; count],
        sizes: (0..count).map(|value| expr.dtype(value as Value).size()).collect(),
        homes: vec![None; count],
        used: 0,
        constants: vec![],
        uniforms: vec![],
        prelude: vec![],
        loads: vec![],
        stores: vec![],
        body: vec![],
        cost: 0.0,
    };
    if len > 0 {
        compiler.survey(shape, inputs);
        compiler.instructions(shape, inputs)?;
        compiler.outputs(outputs);
        compiler.keep_overwritten();
    }
    Ok(compiler.finish(len))
}

/// Whether no operand needs a walk, nor an index a count.
fn is_plain(expr: &Expr, ports: &[Port<'_>]) -> bool {
    let plain = |port: &Port<'_>| match port {
        Port::Given => true,
        Port::Operand(operand) => operand.layout.is_contiguous() || Walk::new(&operand.layout).is_uniform(),
    };
    ports.iter().all(plain) && !expr.body().iter().any(|scalar| matches!(scalar, Scalar::Index(_)))
}

fn count_uses(expr: &Expr) -> Vec<usize> {
    let mut uses = vec![0; expr.body().len()];
    for &(value, _) in expr.outputs() {
        uses[value as usize] += 1;
    }
    for (value, scalar) in expr.body().iter().enumerate().rev() {
        if uses[value] > 0 {
            scalar.operands().for_each(|operand| uses[operand as usize] += 1);
        }
    }
    uses
}

impl Compiler<'_> {
    fn scalar(&self, value: Value) -> Scalar {
        self.expr.body()[value as usize]
    }

    fn reserve(&mut self, bytes: usize) -> u32 {
        let start = self.used;
        self.used += bytes.next_multiple_of(64);
        start as u32
    }

    /// Finds what depends on no index, and what is computed by the one instruction that uses it: a product by its sum, a
    /// comparison by its select.
    fn survey(&mut self, shape: &[usize], inputs: &[Port<'_>]) {
        for value in 0..self.expr.body().len() {
            let scalar = self.scalar(value as Value);
            self.uniform[value] = match scalar {
                Scalar::Input(n) => match inputs[n as usize] {
                    Port::Given => false,
                    Port::Operand(operand) => self.is_uniform(&operand.layout),
                },
                Scalar::Const(_) => true,
                Scalar::Index(axis) => shape[axis as usize] <= 1,
                _ => scalar.operands().all(|operand| self.uniform[operand as usize]),
            };
            self.absorbs[value] = self.absorbed_by(value).filter(|_| self.uses[value] > 0);
        }
    }

    fn instructions(&mut self, shape: &[usize], inputs: &[Port<'_>]) -> Result<(), Error> {
        for value in 0..self.expr.body().len() {
            if self.uses[value] == 0 {
                continue;
            }
            let scalar = self.scalar(value as Value);
            match scalar {
                Scalar::Input(n) => self.input(value, n as usize, &inputs[n as usize]),
                Scalar::Const(literal) => {
                    let x = literal.to_f64();
                    let bits = match literal.dtype {
                        DType::F16 => u64::from(half::f16::from_f32(x as f32).to_f32().to_bits()),
                        DType::BF16 => u64::from(half::bf16::from_f32(x as f32).to_f32().to_bits()),
                        DType::F32 => u64::from((x as f32).to_bits()),
                        DType::F64 => x.to_bits(),
                        _ => literal.to_i64() as u64,
                    };
                    self.constant(value, bits);
                }
                Scalar::Index(axis) if shape[axis as usize] <= 1 => self.constant(value, 0),
                Scalar::Index(axis) => {
                    let inner = shape[axis as usize + 1..].iter().product();
                    let source = Source::Index { inner, size: shape[axis as usize] };
                    self.load(value, source, View::Walked, 8);
                }
                _ if self.absorbs.contains(&Some(value)) => {}
                _ => self.instruction(value, scalar)?,
            }
        }
        Ok(())
    }

    /// Whether an input is the same for every index. For one element, the detour through the prelude would not pay.
    fn is_uniform(&self, layout: &Layout) -> bool {
        self.len > 1 && Walk::new(layout).is_uniform()
    }

    fn constant(&mut self, value: Id, bits: u64) {
        let mut group = [0; LANES];
        // SAFETY: a group has room for sixteen elements of eight bytes; the lowest bytes of the bits come first.
        unsafe {
            super::walk::splat(bits.to_le_bytes().as_ptr(), self.sizes[value], group.as_mut_ptr().cast());
        }
        self.homes[value] = Some(Arg { base: CONSTANTS, step: 0, offset: (self.constants.len() * GROUP) as u32 });
        self.constants.push(group);
    }

    fn input(&mut self, value: Id, number: usize, port: &Port<'_>) {
        let stored = self.expr.inputs()[number];
        let half = stored.size() == 2;
        let (source, view) = match port {
            Port::Given => (Source::Given, View::Straight),
            Port::Operand(operand) => {
                let (place, walk) = (Place::from(*operand), Walk::new(&operand.layout));
                if self.uniform[value] {
                    self.uniform_input(value, place, stored);
                    return;
                }
                let straight = operand.layout.is_contiguous();
                (Source::Place(place), if straight { View::Straight } else { View::Strided(walk) })
            }
        };
        if half {
            let raw = self.value(2);
            self.load(raw, source, view, 2);
            let kernel = vector::widen(stored, self.isa);
            self.draft(kernel, value, vec![raw], 0.04);
        } else {
            self.load(value, source, view, stored.size());
        }
    }

    fn uniform_input(&mut self, value: Id, place: Place, stored: DType) {
        let base = self.next_base();
        self.uniforms.push((base.into(), place));
        let half = stored.size() == 2;
        let memory = self.value(stored.size());
        self.homes[memory] = Some(Arg { base, step: 0, offset: 0 });
        let raw = if half { self.value(2) } else { value };
        self.uniform[raw] = true;
        self.draft(vector::splat(stored.size(), self.isa), raw, vec![memory], 0.0);
        if half {
            self.draft(vector::widen(stored, self.isa), value, vec![raw], 0.0);
        }
    }

    fn next_base(&self) -> u16 {
        PORTS + (self.uniforms.len() + self.loads.len() + self.stores.len()) as u16
    }

    /// A new value that the expression does not have.
    fn value(&mut self, size: usize) -> Id {
        self.sizes.push(size);
        self.homes.push(None);
        self.uniform.push(false);
        self.sizes.len() - 1
    }

    fn load(&mut self, value: Id, source: Source, view: View, size: usize) {
        self.cost += if matches!(view, View::Straight) { 0.01 * size as f64 } else { 0.4 };
        let base = self.next_base();
        let staging = self.reserve(self.block * size);
        let step = (size * LANES) as u16;
        self.homes[value] = Some(if self.few {
            let memory = self.value(size);
            self.homes[memory] = Some(Arg { base, step, offset: 0 });
            self.body.push(Draft { kernel: few::fill(size, self.isa), to: value, from: vec![memory] });
            Arg { base: REGISTERS, step: 0, offset: staging }
        } else {
            Arg { base, step, offset: 0 }
        });
        self.loads.push(Load { source, view, size, base: base.into(), staging: staging as usize, staged: false });
    }

    fn draft(&mut self, kernel: Kernel, to: Id, from: Vec<Id>, cost: f64) {
        if self.uniform[to] {
            let offset = self.reserve(GROUP);
            let home = Arg { base: REGISTERS, step: 0, offset };
            self.homes[to] = Some(home);
            self.prelude.push(self.op(kernel, home, &from));
        } else {
            self.cost += cost;
            self.body.push(Draft { kernel, to, from });
        }
    }

    fn op(&self, kernel: Kernel, to: Arg, from: &[Id]) -> Op {
        let mut args = [Arg::default(); 4];
        for (arg, &value) in args.iter_mut().zip(from) {
            *arg = self.homes[value].unwrap_or_default();
        }
        if let [_] = from {
            args[1] = args[0];
        }
        Op { kernel, to, from: args }
    }

    /// Which operand `user` computes on its own.
    fn absorbed_by(&self, user: Id) -> Option<Id> {
        let candidate = |value: Value, fits: fn(Scalar) -> bool| {
            let fits = self.uses[value as usize] == 1 && fits(self.scalar(value));
            (fits && self.uniform[value as usize] == self.uniform[user]).then_some(value as Id)
        };
        let product = |value| {
            candidate(value, |scalar| {
                matches!(scalar, Scalar::Binary(Binary::Mul, ..) | Scalar::Unary(Unary::Square, _))
            })
        };
        let float = matches!(self.expr.dtype(user as Value), DType::F32 | DType::F64);
        match self.expr.body()[user] {
            Scalar::Binary(Binary::Add, a, b) if float => product(a).or_else(|| product(b)),
            // x x - y y keeps its two roundings: fused, it would not be 0 where x = y.
            Scalar::Binary(Binary::Sub, a, b) if float => match (product(a), product(b)) {
                (Some(_), Some(_)) => None,
                (a, b) => a.or(b),
            },
            Scalar::Select(condition, a, _) => candidate(
                condition,
                |scalar| matches!(scalar, Scalar::Binary(op, ..) if op.is_comparison() && op != Binary::NotEqual),
            )
            .filter(|_| {
                float && self.scalar(condition).operands().all(|operand| self.expr.dtype(operand) == self.expr.dtype(a))
            }),
            _ => None,
        }
    }

    fn instruction(&mut self, value: Id, scalar: Scalar) -> Result<(), Error> {
        let isa = self.isa;
        let dtype = self.expr.dtype(value as Value);
        let absorbed = self.absorbs[value];
        let missing = || Error::invalid(format!("the CPU has no kernel for {scalar:?} of {dtype}"));
        let ids = |values: &[Value]| values.iter().map(|&value| value as Id).collect::<Vec<Id>>();
        let (kernel, from, cost) = match (scalar, absorbed) {
            (Scalar::Binary(op, a, b), Some(product)) => {
                let (x, y) = match self.expr.body()[product] {
                    Scalar::Binary(_, x, y) => (x, y),
                    Scalar::Unary(_, x) => (x, x),
                    _ => return Err(missing()),
                };
                let left = product == a as Id;
                let kind = match (op, left) {
                    (Binary::Add, _) => Fused::MulAdd,
                    (_, true) => Fused::MulSub,
                    (_, false) => Fused::NegMulAdd,
                };
                (vector::fused(kind, dtype, isa), ids(&[x, y, if left { b } else { a }]), 0.02)
            }
            (Scalar::Select(_, a, b), Some(comparison)) => {
                let Scalar::Binary(op, x, y) = self.expr.body()[comparison] else { return Err(missing()) };
                let (op, x, y) = ordered(op, x, y);
                (vector::compare_select(op, dtype, isa), ids(&[x, y, a, b]), 0.03)
            }
            (Scalar::Unary(op, a), _) => (vector::unary(op, self.expr.dtype(a), isa), ids(&[a]), unary_cost(op)),
            (Scalar::Binary(op, a, b), None) => {
                let (op, a, b) = ordered(op, a, b);
                (vector::binary(op, self.expr.dtype(a), isa), ids(&[a, b]), binary_cost(op))
            }
            (Scalar::Select(condition, a, b), None) => {
                (Some(vector::select(self.sizes[value], isa)), ids(&[condition, a, b]), 0.03)
            }
            (Scalar::Cast(to, a), _) => return self.cast(value, to, a),
            _ => return Err(missing()),
        };
        self.draft(kernel.ok_or_else(missing)?, value, from, cost);
        Ok(())
    }

    fn cast(&mut self, value: Id, to: DType, a: Value) -> Result<(), Error> {
        let (from, half) = (self.expr.dtype(a), to.size() == 2);
        let kernel = match (from, to) {
            (DType::F32, _) if half => Some(vector::round_to(to, self.isa)),
            _ if from == to => Some(vector::same(to.size(), self.isa)),
            _ => vector::cast(from, to.compute(), self.isa),
        };
        let kernel = kernel.ok_or_else(|| Error::invalid(format!("the CPU has no kernel from {from} to {to}")))?;
        if half && from != DType::F32 {
            let wide = self.value(4);
            self.uniform[wide] = self.uniform[value];
            self.draft(kernel, wide, vec![a as Id], 0.03);
            self.draft(vector::round_to(to, self.isa), value, vec![wide], 0.08);
        } else {
            self.draft(kernel, value, vec![a as Id], 0.03);
        }
        Ok(())
    }

    fn outputs(&mut self, ports: &[Port<'_>]) {
        let mut drains = Vec::new();
        for (&(value, dtype), port) in self.expr.outputs().iter().zip(ports) {
            let value = value as Id;
            let (source, view) = match port {
                Port::Given => (Source::Given, View::Straight),
                Port::Operand(operand) => {
                    let walk = Walk::new(&operand.layout);
                    let straight = operand.layout.is_contiguous();
                    (Source::Place(Place::from(*operand)), if straight { View::Straight } else { View::Strided(walk) })
                }
            };
            self.cost += if matches!(view, View::Straight) { 0.01 * dtype.size() as f64 } else { 0.4 };
            let (half, isa) = (dtype.size() == 2, self.isa);
            let stored = if half || self.homes[value].is_some() {
                let copy = self.value(dtype.size());
                let kernel = if half { vector::narrow(dtype, isa) } else { vector::same(dtype.size(), isa) };
                self.draft(kernel, copy, vec![value], 0.04);
                copy
            } else {
                value
            };
            let (base, size) = (self.next_base(), dtype.size());
            let staging = self.reserve(self.block * size);
            let memory = Arg { base, step: (size * LANES) as u16, offset: 0 };
            self.homes[stored] = Some(if self.few {
                let to = self.value(size);
                self.homes[to] = Some(memory);
                drains.push(Draft { kernel: few::drain(size, self.isa), to, from: vec![stored] });
                Arg { base: REGISTERS, step: 0, offset: staging }
            } else {
                memory
            });
            self.stores.push(Store { source, view, size, base: base.into(), staging: staging as usize });
        }
        self.body.append(&mut drains);
    }

    /// Copies an input to a register first where an output that may be the same memory is written before its last use.
    fn keep_overwritten(&mut self) {
        let base_of = |value: Id| self.homes[value].map_or(0, |home| usize::from(home.base));
        for load in &mut self.loads {
            let last_read =
                self.body.iter().rposition(|draft| draft.from.iter().any(|&value| base_of(value) == load.base));
            let overwritten = self.body.iter().enumerate().any(|(position, draft)| {
                self.stores.iter().any(|store| {
                    store.base == base_of(draft.to)
                        && Some(position) < last_read
                        && matches!(store.view, View::Straight)
                        && load.size == store.size
                        && load.source.may_be(&store.source)
                })
            });
            load.staged |= overwritten;
        }
    }

    /// Where the instructions of a few elements find memory.
    fn places(&self) -> Few {
        let mut few = Few { places: Vec::new(), given_in: None, given_out: None };
        few.places.extend(self.uniforms.iter().map(|&(base, place)| (base, place, 0)));
        for load in &self.loads {
            match load.source {
                Source::Place(place) => few.places.push((load.base, place, load.size)),
                Source::Given | Source::Index { .. } => few.given_in = Some(load.base),
            }
        }
        for store in &self.stores {
            match store.source {
                Source::Place(place) => few.places.push((store.base, place, store.size)),
                Source::Given | Source::Index { .. } => few.given_out = Some(store.base),
            }
        }
        few
    }

    /// Gives every value a register for as long as it lives, and ends the compilation.
    fn finish(mut self, len: usize) -> Blocks {
        let mut last = vec![0; self.sizes.len()];
        for (position, draft) in self.body.iter().enumerate() {
            draft.from.iter().for_each(|&value| last[value] = position);
        }
        let mut free: Vec<(usize, Arg)> = Vec::new();
        let body = std::mem::take(&mut self.body);
        let mut ops = Vec::with_capacity(body.len());
        for (position, draft) in body.iter().enumerate() {
            let mut dying: Vec<Id> = draft.from.iter().copied().filter(|&value| last[value] == position).collect();
            dying.sort_unstable();
            dying.dedup();
            for value in dying {
                if let Some(home) = self.homes[value]
                    && home.base == REGISTERS
                    && home.step != 0
                {
                    free.push((self.sizes[value], home));
                }
            }
            let size = self.sizes[draft.to];
            let home = match self.homes[draft.to] {
                Some(home) => home,
                None => match free.iter().rposition(|&(free, _)| free == size) {
                    Some(found) => free.swap_remove(found).1,
                    None => {
                        let offset = self.reserve(self.block * size);
                        Arg { base: REGISTERS, step: (size * LANES) as u16, offset }
                    }
                },
            };
            self.homes[draft.to] = Some(home);
            ops.push(self.op(draft.kernel, home, &draft.from));
        }
        let bases = usize::from(self.next_base());
        let few = self.few.then(|| self.places());
        Blocks {
            len,
            block: self.block,
            table: (bases * size_of::<*mut u8>()).next_multiple_of(64),
            registers: self.used,
            constants: self.constants,
            uniforms: self.uniforms,
            prelude: self.prelude,
            loads: self.loads,
            few,
            body: ops,
            stores: self.stores,
            cost: self.cost,
        }
    }
}

/// `Greater` and `GreaterEqual` as `Less` and `LessEqual`.
fn ordered(op: Binary, a: Value, b: Value) -> (Binary, Value, Value) {
    match op {
        Binary::Greater => (Binary::Less, b, a),
        Binary::GreaterEqual => (Binary::LessEqual, b, a),
        _ => (op, a, b),
    }
}

/// Estimated nanoseconds for an element.
fn unary_cost(op: Unary) -> f64 {
    match op {
        Unary::Sin | Unary::Cos => 8.0,
        Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Tanh | Unary::Sigmoid => 0.25,
        Unary::Log1p | Unary::Softplus | Unary::Erf => 0.5,
        Unary::Sqrt | Unary::Rsqrt | Unary::Reciprocal => 0.1,
        _ => 0.02,
    }
}

fn binary_cost(op: Binary) -> f64 {
    match op {
        Binary::Pow | Binary::Mod => 12.0,
        Binary::Div => 0.08,
        _ => 0.02,
    }
}

impl Source {
    /// Whether the two may be the same memory: what is given may be anything.
    fn may_be(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Index { .. }, _) | (_, Source::Index { .. }) => false,
            (Source::Place(a), Source::Place(b)) => a == b,
            _ => true,
        }
    }
}
