//! The family on the CPU.

use crate::cpu::{Cpu, Launch};
use crate::{Error, Pool, Step};

pub(crate) fn prepare(_: &Pool, _: &Step, _: Cpu) -> Result<Box<dyn Launch>, Error> {
    Err(Error::invalid("pool has no CPU path yet"))
}
