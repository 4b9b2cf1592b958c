//! The family on the CPU.

use crate::cpu::{Cpu, Launch};
use crate::{Conv, Error, Step};

pub(crate) fn prepare(_: &Conv, _: &Step, _: Cpu) -> Result<Box<dyn Launch>, Error> {
    Err(Error::invalid("conv has no CPU path yet"))
}
