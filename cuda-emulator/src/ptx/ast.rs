//! The syntax tree of a PTX module.

/// A module: what one PTX text holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `.version 9.0` as `(9, 0)`.
    pub version: (u32, u32),
    /// The words of `.target`: `sm_80`, perhaps `debug` or `texmode_..`.
    pub target: Vec<String>,
    /// Variables, functions and files, in the order of the text.
    pub items: Vec<Item>,
}

/// What stands at the top of a module.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A variable of the module.
    Variable(Variable),
    /// A kernel or a function.
    Function(Function),
    /// A source file that `.loc` refers to.
    File(File),
}

/// `.file 1 "gemm.cu"`.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The number that `.loc` uses.
    pub index: u32,
    /// The file's name as the compiler was told.
    pub name: String,
}

/// Who sees a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Linkage {
    /// Only this module.
    #[default]
    Internal,
    /// Everybody (`.visible`).
    Visible,
    /// Somebody else defines it (`.extern`).
    Extern,
    /// May be replaced (`.weak`).
    Weak,
    /// Merged with others of its name (`.common`).
    Common,
}

/// A variable or parameter: `.shared .align 4 .b8 tile[4224]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Who sees it.
    pub linkage: Linkage,
    /// The state space: `global`, `shared`, `const`, `local`, `param`; of a register parameter `reg`.
    pub space: String,
    /// The alignment, if one is written.
    pub align: Option<u64>,
    /// The element type: `b8`, `f32`, ...
    pub element: String,
    /// 2 for `.v2`, 4 for `.v4`, else 1.
    pub vector: u32,
    /// The name.
    pub name: String,
    /// The sizes of an array; `None` for a size left open (`s[]`).
    pub dimensions: Vec<Option<u64>>,
    /// What it begins with.
    pub initializer: Option<Initializer>,
}

/// What a variable begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum Initializer {
    /// A number, the address of a variable, or an address with an offset.
    Value(Operand),
    /// `{a, b, ..}`.
    List(Vec<Initializer>),
}

/// `.reg .f32 %f<50>` or `.reg .b64 %SP`.
#[derive(Clone, Debug, PartialEq)]
pub struct Registers {
    /// The type: `pred`, `b16`, `f32`, ...
    pub element: String,
    /// The name, without number if `count` is given.
    pub name: String,
    /// `%f<50>` stands for `%f0` to `%f49`.
    pub count: Option<u32>,
}

/// A performance directive of a function: `.maxntid 256, 1, 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    /// Its name without the dot.
    pub name: String,
    /// Its numbers.
    pub values: Vec<u64>,
}

/// A kernel (`.entry`) or a function (`.func`).
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Who sees it.
    pub linkage: Linkage,
    /// Whether it is a kernel.
    pub entry: bool,
    /// Its name.
    pub name: String,
    /// What a function returns; empty for a kernel.
    pub returns: Vec<Variable>,
    /// Its parameters.
    pub parameters: Vec<Variable>,
    /// Its performance directives.
    pub directives: Vec<Directive>,
    /// Its body; `None` for a declaration.
    pub body: Option<Vec<Statement>>,
}

/// What stands in a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `$L__BB0_2:`.
    Label(String),
    /// Registers.
    Registers(Registers),
    /// A variable of the function.
    Variable(Variable),
    /// `.loc`: what follows comes from this line.
    Location(SourceLine),
    /// An instruction.
    Instruction(Instruction),
    /// A block with names of its own.
    Block(Vec<Statement>),
    /// `name: .branchtargets a, b;` of a `brx.idx`.
    BranchTargets(String, Vec<String>),
    /// `name: .callprototype ..;` or `.calltargets` of an indirect call; its text.
    Prototype(String, String),
    /// `.pragma`, kept as it stands.
    Pragma(String),
}

/// A line of a source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceLine {
    /// The number of the file.
    pub file: u32,
    /// The line, from 1; 0 where the compiler knows none.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// An instruction as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// `@p` or `@!p`.
    pub guard: Option<Guard>,
    /// `add.rn.f32`.
    pub opcode: Opcode,
    /// The operands.
    pub operands: Vec<Operand>,
    /// Its line in the PTX text, from 1.
    pub ptx_line: u32,
}

/// The predicate in front of an instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The register.
    pub register: String,
    /// `@!p`.
    pub negated: bool,
}

/// An opcode in its parts: `ld.global.nc.f32` is `ld` with `global`, `nc`, `f32`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opcode {
    /// The first word.
    pub name: String,
    /// What follows, without dots. `cp.async.cg.shared.global.L2::128B` is `cp` with `async`, `cg`, ...
    pub parts: Vec<String>,
}

impl Opcode {
    /// Whether the part is there.
    pub fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|it| it == part)
    }
}

impl std::fmt::Display for Opcode {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)?;
        self.parts.iter().try_for_each(|part| write!(out, ".{part}"))
    }
}

/// An operand as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, variable, label or function: `%r1`, `tile`, `$L__BB0_2`. Special registers keep their dots: `%tid.x`.
    Name(String),
    /// An integer constant. Negative ones are kept as two's complement.
    Integer(u64),
    /// `0f3F800000`, as its bits.
    F32(u32),
    /// `0d3FF0000000000000`, as its bits.
    F64(u64),
    /// `!p` or `-x`: as in `!%p1`.
    Not(Box<Operand>),
    /// `[base+offset]`, where the base is a name or an integer. Several for `[a, {b, c}]` of tensor copies.
    Address {
        /// A name or an integer.
        base: Box<Operand>,
        /// Bytes added to it.
        offset: i64,
        /// Coordinates of tensor copies; empty elsewhere.
        coordinates: Vec<Operand>,
    },
    /// `{a, b}`.
    Vector(Vec<Operand>),
    /// `a|b`, two results.
    Pair(Box<Operand>, Box<Operand>),
    /// `(a, b)`, the arguments or results of a call.
    Arguments(Vec<Operand>),
    /// `name+4` in an initialiser or a `mov`.
    Sum(String, i64),
    /// `generic(name)+4` in an initialiser: the generic address of a variable.
    Generic(String, i64),
    /// `_`, a result that nobody wants.
    Nothing,
}
