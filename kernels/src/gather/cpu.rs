pub(crate) fn prepare_gather(
    _: &crate::Gather,
    _: &crate::Step,
    _: crate::cpu::Cpu,
) -> Result<Box<dyn crate::cpu::Launch>, crate::Error> {
    Err(crate::Error::invalid("not there yet"))
}
pub(crate) fn prepare_scatter_add(
    _: &crate::ScatterAdd,
    _: &crate::Step,
    _: crate::cpu::Cpu,
) -> Result<Box<dyn crate::cpu::Launch>, crate::Error> {
    Err(crate::Error::invalid("not there yet"))
}
