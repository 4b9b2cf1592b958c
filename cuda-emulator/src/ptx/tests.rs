use super::*;

fn body(text: &str) -> Result<Vec<Statement>, Error> {
    let module = parse(&format!(".version 8.0\n.target sm_80, debug\n.func f()\n{{{text}}}"))?;
    match module.items.into_iter().next() {
        Some(Item::Function(Function { body: Some(body), .. })) => Ok(body),
        other => panic!("{other:?}"),
    }
}

/// The operands of one instruction.
fn operands(text: &str) -> Vec<Operand> {
    match body(text).unwrap_or_else(|error| panic!("{text}: {error}")).pop() {
        Some(Statement::Instruction(instruction)) => instruction.operands,
        other => panic!("{other:?}"),
    }
}

fn name(text: &str) -> Operand {
    Operand::Name(text.to_owned())
}

#[test]
fn operands_of_every_form() {
    let address = |base, offset| Operand::Address { base: Box::new(base), offset, coordinates: Vec::new() };
    for (text, wanted) in [
        ("x %r1;", name("%r1")),
        ("x %tid.x;", name("%tid.x")),
        ("x -5;", Operand::Integer(5u64.wrapping_neg())),
        ("x (1 + 2) * 3 - 8 / -4 << 1;", Operand::Integer(22)),
        ("x ~0x0FU & 0b111 ^ 010;", Operand::Integer(8)),
        ("x WARP_SZ;", Operand::Integer(32)),
        ("x -0f3F800000;", Operand::F32(0xbf80_0000)),
        ("x 0d3FF0000000000000;", Operand::F64(1.0f64.to_bits())),
        ("x -1.5e1;", Operand::F64((-15.0f64).to_bits())),
        ("x !%p1;", Operand::Not(Box::new(name("%p1")))),
        ("x [%rd1];", address(name("%rd1"), 0)),
        ("x [tile+-16];", address(name("tile"), -16)),
        ("x [tile-16];", address(name("tile"), -16)),
        ("x [64+8];", address(Operand::Integer(64), 8)),
        ("x tile+16;", Operand::Sum("tile".to_owned(), 16)),
        ("x _;", Operand::Nothing),
        ("x {%r1, _};", Operand::Vector(vec![name("%r1"), Operand::Nothing])),
        ("x %r1|%p1;", Operand::Pair(Box::new(name("%r1")), Box::new(name("%p1")))),
        (
            "x [map, {%r1, 0}];",
            Operand::Address {
                base: Box::new(name("map")),
                offset: 0,
                coordinates: vec![Operand::Vector(vec![name("%r1"), Operand::Integer(0)])],
            },
        ),
        ("call (a, b);", Operand::Arguments(vec![name("a"), name("b")])),
    ] {
        assert_eq!(operands(text), [wanted], "{text}");
    }
}

#[test]
fn statements_of_every_form() {
    let text = "
        .reg .pred %p<3>, q;
        .local .align 16 .b8 depot[80];
        .loc 1 5 3, function_name $L__info+12, inlined_at 1 2 3
        t: .branchtargets a, b;
        prototype_1 : .callprototype (.param .b32 _) _ (.param .b64 _, .param .b32 _);
        a: { .pragma \"nounroll\"; }
        @!%p1 setp.lt.and.f32 %p2|q, %f1, 0f00000000, !%p0;";
    let registers = |name: &str, count| {
        Statement::Registers(Registers { element: "pred".to_owned(), name: name.to_owned(), count })
    };
    let found = body(text).unwrap();
    assert_eq!(found.len(), 9);
    assert_eq!(found[0], registers("%p", Some(3)));
    assert_eq!(found[1], registers("q", None));
    assert!(matches!(&found[2], Statement::Variable(it) if it.align == Some(16) && it.dimensions == [Some(80)]));
    assert_eq!(found[3], Statement::Location(SourceLine { file: 1, line: 5, column: 3 }));
    assert_eq!(found[4], Statement::BranchTargets("t".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
    let prototype = ".callprototype (.param .b32 _) _ (.param .b64 _, .param .b32 _)";
    assert_eq!(found[5], Statement::Prototype("prototype_1".to_owned(), prototype.to_owned()));
    assert_eq!(found[6], Statement::Label("a".to_owned()));
    assert_eq!(found[7], Statement::Block(vec![Statement::Pragma("nounroll".to_owned())]));
}

#[test]
fn guards_and_opcodes() {
    let found = body("@!%p1 ld.global.L2::128B.v2 .f32 {a, b}, [c];").unwrap();
    let [Statement::Instruction(instruction)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(instruction.guard, Some(Guard { register: "%p1".to_owned(), negated: true }));
    assert_eq!(instruction.opcode.to_string(), "ld.global.L2::128B.v2.f32");
    assert!(instruction.opcode.has("L2::128B") && !instruction.opcode.has("ld"));
    assert_eq!(instruction.ptx_line, 4);
}

#[test]
fn modules_with_all_that_may_stand_in_them() {
    let text = "// a comment
        .version 7.8 .target sm_90a, texmode_independent .address_size 64
        .file 1 \"a \\\"b\\\".cu\", 1700000000, 42
        .weak .global .attribute(.unified(1, 2)) .align 8 .v2 .f32 x[2][3] = {{1.0}, {2.0, 3.0}}, y;
        .extern .shared .b8 open[];
        .global .u64 p = generic(x)+8;
        .extern .func (.param .b32 r) g (.param .b64 a, .param .align 8 .b8 b[16]) .noreturn ;
        .visible .entry k(.param .u64 .ptr .global .align 4 p, .param .u32 n)
        .maxntid 256, 1, 1 .minnctapersm 2 .explicitcluster .pragma \"x\"; { ret; }
        .section .debug_str { info: .b8 97,0
        .b32 info+4 }
        .section	.debug_loc	{	}";
    let module = parse(text).unwrap();
    assert_eq!((module.version, module.target.len(), module.items.len()), ((7, 8), 2, 7));
    let printed = module.to_string();
    assert_eq!(parse(&printed).unwrap().to_string(), printed);
    assert!(printed.contains(".weak .global .align 8 .v2 .f32 x[2][3] = {{0d3FF0000000000000}, {"), "{printed}");
    assert!(printed.contains(".global .u64 p = generic(x)+8;"), "{printed}");
    let Some(Item::Function(kernel)) = module.items.last() else { panic!("{module:?}") };
    let directives: Vec<_> = kernel.directives.iter().map(|it| (it.name.as_str(), it.values.len())).collect();
    assert_eq!(directives, [("maxntid", 3), ("minnctapersm", 1), ("explicitcluster", 0)]);
    assert_eq!((kernel.parameters[0].align, kernel.parameters[0].element.as_str()), (None, "u64"));
}

#[test]
fn errors_name_the_line_and_what_was_expected() {
    for (text, line, wanted) in [
        (".target sm_80", 1, "expected `.version`, found `.target`"),
        (".version 9 .target sm_80", 1, "a version such as 9.0, found `9`"),
        (".version 9.0", 1, "expected `.target`, found the end of the text"),
        (".version 9.0 .target sm_80\n.address_size 32", 2, "address size"),
        (".version 9.0 .target sm_80\n\n.func f() { add.s32 a b; }", 3, "expected `,` or `;`, found `b`"),
        (".version 9.0 .target sm_80\n.func f() { mov.u32 a, [; }", 2, "expected an address, found `;`"),
        (".version 9.0 .target sm_80\n.func f() { mov.u32 a, }", 2, "expected an operand, found `}`"),
        (".version 9.0 .target sm_80\n.func f() { ret;; }", 2, "expected a statement or `}`, found `;`"),
        (".version 9.0 .target sm_80\n.func f() {\n", 3, "expected a statement or `}`, found the end of the text"),
        (".version 9.0 .target sm_80\n.func f() { .reg .b33 a; }", 2, "expected"),
        (".version 9.0 .target sm_80\n.global .f31 x;", 2, "expected a type, found `.f31`"),
        (".version 9.0 .target sm_80\n.global .f32 x = {1.0;", 2, "expected `,` or `}`, found `;`"),
        (".version 9.0 .target sm_80\n.alias a, b;", 2, "`.alias` is not known"),
        (".version 9.0 .target sm_80\n.entry k() .unheard 3 { }", 2, "`.unheard` is not known"),
        (".version 9.0 .target sm_80\n.global .u8 x = 0xFF(y);", 2, "mask"),
        (".version 9.0 .target sm_80\n.global .u32 x = 1 + 2.0;", 2, "floats"),
        (".version 9.0 .target sm_80\n.global .b8 x[1.5];", 2, "integer"),
        (".version 9.0 .target sm_80\nret;", 2, "expected a directive of a module, found `ret`"),
    ] {
        let error = parse(text).map(drop).expect_err(text);
        assert!(error.line() == line && error.to_string().contains(wanted), "{text}: {error}");
    }
}
