//! The text form of programs; [`Program`](super::Program) describes it.

use super::{Base, Extern, Operand, Program, Step};
use crate::text::{Cursor, escape, unescape};
use crate::{DType, Error, Layout};
use std::{fmt, str::FromStr};

mod kernel;

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
    let kernel = kernel::kernel(cursor)?;
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

#[cfg(test)]
mod tests {
    use super::{
        kernel::{DISTRIBUTIONS, REDUCTIONS},
        *,
    };
    use crate::text::mutated;
    use crate::{
        Conv, ConvPass, Expr, Gather, Gemm, Kernel, Map, Pool, PoolOp, Random, Reduce, ReduceOp, ScatterAdd, Slide,
        Softmax,
    };

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
        for pass in ConvPass::ALL {
            let (slides, epilogue) = ([slide, Slide::PLAIN], Some(negate.clone()));
            kernels.push(Kernel::Conv(Conv { pass, slides, groups: 5, channel_sums: true, epilogue }));
        }
        let slides = [Slide::PLAIN; 2];
        let (pass, epilogue) = (ConvPass::Forward, None);
        kernels.push(Kernel::Conv(Conv { pass, slides, groups: 1, channel_sums: false, epilogue }));
        for op in PoolOp::ALL {
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
