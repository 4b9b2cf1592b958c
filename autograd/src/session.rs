//! Sessions: a device at work, and the values of variables.

use crate::bound::{Bound, check_input};
use crate::function::Life;
use crate::{Device, Error, Feed, Function, Graph, Tensor, Update, trap};
use wengert_kernels::{Array, ArrayView, Executor, Resident};

/// The values of a graph's variables, and the device that computes with them.
///
/// A variable gets its initial value when it is first needed. What is random follows from the seed alone.
#[derive(Debug)]
pub struct Session {
    device: Device,
    executor: Executor,
    seed: u64,
    graph: Option<Graph>,
    variables: Vec<Option<Resident>>,
    functions: Vec<Slot>,
    runs: Vec<Run>,
    clock: u64,
    stats: Stats,
    nan_trap: bool,
    debug: bool,
}

/// The programs of one function.
#[derive(Debug)]
struct Slot {
    function: u64,
    life: Life,
    bound: Vec<Bound>,
}

/// Fetches, updates, feeds.
type RunKey = (Vec<u32>, Vec<(u32, u32)>, Vec<u32>);

/// A function that [`Session::run`] compiled.
#[derive(Debug)]
struct Run {
    key: RunKey,
    function: Function,
    used: u64,
}

/// How often a session did what it should do rarely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Programs bound to sizes and loaded.
    pub bound: usize,
    /// Functions compiled by [`Session::run`].
    pub compiled: usize,
}

/// As many sets of sizes are remembered for each function.
const REMEMBERED: usize = 32;

/// As many functions are remembered by [`Session::run`].
const RUNS: usize = 128;

impl Session {
    /// A session on `device` with seed 0.
    ///
    /// # Errors
    /// When the device's threads cannot be started.
    pub fn new(device: Device) -> Result<Session, Error> {
        Session::with_seed(device, 0)
    }

    /// A session whose random numbers follow from `seed`.
    ///
    /// # Errors
    /// When the device's threads cannot be started.
    pub fn with_seed(device: Device, seed: u64) -> Result<Session, Error> {
        Ok(Session {
            executor: device.executor()?,
            device,
            seed,
            graph: None,
            variables: Vec::new(),
            functions: Vec::new(),
            runs: Vec::new(),
            clock: 0,
            stats: Stats::default(),
            nan_trap: false,
            debug: false,
        })
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How often programs were bound and functions compiled.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether every call is checked for NaN and infinity in what it returns and writes, before variables change. A call
    /// that fails the check is replayed op by op; the error names the op and the line where they first appeared.
    pub fn set_nan_trap(&mut self, on: bool) {
        self.nan_trap = on;
    }

    /// Whether every call is also computed on the reference device without any optimisation, and compared.
    pub fn set_debug_mode(&mut self, on: bool) {
        self.debug = on;
    }

    /// Forgets the values of all variables: they will start anew.
    pub fn initialize(&mut self) {
        self.variables.clear();
    }

    fn adopt(&mut self, graph: &Graph) -> Result<(), Error> {
        match &self.graph {
            Some(own) if own == graph => Ok(()),
            Some(_) => Err(Error::run(
                "the session holds the variables of another graph\n  hint: make a session for each graph",
            )),
            None => {
                self.graph = Some(graph.clone());
                Ok(())
            }
        }
    }

    fn index(&mut self, variable: &Tensor) -> Result<usize, Error> {
        self.adopt(variable.graph())?;
        let state = variable.graph().state();
        let index = state.variables.iter().position(|v| v.node == variable.id());
        index.ok_or_else(|| Error::build("it is not a variable", &state.nodes[variable.id() as usize].origin))
    }

    /// Gives a variable its initial value if it has none yet.
    fn start(&mut self, graph: &Graph, index: usize) -> Result<(), Error> {
        if self.variables.len() <= index {
            self.variables.resize(index + 1, None);
        }
        if self.variables[index].is_none() {
            let variable = graph.state().variables[index].clone();
            // Streams of variables and of random ops must not meet: the top bit tells them apart.
            let value = variable.initial.value(self.seed, 1 << 63 | index as u64);
            let value = value.and_then(|value| self.executor.upload(value));
            self.variables[index] =
                Some(value.map_err(|why| Error::run(format!("the initial value of `{}`: {why}", variable.name)))?);
        }
        Ok(())
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// When it is not a variable of this session's graph, or its initial value cannot be made.
    pub fn get(&mut self, variable: &Tensor) -> Result<Array, Error> {
        let index = self.index(variable)?;
        self.start(variable.graph(), index)?;
        let value = self.variables[index].as_ref().ok_or_else(|| Error::run("the variable has no value"))?;
        Ok(self.executor.download(value)?)
    }

    /// Gives a variable a value.
    ///
    /// # Errors
    /// When it is not a variable of this session's graph, or the value has another dtype or shape.
    pub fn set<'a>(&mut self, variable: &Tensor, value: impl Into<Feed<'a>>) -> Result<(), Error> {
        let index = self.index(variable)?;
        let ty = variable.ty()?;
        let value = value.into().to_array(Some(ty.dtype))?;
        let name = variable.name().unwrap_or_default();
        check_input(&name, &ty, &value.view(), value.shape())?;
        if self.variables.len() <= index {
            self.variables.resize(index + 1, None);
        }
        self.variables[index] = Some(self.executor.upload(value)?);
        Ok(())
    }

    /// Computes `fetches` for `feeds`: tensors give their values, updates are made. The function is compiled at the first
    /// run with these fetches and feeds and remembered, until 128 others were used since.
    ///
    /// # Errors
    /// As [`Function::call`], and as compiling.
    pub fn run<'a>(&mut self, fetches: impl Into<Fetches>, feeds: &[(&Tensor, Feed<'a>)]) -> Result<Vec<Array>, Error> {
        let Fetches { outputs, updates } = fetches.into();
        let key = (
            outputs.iter().map(Tensor::id).collect(),
            updates.iter().map(|update| (update.variable.id(), update.value.id())).collect(),
            feeds.iter().map(|(tensor, _)| tensor.id()).collect(),
        );
        let tensors = outputs
            .iter()
            .chain(updates.iter().map(|update| &update.value))
            .chain(feeds.iter().map(|(tensor, _)| *tensor));
        let Some(graph) = tensors.into_iter().next().map(|tensor| tensor.graph().clone()) else { return Ok(vec![]) };
        self.adopt(&graph)?;
        self.clock += 1;
        let function = match self.runs.iter_mut().find(|run| run.key == key) {
            Some(run) => {
                run.used = self.clock;
                run.function.clone()
            }
            None => {
                let inputs: Vec<&Tensor> = feeds.iter().map(|(tensor, _)| *tensor).collect();
                let outputs: Vec<&Tensor> = outputs.iter().collect();
                let function = graph.function(&inputs, &outputs).updates(&updates).compile()?;
                self.stats.compiled += 1;
                if self.runs.len() >= RUNS {
                    log::warn!(
                        "a session ran more than {RUNS} sets of fetches and feeds and forgets the oldest: build the graph before the loop, not in it"
                    );
                    remove_oldest(&mut self.runs, |run| run.used);
                }
                self.runs.push(Run { key, function: function.clone(), used: self.clock });
                function
            }
        };
        let values: Vec<Feed<'a>> = feeds.iter().map(|(_, value)| value.clone()).collect();
        function.call(self, &values)
    }

    pub(crate) fn call(&mut self, function: &Function, inputs: &[ArrayView<'_>]) -> Result<Vec<Array>, Error> {
        if self.nan_trap || self.debug {
            return self.checked_call(function, inputs);
        }
        let (slot, bound) = self.bind(function, inputs, false)?;
        let bound = &mut self.functions[slot].bound[bound];
        let mut outputs = bound.outputs()?;
        bound.run(&mut self.executor, 1, inputs, &mut self.variables, &mut outputs, false)?;
        Ok(outputs)
    }

    pub(crate) fn call_into(
        &mut self,
        function: &Function,
        steps: usize,
        inputs: &[ArrayView<'_>],
        outputs: &mut [Array],
        per_step: bool,
    ) -> Result<(), Error> {
        if self.nan_trap || self.debug {
            return self.checked_steps(function, steps, inputs, outputs, per_step);
        }
        let (slot, bound) = self.bind(function, inputs, per_step)?;
        let bound = &mut self.functions[slot].bound[bound];
        bound.run(&mut self.executor, steps, inputs, &mut self.variables, outputs, per_step)
    }

    /// The program for these inputs: that of an earlier call, or a new one.
    fn bind(&mut self, function: &Function, inputs: &[ArrayView<'_>], per_step: bool) -> Result<(usize, usize), Error> {
        let specs = &function.fused().inputs;
        if inputs.len() != specs.len() {
            return Err(Error::feed(format!("the function takes {} inputs, got {}", specs.len(), inputs.len())));
        }
        self.clock += 1;
        let slot = match self.functions.iter().position(|slot| slot.function == function.id()) {
            Some(slot) => slot,
            None => {
                self.adopt(function.graph())?;
                // Programs of functions that nobody holds any more are of no use.
                self.functions.retain(|slot| !slot.life.is_over());
                self.functions.push(Slot { function: function.id(), life: function.life(), bound: vec![] });
                self.functions.len() - 1
            }
        };
        let dtypes_fit = inputs.iter().zip(specs).all(|(input, (_, ty))| input.dtype() == ty.dtype);
        let known =
            self.functions[slot].bound.iter().position(|bound| bound.fits(inputs, per_step)).filter(|_| dtypes_fit);
        let place = match known {
            Some(place) => place,
            None => {
                let bound = Bound::new(function.fused(), &mut self.executor, inputs, per_step)?;
                self.stats.bound += 1;
                for number in 0..bound.planned.variables().len() {
                    let index = bound.planned.variables()[number].index;
                    self.start(function.graph(), index)?;
                }
                let programs = &mut self.functions[slot].bound;
                if programs.len() >= REMEMBERED {
                    log::warn!(
                        "a function was called with more than {REMEMBERED} sets of sizes: pad or bucket the batches, or each call will plan anew"
                    );
                    remove_oldest(programs, |bound| bound.used);
                }
                programs.push(bound);
                programs.len() - 1
            }
        };
        self.functions[slot].bound[place].used = self.clock;
        self.start_missing(function, slot, place)?;
        Ok((slot, place))
    }

    /// After [`initialize`](Session::initialize), programs that were bound before find no values.
    fn start_missing(&mut self, function: &Function, slot: usize, place: usize) -> Result<(), Error> {
        let variables = self.functions[slot].bound[place].planned.variables();
        let missing = |variables: &[Option<Resident>], index: usize| variables.get(index).is_none_or(Option::is_none);
        if variables.iter().any(|planned| missing(&self.variables, planned.index)) {
            let indices: Vec<usize> = variables.iter().map(|planned| planned.index).collect();
            for index in indices {
                self.start(function.graph(), index)?;
            }
        }
        Ok(())
    }

    /// As [`call_into`](Session::call_into), each step looked at before it is committed.
    fn checked_steps(
        &mut self,
        function: &Function,
        steps: usize,
        inputs: &[ArrayView<'_>],
        outputs: &mut [Array],
        per_step: bool,
    ) -> Result<(), Error> {
        let whole = inputs.iter().map(ArrayView::to_array).collect::<Result<Vec<_>, _>>()?;
        for step in 0..steps {
            let part = |array| if per_step { Array::row(array, step) } else { Ok(Array::view(array)) };
            let views = whole.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            let results = self.checked_call(function, &views)?;
            if results.len() != outputs.len() {
                let (have, room) = (results.len(), outputs.len());
                return Err(Error::feed(format!("the function has {have} outputs, got room for {room}")));
            }
            outputs.iter_mut().zip(results).for_each(|(output, result)| *output = result);
        }
        Ok(())
    }

    /// A call whose results are looked at before they are committed.
    fn checked_call(&mut self, function: &Function, inputs: &[ArrayView<'_>]) -> Result<Vec<Array>, Error> {
        let (slot, bound) = self.bind(function, inputs, false)?;
        let written: Vec<usize> = function.fused().updates.iter().map(|(variable, _)| *variable).collect();
        let outputs = self.functions[slot].bound[bound].planned.outputs().len();
        let checked = function.checked()?;
        let mut results = Session::run_once(checked, &mut self.executor, inputs, &mut self.variables)?;
        if self.debug {
            let mut reference = Device::reference().executor()?;
            let mut copies = self.copies(&mut reference)?;
            let wanted = Session::run_once(function.plain()?, &mut reference, inputs, &mut copies)?;
            trap::compare(&results, &wanted, outputs)?;
        }
        if self.nan_trap && results.iter().any(trap::is_not_finite) {
            let every = function.every_node()?;
            let values = Session::run_once(&every, &mut self.executor, inputs, &mut self.variables)?;
            return Err(trap::locate(every.recorded(), &values));
        }
        let values =
            results.drain(outputs..).map(|value| self.executor.upload(value)).collect::<Result<Vec<_>, _>>()?;
        for (index, value) in written.into_iter().zip(values) {
            self.variables[index] = Some(value);
        }
        Ok(results)
    }

    /// The values of all variables, on another device.
    fn copies(&mut self, other: &mut Executor) -> Result<Vec<Option<Resident>>, Error> {
        let mut copies = Vec::with_capacity(self.variables.len());
        for variable in &self.variables {
            let value = variable.as_ref().map(|value| self.executor.download(value)).transpose()?;
            copies.push(value.map(|value| other.upload(value)).transpose()?);
        }
        Ok(copies)
    }

    fn run_once(
        function: &Function,
        executor: &mut Executor,
        inputs: &[ArrayView<'_>],
        variables: &mut [Option<Resident>],
    ) -> Result<Vec<Array>, Error> {
        let mut bound = Bound::new(function.fused(), executor, inputs, false)?;
        let mut outputs = bound.outputs()?;
        bound.run(executor, 1, inputs, variables, &mut outputs, false)?;
        Ok(outputs)
    }
}

/// Removes what was used longest ago.
fn remove_oldest<T>(items: &mut Vec<T>, used: impl Fn(&T) -> u64) {
    let oldest = items.iter().enumerate().min_by_key(|(_, item)| used(item)).map(|(place, _)| place);
    oldest.map(|place| items.swap_remove(place));
}

/// What a run computes and changes.
#[derive(Clone, Debug, Default)]
pub struct Fetches {
    outputs: Vec<Tensor>,
    updates: Vec<Update>,
}

impl From<&Tensor> for Fetches {
    fn from(output: &Tensor) -> Fetches {
        Fetches { outputs: vec![output.clone()], updates: vec![] }
    }
}

impl From<&[&Tensor]> for Fetches {
    fn from(outputs: &[&Tensor]) -> Fetches {
        Fetches { outputs: outputs.iter().map(|&tensor| tensor.clone()).collect(), updates: vec![] }
    }
}

impl<const N: usize> From<&[&Tensor; N]> for Fetches {
    fn from(outputs: &[&Tensor; N]) -> Fetches {
        outputs.as_slice().into()
    }
}

impl<const N: usize> From<[&Tensor; N]> for Fetches {
    fn from(outputs: [&Tensor; N]) -> Fetches {
        outputs.as_slice().into()
    }
}

impl From<&[Update]> for Fetches {
    fn from(updates: &[Update]) -> Fetches {
        Fetches { outputs: vec![], updates: updates.to_vec() }
    }
}

impl From<&Vec<Update>> for Fetches {
    fn from(updates: &Vec<Update>) -> Fetches {
        updates.as_slice().into()
    }
}

impl<const N: usize> From<([&Tensor; N], &Vec<Update>)> for Fetches {
    fn from((outputs, updates): ([&Tensor; N], &Vec<Update>)) -> Fetches {
        Fetches { updates: updates.clone(), ..outputs.into() }
    }
}

impl Tensor {
    /// The value of this tensor for `feeds`, computed in a session of its own on the CPU.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn eval(&self, feeds: &[(&Tensor, Feed<'_>)]) -> Result<Array, Error> {
        let mut session = Session::new(Device::cpu().threads(1))?;
        let mut values = session.run(self, feeds)?;
        values.pop().ok_or_else(|| Error::run("nothing was computed"))
    }
}

/// Feeds in the manner of a dictionary: `feed! { x => images, t => labels }`.
#[macro_export]
macro_rules! feed {
    ($($tensor:expr => $value:expr),* $(,)?) => {
        &[$((&$tensor, $crate::Feed::from($value))),*]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_cross_threads() {
        // semantics 2.3
        fn send<T: Send>() {}
        fn both<T: Send + Sync>() {}
        send::<Session>();
        both::<Graph>();
        both::<Tensor>();
        both::<Function>();
    }

    #[test]
    fn the_run_used_longest_ago_is_forgotten_and_its_programs_with_it() {
        // semantics 4.9
        let g = Graph::new();
        let x = g.constant([1.0f32, 2.0]);
        let sums: Vec<Tensor> = (0..RUNS + 1).map(|i| (&x * i as f64).sum()).collect();
        let mut session = Session::new(Device::cpu().threads(1)).unwrap();
        let mut run = |i: usize| {
            assert_eq!(session.run(&sums[i], &[]).unwrap()[0].to_f64(), [3.0 * i as f64]);
            assert!(session.runs.len() <= RUNS && session.functions.len() <= RUNS);
            session.stats().compiled
        };
        assert_eq!((0..RUNS).map(&mut run).last(), Some(RUNS));
        assert_eq!(run(0), RUNS);
        assert_eq!(run(RUNS), RUNS + 1);
        assert_eq!(run(0), RUNS + 1);
        assert_eq!(run(1), RUNS + 2);
    }
}
