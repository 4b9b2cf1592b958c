//! The text form of kernels: the family's name, and in braces what differs from its plainest kernel.

use crate::text::Cursor;
use crate::{
    Conv, ConvPass, Custom, Distribution, Error, Expr, Gather, Gemm, Kernel, Map, Pool, PoolOp, Random, Reduce,
    ReduceOp, ScatterAdd, Slide, Softmax,
};
use std::fmt;

pub(super) const REDUCTIONS: [ReduceOp; 6] =
    [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Max, ReduceOp::Min, ReduceOp::ArgMax, ReduceOp::ArgMin];
pub(super) const DISTRIBUTIONS: [Distribution; 3] = [Distribution::Bits, Distribution::Uniform, Distribution::Normal];

const fn reduction(op: ReduceOp) -> &'static str {
    match op {
        ReduceOp::Sum => "sum",
        ReduceOp::Prod => "prod",
        ReduceOp::Max => "max",
        ReduceOp::Min => "min",
        ReduceOp::ArgMax => "argmax",
        ReduceOp::ArgMin => "argmin",
    }
}

const fn distribution(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::Bits => "bits",
        Distribution::Uniform => "uniform",
        Distribution::Normal => "normal",
    }
}

impl fmt::Display for Kernel {
    /// The family's name, and in braces what differs from its plainest kernel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        let expression = |name: &str, expr: &Option<Expr>| expr.as_ref().map(|expr| format!("{name}={expr}"));
        match self {
            Kernel::Map(Map { expr, segments }) => {
                parts.push(format!("expr={expr}"));
                parts.extend((*segments != 1).then(|| format!("segments={segments}")));
            }
            Kernel::Reduce(Reduce { op, axes, prologue, epilogue }) => {
                parts.extend([format!("op={}", reduction(*op)), format!("axes={axes:?}")]);
                parts.extend(expression("prologue", prologue));
                parts.extend(expression("epilogue", epilogue));
            }
            Kernel::Gemm(Gemm { column_sums, epilogue }) => {
                parts.extend(column_sums.then(|| "column_sums".into()));
                parts.extend(expression("epilogue", epilogue));
            }
            Kernel::Conv(conv) => {
                parts.extend(sliding(conv.slides));
                parts.extend((conv.groups != 1).then(|| format!("groups={}", conv.groups)));
                parts.extend(conv.channel_sums.then(|| "channel_sums".into()));
                parts.extend(expression("epilogue", &conv.epilogue));
            }
            Kernel::Pool(pool) => {
                parts.push(format!("window={:?}", pool.window));
                parts.extend(sliding(pool.slides));
                parts.extend(expression("epilogue", &pool.epilogue));
            }
            Kernel::Softmax(Softmax { log: _ }) => {}
            Kernel::Gather(Gather { axis }) | Kernel::ScatterAdd(ScatterAdd { axis }) => {
                parts.push(format!("axis={axis}"));
            }
            Kernel::Random(random) => {
                parts.push(format!("distribution={}", distribution(random.distribution)));
                parts.push(format!("stream={}", random.stream));
            }
            // What it computes is not in the text, which therefore cannot be read back.
            Kernel::Custom(Custom(kernel)) => {
                parts.extend([format!("name={:?}", kernel.name()), format!("version={}", kernel.version())]);
            }
        }
        f.write_str(self.name())?;
        if parts.is_empty() { Ok(()) } else { write!(f, "{{{}}}", parts.join(", ")) }
    }
}

/// What of a window's movement is not plain.
fn sliding(slides: [Slide; 2]) -> impl Iterator<Item = String> {
    let part = move |name: &str, get: fn(Slide) -> usize| {
        let values = slides.map(get);
        (values != [get(Slide::PLAIN); 2]).then(|| format!("{name}={values:?}"))
    };
    let parts = [
        part("strides", |slide| slide.stride),
        part("dilation", |slide| slide.dilation),
        part("padding", |slide| slide.padding),
    ];
    parts.into_iter().flatten()
}

/// What may stand in a kernel's braces.
#[derive(Default)]
struct Attributes {
    expr: Option<Expr>,
    prologue: Option<Expr>,
    epilogue: Option<Expr>,
    segments: Option<usize>,
    op: Option<ReduceOp>,
    axes: Option<Vec<usize>>,
    axis: Option<usize>,
    column_sums: Option<bool>,
    channel_sums: Option<bool>,
    window: Option<[usize; 2]>,
    strides: Option<[usize; 2]>,
    dilation: Option<[usize; 2]>,
    padding: Option<[usize; 2]>,
    groups: Option<usize>,
    distribution: Option<Distribution>,
    stream: Option<u64>,
}

impl Attributes {
    /// Reads one attribute, which must be among `known`.
    fn read(&mut self, cursor: &mut Cursor<'_>, known: &[&str]) -> Result<(), Error> {
        fn set<T>(place: &mut Option<T>, value: T) -> bool {
            place.replace(value).is_none()
        }
        let start = cursor.clone();
        let what = format!("one of {}", known.join(", "));
        let name = cursor.word(&what, |word| known.iter().copied().find(|&name| name == word))?;
        if !matches!(name, "column_sums" | "channel_sums") {
            cursor.expect("=")?;
        }
        let first = match name {
            "expr" => set(&mut self.expr, Expr::parse(cursor)?),
            "prologue" => set(&mut self.prologue, Expr::parse(cursor)?),
            "epilogue" => set(&mut self.epilogue, Expr::parse(cursor)?),
            "segments" => set(&mut self.segments, cursor.number()?),
            "axes" => set(&mut self.axes, cursor.list("[", "]", Cursor::number)?),
            "axis" => set(&mut self.axis, cursor.number()?),
            "stream" => set(&mut self.stream, cursor.number()?),
            "groups" => set(&mut self.groups, cursor.number()?),
            "window" => set(&mut self.window, pair(cursor)?),
            "strides" => set(&mut self.strides, pair(cursor)?),
            "dilation" => set(&mut self.dilation, pair(cursor)?),
            "padding" => set(&mut self.padding, pair(cursor)?),
            "channel_sums" => set(&mut self.channel_sums, true),
            "op" => {
                let find = |word: &str| REDUCTIONS.into_iter().find(|&op| reduction(op) == word);
                set(&mut self.op, cursor.word(&REDUCTIONS.map(reduction).join(", "), find)?)
            }
            "distribution" => {
                let find = |word: &str| DISTRIBUTIONS.into_iter().find(|&it| distribution(it) == word);
                set(&mut self.distribution, cursor.word(&DISTRIBUTIONS.map(distribution).join(", "), find)?)
            }
            _ => set(&mut self.column_sums, true),
        };
        if first { Ok(()) } else { Err(start.error(format_args!("{name} stands here twice"))) }
    }
}

impl Attributes {
    fn slides(&self) -> [Slide; 2] {
        [0, 1].map(|axis| Slide {
            stride: self.strides.map_or(Slide::PLAIN.stride, |pair| pair[axis]),
            dilation: self.dilation.map_or(Slide::PLAIN.dilation, |pair| pair[axis]),
            padding: self.padding.map_or(Slide::PLAIN.padding, |pair| pair[axis]),
        })
    }
}

/// Two numbers, one for the height and one for the width.
fn pair(cursor: &mut Cursor<'_>) -> Result<[usize; 2], Error> {
    let place = cursor.clone();
    let values: Vec<usize> = cursor.list("[", "]", Cursor::number)?;
    values.try_into().map_err(|_| place.error("two numbers belong here"))
}

pub(super) fn kernel(cursor: &mut Cursor<'_>) -> Result<Kernel, Error> {
    const CONV: &[&str] = &["strides", "dilation", "padding", "groups", "channel_sums", "epilogue"];
    const POOL: &[&str] = &["window", "strides", "dilation", "padding", "epilogue"];
    const FAMILIES: &[(&str, &[&str])] = &[
        ("map", &["expr", "segments"]),
        ("reduce", &["op", "axes", "prologue", "epilogue"]),
        ("gemm", &["column_sums", "epilogue"]),
        (ConvPass::Forward.name(), CONV),
        (ConvPass::InputGradient.name(), CONV),
        (ConvPass::WeightGradient.name(), CONV),
        (PoolOp::Max.name(), POOL),
        (PoolOp::MaxGather.name(), POOL),
        (PoolOp::MaxScatter.name(), POOL),
        (PoolOp::Sum.name(), POOL),
        (PoolOp::SumScatter.name(), POOL),
        ("softmax", &[]),
        ("log_softmax", &[]),
        ("gather", &["axis"]),
        ("scatter_add", &["axis"]),
        ("random", &["distribution", "stream"]),
    ];
    let place = cursor.clone();
    let find = |word: &str| FAMILIES.iter().copied().find(|(name, _)| *name == word);
    let (name, known) = cursor.word("a kernel", find)?;
    let mut given = Attributes::default();
    if cursor.rest().trim_start_matches(' ').starts_with('{') {
        cursor.list("{", "}", |cursor| given.read(cursor, known))?;
    }
    let missing = |what: &str| place.error(format_args!("{name} needs {what}"));
    Ok(match name {
        "map" => {
            Kernel::Map(Map { expr: given.expr.ok_or_else(|| missing("expr"))?, segments: given.segments.unwrap_or(1) })
        }
        "reduce" => Kernel::Reduce(Reduce {
            op: given.op.ok_or_else(|| missing("op"))?,
            axes: given.axes.ok_or_else(|| missing("axes"))?,
            prologue: given.prologue,
            epilogue: given.epilogue,
        }),
        "gemm" => Kernel::Gemm(Gemm { column_sums: given.column_sums.is_some(), epilogue: given.epilogue }),
        "gather" => Kernel::Gather(Gather { axis: given.axis.ok_or_else(|| missing("axis"))? }),
        "scatter_add" => Kernel::ScatterAdd(ScatterAdd { axis: given.axis.ok_or_else(|| missing("axis"))? }),
        "random" => Kernel::Random(Random {
            distribution: given.distribution.ok_or_else(|| missing("distribution"))?,
            stream: given.stream.ok_or_else(|| missing("stream"))?,
        }),
        "softmax" | "log_softmax" => Kernel::Softmax(Softmax { log: name == "log_softmax" }),
        _ => {
            let slides = given.slides();
            if let Some(pass) = ConvPass::ALL.into_iter().find(|pass| pass.name() == name) {
                return Ok(Kernel::Conv(Conv {
                    pass,
                    slides,
                    groups: given.groups.unwrap_or(1),
                    channel_sums: given.channel_sums.is_some(),
                    epilogue: given.epilogue,
                }));
            }
            let op = PoolOp::ALL.into_iter().find(|op| op.name() == name);
            Kernel::Pool(Pool {
                op: op.ok_or_else(|| place.error("a kernel without a form"))?,
                window: given.window.ok_or_else(|| missing("window"))?,
                slides,
                epilogue: given.epilogue,
            })
        }
    })
}
