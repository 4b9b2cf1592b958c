//! The PTX text of cases.

use std::fmt::Write as _;

use super::form::{Form, Kind, Type};
use super::{Case, Program};

/// One module with the kernels of all these cases, for the greatest compute capability that one of them needs, and the names of
/// the kernels in the order of the cases.
pub fn module(cases: &[&Case]) -> (String, Vec<String>) {
    let architecture = cases.iter().map(|it| it.architecture).max().unwrap_or(75);
    let mut text = format!(".version 8.1\n.target sm_{architecture}\n.address_size 64\n");
    let mut names = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let name = format!("case_{at}");
        let body = match &case.program {
            Program::Arithmetic { form, constant, .. } => arithmetic(form, *constant),
            Program::Special(special) => special.body.clone(),
        };
        // Writing to a text cannot fail.
        let _ = write!(text, "\n// {}\n.visible .entry {name}(.param .u64 out, .param .u64 in)\n{{\n", case.name);
        text.push_str(BEGIN);
        text.push_str(&body);
        text.push_str("\tret;\n}\n");
        names.push(name);
    }
    (text, names)
}

/// Registers, and where the thread's input and output are.
const BEGIN: &str = "\t.reg .pred %p<8>;
	.reg .b16 %h<8>;
	.reg .b32 %r<16>;
	.reg .b64 %l<16>;
	.reg .b64 %in, %out;
	.reg .b32 %thread, %block, %index;
	mov.u32 %thread, %tid.x;
	mov.u32 %block, %ctaid.x;
	mov.u32 %index, %ntid.x;
	mad.lo.u32 %index, %block, %index, %thread;
	ld.param.u64 %in, [in];
	mad.wide.u32 %in, %index, 32, %in;
	ld.param.u64 %out, [out];
	mad.wide.u32 %out, %index, 16, %out;
";

/// The letter of the registers of a width.
fn letter(bits: u32) -> char {
    match bits {
        1 => 'p',
        16 => 'h',
        32 => 'r',
        _ => 'l',
    }
}

/// Loads what the instruction reads, runs it, stores what it wrote.
fn arithmetic(form: &Form, constant: Option<u64>) -> String {
    let mut text = String::new();
    let mut operands = Vec::new();
    for (at, ty) in form.sources.iter().enumerate() {
        operands.push(match (ty.kind, constant) {
            (Kind::Table, Some(constant)) => constant.to_string(),
            _ => load(&mut text, at, *ty),
        });
    }
    let widths: Vec<u32> = (0..form.results.len()).map(|at| form.result_register(at)).collect();
    let results: Vec<String> =
        widths.iter().enumerate().map(|(at, bits)| format!("%{}{}", letter(*bits), 4 + at)).collect();
    let _ = writeln!(text, "\t{} {}, {};", form.opcode, results.join("|"), operands.join(", "));
    for (at, (register, bits)) in results.iter().zip(widths).enumerate() {
        if bits == 1 {
            let _ = writeln!(text, "\tselp.b32 %r{}, 1, 0, {register};", 8 + at);
            let _ = writeln!(text, "\tst.global.b32 [%out+{}], %r{};", 8 * at, 8 + at);
        } else {
            let _ = writeln!(text, "\tst.global.b{bits} [%out+{}], {register};", 8 * at);
        }
    }
    text
}

fn load(text: &mut String, at: usize, ty: Type) -> String {
    let bits = ty.register();
    let register = format!("%{}{at}", letter(bits));
    let _ = if bits == 1 {
        // A predicate is the lowest bit.
        let load = format!("\tld.global.b32 %r{at}, [%in+{}];\n\tand.b32 %r{at}, %r{at}, 1;", 8 * at);
        writeln!(text, "{load}\n\tsetp.ne.b32 {register}, %r{at}, 0;")
    } else {
        writeln!(text, "\tld.global.b{bits} {register}, [%in+{}];", 8 * at)
    };
    register
}
