//! Texts that nobody would write: an error or a program, never a panic, a hang or gigabytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use cuda_emulator::lower::{self, Op, Program};
use cuda_emulator::ptx;

const SAMPLES: [&str; 6] = [
    include_str!("ptx/calls_90.ptx"),
    include_str!("ptx/calls_debug.ptx"),
    include_str!("ptx/matrix_80.ptx"),
    include_str!("ptx/pipeline_80.ptx"),
    include_str!("ptx/reduce_75.ptx"),
    include_str!("ptx/reduce_80.ptx"),
];

/// Numbers where they do not belong.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999999",
    "0d7FF0000000000000",
    "1e400",
];

/// Longer than any text here takes on a busy machine without optimisation.
const PATIENCE: Duration = Duration::from_secs(10);

/// The xorshift generator: the same mutants in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Reads, prints, reads again, lowers. Whatever comes out must hold together.
fn run(text: &str) -> Result<Program, String> {
    let start = Instant::now();
    let tree = ptx::parse(text).map_err(|error| error.to_string())?;
    let printed = tree.to_string();
    match ptx::parse(&printed) {
        Ok(again) => assert_eq!(again.to_string(), printed),
        Err(error) => panic!("what was printed is not read: {error}\n{printed}"),
    }
    let program = lower::lower(&tree).map_err(|error| error.to_string())?;
    assert!(start.elapsed() < PATIENCE, "{:?} for {} bytes", start.elapsed(), text.len());
    check(&program);
    Ok(program)
}

/// What every program promises: places are places, registers are registers, no function runs into the next.
fn check(program: &Program) {
    let code = &program.code;
    let count = code.instructions.len();
    assert_eq!((count, count, count), (code.lines.len(), code.ptx_lines.len(), code.names.len()));
    let mut end = 0;
    for function in &program.functions {
        assert_eq!(function.entry, end, "functions lie one behind the other");
        end = function.end;
        let body = &code.instructions[function.entry as usize..function.end as usize];
        let last = body.last().unwrap();
        let ends = matches!(last.op, Op::Return | Op::Exit | Op::Branch { .. } | Op::BranchTable { .. });
        assert!(ends && last.guard.is_none(), "{} runs out of its body", function.name);
        for instruction in body {
            let targets = match &instruction.op {
                Op::Branch { target } => std::slice::from_ref(target),
                Op::BranchTable { targets, .. } => targets,
                _ => &[],
            };
            assert!(targets.iter().all(|it| (function.entry..function.end).contains(it)));
            // Every kind of operand prints its registers alike.
            for register in format!("{instruction:?}").split("Register(").skip(1) {
                let number = register.split(')').next().and_then(|it| it.parse::<u32>().ok());
                assert!(number.is_none_or(|it| it < function.registers), "register {number:?}");
            }
        }
        for place in function.parameters.iter().chain(&function.results) {
            let room = function.kernel.as_ref().map_or(function.frame_bytes, |it| it.parameter_bytes);
            assert!(place.offset.checked_add(place.bytes).unwrap() <= room);
        }
    }
    assert_eq!(end as usize, count);
    for symbol in &program.symbols {
        assert!(symbol.data.len() as u64 <= symbol.bytes && symbol.align.is_power_of_two());
        for (at, other, _) in &symbol.relocations {
            assert!(at + 8 <= symbol.data.len() as u64 && (*other as usize) < program.symbols.len());
        }
    }
}

/// Words, numbers, blanks and marks of a text.
fn pieces(text: &str) -> Vec<&str> {
    let kind = |it: char| if it.is_alphanumeric() || "_$%.".contains(it) { 0 } else { usize::from(it == ' ') + 1 };
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match kind(first) {
            2 | 0 => rest.find(|it| kind(it) != kind(first)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn mutant(random: &mut Random, text: &str) -> String {
    match random.below(8) {
        0 => text.chars().take(random.below(text.len())).collect(),
        1 => {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
        2 => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (a, b) = (random.below(lines.len()), random.below(lines.len()));
            lines.swap(a, b);
            lines.join("\n")
        }
        kind => {
            let mut pieces = pieces(text);
            for _ in 0..=random.below(3) {
                let (a, b) = (random.below(pieces.len()), random.below(pieces.len()));
                match kind {
                    3 => pieces.swap(a, b),
                    4 => drop(pieces.remove(a)),
                    5 => pieces.insert(a, pieces[b]),
                    6 => pieces[a] = pieces[b],
                    _ => {
                        let numbers = |it: &&str| it.starts_with(|it: char| it.is_ascii_digit());
                        let at = pieces.iter().skip(a).position(numbers).map_or(a, |it| a + it);
                        pieces[at] = NUMBERS[random.below(NUMBERS.len())];
                    }
                }
            }
            pieces.concat()
        }
    }
}

#[test]
fn the_texts_themselves_are_programs() {
    for text in SAMPLES {
        let program = run(text).unwrap_or_else(|error| panic!("{error}"));
        assert!(program.code.instructions.len() > 100 && program.functions.iter().any(|it| it.kernel.is_some()));
    }
}

#[test]
fn mutants_of_real_texts() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut programs, mut errors) = (0, 0);
    for round in 0..10_000 {
        match run(&mutant(&mut random, SAMPLES[round % SAMPLES.len()])) {
            Ok(_) => programs += 1,
            Err(message) => {
                assert!(!message.is_empty());
                errors += 1;
            }
        }
    }
    // Both must be met, or the mutants are too tame or too wild to try anything.
    assert!(programs > 1000 && errors > 1000, "{programs} programs, {errors} errors");
}

fn kernel(body: &str) -> String {
    format!(".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{{\n{body}\nret;\n}}\n")
}

fn module(items: &str) -> String {
    format!(".version 8.0\n.target sm_80\n{items}\n")
}

/// Texts that ask for too much, and a word of the answer. `None`: it is a program.
fn demands() -> Vec<(String, Option<&'static str>)> {
    let many = |piece: &str, count: usize| piece.repeat(count);
    let numbered = |count: usize, make: &dyn Fn(usize) -> String| (0..count).map(make).collect::<String>();
    vec![
        (kernel(&format!("{}{}", many("{", 100_000), many("}", 100_000))), Some("nest")),
        (kernel(&many("{", 1_000_000)), Some("nest")),
        (kernel(&format!("{}{}", many("{", 40), many("}", 40))), None),
        (module(&format!(".global .b8 x[4] = {}", many("{", 1_000_000))), Some("nest")),
        (module(&format!(".global .b32 x = {}1;", many("(", 1_000_000))), Some("nest")),
        (module(&format!(".global .b32 x = {}1;", many("-", 1_000_000))), Some("nest")),
        (module(&format!(".global .b32 x{};", many("[1]", 100_000))), Some("dimensions")),
        (kernel(&format!("mov.b32 {}", many("{", 1_000_000))), Some("nest")),
        (kernel(&format!("mov.b32 {}", many("[", 1_000_000))), Some("address")),
        (kernel(&format!("call {}", many("(", 1_000_000))), Some("nest")),
        (kernel(&format!("mov.b32 %{}, 1;", many("9", 1_000_000))), Some("register")),
        (kernel(&format!("bra {};", many("a", 1_000_000))), Some("label")),
        (kernel(&format!("{}.{};", many("a", 500_000), many("b", 500_000))), Some("not known")),
        (kernel(".reg .b32 %r<4000000000>;\nmov.b32 %r3999999999, %r0;\nmov.b32 %r7, %r3999999999;"), None),
        (kernel(".reg .b32 %r<4000000000>;\nmov.b32 %r4000000000, 1;"), Some("register")),
        (kernel(".reg .b32 %r<99999999999>;"), Some("too large")),
        (
            kernel(&format!(".reg .b32 %r<99999>;{}", numbered(70_000, &|at| format!("mov.b32 %r{at}, 1;\n")))),
            Some("registers"),
        ),
        (kernel(".local .b8 x[600000];"), Some("local memory")),
        (kernel(".local .b8 x[18446744073709551615];"), Some("too large")),
        (kernel(".local .b64 x[4294967295][4294967295];"), Some("too large")),
        (kernel(".shared .b8 x[49152];"), None),
        (kernel(".shared .b8 x[49153];"), Some("shared")),
        (module(".shared .b8 x[9999999999];"), Some("shared")),
        (module(".global .b8 x[9999999999999999];"), Some("too large")),
        (module(".global .b8 x[2][1000000000] = {{1}, {2}};"), Some("too many bytes")),
        (module(".global .b8 x[1000000000000] = {1};"), None),
        (module(".global .align 3 .b8 x;"), Some("alignment")),
        (module(".global .align 0 .b8 x;"), Some("alignment")),
        (module(".global .align 4294967296 .b8 x;"), Some("alignment")),
        (module(".const .b8 x[65537];"), Some("constant")),
        (module(".visible .entry k(.param .b8 p[40000]) { ret; }"), Some("parameters")),
        (module(".global .u64 x = x+18446744073709551615;"), None),
        (module(".global .u64 x = generic(nobody);"), Some("no address")),
        (module(".global .u32 x = 1/0;"), Some("zero")),
        (module(".global .u64 x = -9223372036854775808/-1;"), None),
        (module(".global .u64 x = 1<<18446744073709551615;"), None),
        (kernel("call k;"), Some("kernel")),
        (kernel("call nobody;"), Some("nothing")),
        (
            module(".func a(); .func b();.func a() { call b; ret; } .func b() { call a; ret; } .entry k() { call a; }"),
            None,
        ),
        (
            module(&format!(
                "{}.entry k() {{ call f0; ret; }}",
                numbered(20_000, &|at| format!(".func f{at}() {{ call f{}; ret; }}\n", (at + 1) % 20_000))
            )),
            None,
        ),
        (
            module(&format!(
                ".func f() {{ .shared .b8 x[99]; ret; }} {}",
                numbered(20_000, &|at| format!(".entry k{at}() {{ call f; ret; }}\n"))
            )),
            None,
        ),
        (
            kernel(&format!(
                ".reg .b32 %r; l: t: .branchtargets {}l; {}",
                many("l,", 100_000),
                many("brx.idx %r, t;", 30_000)
            )),
            Some("targets"),
        ),
        (kernel(&many("l:", 2)), Some("twice")),
        (kernel(&numbered(100_000, &|at| format!("l{at}: bra l{};", at / 2))), None),
        (kernel(&many("{}", 1_000_000)), None),
        (kernel("ret"), Some("operands")),
        (module(&format!("// {}", many("x", 1_000_000))), None),
        (module("/*"), Some("no end")),
        (module("\u{0}\u{1}"), Some("no place")),
        (String::new(), Some(".version")),
        (".version 8.0".to_owned(), Some(".target")),
        (module(".section .debug { {"), Some("expected")),
        (many("\u{fffd}", 100_000), Some("no place")),
    ]
}

#[test]
fn texts_that_ask_for_too_much() {
    for (text, wanted) in demands() {
        let short: String = text.chars().take(200).collect();
        match (run(&text), wanted) {
            (Ok(_), None) => {}
            (Err(message), Some(word)) => {
                assert!(message.contains(word), "{word:?} is not in {message:?}: {short}");
                assert!(message.len() < 500, "a message of {} bytes: {short}", message.len());
            }
            (Ok(_), Some(word)) => panic!("no error about {word:?}: {short}"),
            (Err(message), None) => panic!("{message}: {short}"),
        }
    }
    // What all of this took, where the system tells.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap_or_default();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        assert!(kilobytes < 1 << 20, "{kilobytes} kB at most");
    }
}
