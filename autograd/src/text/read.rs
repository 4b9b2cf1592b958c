//! Text to graphs.

use super::constant::Written;
use super::size::{HEAVIEST, expression, size};
use crate::compile::{Ir, IrNode, Leaf, Recorded};
use crate::op::{Attribute, Attributes, Infer, Op};
use crate::{DType, Dim, Dims, Origin, TensorType};
use std::{collections::HashMap, str::FromStr, sync::Arc};
use wengert_kernels::{Error, text::Cursor};

/// No tensor has so many axes; products over them are quadratic.
const MOST_AXES: usize = 64;

impl FromStr for Recorded {
    type Err = crate::Error;

    /// Reads the text form that `Display` writes.
    ///
    /// ```
    /// # use wengert_autograd::Recorded;
    /// let text = "%0 = input x: f32[x.0]\n%1 = exp(%0): f32[x.0]\nreturn %1\n";
    /// let recorded: Recorded = text.parse()?;
    /// assert_eq!(recorded.to_string(), text);
    /// let error = "%0 = exp(%1)".parse::<Recorded>().unwrap_err();
    /// assert_eq!(error.to_string(), "line 1, column 10: there is no value %1 above");
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Recorded, crate::Error> {
        let mut reader = Reader::new(text);
        match reader.read() {
            Ok(()) => Ok(Recorded(reader.ir)),
            Err(why) => Err(crate::Error::text(why.to_string())),
        }
    }
}

struct Reader<'a> {
    at: Cursor<'a>,
    ir: Ir,
    names: HashMap<&'a str, usize>,
    returned: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        let ir = Ir {
            nodes: vec![],
            outputs: vec![],
            updates: vec![],
            inputs: vec![],
            variables: vec![],
            dims: Dims::default(),
        };
        Reader { at: Cursor::new(text), ir, names: HashMap::new(), returned: false }
    }

    fn read(&mut self) -> Result<(), Error> {
        while self.at.next_line() {
            let start = self.at.clone();
            if self.at.clone().eat("%") {
                self.node()?;
            } else {
                match self.at.word("a statement", |word| (!word.is_empty()).then_some(word))? {
                    "sizes" => self.sizes()?,
                    "input" => drop(self.input(true)?),
                    "variable" => drop(self.variable(true)?),
                    "where" => self.equality()?,
                    "return" => self.outputs()?,
                    "update" => self.update()?,
                    _ => return Err(start.clone().expected("a statement")),
                }
            }
            if !self.at.at_line_end() && !self.at.rest().starts_with('#') {
                return Err(self.at.expected("the end of the line"));
            }
            self.at.line();
        }
        if self.returned { Ok(()) } else { Err(self.at.expected("`return`")) }
    }

    fn sizes(&mut self) -> Result<(), Error> {
        loop {
            let place = self.at.clone();
            let name = self.at.name()?;
            if self.ir.dims.named(&name).is_some() {
                return Err(place.error(format_args!("the size {name} was mentioned before")));
            }
            let _ = self.ir.dims.symbol(&name);
            if !self.at.eat(",") {
                return Ok(());
            }
        }
    }

    fn equality(&mut self) -> Result<(), Error> {
        let place = self.at.clone();
        let left = size(&mut self.at, &mut self.ir.dims)?;
        self.at.expect("=")?;
        let right = size(&mut self.at, &mut self.ir.dims)?;
        if self.ir.dims.unify(&left, &right, &Origin::here()).is_none() {
            return Err(place.error(format_args!("{left} does not equal {right}")));
        }
        self.bounded(&place)
    }

    /// Sizes that are defined by each other can double with every line.
    fn bounded(&self, place: &Cursor<'a>) -> Result<(), Error> {
        if self.ir.dims.heaviest() > HEAVIEST { Err(place.error("these sizes have too many terms")) } else { Ok(()) }
    }

    fn ty(&mut self) -> Result<TensorType, Error> {
        let dtype = self.at.word("a dtype", |word| DType::from_str(word).ok())?;
        let place = self.at.clone();
        let dims = &mut self.ir.dims;
        let shape = self.at.list("[", "]", |at| size(at, dims))?;
        match shape.len() <= MOST_AXES {
            true => Ok(TensorType::new(dtype, shape)),
            false => Err(place.error(format_args!("there are more than {MOST_AXES} axes"))),
        }
    }

    fn same(&self, a: &TensorType, b: &TensorType) -> bool {
        let equal = |(a, b): (&Dim, &Dim)| self.ir.dims.equal(a, b);
        a.dtype == b.dtype && a.rank() == b.rank() && a.shape.iter().zip(&b.shape).all(equal)
    }

    /// The type behind a colon, if there is one.
    fn optional_ty(&mut self) -> Result<Option<TensorType>, Error> {
        if self.at.eat(":") { self.ty().map(Some) } else { Ok(None) }
    }

    /// A name and its type: a line of its own declares it, a node may be the first to mention it.
    fn named(
        &mut self,
        what: &str,
        declares: bool,
        find: impl Fn(&Ir, &str) -> Option<(usize, TensorType)>,
    ) -> Result<(Option<usize>, String, TensorType), Error> {
        let place = self.at.clone();
        let name = self.at.name()?;
        let found = find(&self.ir, &name);
        if declares && found.is_some() {
            return Err(place.error(format_args!("the {what} {name} was mentioned before")));
        }
        let type_place = self.at.clone();
        match (found, self.optional_ty()?) {
            (Some((number, known)), Some(ty)) if !self.same(&known, &ty) => {
                let _ = number;
                Err(type_place.error(format_args!("the {what} {name} is {known}")))
            }
            (Some((number, known)), ty) => Ok((Some(number), name, ty.unwrap_or(known))),
            (None, Some(ty)) => Ok((None, name, ty)),
            (None, None) => Err(self.at.expected("`:` and a type")),
        }
    }

    fn input(&mut self, declares: bool) -> Result<(Leaf, TensorType), Error> {
        let find = |ir: &Ir, name: &str| {
            let number = ir.inputs.iter().position(|(have, _)| have == name)?;
            Some((number, ir.inputs[number].1.clone()))
        };
        let (number, name, ty) = self.named("input", declares, find)?;
        let number = number.unwrap_or_else(|| {
            self.ir.inputs.push((name, ty.clone()));
            self.ir.inputs.len() - 1
        });
        Ok((Leaf::Input(number), ty))
    }

    fn variable(&mut self, declares: bool) -> Result<(Leaf, TensorType), Error> {
        let place = self.at.clone();
        let find = |ir: &Ir, name: &str| {
            ir.variables.iter().find(|(_, have, _)| have == name).map(|(number, _, ty)| (*number, ty.clone()))
        };
        let (number, name, ty) = self.named("variable", declares, find)?;
        if ty.shape.iter().any(|dim| dim.known().is_none()) {
            return Err(place.error("a variable has no open sizes"));
        }
        let number = number.unwrap_or_else(|| {
            self.ir.variables.push((self.ir.variables.len(), name, ty.clone()));
            self.ir.variables.len() - 1
        });
        Ok((Leaf::Variable(number), ty))
    }

    /// A value that was defined above.
    fn value(&mut self) -> Result<usize, Error> {
        let place = self.at.clone();
        self.at.expect("%")?;
        let name = self.at.word("a value's name", |word| (!word.is_empty()).then_some(word))?;
        self.names.get(name).copied().ok_or_else(|| place.error(format_args!("there is no value %{name} above")))
    }

    fn values(&mut self) -> Result<Vec<usize>, Error> {
        let mut values = vec![self.value()?];
        while self.at.eat(",") {
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn outputs(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.returned, true) {
            return Err(self.at.error("there is a second `return`"));
        }
        if !self.at.at_line_end() && !self.at.rest().starts_with('#') {
            self.ir.outputs = self.values()?;
        }
        Ok(())
    }

    fn update(&mut self) -> Result<(), Error> {
        let place = self.at.clone();
        let name = self.at.name()?;
        let found = self.ir.variables.iter().find(|(_, have, _)| *have == name);
        let (number, ty) = found
            .map(|(number, _, ty)| (*number, ty.clone()))
            .ok_or_else(|| place.error(format_args!("there is no variable {name} above")))?;
        self.at.expect("=")?;
        let value = self.value()?;
        let new = &self.ir.nodes[value].ty;
        if !self.same(&ty, new) {
            return Err(place.error(format_args!("a value of {new} for {name}, which is {ty}")));
        }
        if self.ir.updates.iter().any(|(have, _)| *have == number) {
            return Err(place.error(format_args!("{name} is updated twice")));
        }
        self.ir.updates.push((number, value));
        Ok(())
    }

    fn node(&mut self) -> Result<(), Error> {
        let place = self.at.clone();
        self.at.expect("%")?;
        let name = self.at.word("a value's name", |word| (!word.is_empty()).then_some(word))?;
        if self.names.contains_key(name) {
            return Err(place.error(format_args!("%{name} is defined above")));
        }
        self.at.expect("=")?;
        let place = self.at.clone();
        let node = match self.at.word("an op", |word| (!word.is_empty()).then_some(word))? {
            "input" => {
                let (leaf, ty) = self.input(false)?;
                leaf_node(leaf, ty)
            }
            "variable" => {
                let (leaf, ty) = self.variable(false)?;
                leaf_node(leaf, ty)
            }
            "constant" => self.constant()?,
            op => self.op(op, &place)?,
        };
        self.names.insert(name, self.ir.nodes.len());
        self.ir.nodes.push(node);
        Ok(())
    }

    fn constant(&mut self) -> Result<IrNode, Error> {
        self.at.expect("{")?;
        let written = Written::read(&mut self.at)?;
        self.at.expect("}")?;
        if self.at.eat("(") {
            self.at.expect(")")?;
        }
        self.at.expect(":")?;
        let place = self.at.clone();
        let ty = self.ty()?;
        let value = written.array(&ty, &place)?;
        Ok(IrNode { op: Arc::new(crate::ops::Constant { value }), inputs: vec![], ty, leaf: None, origins: vec![] })
    }

    fn op(&mut self, name: &str, place: &Cursor<'a>) -> Result<IrNode, Error> {
        let attributes = if self.at.clone().eat("{") { self.attributes()? } else { Attributes::none() };
        let op = crate::ops::make(name, &attributes).map_err(|why| place.error(format_args!("{name}: {why}")))?;
        let taken = op.attributes();
        if let Some((stranger, _)) = attributes.0.iter().find(|(name, _)| taken.0.iter().all(|(have, _)| have != name))
        {
            return Err(place.error(format_args!("{name} has no attribute {stranger}")));
        }
        self.at.expect("(")?;
        let inputs = if self.at.clone().eat(")") { vec![] } else { self.values()? };
        self.at.expect(")")?;
        let types: Vec<TensorType> = inputs.iter().map(|&input| self.ir.nodes[input].ty.clone()).collect();
        let context = &mut Infer { dims: &mut self.ir.dims, origin: &Origin::here() };
        let ty = op
            .infer(&types, context)
            .map_err(|refusal| place.error(format_args!("{name}{attributes} of {types:?}: {}", refusal.what)))?;
        self.bounded(place)?;
        let type_place = self.at.clone();
        let ty = match self.optional_ty()? {
            Some(written) if !self.same(&written, &ty) => {
                return Err(type_place.error(format_args!("{name} makes {ty} of its operands")));
            }
            Some(written) => written,
            None => ty,
        };
        Ok(IrNode { op, inputs, ty, leaf: None, origins: vec![] })
    }

    fn attributes(&mut self) -> Result<Attributes, Error> {
        let dims = &mut self.ir.dims;
        let list = self.at.list("{", "}", |at| {
            let place = at.clone();
            let name = at.word("an attribute", |word| (!word.is_empty()).then(|| word.to_owned()))?;
            at.expect("=")?;
            Ok((place, name, attribute(at, dims)?))
        })?;
        let mut attributes = Attributes::none();
        for (place, name, value) in list {
            if attributes.0.iter().any(|(have, _)| *have == name) {
                return Err(place.error(format_args!("the attribute {name} is there twice")));
            }
            attributes.0.push((name.into(), value));
        }
        Ok(attributes)
    }
}

fn leaf_node(leaf: Leaf, ty: TensorType) -> IrNode {
    // What a leaf was made by is the caller's affair; its op is never asked for a value.
    let op: Arc<dyn Op> = Arc::new(crate::ops::Placeholder { name: String::new(), ty: ty.clone() });
    IrNode { op, inputs: vec![], ty, leaf: Some(leaf), origins: vec![] }
}

fn attribute(at: &mut Cursor<'_>, dims: &mut Dims) -> Result<Attribute, Error> {
    if at.clone().eat("\"") {
        return at.string('"').map(Attribute::Text);
    }
    if at.clone().eat("[") {
        let place = at.clone();
        let sizes = at.list("[", "]", |at| expression(at, dims, 0))?;
        if sizes.len() > MOST_AXES {
            return Err(place.error(format_args!("there are more than {MOST_AXES} entries")));
        }
        let known: Option<Vec<i64>> = sizes.iter().map(|size| size.as_constant()).collect();
        return Ok(
            known.map_or_else(|| Attribute::Dims(sizes.into_iter().map(Dim::from_poly).collect()), Attribute::Ints)
        );
    }
    at.atom("a number, true, false, a string, a dtype or a list", |text| match text {
        "true" => Some(Attribute::Bool(true)),
        "false" => Some(Attribute::Bool(false)),
        _ => {
            let dtype = DType::from_str(text).ok().map(Attribute::DType);
            let int = || text.parse().ok().map(Attribute::Int);
            dtype.or_else(int).or_else(|| text.parse().ok().map(Attribute::Float))
        }
    })
}
