//! Where variables lie, and what they begin with.

use std::collections::HashMap;

use super::fail::{invalid, short, unsupported};
use super::names::{Callee, Globals, Place};
use super::types::Type;
use super::{Parameter, Symbol};
use crate::Error;
use crate::ptx::{Initializer, Item, Linkage, Module, Operand, Variable};

/// Alignments beyond this one are no compiler's; every frame of a module is a multiple of the largest one in it.
const MAX_ALIGN: u64 = 1 << 12;

/// Bytes of one variable: what fits an address space with room to spare. Whether memory is there is found at loading.
const MAX_VARIABLE: u64 = 1 << 46;

/// Bytes of all initialised data. A short text can ask for much: `x[2][1000000] = {{1}, {2}}`.
const MAX_DATA: u64 = 64 << 20;

/// Bytes of all constant variables: the size of the bank that hardware has for them.
const MAX_CONSTANT: u64 = 64 << 10;

/// Variables side by side, each aligned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    /// One past the last byte.
    pub(super) end: u64,
    /// The largest alignment.
    pub(super) align: u64,
}

/// Size and alignment of a variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) bytes: u64,
    pub(super) align: u64,
}

impl Layout {
    /// Places one more; returns its offset, or `None` past `limit`.
    pub(super) fn add(&mut self, shape: Shape, limit: u64) -> Option<u32> {
        let offset = self.end.checked_next_multiple_of(shape.align)?;
        let end = offset.checked_add(shape.bytes).filter(|&end| end <= limit)?;
        self.end = end;
        self.align = self.align.max(shape.align);
        u32::try_from(offset).ok()
    }
}

/// The type of a variable's elements.
fn element(variable: &Variable) -> Result<Type, Error> {
    match Type::named(&variable.element) {
        Some(ty) if ty.bits >= 8 => Ok(ty),
        _ => unsupported(0, format!("a variable of the type `.{}`: {}", variable.element, short(&variable.name))),
    }
}

/// Size and alignment. An array whose first size is left open has that of its list, or none.
pub(super) fn shape(variable: &Variable) -> Result<Shape, Error> {
    let natural = u64::from(element(variable)?.bytes()) * u64::from(variable.vector.clamp(1, 4));
    let mut bytes = natural;
    for (at, size) in variable.dimensions.iter().enumerate() {
        let size = match (size, &variable.initializer) {
            (Some(size), _) => *size,
            (None, Some(Initializer::List(items))) if at == 0 => items.len() as u64,
            (None, None) if at == 0 && variable.linkage == Linkage::Extern => 0,
            (None, _) => return invalid(0, format!("a size is missing in the array {}", short(&variable.name))),
        };
        bytes = match bytes.checked_mul(size).filter(|&it| it <= MAX_VARIABLE) {
            Some(bytes) => bytes,
            None => return invalid(0, format!("the variable {} is too large", short(&variable.name))),
        };
    }
    let align = variable.align.unwrap_or(natural);
    if !align.is_power_of_two() || align > MAX_ALIGN {
        return invalid(0, format!("an alignment of {align} for {}", short(&variable.name)));
    }
    Ok(Shape { bytes, align })
}

/// Lays out parameters, for instance of a kernel.
pub(super) fn parameters(variables: &[Variable], layout: &mut Layout, limit: u64) -> Result<Vec<Parameter>, Error> {
    let mut found = Vec::with_capacity(variables.len());
    for variable in variables {
        let name = short(&variable.name);
        if variable.space != "param" || variable.dimensions.contains(&None) {
            return unsupported(0, format!("a parameter that is a register or has no size: {name}"));
        }
        let shape = shape(variable)?;
        let Some(offset) = layout.add(shape, limit) else {
            return invalid(0, format!("parameters of more than {limit} bytes: {name}"));
        };
        found.push(Parameter { offset, bytes: shape.bytes as u32 });
    }
    Ok(found)
}

/// Makes symbols of the global and constant variables, without what they begin with.
pub(super) fn declare<'a>(module: &'a Module, globals: &mut Globals<'a>) -> Result<Vec<Symbol>, Error> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for item in &module.items {
        let Item::Variable(variable) = item else { continue };
        let constant = match variable.space.as_str() {
            "global" => false,
            "const" => true,
            _ => continue,
        };
        let Shape { bytes, align } = shape(variable)?;
        let external = variable.linkage == Linkage::Extern;
        let symbol = Symbol {
            name: variable.name.clone(),
            constant,
            external,
            align,
            data: Vec::new(),
            bytes,
            relocations: Vec::new(),
        };
        match globals.variables.get(variable.name.as_str()) {
            None => {
                let place = Place::Symbol { index: symbols.len() as u32, constant };
                globals.variables.insert(&variable.name, place);
                symbols.push(symbol);
            }
            // A declaration and its definition are one variable, in either order.
            Some(Place::Symbol { index, .. }) => match symbols.get_mut(*index as usize) {
                Some(known) if known.external && known.constant == constant => *known = symbol,
                Some(known) if external && known.constant == constant => {}
                _ => return invalid(0, format!("two variables are named {}", short(&variable.name))),
            },
            Some(_) => return invalid(0, format!("two variables are named {}", short(&variable.name))),
        }
    }
    let constant = symbols.iter().filter(|it| it.constant).try_fold(0u64, |sum, it| sum.checked_add(it.bytes));
    match constant {
        Some(0..=MAX_CONSTANT) => Ok(symbols),
        _ => invalid(0, format!("constant variables of more than {MAX_CONSTANT} bytes")),
    }
}

/// Writes what the variables begin with.
pub(super) fn initialise(module: &Module, globals: &Globals<'_>, symbols: &mut [Symbol]) -> Result<(), Error> {
    let mut room = MAX_DATA;
    for item in &module.items {
        let Item::Variable(variable) = item else { continue };
        let Some(initializer) = &variable.initializer else { continue };
        let place = globals.variables.get(variable.name.as_str());
        let symbol = match place {
            Some(Place::Symbol { index, .. }) if variable.linkage != Linkage::Extern => {
                symbols.get_mut(*index as usize)
            }
            _ => None,
        };
        let Some(symbol) = symbol else {
            return invalid(0, format!("{} cannot begin with a value", short(&variable.name)));
        };
        let ty = element(variable)?;
        let mut sizes: Vec<u64> = variable.dimensions.iter().map(|it| it.unwrap_or(u64::MAX)).collect();
        if variable.vector > 1 {
            sizes.push(u64::from(variable.vector));
        }
        let mut fill = Fill { symbol, globals, ty, room: &mut room };
        fill.value(initializer, &sizes, 0)?;
    }
    Ok(())
}

/// Fills one variable.
struct Fill<'a, 'g> {
    symbol: &'a mut Symbol,
    globals: &'a Globals<'g>,
    ty: Type,
    room: &'a mut u64,
}

impl Fill<'_, '_> {
    /// Recursion ends with the dimensions, whose number the parser limits.
    fn value(&mut self, initializer: &Initializer, sizes: &[u64], at: u64) -> Result<(), Error> {
        let name = short(&self.symbol.name);
        match (initializer, sizes) {
            (Initializer::List(items), [size, inner @ ..]) => {
                if items.len() as u64 > *size {
                    return invalid(0, format!("{name} begins with more values than it has room for"));
                }
                // The sizes left open are first ones, so the inner ones are in the variable's checked size.
                let stride = inner.iter().fold(u64::from(self.ty.bytes()), |all, size| all.saturating_mul(*size));
                for (index, item) in (0u64..).zip(items) {
                    self.value(item, inner, at.saturating_add(index.saturating_mul(stride)))?;
                }
                Ok(())
            }
            (Initializer::Value(operand), []) => self.scalar(operand, at),
            _ => invalid(0, format!("{name} begins with a list of another shape than its own")),
        }
    }

    fn scalar(&mut self, operand: &Operand, at: u64) -> Result<(), Error> {
        let bits = match operand {
            Operand::Name(name) => self.address(name, 0, at)?,
            Operand::Sum(name, offset) | Operand::Generic(name, offset) => self.address(name, *offset, at)?,
            constant => self.ty.constant(constant)?,
        };
        let width = usize::from(self.ty.bytes());
        let data = &mut self.symbol.data;
        let end = at.saturating_add(width as u64);
        let grown = end.saturating_sub(data.len() as u64);
        if end > self.symbol.bytes || grown > *self.room {
            return invalid(0, format!("{} begins with too many bytes", short(&self.symbol.name)));
        }
        *self.room -= grown;
        data.resize(data.len().max(end as usize), 0);
        for (to, from) in data.iter_mut().skip(at as usize).zip(bits.to_le_bytes().into_iter().take(width)) {
            *to = from;
        }
        Ok(())
    }

    /// The address of a variable is known when it is loaded; the number of a function is known now.
    fn address(&mut self, name: &str, offset: i64, at: u64) -> Result<u64, Error> {
        if self.ty.bits != 64 {
            return unsupported(0, format!("an address in {} bits in {}", self.ty.bits, short(&self.symbol.name)));
        }
        match (self.globals.variables.get(name), self.globals.functions.get(name)) {
            (Some(Place::Symbol { index, .. }), _) => {
                self.symbol.relocations.push((at, *index, offset));
                Ok(0)
            }
            (None, Some(Callee::Function(place))) if offset == 0 => Ok(u64::from(*place) + 1),
            _ => invalid(0, format!("{} is no address that a variable can begin with", short(name))),
        }
    }
}

/// The names of functions: of those with a body their places, in the order of the text.
pub(super) fn functions<'a>(module: &'a Module) -> Result<HashMap<&'a str, Callee>, Error> {
    let mut found: HashMap<&'a str, Callee> = HashMap::new();
    let mut place = 0;
    for item in &module.items {
        let Item::Function(function) = item else { continue };
        let name = function.name.as_str();
        if function.body.is_some() {
            if let Some(Callee::Function(_)) = found.insert(name, Callee::Function(place)) {
                return invalid(0, format!("two functions are named {}", short(name)));
            }
            place += 1;
        } else {
            found.entry(name).or_insert_with(|| Callee::declared(name));
        }
    }
    Ok(found)
}
