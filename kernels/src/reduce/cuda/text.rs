//! The text of a reduction's kernel: types, operators and expressions before the template.

use super::{Plan, Stage, THREADS};
use crate::cuda::{Space, source};
use crate::{DType, ReduceOp};
use std::fmt::Write;

impl Plan<'_> {
    pub(super) fn text(&self, stage: Stage, columns: bool, narrow: bool) -> String {
        let width = if stage == Stage::Last { 1 } else { self.width };
        let counts =
            [self.kept.sizes.len(), self.reduced.sizes.len(), self.kept.strides.len(), self.reduced.strides.len()];
        let [kept, reduced, kept_strides, reduced_strides] = counts;
        let operands = self.inputs.len() + self.extra.len() + self.outputs.len();
        let number = if narrow { "u32" } else { "u64" };
        format!(
            "{prelude}
#define THREADS {THREADS}
#define WIDTH {width}
#define COLUMNS {columns}
typedef {number} Number;
typedef {value} V;
{accumulator}
struct Reduction {{
    i64 results, elements, lanes, places, segment;
    Acc* accs;
    i64 kept_size[{kept}], reduced_size[{reduced}];
    u64 address[{operands}];
    i64 kept[{kept_strides}][{kept}], reduced[{reduced_strides}][{reduced}];
}};
{elements}{finish}{template}",
            prelude = source::PRELUDE,
            columns = u32::from(columns),
            value = self.value.compute(),
            accumulator = self.accumulator_text(),
            elements = if stage == Stage::Last { FROM_ACCUMULATORS.into() } else { self.elements() },
            finish = if stage == Stage::First { TO_ACCUMULATORS.into() } else { self.finish() },
            template = include_str!("../reduce.cu"),
        )
    }

    /// `Acc`, `neutral` and `fold`.
    fn accumulator_text(&self) -> String {
        let dtype = self.value.compute();
        let lowest = match dtype {
            DType::Bool | DType::U8 => "0",
            DType::I32 => "0x80000000u",
            DType::I64 => "0x8000000000000000ull",
            _ => "-op_div((V)1, (V)0)",
        };
        let highest = match dtype {
            DType::Bool => "1",
            DType::U8 => "255",
            DType::I32 => "0x7fffffff",
            DType::I64 => "0x7fffffffffffffffll",
            _ => "op_div((V)1, (V)0)",
        };
        let (neutral, fold) = match self.reduce.op {
            ReduceOp::Sum => ("0", "op_add"),
            ReduceOp::Prod => ("1", "op_mul"),
            ReduceOp::Max => (lowest, "op_maximum"),
            ReduceOp::Min => (highest, "op_minimum"),
            ReduceOp::ArgMax => (lowest, ">"),
            ReduceOp::ArgMin => (highest, "<"),
        };
        if !self.is_arg() {
            return format!(
                "struct Acc {{ V value; }};
FN Acc neutral() {{ return {{ (V){neutral} }}; }}
FN Acc acc_of(V value, i64) {{ return {{ value }}; }}
FN Acc fold(Acc a, Acc b) {{ return {{ {fold}(a.value, b.value) }}; }}
FN V value_of(Acc a) {{ return a.value; }}"
            );
        }
        // Lanes are interleaved, so among equals the earlier one is told by its number. No bytes are left to padding, which
        // would travel through memory unwritten.
        let (fill, zero) = if dtype.size() == 8 { ("", "") } else { ("u32 fill; ", " 0,") };
        let held = if dtype.size() == 1 { "i32" } else { "V" };
        format!(
            "struct Acc {{ {held} value; {fill}i64 at; }};
#define NOWHERE 0x7fffffffffffffffll
FN Acc neutral() {{ return {{ (V){neutral},{zero} NOWHERE }}; }}
FN Acc acc_of(V value, i64 at) {{ return {{ value,{zero} at }}; }}
FN Acc fold(Acc a, Acc b) {{
    const bool nan_a = a.value != a.value, nan_b = b.value != b.value;
    const bool same = a.value == b.value || (nan_a && nan_b);
    const bool better = b.value {fold} a.value || (nan_b && !nan_a);
    return better || (same && b.at < a.at) ? b : a;
}}
FN i64 value_of(Acc a) {{ return a.at == NOWHERE ? 0 : a.at; }}"
        )
    }

    /// `Start`, `start_of` and `elements`, from the operands.
    fn elements(&self) -> String {
        let (taken, all) = (self.inputs.len(), self.reduced.strides.len());
        let (rank, last) = (self.reduced.sizes.len(), self.reduced.sizes.len() - 1);
        let starts: String =
            (0..all).map(|n| format!("    start.at[{n}] = {};\n", offset("r.kept", n, &self.kept))).collect();
        let mut loads = String::new();
        for number in 0..all {
            let _ = write!(loads, "    const i64 at{number} = start.at[{number}]");
            for axis in 0..rank {
                let _ = write!(loads, " + p{axis} * r.reduced[{number}][{axis}]");
            }
            loads += ";\n";
        }
        for (number, input) in self.inputs.iter().enumerate() {
            let dtype = input.dtype;
            let _ = writeln!(
                loads,
                "    const Pack<{dtype}, WIDTH> x{number} = load_pack<WIDTH>((const {dtype}*)r.address[{number}] + at{number}, count);"
            );
        }
        let (body, value) = match &self.reduce.prologue {
            None => (String::new(), "widen(x0.at[k])".into()),
            Some(expr) => {
                let index = |axis: u32| {
                    let number = taken + self.prologue_axes.iter().position(|&it| it == axis).unwrap_or(0);
                    format!("at{number} + k * r.reduced[{number}][{last}]")
                };
                let body = source::statements(expr, |n| format!("x{n}.at[k]"), index);
                (body, format!("widen({})", source::result(expr, 0)))
            }
        };
        // Only a single axis can end within a group.
        let count = if rank == 1 { "r.elements - p0" } else { "WIDTH" };
        format!(
            "
struct Start {{ i64 at[{all}]; }};

FN Start start_of(const Reduction& r, Number result) {{
{decode}    Start start;
{starts}    return start;
}}

template <bool WHOLE> FN Acc elements(const Reduction& r, const Start& start, Number place, Acc acc) {{
{places}    const i64 count = WHOLE ? WIDTH : {count};
{loads}    #pragma unroll
    for (int k = 0; k < WIDTH; k++) {{
        if (!WHOLE && k >= count) break;
{body}        acc = fold(acc, acc_of({value}, (i64)place * WIDTH + k));
    }}
    return acc;
}}
",
            decode = split("result", "i", "r.kept_size", self.kept.sizes.len(), "1"),
            places = split("place", "p", "r.reduced_size", rank, "WIDTH"),
        )
    }

    /// `finish`, to the operands.
    fn finish(&self) -> String {
        let first = self.reduced.strides.len();
        let further = self.extra.len() + self.outputs.len();
        let mut text = split("result", "i", "r.kept_size", self.kept.sizes.len(), "1");
        for number in 0..further + self.epilogue_axes.len() {
            let _ = writeln!(text, "    const i64 at{number} = {};", offset("r.kept", first + number, &self.kept));
        }
        let address = |number: usize| format!("r.address[{}]", self.inputs.len() + number);
        let store = |number: usize, value: &str| {
            let (at, dtype) = (self.extra.len() + number, self.outputs[number].dtype);
            format!("    (({dtype}*){})[at{at}] = {value};\n", address(at))
        };
        match &self.reduce.epilogue {
            None => text += &store(0, &format!("Narrow<{}>::of(value_of(acc))", self.outputs[0].dtype)),
            Some(expr) => {
                if let Some(dtype) = expr.inputs().first() {
                    let _ = writeln!(text, "    const {dtype} x0 = Narrow<{dtype}>::of(value_of(acc));");
                }
                for (number, operand) in self.extra.iter().enumerate() {
                    let (x, dtype) = (number + 1, operand.dtype);
                    let _ =
                        writeln!(text, "    const {dtype} x{x} = ((const {dtype}*){})[at{number}];", address(number));
                }
                let index = |axis: u32| {
                    format!("at{}", further + self.epilogue_axes.iter().position(|&it| it == axis).unwrap_or(0))
                };
                text += &source::statements(expr, |n| format!("x{n}"), index);
                for number in 0..expr.outputs().len() {
                    text += &store(number, &source::result(expr, number));
                }
            }
        }
        format!("\nFN void finish(const Reduction& r, Number result, Acc acc) {{\n{text}}}\n\n")
    }
}

/// Accumulators lie in rows, one for each segment.
const FROM_ACCUMULATORS: &str = "
typedef Number Start;
FN Start start_of(const Reduction&, Number result) { return result; }
template <bool WHOLE> FN Acc elements(const Reduction& r, Start result, Number place, Acc acc) {
    return fold(acc, r.accs[(u64)place * (u64)r.results + result]);
}
";

const TO_ACCUMULATORS: &str = "
FN void finish(const Reduction& r, Number result, Acc acc) {
    r.accs[(u64)blockIdx.y * (u64)r.results + result] = acc;
}

";

/// Statements that divide the number `from` into indices `{name}0`, `{name}1`, ... along axes; `group` indices along the last
/// one have a number together.
fn split(from: &str, name: &str, sizes: &str, rank: usize, group: &str) -> String {
    let mut text = format!("    Number rest = {from};\n");
    for axis in (1..rank).rev() {
        let (size, times) = match axis + 1 == rank {
            true => (format!("((Number){sizes}[{axis}] / {group})"), format!(" * {group}")),
            false => (format!("(Number){sizes}[{axis}]"), String::new()),
        };
        let _ = writeln!(text, "    const i64 {name}{axis} = (i64)(rest % {size}){times};\n    rest /= {size};");
    }
    let times = if rank == 1 { format!(" * {group}") } else { String::new() };
    let _ = writeln!(text, "    const i64 {name}0 = (i64)rest{times};");
    text
}

/// The offset of an operand, by its strides along the axes of `space`.
fn offset(strides: &str, operand: usize, space: &Space) -> String {
    let terms = (0..space.sizes.len()).map(|axis| format!("i{axis} * {strides}[{operand}][{axis}]"));
    terms.collect::<Vec<_>>().join(" + ")
}
