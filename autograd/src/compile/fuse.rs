//! The third stage: kernels over values, sizes still open.

use super::group::Grouping;
use super::{Canonical, Policy};
use crate::op::View;
use crate::{Dim, Dims, Error, Sliding, TensorType};
use std::fmt;
use wengert_kernels::{Array, ConvPass, Custom, Distribution, Expr, PoolOp, ReduceOp};

/// A function as kernels.
#[derive(Clone)]
pub struct Fused {
    pub(crate) values: Vec<Value>,
    pub(crate) kernels: Vec<FusedKernel>,
    /// The value of each output; no value is two outputs, or an output and an update.
    pub(crate) outputs: Vec<usize>,
    /// Variable's number in the graph, its new value.
    pub(crate) updates: Vec<(usize, usize)>,
    pub(crate) inputs: Vec<(String, TensorType)>,
    pub(crate) dims: Dims,
}

/// Memory that a kernel writes or the caller brings.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) ty: TensorType,
    pub(crate) source: Source,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Input(usize),
    Variable(usize),
    Constant(Array),
    /// A size as a number.
    Size(Dim),
    Kernel,
}

/// A look at a value: views applied one after another, each with the shape it results in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) value: usize,
    pub(crate) views: Vec<(View, Vec<Dim>)>,
}

impl Access {
    pub(crate) fn whole(value: usize) -> Access {
        Access { value, views: vec![] }
    }
}

/// A kernel whose sizes are open.
#[derive(Clone, Debug)]
pub(crate) struct FusedKernel {
    pub(crate) kind: Kind,
    pub(crate) inputs: Vec<Access>,
    pub(crate) outputs: Vec<usize>,
    /// Shape of the iteration space; one for each segment of a map.
    pub(crate) spaces: Vec<Vec<Dim>>,
    pub(crate) label: String,
    /// Kernels run in this order.
    pub(crate) position: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Map(Expr),
    Reduce {
        op: ReduceOp,
        axes: Vec<usize>,
        prologue: Option<Expr>,
        epilogue: Option<Expr>,
    },
    Gemm {
        column_sums: bool,
        epilogue: Option<Expr>,
    },
    Conv {
        pass: ConvPass,
        sliding: Sliding,
        groups: usize,
        channel_sums: bool,
        epilogue: Option<Expr>,
    },
    Pool {
        op: PoolOp,
        window: [usize; 2],
        sliding: Sliding,
        epilogue: Option<Expr>,
    },
    Softmax {
        log: bool,
    },
    Gather(usize),
    ScatterAdd(usize),
    Random(Distribution, u64),
    Custom(Custom),
    /// Operands side by side along an axis.
    Concat(usize),
    /// Input 1 surrounded by input 0.
    Pad(Vec<(usize, usize)>),
}

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Map(_) => "map",
            Kind::Reduce { .. } => "reduce",
            Kind::Gemm { .. } => "gemm",
            Kind::Conv { pass, .. } => pass.name(),
            Kind::Pool { op, .. } => op.name(),
            Kind::Softmax { log: false } => "softmax",
            Kind::Softmax { log: true } => "log_softmax",
            Kind::Gather(_) => "gather",
            Kind::ScatterAdd(_) => "scatter_add",
            Kind::Random(..) => "random",
            Kind::Custom(_) => "custom",
            Kind::Concat(_) => "concat",
            Kind::Pad(_) => "pad",
        }
    }

    /// The number of the first input that an epilogue reads, for kernels that can have one.
    pub(crate) fn own_inputs(&self) -> Option<usize> {
        match self {
            Kind::Gemm { .. } | Kind::Conv { .. } => Some(2),
            Kind::Pool { op, .. } => Some(op.inputs()),
            Kind::Reduce { prologue, .. } => Some(prologue.as_ref().map_or(1, |expr| expr.inputs().len())),
            _ => None,
        }
    }

    /// Whether the kernel's last output is the sums over its second input that it makes in passing.
    pub(crate) fn sums_in_passing(&self) -> bool {
        matches!(self, Kind::Gemm { column_sums: true, .. } | Kind::Conv { channel_sums: true, .. })
    }

    /// The axes of a sum over its second input that the kernel could make in passing, unless it makes one already.
    fn could_sum(&self, rank: usize) -> Option<&'static [usize]> {
        match self {
            Kind::Gemm { column_sums: false, .. } if rank == 2 => Some(&[0]),
            Kind::Conv { pass: ConvPass::WeightGradient, channel_sums: false, .. } => Some(&[0, 1, 2]),
            _ => None,
        }
    }

    /// Whether a run can fail at it: an index may be out of range, a user's kernel may refuse.
    pub(crate) fn may_fail(&self) -> bool {
        matches!(self, Kind::Gather(_) | Kind::ScatterAdd(_) | Kind::Custom(_))
    }
}

impl Fused {
    /// Groups a canonical graph into kernels.
    ///
    /// # Errors
    /// When an expression does not type, which would be a defect.
    pub fn new(canonical: &Canonical, policy: Policy) -> Result<Fused, Error> {
        let mut fused = Grouping::new(&canonical.0, policy).into_kernels()?;
        for kernel in std::mem::take(&mut fused.kernels) {
            let place = fused.kernels.partition_point(|other| other.position <= kernel.position);
            fused.kernels.insert(place, kernel);
        }
        if policy.fuse {
            fused.sum_columns();
            fused.join_ends();
        }
        fused.ends_last();
        if cfg!(debug_assertions) {
            fused.verify()?;
        }
        Ok(fused)
    }

    /// For each value, the kernels that read it.
    pub(crate) fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.values.len()];
        for (number, kernel) in self.kernels.iter().enumerate() {
            for access in &kernel.inputs {
                if readers[access.value].last() != Some(&number) {
                    readers[access.value].push(number);
                }
            }
        }
        readers
    }

    /// A sum of the columns of a matrix, or of the channels of an image, that a product streams through anyway becomes the
    /// product's second result: the gradient of a bias beside that of its weights.
    fn sum_columns(&mut self) {
        let readers = self.readers();
        for number in 0..self.kernels.len() {
            let reduce = &self.kernels[number];
            let Kind::Reduce { op: ReduceOp::Sum, axes, prologue: None, epilogue: None } = &reduce.kind else {
                continue;
            };
            if !reduce.inputs[0].views.is_empty() {
                continue;
            }
            let axes = axes.clone();
            let (operand, sums) = (reduce.inputs[0].value, reduce.outputs[0]);
            if !self.values[operand].ty.dtype.is_float() {
                continue;
            }
            let first_reader = readers[sums].first().copied().unwrap_or(usize::MAX);
            let product = readers[operand].iter().copied().find(|&reader| {
                let product = &self.kernels[reader];
                let takes = product.kind.could_sum(product.spaces[0].len()).is_some_and(|sums| sums == axes);
                takes && product.inputs[1] == Access::whole(operand) && reader < first_reader
            });
            if let Some(product) = product {
                let product = &mut self.kernels[product];
                product.outputs.push(sums);
                match &mut product.kind {
                    Kind::Gemm { column_sums: sums, .. } | Kind::Conv { channel_sums: sums, .. } => *sums = true,
                    _ => (),
                }
                self.kernels[number].outputs.clear();
            }
        }
        self.kernels.retain(|kernel| !kernel.outputs.is_empty());
    }

    /// Which kernels nothing else waits for.
    fn is_end(&self) -> Vec<bool> {
        let readers = self.readers();
        self.kernels.iter().map(|kernel| kernel.outputs.iter().all(|&output| readers[output].is_empty())).collect()
    }

    /// Maps that compute the same expression and that nothing waits for become segments of one: an optimiser's update of all
    /// parameters.
    fn join_ends(&mut self) {
        let mut first: Vec<usize> = Vec::new();
        for (number, is_end) in self.is_end().into_iter().enumerate() {
            let Kind::Map(expr) = &self.kernels[number].kind else { continue };
            if !is_end {
                continue;
            }
            let same = |&other: &usize| matches!(&self.kernels[other].kind, Kind::Map(first) if first == expr);
            match first.iter().copied().find(same) {
                None => first.push(number),
                Some(into) => {
                    let mut joined = std::mem::take(&mut self.kernels[number].outputs);
                    let inputs = std::mem::take(&mut self.kernels[number].inputs);
                    let spaces = std::mem::take(&mut self.kernels[number].spaces);
                    let target = &mut self.kernels[into];
                    target.outputs.append(&mut joined);
                    target.inputs.extend(inputs);
                    target.spaces.extend(spaces);
                }
            }
        }
        self.kernels.retain(|kernel| !kernel.outputs.is_empty());
    }

    /// Kernels that only write what the call leaves behind run after all others, those that write variables last: a failing
    /// kernel then precedes every change of a variable, and variables can be overwritten in place.
    fn ends_last(&mut self) {
        let is_end = self.is_end();
        let mut ranked = [const { Vec::new() }; 3];
        for (kernel, is_end) in std::mem::take(&mut self.kernels).into_iter().zip(is_end) {
            let writes = !kernel.kind.may_fail() && self.updated_by(&kernel).next().is_some();
            ranked[usize::from(is_end) * (1 + usize::from(writes))].push(kernel);
        }
        let [first, mut ends, mut writers] = ranked;
        self.kernels = first;
        self.readers_before_writers(&mut writers);
        self.kernels.append(&mut ends);
        self.kernels.append(&mut writers);
    }

    /// The variables that a kernel computes new values of.
    fn updated_by<'a>(&'a self, kernel: &'a FusedKernel) -> impl Iterator<Item = usize> + 'a {
        self.updates.iter().filter(|(_, value)| kernel.outputs.contains(value)).map(|(variable, _)| *variable)
    }

    /// Moves kernels that update a variable behind those that read its old value, as far as there is such an order: a
    /// counter that others read is then overwritten in place.
    fn readers_before_writers(&self, kernels: &mut Vec<FusedKernel>) {
        let reads = |kernel: &FusedKernel| {
            let mut variables: Vec<usize> = (kernel.inputs.iter())
                .filter_map(|access| {
                    if let Source::Variable(index) = self.values[access.value].source { Some(index) } else { None }
                })
                .collect();
            variables.sort_unstable();
            variables.dedup();
            variables
        };
        let variables = || kernels.iter().flat_map(reads);
        let mut readers = vec![0; variables().max().map_or(0, |last| last + 1)];
        variables().for_each(|variable| readers[variable] += 1);
        let mut waiting: Vec<FusedKernel> = std::mem::take(kernels);
        while !waiting.is_empty() {
            let free = waiting.iter().position(|kernel| {
                let own = reads(kernel);
                self.updated_by(kernel)
                    .all(|variable| readers.get(variable).copied().unwrap_or(0) == usize::from(own.contains(&variable)))
            });
            // Where variables exchange their values there is no such order; those are committed by copies.
            let kernel = waiting.remove(free.unwrap_or(0));
            for variable in reads(&kernel) {
                readers[variable] -= 1;
            }
            kernels.push(kernel);
        }
    }

    /// Checks that every kernel reads only what is there before it runs, and that every value is written once.
    ///
    /// # Errors
    /// Names the kernel.
    pub fn verify(&self) -> Result<(), Error> {
        let mut written: Vec<bool> = self.values.iter().map(|value| !matches!(value.source, Source::Kernel)).collect();
        for (number, kernel) in self.kernels.iter().enumerate() {
            let wrong = |what: &str| {
                Error::run(format!("verify: kernel {number} ({}, {}): {what}", kernel.kind.name(), kernel.label))
            };
            if kernel.inputs.iter().any(|access| !written[access.value]) {
                return Err(wrong("it reads a value that is not written yet"));
            }
            for &output in &kernel.outputs {
                if std::mem::replace(&mut written[output], true) {
                    return Err(wrong("it writes a value twice"));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |n: usize| match &self.values[n].source {
            Source::Input(position) => self.inputs[*position].0.clone(),
            Source::Variable(index) => format!("variable{index}"),
            Source::Constant(array) if array.len() == 1 => format!("{:?}", array.to_f64()[0]),
            Source::Constant(_) => format!("constant{n}"),
            Source::Size(dim) => format!("size({dim})"),
            Source::Kernel => format!("%{n}"),
        };
        let access = |access: &Access| {
            let views: Vec<String> = access
                .views
                .iter()
                .map(|(view, shape)| match view {
                    View::Reshape => format!(".reshape{shape:?}"),
                    View::Permute(axes) => format!(".transpose{axes:?}"),
                    View::Broadcast => format!(".broadcast{shape:?}"),
                    View::Slice(starts) => format!(".slice{starts:?}{shape:?}"),
                })
                .collect();
            format!("{}{}", value(access.value), views.concat())
        };
        for kernel in &self.kernels {
            let outputs: Vec<String> =
                kernel.outputs.iter().map(|&n| format!("{}: {}", value(n), self.values[n].ty)).collect();
            let inputs: Vec<String> = kernel.inputs.iter().map(access).collect();
            write!(f, "{} = {}", outputs.join(", "), kernel.kind.name())?;
            let expr =
                |name: &str, expr: &Option<Expr>| expr.as_ref().map_or(String::new(), |expr| format!(" {name}={expr}"));
            match &kernel.kind {
                Kind::Map(expr) if kernel.spaces.len() > 1 => write!(f, " x{} {expr}", kernel.spaces.len())?,
                Kind::Map(expr) => write!(f, " {expr}")?,
                Kind::Reduce { op, axes, prologue, epilogue } => {
                    write!(f, " {op:?}{axes:?}{}{}", expr("prologue", prologue), expr("epilogue", epilogue))?;
                }
                Kind::Gemm { column_sums, epilogue } => {
                    write!(f, "{}{}", if *column_sums { " column_sums" } else { "" }, expr("epilogue", epilogue))?;
                }
                Kind::Conv { pass: _, sliding, groups, channel_sums, epilogue } => {
                    let sums = if *channel_sums { " channel_sums" } else { "" };
                    write!(f, "{} groups={groups}{sums}{}", sliding.attributes(), expr("epilogue", epilogue))?;
                }
                Kind::Pool { op: _, window, sliding, epilogue } => {
                    write!(f, " {window:?}{}{}", sliding.attributes(), expr("epilogue", epilogue))?;
                }
                Kind::Gather(axis) | Kind::ScatterAdd(axis) | Kind::Concat(axis) => write!(f, " axis={axis}")?,
                Kind::Random(distribution, stream) => write!(f, " {distribution:?} stream={stream}")?,
                Kind::Pad(widths) => write!(f, " {widths:?}")?,
                Kind::Custom(Custom(kernel)) => write!(f, " {} version={}", kernel.name(), kernel.version())?,
                Kind::Softmax { .. } => (),
            }
            writeln!(f, " ({})  # {}", inputs.join(", "), kernel.label)?;
        }
        let list = |values: &[usize]| values.iter().map(|&n| value(n)).collect::<Vec<_>>().join(", ");
        writeln!(f, "return {}", list(&self.outputs))?;
        for (variable, n) in &self.updates {
            writeln!(f, "update variable{variable} = {}", value(*n))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
