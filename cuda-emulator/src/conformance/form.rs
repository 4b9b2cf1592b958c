//! An instruction form: its opcode with the types of what it reads and writes, and what is expected of a result.

use super::exact::{BF16, E4M3, E5M2, F16, F32, F64, Format, Mode, TF32, Value};

/// What the bits of an operand mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Predicate,
    /// A constant of the instruction.
    Table,
    Bits,
    Unsigned,
    Signed,
    Float(Format),
    /// Two numbers of half the width; the kind is theirs.
    Two(Element),
}

/// What stands in two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Unsigned,
    Signed,
    Float(Format),
}

/// The type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) kind: Kind,
    pub(super) bits: u32,
}

impl Type {
    pub(super) fn named(name: &str) -> Option<Self> {
        let float = |format: Format| Type { kind: Kind::Float(format), bits: format.bits };
        let two = |element, bits| Type { kind: Kind::Two(element), bits };
        Some(match name {
            // The truth table of `lop3`, which must be a constant.
            "table" => Type { kind: Kind::Table, bits: 8 },
            "pred" => Type { kind: Kind::Predicate, bits: 1 },
            "f16" => float(F16),
            "bf16" => float(BF16),
            "f32" => float(F32),
            "f64" => float(F64),
            "tf32" => Type { kind: Kind::Float(TF32), bits: 32 },
            "f16x2" => two(Element::Float(F16), 32),
            "bf16x2" => two(Element::Float(BF16), 32),
            "e4m3x2" => two(Element::Float(E4M3), 16),
            "e5m2x2" => two(Element::Float(E5M2), 16),
            "u16x2" => two(Element::Unsigned, 32),
            "s16x2" => two(Element::Signed, 32),
            _ => {
                let (kind, bits) = name.split_at_checked(1)?;
                let kind = match kind {
                    "b" => Kind::Bits,
                    "u" => Kind::Unsigned,
                    "s" => Kind::Signed,
                    _ => return None,
                };
                let bits = bits.parse().ok().filter(|it| matches!(it, 2 | 4 | 8 | 16 | 32 | 64))?;
                Type { kind, bits }
            }
        })
    }

    /// The bits of the register that holds it.
    pub(super) fn register(self) -> u32 {
        if self.kind == Kind::Predicate { 1 } else { self.bits.max(16) }
    }

    /// One of the two numbers side by side; other types are what they are.
    fn half(self) -> Self {
        match self.kind {
            Kind::Two(Element::Unsigned) => Type { kind: Kind::Unsigned, bits: self.bits / 2 },
            Kind::Two(Element::Signed) => Type { kind: Kind::Signed, bits: self.bits / 2 },
            Kind::Two(Element::Float(format)) => Type { kind: Kind::Float(format), bits: self.bits / 2 },
            _ => self,
        }
    }

    /// The integer of these bits.
    pub(super) fn integer(self, bits: u64) -> i128 {
        let value = i128::from(bits & low_bits(self.bits));
        match self.kind {
            Kind::Signed if value >> (self.bits - 1) == 1 => value - (1 << self.bits),
            _ => value,
        }
    }
}

/// So many ones.
pub(super) fn low_bits(count: u32) -> u64 {
    if count == 0 { 0 } else { u64::MAX >> (64 - count.min(64)) }
}

/// An opcode with its operands.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) opcode: String,
    pub(super) name: String,
    pub(super) parts: Vec<String>,
    pub(super) results: Vec<Type>,
    pub(super) sources: Vec<Type>,
}

impl Form {
    /// `T` in a signature is the last type that the opcode names, `U` the first, `W` twice as wide as `T`; other words are types. Results
    /// stand before the equals sign.
    pub(super) fn new(opcode: &str, signature: &str) -> Option<Self> {
        let mut words = opcode.split('.').map(str::to_owned);
        let name = words.next()?;
        let parts: Vec<String> = words.collect();
        let types: Vec<Type> = parts.iter().filter_map(|it| Type::named(it)).collect();
        let of = |word: &str| match word {
            "T" => types.last().copied(),
            "U" => types.first().copied(),
            "W" => types.last().map(|it| Type { bits: it.bits * 2, ..*it }),
            word => Type::named(word),
        };
        let list = |words: &str| words.split(',').map(of).collect::<Option<Vec<_>>>();
        let (results, sources) = signature.split_once('=')?;
        Some(Form { results: list(results)?, sources: list(sources)?, opcode: opcode.to_owned(), name, parts })
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|it| it == part)
    }

    /// Registers of 32 bits take the results of narrow conversions, so that their extension is seen.
    pub(super) fn result_register(&self, at: usize) -> u32 {
        match self.results.get(at) {
            // From bf16 there must be no wider register.
            Some(ty) if matches!(ty.kind, Kind::Unsigned | Kind::Signed) && self.name == "cvt" && !self.has("bf16") => {
                ty.bits.max(32)
            }
            Some(ty) => ty.register(),
            None => 0,
        }
    }

    fn source(&self, at: usize) -> Type {
        self.sources.get(at).copied().unwrap_or(Type { kind: Kind::Bits, bits: 64 })
    }

    fn result(&self) -> Type {
        self.results.first().copied().unwrap_or(Type { kind: Kind::Bits, bits: 64 })
    }

    /// A source as an integer.
    pub(super) fn int(&self, values: &Sources, at: usize) -> i128 {
        self.source(at).integer(values[at])
    }

    /// Its bits and no more.
    pub(super) fn bits(&self, values: &Sources, at: usize) -> u64 {
        values[at] & low_bits(self.source(at).bits)
    }

    /// The width of the first source.
    pub(super) fn width(&self) -> u32 {
        self.source(0).bits
    }

    /// The format of a source, or of its halves.
    pub(super) fn format(&self, at: usize) -> Format {
        match self.source(at).kind {
            Kind::Float(format) | Kind::Two(Element::Float(format)) => format,
            _ => F64,
        }
    }

    /// The format of the result.
    pub(super) fn result_format(&self) -> Format {
        match self.result().kind {
            Kind::Float(format) | Kind::Two(Element::Float(format)) => format,
            _ => F64,
        }
    }

    /// A source as a number; `.ftz` makes subnormal ones zero.
    pub(super) fn value(&self, values: &Sources, at: usize) -> Value {
        let format = self.format(at);
        format.value(self.flushed(format, self.bits(values, at)))
    }

    /// `.ftz` where it says something: of f64, and of 16 bits in conversions, it does not.
    pub(super) fn flushed(&self, format: Format, bits: u64) -> u64 {
        let concerned = format == F32 || format != F64 && self.name != "cvt";
        let subnormal = bits & (format.sign() - 1) < format.normal();
        if self.has("ftz") && concerned && subnormal { bits & format.sign() } else { bits }
    }

    /// An integer cut to the result's width, extended to its register's.
    pub(super) fn wrap(&self, value: i128) -> Expect {
        let cut = self.result().integer(value as u64);
        Expect::Bits(cut as u64 & low_bits(self.result_register(0)))
    }

    pub(super) fn mode(&self) -> Mode {
        let found = self.parts.iter().find_map(|part| match part.strip_suffix('i').unwrap_or(part) {
            "rz" => Some(Mode::Zero),
            "rm" => Some(Mode::Down),
            "rp" => Some(Mode::Up),
            "rna" => Some(Mode::Away),
            _ => None,
        });
        found.unwrap_or(Mode::Nearest)
    }

    /// The form for one of two numbers side by side.
    fn halved(&self) -> Self {
        let halves = |types: &[Type]| types.iter().map(|it| it.half()).collect();
        Form { results: halves(&self.results), sources: halves(&self.sources), ..self.clone() }
    }

    /// What a function expects of both halves, if there are halves.
    pub(super) fn each(&self, values: &Sources, expect: impl Fn(&Form, &Sources) -> Expect) -> Expect {
        let two = |ty: &Type| matches!(ty.kind, Kind::Two(_));
        if !self.results.iter().chain(&self.sources).any(two) {
            return expect(self, values);
        }
        let half = self.halved();
        let part = |upper: bool| {
            let mut values = *values;
            for (value, ty) in values.iter_mut().zip(&self.sources) {
                if upper && two(ty) {
                    *value >>= ty.bits / 2;
                }
            }
            expect(&half, &values)
        };
        Expect::Two(Box::new(part(false)), Box::new(part(true)), self.result().bits / 2)
    }
}

/// Up to four sources.
pub(super) type Sources = [u64; 4];

/// What a result must be.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// These bits.
    Bits(u64),
    /// Any NaN of the format.
    Nan(Format),
    /// Close to a number.
    Close(Format, f64, Tolerance),
    /// One thing in the low half, another in the upper; and the bits of a half.
    Two(Box<Expect>, Box<Expect>, u32),
    /// PTX does not say.
    Anything,
}

/// How far from the right number a result may be: the greater of two errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    pub(super) relative: f64,
    pub(super) absolute: f64,
    /// Results that are subnormal may be zero.
    pub(super) flush: bool,
}

impl Expect {
    /// Whether it is.
    pub(super) fn holds(&self, bits: u64) -> bool {
        match self {
            Expect::Bits(expected) => bits == *expected,
            Expect::Nan(format) => bits <= low_bits(format.bits) && matches!(format.value(bits), Value::Nan),
            Expect::Close(format, value, tolerance) => close(*format, bits, *value, *tolerance),
            Expect::Two(low, high, width) => {
                low.holds(bits & low_bits(*width))
                    && high.holds(bits >> *width & low_bits(*width))
                    && bits >> *width >> *width == 0
            }
            Expect::Anything => true,
        }
    }
}

/// The double nearest to a number, which holds all but the widest exactly.
pub(super) fn to_f64(value: &Value) -> f64 {
    match value {
        Value::Nan => f64::NAN,
        Value::Infinity(negative) => {
            if *negative {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }
        }
        Value::Finite(number) => f64::from_bits(F64.nearest(Mode::Nearest, number)),
    }
}

fn close(format: Format, bits: u64, value: f64, tolerance: Tolerance) -> bool {
    let got = to_f64(&format.value(bits));
    let unit = |pattern: u64| to_f64(&Value::Finite(format.magnitude(pattern)));
    let (least, normal, greatest) = (unit(1), unit(format.normal()), unit(format.greatest));
    if value == 0.0 || value.is_infinite() {
        return got == value && got.is_sign_negative() == value.is_sign_negative();
    }
    let allowed = (tolerance.relative * value.abs()).max(tolerance.absolute).max(least);
    if tolerance.flush && value.abs() - allowed < normal && got == 0.0 {
        return true;
    }
    if got.is_infinite() {
        return value.abs() + allowed > greatest && (got > 0.0) == (value > 0.0);
    }
    (got - value).abs() <= allowed
}

/// A number of a format from a double, for the inputs of tests.
pub(super) fn from_f64(format: Format, value: f64) -> u64 {
    match F64.value(value.to_bits()) {
        Value::Nan => format.nan,
        Value::Infinity(negative) => format.beyond() | if negative { format.sign() } else { 0 },
        Value::Finite(number) => format.nearest(Mode::Nearest, &number),
    }
}
