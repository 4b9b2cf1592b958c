use super::*;
use crate::ErrorKind;

const REGISTERS: &str = "
    .reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<9>; .reg .f32 %f<9>; .reg .b64 %l<9>; .reg .f64 %d<9>;";

const VARIABLES: &str = "
    .global .align 8 .u64 there = generic(other)+4;
    .extern .global .b32 elsewhere;
    .const .f32 table[2] = {0f3F800000, 2.5};
    .global .b32 other;
    .shared .align 16 .b8 tile[40];
    .extern .shared .align 32 .b8 open[];
    .global .u64 functions[2] = {square, nothing};";

fn module(items: &str) -> Result<Program, Error> {
    lower(&ptx::parse(&format!(".version 8.7\n.target sm_90\n.address_size 64\n{items}"))?)
}

/// A kernel with a body among variables and functions.
fn kernel(body: &str) -> Result<Program, Error> {
    module(&format!(
        "{VARIABLES}
        .func (.param .b32 result) square(.param .b32 x) {{ ret; }}
        .func nothing() {{ .shared .b32 own; ret; }}
        .extern .func (.param .b32 result) vprintf(.param .b64 format, .param .b64 values);
        .extern .func missing();
        .visible .entry k(.param .u64 a, .param .align 16 .b8 b[20], .param .u8 c) {{ {REGISTERS} {body} ret; }}"
    ))
}

/// What a body of a kernel becomes, the last return left out.
fn ops(body: &str) -> Vec<Op> {
    let program = kernel(body).unwrap_or_else(|error| panic!("{body}: {error}"));
    let function = program.functions.last().unwrap();
    let mut ops: Vec<Op> =
        program.code.instructions[function.entry as usize..].iter().map(|it| it.op.clone()).collect();
    assert!(matches!(ops.pop(), Some(Op::Return)));
    ops
}

/// The one instruction of a body, as it prints.
fn text(body: &str) -> String {
    let ops = ops(body);
    assert_eq!(ops.len(), 1, "{body}");
    format!("{:?}", ops[0]).replace("Register(Register", "(Register").replace("register: ", "")
}

#[test]
fn what_instructions_become() {
    for (body, wanted) in [
        ("mov.u32 %r1, %tid.y;", "Move { source: Special(Tid(1)), target: Target { Register(0), width: 32 } }"),
        ("mov.u32 %r1, %cluster_nctaid.x;", "Move { source: Constant(1), "),
        ("mov.s32 %r1, -1;", "Move { source: Constant(4294967295), "),
        ("mov.f64 %d1, 1.5;", "Move { source: Constant(4609434218613702656), "),
        ("mov.f32 %f1, 0d3FF8000000000000;", "Move { source: Constant(1069547520), "),
        ("mov.pred %p1, 5;", "Move { source: Constant(1), target: Target { Register(0), width: 1 } }"),
        ("mov.u64 %l1, tile+8;", "Move { source: Shared(8), "),
        ("mov.u64 %l1, open+8;", "Move { source: DynamicShared(8), "),
        ("mov.u64 %l1, table;", "Move { source: Symbol(2, 0), "),
        ("mov.u64 %l1, other+-4;", "Move { source: Symbol(3, -4), "),
        ("mov.u64 %l1, square;", "Move { source: Function(0), "),
        ("mov.b64 %l1, b+4;", "Move { source: Parameter(20), "),
        (".local .align 8 .b8 x[9]; mov.u64 %l1, x+8;", "Move { source: Frame(8), "),
        (
            "mov.b64 {%r1, _}, %l1;",
            "Unpack { source: (Register(0)), part: 32, targets: [Some(Target { Register(1), width: 32 }), None] }",
        ),
        ("mov.b32 %r1, {%h1, 7};", "Pack { sources: [(Register(0)), Constant(7)], part: 16, target: "),
        ("ld.param.u64 %l1, [a];", "Load { address: Address { space: Param, base: Parameter(0), offset: 0 }, "),
        (
            "ld.param.u8 %h1, [c];",
            "base: Parameter(36), offset: 0 }, targets: [Some(Target { Register(0), width: 16 })], bytes: 1, signed: false",
        ),
        ("ld.param.b32 %r1, [b+16];", "base: Parameter(16), offset: 16 }"),
        (
            "ld.global.s8 %r1, [%l1+-4];",
            "Address { space: Global, base: (Register(0)), offset: -4 }, targets: [Some(Target { Register(1), width: 32 })], bytes: 1, signed: true, order: Weak",
        ),
        (
            "ld.global.nc.L1::no_allocate.L2::128B.v4.f32 {%f1, %f2, _, %f3}, [%l1];",
            "bytes: 4, signed: false, order: Weak, scope: Device, non_coherent: true }",
        ),
        ("ld.volatile.shared.u32 %r1, [tile+4];", "Address { space: Shared, base: Shared(0), offset: 4 }"),
        (
            "ld.acquire.cta.u32 %r1, [%l1];",
            "space: Generic, base: (Register(0)), offset: 0 }, targets: [Some(Target { Register(1), width: 32 })], bytes: 4, signed: false, order: Acquire, scope: Block",
        ),
        ("ld.const.f32 %f1, [table+4];", "Address { space: Const, base: Symbol(2, 0), offset: 4 }"),
        (
            "st.release.sys.global.v2.u8 [%l1], {%h1, 300};",
            "sources: [(Register(1)), Constant(44)], bytes: 1, order: Release, scope: System }",
        ),
        ("st.local.f64 [16], 0f3F800000;", "base: Constant(16), offset: 0 }, sources: [Constant(4607182418800017408)]"),
        ("atom.global.add.f32 %f1, [%l1], %f2;", "Atomic { op: Add, ty: F32, address: "),
        (
            "atom.acq_rel.sys.shared.cas.b64 %l1, [tile], 1, 2;",
            "sources: [Constant(1)], swap: Some(Constant(2)), targets: [Some(Target { Register(0), width: 64 })], order: AcquireRelease, scope: System }",
        ),
        ("red.relaxed.cta.global.max.s32 [%l1], -3;", "Atomic { op: Max, ty: S32, "),
        ("atom.global.v2.f32.add _, [%l1], {%f1, %f2};", "targets: [None, None]"),
        ("cp.async.ca.shared.global [%r1], [%l1], 4, 2;", "bytes: 4, read: Some(Constant(2)), ignore: None }"),
        (
            "cp.async.cg.shared::cta.global.L2::128B [%r1+16], [%l1], 16, !%p1;",
            "bytes: 16, read: None, ignore: Some(NotPredicate(Register(0))) }",
        ),
        ("cp.async.wait_group 3;", "AsyncWait { pending: Some(3) }"),
        ("cp.async.wait_all;", "AsyncWait { pending: None }"),
        ("cvta.to.global.u64 %l1, %l2;", "space: Global, to_generic: false, "),
        ("cvta.shared.u64 %l1, tile;", "ConvertAddress { source: Shared(0), space: Shared, to_generic: true, "),
        ("isspacep.local %p1, %l1;", "IsSpace { source: (Register(0)), space: Local, "),
        (
            "shfl.sync.bfly.b32 %r1|%p1, %r2, 1, 31, -1;",
            "Shuffle { kind: Butterfly, sources: [(Register(2)), Constant(1), Constant(31), Constant(4294967295)], target: Some(Target { Register(0), width: 32 }), valid: Some(Target { Register(1), width: 1 }) }",
        ),
        ("vote.sync.ballot.b32 %r1, !%p1, -1;", "Vote { kind: Ballot, predicate: NotPredicate(Register(1)), "),
        ("match.all.sync.b64 %r1|%p1, -1, %r2;", "Match { kind: All, value: Constant(18446744073709551615), "),
        ("redux.sync.min.s32 %r1, %r2, -1;", "Redux { op: MinS32, "),
        ("elect.sync _|%p1, -1;", "target: None, leader: Some("),
        ("bar.sync 0;", "Barrier { id: Constant(0), threads: None, kind: Sync, aligned: true }"),
        ("barrier.cta.arrive 1, 64;", "threads: Some(Constant(64)), kind: Arrive, aligned: false }"),
        ("bar.red.popc.u32 %r1, 0, 32, !%p1;", "Popc { predicate: NotPredicate(Register("),
        ("barrier.red.and.aligned.pred %p1, 0, %p2;", "threads: None, kind: And { "),
        ("bar.warp.sync -1;", "WarpBarrier { members: Constant(4294967295) }"),
        ("membar.gl;", "Fence { order: Sequential, scope: Device }"),
        ("fence.acq_rel.cluster;", "Fence { order: AcquireRelease, scope: Cluster }"),
        ("fence.proxy.async;", "Hint"),
        ("prefetch.global.L2 [%l1];", "Hint"),
        ("nanosleep.u32 %r1;", "Hint"),
        (
            "madc.hi.cc.s64 %l1, %l2, %l3, 7;",
            "Carry { kind: MultiplyHigh, width: 64, signed: true, carry_in: true, carry_out: true, ",
        ),
        (
            "add.cc.u32 %r1, %r2, -1;",
            "Carry { kind: Add, width: 32, signed: false, carry_in: false, carry_out: true, sources: [(Register(0)), Constant(4294967295), Constant(0)], ",
        ),
        (
            "subc.u32 %r1, %r2, %r3;",
            "Carry { kind: Subtract, width: 32, signed: false, carry_in: true, carry_out: false, ",
        ),
        (
            "ldmatrix.sync.aligned.m8n8.x2.trans.shared::cta.b16 {%r1, %r2}, [tile+16];",
            "targets: [Target { Register(0), width: 32 }, Target { Register(1), width: 32 }], transpose: true }",
        ),
        ("ldmatrix.sync.aligned.m8n8.x1.b16 {%r1}, [%l1];", "LoadMatrix { address: Address { space: Generic, "),
        (
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6},
             {0f3F800000, 0f00000000, %f3, %f4};",
            "Mma { ty: Bf16, k: 16, a: [(Register(0)), (Register(1)), (Register(2)), (Register(3))], \
             b: [(Register(4)), (Register(5))], c: [Constant(1065353216), Constant(0), (Register(6)), (Register(7))], d: [",
        ),
        (
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6},
             {%f1, %f2, %f3, %f4};",
            "Mma { ty: Tf32, k: 8, ",
        ),
        (
            "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r5}, {%f1, %f2, %f3, %f4};",
            "Mma { ty: F16, k: 8, ",
        ),
        ("exit;", "Exit"),
        ("trap;", "Trap"),
        ("call nothing;", "Call { function: Function(1), arguments: [], results: [] }"),
    ] {
        let found = text(body);
        assert!(found.contains(wanted), "{body}\n   {found}\n   {wanted}");
    }
}

#[test]
fn what_is_refused() {
    for (body, kind, wanted) in [
        ("mov.u32 %r1, %r9;", ErrorKind::Invalid, "nothing defines %r9"),
        ("mov.u32 %r1, %r01;", ErrorKind::Invalid, "nothing defines %r01"),
        ("mov.u32 %r1, %tid.w;", ErrorKind::Unsupported, "%tid.w"),
        ("mov.f32 %f1, 1;", ErrorKind::Invalid, "where a float belongs"),
        ("mov.b128 %l1, %l2;", ErrorKind::Unsupported, "`mov.b128`"),
        ("mov.u64 %r1, %l1;", ErrorKind::Invalid, "type of %r1"),
        ("ld.global.u64 %r1, [%l1];", ErrorKind::Invalid, "type of %r1"),
        ("mov.u32 %r1, %f1;", ErrorKind::Invalid, "type of %f1"),
        ("st.global.u32 [%l1], %f1;", ErrorKind::Invalid, "type of %f1"),
        ("atom.global.add.u32 %l1, [%l1], 1;", ErrorKind::Invalid, "type of %l1"),
        ("ld.global.u32 %r1, [%d1];", ErrorKind::Invalid, "type of %d1"),
        ("ld.global.b128 %l1, [%l2];", ErrorKind::Unsupported, "`ld.global.b128`"),
        ("ld.global.v2.u32 %r1, [%l2];", ErrorKind::Invalid, "1 elements, it takes 2"),
        ("ld.shared.u32 %r1, [other];", ErrorKind::Invalid, "another space"),
        ("ld.shared::cluster.u32 %r1, [%l1];", ErrorKind::Unsupported, "`.shared::cluster`"),
        ("ld.shared.u32 %r1, [%h1];", ErrorKind::Invalid, "type of %h1"),
        ("ld.global.u32 %r1, %l1;", ErrorKind::Invalid, "no address"),
        ("st.param.u64 [a], %l1;", ErrorKind::Invalid, "cannot be written"),
        ("st.const.u64 [%l1], %l1;", ErrorKind::Invalid, "cannot be written"),
        ("atom.global.inc.s32 %r1, [%l1], 1;", ErrorKind::Unsupported, "`.s32`"),
        ("atom.local.add.u32 %r1, [%l1], 1;", ErrorKind::Invalid, "global and shared"),
        ("cp.async.cg.shared.global [%r1], [%l1], 8;", ErrorKind::Invalid, "16"),
        ("shfl.down.b32 %r1, %r2, 1, 31;", ErrorKind::Unsupported, "`shfl.down.b32`"),
        ("@%r1 bra l; l:", ErrorKind::Invalid, "no predicate"),
        ("ld.gpu.global.u32 %r1, [%l1];", ErrorKind::Invalid, "beside an order"),
        ("ld.u32.b32 %r1, [%l1];", ErrorKind::Unsupported, "`.b32`"),
        ("ld.global.u32 %r1, [4];", ErrorKind::Invalid, "another space"),
        ("ld.u64 %l1, [a];", ErrorKind::Invalid, "another space"),
        ("st.global.u32 [%l1], %tid.x;", ErrorKind::Invalid, "moved to a register first"),
        ("cvta.to.global.u64 %l1, tile;", ErrorKind::Invalid, "moved to a register first"),
        (".shared .b8 x[];", ErrorKind::Invalid, "a size is missing"),
        ("l: bra.volatile l;", ErrorKind::Unsupported, "`bra.volatile`"),
        ("bra nowhere;", ErrorKind::Invalid, "no label"),
        ("{ inner: } bra inner;", ErrorKind::Invalid, "no label"),
        ("bar.arrive 0;", ErrorKind::Invalid, "waited for"),
        ("barrier.cluster.arrive;", ErrorKind::Unsupported, "`barrier.cluster.arrive`"),
        ("call missing;", ErrorKind::Invalid, "defined nowhere"),
        ("call k;", ErrorKind::Invalid, "kernel"),
        ("@%r1 exit;", ErrorKind::Invalid, "no predicate"),
        ("call (%r1), square, ();", ErrorKind::Invalid, "1 arguments"),
        (".param .b64 x; call (%r1), square, (x);", ErrorKind::Invalid, "8 bytes, the function takes 4"),
        ("bar.sync;", ErrorKind::Invalid, "operands"),
        ("wgmma.fence.sync.aligned;", ErrorKind::Unsupported, "`wgmma.fence.sync.aligned`"),
        ("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%l1];", ErrorKind::Invalid, "takes 4"),
        (
            "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1, %r2}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%r7, %r8};",
            ErrorKind::Unsupported,
            "`mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16`",
        ),
        ("mbarrier.init.shared.b64 [%l1], 1;", ErrorKind::Unsupported, "`mbarrier.init.shared.b64`"),
        ("cp.async.bulk.commit_group;", ErrorKind::Unsupported, "`cp.async.bulk.commit_group`"),
    ] {
        let error = kernel(body).map(drop).expect_err(body);
        assert_eq!(error.kind(), kind, "{body}: {error}");
        assert!(error.to_string().contains(wanted), "{body}: {error}");
        assert!(error.line() > 0 || body.starts_with('.'), "{body}: {error}");
    }
    let old = ".version 8.0 .target sm_75 .entry k() { cp.async.wait_all; }";
    let error = lower(&ptx::parse(old).unwrap()).map(drop).expect_err("too old");
    assert!(error.to_string().contains("requires .target sm_80"), "{error}");
}

#[test]
fn variables_have_places_and_first_values() {
    let program = kernel("").unwrap();
    let found: Vec<_> =
        program.symbols.iter().map(|it| (it.name.as_str(), it.constant, it.external, it.bytes)).collect();
    let wanted = [
        ("there", false, false, 8),
        ("elsewhere", false, true, 4),
        ("table", true, false, 8),
        ("other", false, false, 4),
        ("functions", false, false, 16),
    ];
    assert_eq!(found, wanted);
    assert_eq!(program.symbols[0].relocations, [(0, 3, 4)]);
    assert_eq!(program.symbols[2].data, [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0x40]);
    // Functions are numbered from 1, so that null is none of them.
    assert_eq!(program.symbols[4].data, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    let nested = module(".global .b16 x[2][3] = {{1, 2}, {3}}; .global .v2 .b8 y[2] = {{1}, {2, 3}};").unwrap();
    assert_eq!(nested.symbols[0].data, [1, 0, 2, 0, 0, 0, 3, 0]);
    assert_eq!(nested.symbols[1].data, [1, 0, 2, 3]);
}

#[test]
fn shared_variables_of_kernels_that_never_meet_overlap() {
    let program = module(
        ".shared .align 4 .b8 all[8]; .shared .b8 rest[100]; .extern .shared .align 64 .b8 open[];
        .func called() { .shared .align 8 .b64 own; st.shared.b64 [own], 0; ret; }
        .entry a() { .shared .b32 x[10]; st.shared.b32 [x], 0; ret; }
        .entry b() { .shared .b32 x[9]; st.shared.b32 [all], 0; st.shared.b32 [x], 0; ret; }
        .entry c() { .shared .b32 x; call called; st.shared.b32 [x], 0; ret; }
        .entry d() { .reg .b64 f; call f; ret; }",
    );
    let program = program.unwrap();
    let kernels = program.functions.iter().filter_map(|it| it.kernel.as_ref());
    let found: Vec<_> = kernels.map(|it| (it.static_shared, it.dynamic_align)).collect();
    assert_eq!(found, [(40, 64), (44, 64), (124, 64), (120, 64)]);
    let places: Vec<_> = program
        .code
        .instructions
        .iter()
        .filter_map(|it| match it.op {
            Op::Store { address, .. } => Some(address.base),
            _ => None,
        })
        .collect();
    let shared = [112, 0, 0, 8, 120].map(Source::Shared);
    assert_eq!(places, shared);
}

#[test]
fn frames_hold_locals_and_what_calls_need() {
    let program = kernel(
        ".local .align 8 .b8 x[12];
        { .param .b32 given; .param .b32 back; st.param.b32 [given], 1; call (back), square, (given); ld.param.b32 %r1, [back]; }
        call (%r2), square, (%r3);
        { .param .b64 f; .param .b64 v; .param .b32 n; call (n), vprintf, (f, v); }",
    );
    let program = program.unwrap();
    let square = &program.functions[0];
    assert_eq!((square.frame_bytes, square.kernel.is_none()), (16, true));
    assert_eq!(square.parameters, [Parameter { offset: 0, bytes: 4 }]);
    assert_eq!(square.results, [Parameter { offset: 4, bytes: 4 }]);
    let kernel = program.functions.last().unwrap();
    assert_eq!(kernel.frame_bytes, 64);
    assert_eq!(kernel.kernel.as_ref().unwrap().parameter_bytes, 37);
    let body = &program.code.instructions[kernel.entry as usize..];
    let calls: Vec<_> = body
        .iter()
        .filter_map(|it| match &it.op {
            Op::Call { arguments, results, .. } | Op::SystemCall { arguments, results, .. } => {
                Some(arguments.iter().chain(results).map(|it| it.offset).collect::<Vec<_>>())
            }
            _ => None,
        })
        .collect();
    assert_eq!(calls, [vec![12, 16], vec![20, 24], vec![32, 40, 48]]);
    // A value in a register goes through the frame.
    let around: Vec<_> = body.iter().map(|it| &it.op).collect();
    assert!(matches!(around[3], Op::Store { address: Address { base: Source::Frame(20), .. }, .. }));
    assert!(matches!(around[5], Op::Load { address: Address { base: Source::Frame(24), .. }, .. }));
}

#[test]
fn names_belong_to_blocks() {
    let ops = ops("mov.u32 %r1, 1; { .reg .b32 %r1; mov.u32 %r1, 2; { mov.u32 %r1, %r2; } } mov.u32 %r1, 3;");
    let targets: Vec<_> = ops
        .iter()
        .filter_map(|it| match it {
            Op::Move { target, .. } => Some(target.register.0),
            _ => None,
        })
        .collect();
    assert_eq!(targets, [0, 1, 1, 0]);
}

#[test]
fn labels_become_places_and_bodies_end() {
    let program = module(
        ".entry k() { .reg .pred p; .reg .b32 i; t: .branchtargets b, a;
        a: @p bra c; { a: @!p bra a; } brx.idx i, t; b: bra a; c: }
        .entry l() { trap; }
        .entry m() { exit; }",
    );
    let program = program.unwrap();
    let code = &program.code;
    let targets: Vec<_> = code
        .instructions
        .iter()
        .filter_map(|it| match &it.op {
            Op::Branch { target } => Some(vec![*target]),
            Op::BranchTable { targets, .. } => Some(targets.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(targets, [vec![4], vec![1], vec![3, 0], vec![0]]);
    let bodies: Vec<_> = program.functions.iter().map(|it| (it.entry, it.end)).collect();
    assert_eq!(bodies, [(0, 5), (5, 7), (7, 8)]);
    assert!(matches!((&code.instructions[4].op, &code.instructions[6].op), (Op::Return, Op::Return)));
    assert!(code.instructions[1].guard.is_some_and(|it| it.negated));
}

#[test]
fn lines_and_launch_bounds_are_kept() {
    let program = module(
        ".entry k() .maxntid 16, 8, 1 .minnctapersm 2 { .loc 1 7 3\n trap;\n .loc 1 9 1, function_name f, inlined_at 1 2 3\n exit; }
        .entry l() .reqntid 32 .reqnctapercluster 2, 1, 1 { exit; }
        .file 1 \"k.cu\"",
    );
    let program = program.unwrap();
    let places: Vec<_> =
        program.code.lines.iter().zip(&program.code.ptx_lines).map(|(it, ptx)| (it.line, *ptx)).collect();
    assert_eq!(places, [(7, 5), (9, 7), (0, 8)]);
    assert_eq!(program.code.names, ["trap", "exit", "exit"]);
    assert_eq!(program.files, [(1, "k.cu".to_owned())]);
    let kernels: Vec<_> = program.functions.iter().filter_map(|it| it.kernel.as_ref()).collect();
    assert_eq!((kernels[0].max_threads, kernels[0].required_threads, kernels[0].cluster), (Some(128), None, false));
    assert_eq!(
        (kernels[1].max_threads, kernels[1].required_threads, kernels[1].cluster),
        (None, Some([32, 1, 1]), true)
    );
    assert_eq!(program.architecture, 90);
}
