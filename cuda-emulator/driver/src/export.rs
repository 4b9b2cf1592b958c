//! The one way from C into the library and back.
//!
//! [`exports!`] makes the functions that C sees from tables: a rule, the name, the arguments, the body. [`enter`] does for each of them what
//! its rule says: it takes the lock, looks after the context, the capture and the faults to inject, and stops a panic.

use crate::code::{Answer, Code};
use crate::context::Threads;
use crate::driver::{Driver, say};
use crate::table::ContextId;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

/// The one device's driver of this process.
static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(|| Mutex::new(Driver::from_environment()));

/// Told when a function of the host that a stream called has returned.
static HOST_RETURNED: Condvar = Condvar::new();

/// What must be before a function begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enter {
    /// Nothing.
    Always,
    /// `cuInit` was called.
    Initialised,
    /// The thread has a current context, in which nothing failed.
    Context,
    /// The thread has a current context; what failed in it is told afterwards, so that things can be destroyed still.
    Tidy,
}

/// What the function counts as, for faults to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Nothing.
    No,
    /// An operation of the device: work for a stream.
    Operation,
    /// An operation, and an allocation.
    Allocation,
    /// An operation, and the loading of a module.
    Module,
}

/// What stands before a function in its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) enter: Enter,
    pub(crate) counts: Counts,
    /// Whether it may wait for the device behind the scenes, so that a capture forbids it.
    pub(crate) unsafe_in_capture: bool,
}

const fn rule(enter: Enter, counts: Counts, unsafe_in_capture: bool) -> Rule {
    Rule { enter, counts, unsafe_in_capture }
}

/// The rules by the names that the tables use.
impl Rule {
    pub(crate) const FREE: Rule = rule(Enter::Always, Counts::No, false);
    pub(crate) const INIT: Rule = rule(Enter::Initialised, Counts::No, false);
    pub(crate) const CONTEXT: Rule = rule(Enter::Context, Counts::No, false);
    pub(crate) const TIDY: Rule = rule(Enter::Tidy, Counts::No, false);
    pub(crate) const UNSAFE: Rule = rule(Enter::Context, Counts::No, true);
    pub(crate) const UNSAFE_TIDY: Rule = rule(Enter::Tidy, Counts::No, true);
    pub(crate) const WORK: Rule = rule(Enter::Context, Counts::Operation, false);
    pub(crate) const UNSAFE_WORK: Rule = rule(Enter::Context, Counts::Operation, true);
    pub(crate) const ALLOC: Rule = rule(Enter::Context, Counts::Allocation, true);
    pub(crate) const STREAM_ALLOC: Rule = rule(Enter::Context, Counts::Allocation, false);
    pub(crate) const MODULE: Rule = rule(Enter::Context, Counts::Module, true);
}

/// One call: the lock on the driver, and the context that is current.
pub(crate) struct Session {
    guard: Option<MutexGuard<'static, Driver>>,
    context: Answer<ContextId>,
    /// The function that was called.
    pub(crate) name: &'static str,
}

impl Deref for Session {
    type Target = Driver;

    fn deref(&self) -> &Driver {
        match &self.guard {
            Some(guard) => guard,
            // The guard is away only inside of `wait_for_host`, which borrows the session.
            None => std::process::abort(),
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Driver {
        match &mut self.guard {
            Some(guard) => guard,
            None => std::process::abort(),
        }
    }
}

/// The driver, for as long as the guard lives.
pub(crate) fn lock() -> MutexGuard<'static, Driver> {
    // A panic inside of a call was stopped and told; what others can still do, they may.
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The driver, if nobody has it.
pub(crate) fn try_lock() -> Option<MutexGuard<'static, Driver>> {
    DRIVER.try_lock().ok()
}

/// Wakes whoever waits for a function of the host.
pub(crate) fn host_returned() {
    HOST_RETURNED.notify_all();
}

impl Session {
    fn open(name: &'static str, rule: Rule) -> Answer<Self> {
        if Threads::in_host_function() {
            say(format_args!("{name} was called from a function that a stream called, where no call is permitted"));
            return Err(Code::NOT_PERMITTED);
        }
        let guard = lock();
        let mut session = Session { guard: Some(guard), context: Err(Code::INVALID_CONTEXT), name };
        if rule.enter == Enter::Always {
            return Ok(session);
        }
        if !session.initialised {
            return Err(Code::NOT_INITIALIZED);
        }
        session.context = session.current();
        if matches!(rule.enter, Enter::Context | Enter::Tidy) {
            let context = session.context?;
            session.check_lost()?;
            if rule.enter == Enter::Context {
                session.check_poison(context)?;
            }
            if rule.unsafe_in_capture {
                session.check_capture(context, name)?;
            }
            session.count(rule.counts)?;
        }
        Ok(session)
    }

    /// The current context.
    pub(crate) fn context(&self) -> Answer<ContextId> {
        self.context
    }

    /// Gives the lock away until a function of the host has returned somewhere.
    pub(crate) fn wait_for_host(&mut self) {
        if let Some(guard) = self.guard.take() {
            self.guard = Some(HOST_RETURNED.wait(guard).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Gives the lock away while something of the program runs.
    pub(crate) fn unlocked<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.guard = None;
        let result = run();
        self.guard = Some(lock());
        result
    }
}

/// Runs the body of an exported function.
pub(crate) fn enter(name: &'static str, rule: Rule, body: impl FnOnce(&mut Session) -> Answer) -> u32 {
    let run = || {
        let mut session = Session::open(name, rule)?;
        let answer = body(&mut session);
        if rule.enter == Enter::Tidy {
            let context = session.context;
            return answer.and_then(|()| session.check_poison(context?));
        }
        answer
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(answer) => Code::from(answer).0,
        Err(_) => {
            say(format_args!("{name} panicked: a fault of the emulator"));
            Code::UNKNOWN.0
        }
    }
}

/// Makes exported functions of a table, and the function that finds them by name.
macro_rules! exports {
    ($($rule:ident $name:ident($($argument:ident: $type:ty),* $(,)?) |$session:pat_param| $body:expr;)*) => {
        $(
            /// See the driver's documentation.
            ///
            /// # Safety
            /// Pointers that are not null point to what the driver's documentation says.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case, reason = "the names are C's")]
            #[allow(clippy::too_many_arguments, reason = "the arguments are C's")]
            unsafe extern "C" fn $name($($argument: $type),*) -> u32 {
                crate::export::enter(stringify!($name), crate::export::Rule::$rule, |$session| $body)
            }
        )*

        /// The functions of this table by name.
        pub(crate) const EXPORTS: &[(&str, crate::export::Entry)] = &[
            $((stringify!($name), crate::export::Entry($name as *const ())),)*
        ];
    };
}

pub(crate) use exports;

/// The address of an exported function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(pub(crate) *const ());

// SAFETY: the address of a function, the same for all threads.
unsafe impl Sync for Entry {}
