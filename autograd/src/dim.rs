//! Dimensions: a size that is known, or an integer expression over sizes that are not known yet.
//!
//! An expression is kept as a polynomial with integer coefficients in normal form, so that `2 * n + n` equals `3 * n`.

use crate::{Error, Origin};
use std::{fmt, sync::Arc};

/// An open size: its number in the graph, and a name for people.
#[derive(Clone)]
pub struct Symbol {
    id: u32,
    name: Arc<str>,
}

impl Symbol {
    /// The name: that of its placeholder, with the axis.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Symbol {
    fn eq(&self, other: &Symbol) -> bool {
        self.id == other.id
    }
}
impl Eq for Symbol {}
impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Symbol) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Symbol {
    fn cmp(&self, other: &Symbol) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}
impl std::hash::Hash for Symbol {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A size along an axis.
///
/// ```
/// # use wengert_autograd::{Graph, DType, Dim};
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None, Some(28), Some(28)]);
/// assert_eq!(x.reshape([-1, 28]).shape()?[0].to_string(), "28*x.0");
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// A size that is known.
    Known(usize),
    /// An expression over open sizes.
    Open(Arc<Poly>),
}

/// A polynomial over open sizes, in normal form: monomials in ascending order, no zero coefficient.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Poly(Vec<(Vec<Atom>, i64)>);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Atom {
    Symbol(Symbol),
    /// Rounded toward negative infinity.
    Quotient(Poly, Poly),
}

impl Poly {
    pub(crate) fn constant(value: i64) -> Poly {
        Poly(if value == 0 { vec![] } else { vec![(vec![], value)] })
    }

    fn atom(atom: Atom) -> Poly {
        Poly(vec![(vec![atom], 1)])
    }

    /// Adds a term; one whose coefficient becomes 0 stays until the end.
    fn add_term(&mut self, monomial: Vec<Atom>, coefficient: i64) {
        match self.0.binary_search_by(|(have, _)| have.cmp(&monomial)) {
            Ok(found) => self.0[found].1 = self.0[found].1.saturating_add(coefficient),
            Err(place) => self.0.insert(place, (monomial, coefficient)),
        }
    }

    fn without_zeros(mut self) -> Poly {
        self.0.retain(|(_, coefficient)| *coefficient != 0);
        self
    }

    pub(crate) fn add(&self, other: &Poly, sign: i64) -> Poly {
        let mut sum = self.clone();
        for (monomial, coefficient) in &other.0 {
            sum.add_term(monomial.clone(), coefficient.saturating_mul(sign));
        }
        sum.without_zeros()
    }

    pub(crate) fn mul(&self, other: &Poly) -> Poly {
        let mut sum = Poly(vec![]);
        for (left, a) in &self.0 {
            for (right, b) in &other.0 {
                let mut monomial = left.clone();
                for atom in right {
                    monomial.insert(monomial.partition_point(|other| other <= atom), atom.clone());
                }
                sum.add_term(monomial, a.saturating_mul(*b));
            }
        }
        sum.without_zeros()
    }

    /// The quotient by a single term that divides every term, if it does.
    fn divide_exactly(&self, divisor: &Poly) -> Option<Poly> {
        let [(factors, by)] = divisor.0.as_slice() else { return None };
        let mut quotient = Poly(vec![]);
        for (monomial, coefficient) in &self.0 {
            if coefficient.checked_rem(*by) != Some(0) {
                return None;
            }
            let mut rest = monomial.clone();
            for factor in factors {
                let place = rest.iter().position(|atom| atom == factor)?;
                rest.remove(place);
            }
            quotient.add_term(rest, coefficient / by);
        }
        Some(quotient.without_zeros())
    }

    fn evaluate(&self, symbol: &dyn Fn(&Symbol) -> Option<i64>) -> Option<i64> {
        let mut sum = 0i64;
        for (monomial, coefficient) in &self.0 {
            let mut product = *coefficient;
            for atom in monomial {
                let value = match atom {
                    Atom::Symbol(s) => symbol(s)?,
                    Atom::Quotient(a, b) => a.evaluate(symbol)?.checked_div_euclid(b.evaluate(symbol)?)?,
                };
                product = product.checked_mul(value)?;
            }
            sum = sum.checked_add(product)?;
        }
        Some(sum)
    }

    fn substitute(&self, replace: &dyn Fn(&Symbol) -> Option<Poly>) -> Poly {
        let mut sum = Poly(vec![]);
        for (monomial, coefficient) in &self.0 {
            let mut product = Poly::constant(*coefficient);
            for atom in monomial {
                product = product.mul(&match atom {
                    Atom::Symbol(s) => replace(s).unwrap_or_else(|| Poly::atom(atom.clone())),
                    Atom::Quotient(a, b) => quotient(&a.substitute(replace), &b.substitute(replace)),
                });
            }
            sum = sum.add(&product, 1);
        }
        sum
    }

    fn mentions(&self, symbol: &Symbol) -> bool {
        self.0.iter().flat_map(|(monomial, _)| monomial).any(|atom| match atom {
            Atom::Symbol(s) => s == symbol,
            Atom::Quotient(a, b) => a.mentions(symbol) || b.mentions(symbol),
        })
    }

    /// Adds the open sizes that it is made of to those, in order, that are there.
    fn symbols(&self, all: &mut Vec<Symbol>) {
        for atom in self.0.iter().flat_map(|(monomial, _)| monomial) {
            match atom {
                Atom::Symbol(symbol) => {
                    if let Err(place) = all.binary_search(symbol) {
                        all.insert(place, symbol.clone());
                    }
                }
                Atom::Quotient(a, b) => {
                    a.symbols(all);
                    b.symbols(all);
                }
            }
        }
    }

    /// How many factors its terms have in all.
    pub(crate) fn weight(&self) -> usize {
        let atom = |atom: &Atom| match atom {
            Atom::Symbol(_) => 1,
            Atom::Quotient(a, b) => 1 + a.weight() + b.weight(),
        };
        self.0.iter().map(|(monomial, _)| 1 + monomial.iter().map(atom).sum::<usize>()).sum()
    }

    pub(crate) fn as_constant(&self) -> Option<i64> {
        match self.0.as_slice() {
            [] => Some(0),
            [(monomial, value)] if monomial.is_empty() => Some(*value),
            _ => None,
        }
    }
}

pub(crate) fn quotient(a: &Poly, b: &Poly) -> Poly {
    match (a.as_constant(), b.as_constant()) {
        (_, Some(1)) => a.clone(),
        (Some(a), Some(b)) if b != 0 => Poly::constant(a.checked_div_euclid(b).unwrap_or(i64::MAX)),
        _ => a.divide_exactly(b).unwrap_or_else(|| Poly::atom(Atom::Quotient(a.clone(), b.clone()))),
    }
}

impl Dim {
    /// The size, if it is known.
    #[must_use]
    pub fn known(&self) -> Option<usize> {
        match self {
            Dim::Known(size) => Some(*size),
            Dim::Open(_) => None,
        }
    }

    /// The open size that this dimension is, if it is nothing else.
    #[must_use]
    pub fn symbol(&self) -> Option<&Symbol> {
        match self {
            Dim::Open(poly) => match poly.0.as_slice() {
                [(monomial, 1)] => match monomial.as_slice() {
                    [Atom::Symbol(symbol)] => Some(symbol),
                    _ => None,
                },
                _ => None,
            },
            Dim::Known(_) => None,
        }
    }

    /// Adds the open sizes that it is made of to those, in order, that are there.
    pub(crate) fn symbols(&self, all: &mut Vec<Symbol>) {
        if let Dim::Open(poly) = self {
            poly.symbols(all);
        }
    }

    pub(crate) fn poly(&self) -> Poly {
        match self {
            Dim::Known(size) => Poly::constant(i64::try_from(*size).unwrap_or(i64::MAX)),
            Dim::Open(poly) => (**poly).clone(),
        }
    }

    pub(crate) fn from_poly(poly: Poly) -> Dim {
        match poly.as_constant() {
            Some(value) => Dim::Known(usize::try_from(value).unwrap_or(0)),
            None => Dim::Open(Arc::new(poly)),
        }
    }

    /// This size plus another.
    #[must_use]
    pub fn plus(&self, other: &Dim) -> Dim {
        Dim::from_poly(self.poly().add(&other.poly(), 1))
    }

    /// This size minus another; a known result below zero is 0.
    #[must_use]
    pub fn minus(&self, other: &Dim) -> Dim {
        Dim::from_poly(self.poly().add(&other.poly(), -1))
    }

    /// This size times another.
    #[must_use]
    pub fn times(&self, other: &Dim) -> Dim {
        match (self, other) {
            (Dim::Known(1), dim) | (dim, Dim::Known(1)) => dim.clone(),
            _ => Dim::from_poly(self.poly().mul(&other.poly())),
        }
    }

    /// This size divided by another, rounded down.
    #[must_use]
    pub fn over(&self, other: &Dim) -> Dim {
        Dim::from_poly(quotient(&self.poly(), &other.poly()))
    }

    /// Whether `other` divides this size whatever the open sizes are, as far as can be told.
    #[must_use]
    pub fn is_multiple_of(&self, other: &Dim) -> bool {
        match (self, other) {
            (Dim::Known(a), Dim::Known(b)) => *b != 0 && a % b == 0,
            _ => self.poly().divide_exactly(&other.poly()).is_some(),
        }
    }

    /// The product of several sizes.
    #[must_use]
    pub fn product<'a>(dims: impl IntoIterator<Item = &'a Dim>) -> Dim {
        dims.into_iter().fold(Dim::Known(1), |product, dim| product.times(dim))
    }

    /// The size for the given open sizes; `None` if one is missing or the result is negative or overflows.
    pub(crate) fn evaluate(&self, sizes: &[Option<usize>]) -> Option<usize> {
        match self {
            Dim::Known(size) => Some(*size),
            Dim::Open(poly) => {
                let value = poly.evaluate(&|symbol| i64::try_from((*sizes.get(symbol.id as usize)?)?).ok())?;
                usize::try_from(value).ok()
            }
        }
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Dim {
        Dim::Known(size)
    }
}

impl PartialEq<usize> for Dim {
    fn eq(&self, other: &usize) -> bool {
        self.known() == Some(*other)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(size) => write!(f, "{size}"),
            Dim::Open(poly) => write!(f, "{poly}"),
        }
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Poly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        // The constant comes first in normal form; people write it last.
        for (n, (monomial, coefficient)) in self.0.iter().rev().enumerate() {
            match (n, *coefficient < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => (),
                (_, true) => f.write_str("-")?,
                (_, false) => f.write_str("+")?,
            }
            let magnitude = coefficient.unsigned_abs();
            if monomial.is_empty() || magnitude != 1 {
                write!(f, "{magnitude}")?;
            }
            for (k, atom) in monomial.iter().enumerate() {
                f.write_str(if k > 0 || magnitude != 1 { "*" } else { "" })?;
                match atom {
                    Atom::Symbol(symbol) => f.write_str(&wengert_kernels::text::name(&symbol.name))?,
                    Atom::Quotient(a, b) => write!(f, "({a})/({b})")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Poly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The open sizes of a graph and what is known of them.
#[derive(Clone, Debug, Default)]
pub struct Dims {
    symbols: Vec<Symbol>,
    /// What each symbol was found equal to.
    solved: Vec<Option<Poly>>,
    equalities: Vec<Equality>,
}

/// Two sizes that met in an op and must be equal when sizes are known.
#[derive(Clone, Debug)]
struct Equality {
    left: Dim,
    right: Dim,
    origin: Origin,
}

impl Dims {
    pub(crate) fn symbol(&mut self, name: &str) -> Dim {
        let symbol = Symbol { id: self.symbols.len() as u32, name: name.into() };
        self.symbols.push(symbol.clone());
        self.solved.push(None);
        Dim::Open(Arc::new(Poly::atom(Atom::Symbol(symbol))))
    }

    pub(crate) fn named(&self, name: &str) -> Option<Dim> {
        let symbol = self.symbols.iter().find(|symbol| &*symbol.name == name)?;
        Some(Dim::Open(Arc::new(Poly::atom(Atom::Symbol(symbol.clone())))))
    }

    /// The sizes that were found equal, in that order.
    pub(crate) fn equalities(&self) -> impl Iterator<Item = (&Dim, &Dim)> {
        self.equalities.iter().map(|equality| (&equality.left, &equality.right))
    }

    /// The heaviest form that a symbol resolves to: a text could make it grow without bounds.
    pub(crate) fn heaviest(&self) -> usize {
        let solutions = self.solved.iter().flatten();
        solutions.map(|solution| self.resolve_poly(solution).weight()).max().unwrap_or(0)
    }

    /// The simplest form of a size, given the equalities met so far.
    #[must_use]
    pub fn resolve(&self, dim: &Dim) -> Dim {
        match dim {
            Dim::Known(_) => dim.clone(),
            Dim::Open(poly) => Dim::from_poly(self.resolve_poly(poly)),
        }
    }

    fn resolve_poly(&self, poly: &Poly) -> Poly {
        poly.substitute(&|symbol| self.solved[symbol.id as usize].as_ref().map(|solution| self.resolve_poly(solution)))
    }

    /// Whether two sizes are equal, as far as is known.
    #[must_use]
    pub fn equal(&self, a: &Dim, b: &Dim) -> bool {
        a == b || (!(a.known().is_some() && b.known().is_some()) && self.resolve(a) == self.resolve(b))
    }

    /// Makes two sizes one: known sizes must agree, an open one is from now on what it met, which is checked when values
    /// are fed. Gives the size, or `None` when it is known that they differ.
    pub fn unify(&mut self, a: &Dim, b: &Dim, origin: &Origin) -> Option<Dim> {
        if a == b {
            return Some(a.clone());
        }
        let (left, right) = (self.resolve(a), self.resolve(b));
        if left == right {
            return Some(left);
        }
        if left.known().is_some() && right.known().is_some() {
            return None;
        }
        self.equalities.push(Equality { left: a.clone(), right: b.clone(), origin: origin.clone() });
        let solves =
            |symbol: &Dim, value: &Dim| symbol.symbol().filter(|s| !value.poly().mentions(s)).map(|s| s.id as usize);
        if let Some(id) = solves(&right, &left) {
            self.solved[id] = Some(left.poly());
            Some(left)
        } else if let Some(id) = solves(&left, &right) {
            self.solved[id] = Some(right.poly());
            Some(right)
        } else {
            Some(if left.known().is_some() { left } else { right })
        }
    }

    /// Starts an assignment of sizes to symbols.
    pub(crate) fn unbound(&self) -> Vec<Option<usize>> {
        vec![None; self.symbols.len()]
    }

    /// Takes the size that a fed value has where the graph has `dim`.
    pub(crate) fn bind(&self, sizes: &mut [Option<usize>], dim: &Dim, size: usize) -> Result<(), String> {
        match (dim, dim.symbol()) {
            (_, Some(symbol)) => {
                let place = &mut sizes[symbol.id as usize];
                match *place {
                    Some(bound) if bound != size => Err(format!("{} is {bound} elsewhere in this call", symbol.name)),
                    _ => {
                        *place = Some(size);
                        Ok(())
                    }
                }
            }
            (dim, None) => match dim.evaluate(sizes) {
                Some(wanted) if wanted == size => Ok(()),
                Some(wanted) => Err(format!("{dim} is {wanted}")),
                None => Err(format!("{dim} is not known")),
            },
        }
    }

    /// Fills in the symbols that equalities determine, then checks every equality whose sizes are all known.
    pub(crate) fn settle(&self, sizes: &mut [Option<usize>]) -> Result<(), Error> {
        for (id, solution) in self.solved.iter().enumerate() {
            if sizes[id].is_none()
                && let Some(solution) = solution
            {
                sizes[id] = Dim::from_poly(self.resolve_poly(solution)).evaluate(sizes);
            }
        }
        for Equality { left, right, origin } in &self.equalities {
            if let (Some(a), Some(b)) = (left.evaluate(sizes), right.evaluate(sizes))
                && a != b
            {
                let (left, right, a, b) =
                    if left.known().is_some() { (right, left, b, a) } else { (left, right, a, b) };
                let wanted = if right.known().is_some() {
                    format!("must be {b}")
                } else {
                    format!("must equal {right}, which is {b}")
                };
                return Err(Error::feed(format!(
                    "the open size {left} is {a}, but {wanted}, since they meet\n  at {origin}"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_a_normal_form() {
        let mut dims = Dims::default();
        let (n, m) = (dims.symbol("n"), dims.symbol("m"));
        assert_eq!(n.times(&3.into()).plus(&n), n.times(&4.into()));
        assert_eq!(n.times(&m).over(&m), n);
        assert_eq!(n.plus(&2.into()).minus(&n), Dim::Known(2));
        assert_eq!(n.times(&6.into()).over(&3.into()).to_string(), "2*n");
        assert_eq!(n.plus(&1.into()).over(&2.into()).to_string(), "(n+1)/(2)");
        assert_eq!(n.plus(&1.into()).over(&2.into()).evaluate(&[Some(6), None]), Some(3));
        assert!(n.times(&6.into()).is_multiple_of(&2.into()) && !n.is_multiple_of(&2.into()));
    }

    #[test]
    fn unification_solves_symbols_and_remembers_where() {
        // semantics 1.6
        let mut dims = Dims::default();
        let (n, m, k) = (dims.symbol("n"), dims.symbol("m"), dims.symbol("k"));
        assert_eq!(dims.unify(&n, &m, &Origin::here()), Some(n.clone()));
        assert_eq!(dims.unify(&m, &Dim::Known(4), &Origin::here()), Some(Dim::Known(4)));
        assert_eq!(dims.unify(&n, &Dim::Known(5), &Origin::here()), None);
        assert!(dims.equal(&m, &Dim::Known(4)) && !dims.equal(&k, &n));
        let mut sizes = dims.unbound();
        dims.bind(&mut sizes, &n, 4).unwrap();
        dims.bind(&mut sizes, &m, 7).unwrap();
        let error = dims.settle(&mut sizes).unwrap_err();
        assert!(
            error.is_feed() && error.to_string().contains("the open size n is 4, but must equal m, which is 7"),
            "{error}"
        );
        assert!(error.to_string().contains("dim.rs"));
    }
}
