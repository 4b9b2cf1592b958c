//! The text form of programs; [`Program`](super::Program) describes it.

use super::{Base, Extern, Kernel, Operand, Program, Step};
use crate::text::{Cursor, escape, unescape};
use crate::{
    Conv, ConvPass, DType, Distribution, Error, Expr, Gather, Gemm, Layout, Map, Pool, PoolOp, Random, Reduce,
    ReduceOp, ScatterAdd, Slide, Softmax,
};
use std::{fmt, str::FromStr};

const REDUCTIONS: [ReduceOp; 6] =
    [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Max, ReduceOp::Min, ReduceOp::ArgMax, ReduceOp::ArgMin];
const DISTRIBUTIONS: [Distribution; 3] = [Distribution::Bits, Distribution::Uniform, Distribution::Normal];

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

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program arena={}", self.arena)?;
        for (number, memory) in self.externs.iter().enumerate() {
            let name = escape(&memory.name, Some('"'));
            let written = if memory.written { " written" } else { "" };
            writeln!(f, "extern {number} \"{name}\" {}[{}]{written}", memory.dtype, memory.len)?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "%{number}: {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operands = |list: &[Operand]| list.iter().map(Operand::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{} ({}) -> ({})", self.kernel, operands(&self.inputs), operands(&self.outputs))?;
        if !self.label.is_empty() {
            write!(f, " # {}", escape_label(&self.label))?;
        }
        Ok(())
    }
}

/// Blanks at the ends are escaped as well: editors and mailers drop them.
fn escape_label(label: &str) -> String {
    let blanks = |text: &str| text.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect::<String>();
    let inner = label.trim_matches(' ');
    let lead = &label[..label.len() - label.trim_start_matches(' ').len()];
    let tail = &label[lead.len() + inner.len()..];
    blanks(lead) + &escape(inner, None) + &blanks(tail)
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base {
            Base::Arena => f.write_str("arena")?,
            Base::Extern(number) => write!(f, "extern{number}")?,
        }
        write!(f, "@{} {}{:?}", self.offset, self.dtype, self.layout.shape)?;
        // `Layout` prints no strides where they do not matter; here the very same ones must come back.
        if self.layout != Layout::contiguous(&self.layout.shape) {
            write!(f, "/{:?}", self.layout.strides)?;
        }
        Ok(())
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

impl FromStr for Program {
    type Err = Error;

    fn from_str(text: &str) -> Result<Program, Error> {
        let cursor = &mut Cursor::new(text);
        let mut program = Program::default();
        cursor.next_line();
        cursor.expect("program")?;
        cursor.expect("arena")?;
        cursor.expect("=")?;
        program.arena = cursor.number()?;
        line_end(cursor)?;
        while cursor.next_line() {
            if program.steps.is_empty() && cursor.eat("extern") {
                number(cursor, program.externs.len())?;
                program.externs.push(memory(cursor)?);
                line_end(cursor)?;
            } else if cursor.eat("%") {
                number(cursor, program.steps.len())?;
                cursor.expect(":")?;
                program.steps.push(step(cursor)?);
            } else {
                let what = if program.steps.is_empty() { "`extern` or `%`" } else { "`%`" };
                return Err(cursor.expected(what));
            }
        }
        Ok(program)
    }
}

fn line_end(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    if cursor.at_line_end() { Ok(()) } else { Err(cursor.expected("the end of the line")) }
}

fn number(cursor: &mut Cursor<'_>, wanted: usize) -> Result<(), Error> {
    cursor.word(&format!("{wanted}, the next number"), |word| (word.parse() == Ok(wanted)).then_some(()))
}

fn dtype(cursor: &mut Cursor<'_>) -> Result<DType, Error> {
    cursor.word("a dtype", |word| word.parse().ok())
}

fn memory(cursor: &mut Cursor<'_>) -> Result<Extern, Error> {
    let name = cursor.string('"')?;
    let dtype = dtype(cursor)?;
    cursor.expect("[")?;
    let len = cursor.number()?;
    cursor.expect("]")?;
    Ok(Extern { name, dtype, len, written: cursor.eat("written") })
}

fn step(cursor: &mut Cursor<'_>) -> Result<Step, Error> {
    let kernel = kernel(cursor)?;
    let inputs = cursor.list("(", ")", operand)?;
    cursor.expect("->")?;
    let outputs = cursor.list("(", ")", operand)?;
    let mut label = String::new();
    if cursor.eat("#") {
        let place = cursor.clone();
        label = unescape(cursor.line().trim_matches([' ', '\t', '\r']))
            .ok_or_else(|| place.error("a label with an unknown escape"))?;
    }
    line_end(cursor)?;
    Ok(Step { kernel, inputs, outputs, label })
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, Error> {
    let base = cursor.word("`arena` or `extern` and a number", |word| match word {
        "arena" => Some(Base::Arena),
        _ => word.strip_prefix("extern")?.parse().ok().map(Base::Extern),
    })?;
    cursor.expect("@")?;
    let offset = cursor.number()?;
    let dtype = dtype(cursor)?;
    let shape: Vec<usize> = cursor.list("[", "]", Cursor::number)?;
    let mut layout = Layout::contiguous(&shape);
    if cursor.eat("/") {
        layout.strides = cursor.list("[", "]", Cursor::number)?;
    }
    Ok(Operand { base, offset, dtype, layout })
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

fn kernel(cursor: &mut Cursor<'_>) -> Result<Kernel, Error> {
    const CONV: &[&str] = &["strides", "dilation", "padding", "groups", "channel_sums", "epilogue"];
    const POOL: &[&str] = &["window", "strides", "dilation", "padding", "epilogue"];
    const FAMILIES: &[(&str, &[&str])] = &[
        ("map", &["expr", "segments"]),
        ("reduce", &["op", "axes", "prologue", "epilogue"]),
        ("gemm", &["column_sums", "epilogue"]),
        ("conv", CONV),
        ("conv_input_gradient", CONV),
        ("conv_weight_gradient", CONV),
        ("max_pool", POOL),
        ("max_pool_gather", POOL),
        ("max_pool_scatter", POOL),
        ("sum_pool", POOL),
        ("sum_pool_scatter", POOL),
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
        "conv" | "conv_input_gradient" | "conv_weight_gradient" => Kernel::Conv(Conv {
            pass: match name {
                "conv" => ConvPass::Forward,
                "conv_input_gradient" => ConvPass::InputGradient,
                _ => ConvPass::WeightGradient,
            },
            slides: given.slides(),
            groups: given.groups.unwrap_or(1),
            channel_sums: given.channel_sums.is_some(),
            epilogue: given.epilogue,
        }),
        _ => Kernel::Pool(Pool {
            op: match name {
                "max_pool" => PoolOp::Max,
                "max_pool_gather" => PoolOp::MaxGather,
                "max_pool_scatter" => PoolOp::MaxScatter,
                "sum_pool" => PoolOp::Sum,
                _ => PoolOp::SumScatter,
            },
            window: given.window.ok_or_else(|| missing("window"))?,
            slides: given.slides(),
            epilogue: given.epilogue,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mutated;

    /// Every family with every attribute, and layouts that are easy to lose; not a program that verifies.
    fn rich() -> Program {
        let expr: Expr = "|f32, f32| {v0 = in0; v1 = in1; v2 = add(v0, v1); v3 = relu(v2); v3:f32}".parse().unwrap();
        let negate: Expr = "|f32| {v0 = in0; v1 = neg(v0); v1:bf16}".parse().unwrap();
        let mut kernels = vec![
            Kernel::Map(Map { expr: expr.clone(), segments: 1 }),
            Kernel::Map(Map { expr: expr.clone(), segments: 3 }),
            Kernel::Gemm(Gemm { column_sums: false, epilogue: None }),
            Kernel::Gemm(Gemm { column_sums: true, epilogue: Some(expr.clone()) }),
            Kernel::Softmax(Softmax { log: false }),
            Kernel::Softmax(Softmax { log: true }),
            Kernel::Gather(Gather { axis: 1 }),
            Kernel::ScatterAdd(ScatterAdd { axis: usize::MAX }),
        ];
        let slide = Slide { stride: 2, dilation: 3, padding: 4 };
        for pass in [ConvPass::Forward, ConvPass::InputGradient, ConvPass::WeightGradient] {
            let (slides, epilogue) = ([slide, Slide::PLAIN], Some(negate.clone()));
            kernels.push(Kernel::Conv(Conv { pass, slides, groups: 5, channel_sums: true, epilogue }));
        }
        let slides = [Slide::PLAIN; 2];
        let (pass, epilogue) = (ConvPass::Forward, None);
        kernels.push(Kernel::Conv(Conv { pass, slides, groups: 1, channel_sums: false, epilogue }));
        for op in [PoolOp::Max, PoolOp::MaxGather, PoolOp::MaxScatter, PoolOp::Sum, PoolOp::SumScatter] {
            kernels.push(Kernel::Pool(Pool { op, window: [2, 3], slides: [slide; 2], epilogue: Some(negate.clone()) }));
        }
        for op in REDUCTIONS {
            kernels.push(Kernel::Reduce(Reduce { op, axes: vec![], prologue: None, epilogue: Some(negate.clone()) }));
        }
        kernels.push(Kernel::Reduce(Reduce {
            op: ReduceOp::Sum,
            axes: vec![0, 2],
            prologue: Some(negate),
            epilogue: Some(expr),
        }));
        for distribution in DISTRIBUTIONS {
            kernels.push(Kernel::Random(Random { distribution, stream: u64::MAX }));
        }
        let layouts = [
            Layout::contiguous(&[]),
            Layout::contiguous(&[2, 0, 3]),
            Layout { shape: vec![1, 3], strides: vec![99, 1] },
            Layout { shape: vec![4, 2], strides: vec![isize::MIN, isize::MAX] },
            Layout { shape: vec![usize::MAX], strides: vec![] },
        ];
        let labels =
            ["", "dense_1 at src/main.rs:3:5", " # \"quoted\" 'π' \\n ", "two\nlines\r\n\t\0", " ", "\u{a0}x\u{2003}"];
        let steps = kernels.into_iter().enumerate().map(|(n, kernel)| {
            let operand = |n: usize, layout: &Layout| Operand {
                base: if n.is_multiple_of(2) { Base::Arena } else { Base::Extern(n as u32) },
                offset: n * 64,
                dtype: DType::ALL[n % 8],
                layout: layout.clone(),
            };
            Step {
                kernel,
                inputs: layouts.iter().enumerate().map(|(m, layout)| operand(n + m, layout)).collect(),
                outputs: (0..n % 3).map(|m| operand(m, &layouts[2])).collect(),
                label: labels[n % labels.len()].into(),
            }
        });
        let externs = labels.iter().enumerate().map(|(n, name)| Extern {
            name: (*name).into(),
            dtype: DType::ALL[n],
            len: n * 1000,
            written: n.is_multiple_of(2),
        });
        Program { arena: 4096, externs: externs.collect(), steps: steps.collect() }
    }

    #[test]
    fn programs_round_trip() {
        for program in [rich(), Program::default()] {
            let text = program.to_string();
            let back: Program = text.parse().map_err(|why| format!("{why} in\n{text}")).unwrap();
            assert_eq!(back, program);
            let spread = text.replace('\n', "  \r\n\n  # a comment\n");
            assert_eq!(spread.parse::<Program>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_text_is_what_it_is() {
        let text = "\
program arena=256
extern 0 \"w\" f32[6] written
%0: gemm{column_sums, epilogue=|f32| {v0 = in0; v0:f32}} (arena@0 f32[2, 3], extern0@0 f32[3, 2]/[1, 3]) -> (arena@64 f32[2, 2], arena@128 f32[2]) # at main.rs:1:1
%1: reduce{op=sum, axes=[1]} (arena@64 f32[2, 2]) -> (arena@192 f32[2])
%2: random{distribution=bits, stream=7} () -> ()
";
        let program: Program = text.parse().unwrap();
        assert_eq!(program.to_string(), text);
        assert_eq!(program.steps[0].label, "at main.rs:1:1");
        assert_eq!(program.steps[0].inputs[1].layout.strides, [1, 3]);
    }

    #[test]
    fn refusals_name_the_place() {
        let cases = [
            ("", "line 1, column 1: expected `program`, found the end of the text"),
            ("program arena=-1", "line 1, column 15: expected a number in range, found `-1`"),
            ("program arena=0 extern", "line 1, column 17: expected the end of the line, found `extern`"),
            ("program arena=0\nextern 1 \"x\" f32[1]", "line 2, column 8: expected 0, the next number, found `1`"),
            ("program arena=0\nextern 0 x f32[1]", "line 2, column 10: expected a string, found `x`"),
            (
                "program arena=0\nextern 0 \"\\q\" f32[1]",
                "line 2, column 10: expected a string with known escapes, found `\"`",
            ),
            ("program arena=0\nstep", "line 2, column 1: expected `extern` or `%`, found `step`"),
            ("program arena=0\n%0: fft () -> ()", "line 2, column 5: expected a kernel, found `fft`"),
            ("program arena=0\n%0: map () -> ()", "line 2, column 5: map needs expr"),
            (
                "program arena=0\n%0: gemm{axis=1} () -> ()",
                "line 2, column 10: expected one of column_sums, epilogue, found `axis`",
            ),
            ("program arena=0\n%0: gather{axis=1, axis=1} () -> ()", "line 2, column 20: axis stands here twice"),
            (
                "program arena=0\n%0: reduce{op=mean} () -> ()",
                "line 2, column 15: expected sum, prod, max, min, argmax, argmin, found `mean`",
            ),
            ("program arena=0\n%0: map{expr=|f32| {v0 = in1;}} () -> ()", "line 2, column 26: there is no input 1"),
            (
                "program arena=0\n%0: gemm (heap@0 f32[1]) -> ()",
                "line 2, column 11: expected `arena` or `extern` and a number, found `heap`",
            ),
            ("program arena=0\n%0: gemm () -> () # \\q", "line 2, column 21: a label with an unknown escape"),
            ("program arena=0\n%0: gemm ()", "line 2, column 12: expected `->`, found the end of the text"),
            (
                "program arena=0\n%0: gemm () -> ()\nextern 0 \"x\" f32[1]",
                "line 3, column 1: expected `%`, found `extern`",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(text.parse::<Program>().unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn mutated_programs_never_panic() {
        // semantics 6.7
        let (text, mut state, mut read) = (rich().to_string(), 5, 0);
        for _ in 0..5_000 {
            let text = mutated(text.as_bytes(), &mut state);
            if let Ok(program) = String::from_utf8_lossy(&text).parse::<Program>() {
                assert_eq!(program.to_string().parse::<Program>().unwrap(), program);
                let _ = program.verify();
                read += 1;
            }
        }
        assert!((1..5_000).contains(&read), "{read} of 5,000 were read");
    }
}
