//! Every form of arithmetic, with the types of its operands and what it is compared with.

use super::form::{Expect, Form, Sources};
use super::{floats, integers};

/// What is expected of the results.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reference {
    One(fn(&Form, &Sources) -> Expect),
    Several(fn(&Form, &Sources) -> Vec<Expect>),
}

/// Forms that are alike.
pub(super) struct Row {
    /// Their opcodes, with choices in braces.
    pub(super) names: &'static str,
    /// Their operands, as [`Form::new`] reads them.
    pub(super) operands: &'static str,
    pub(super) reference: Reference,
    /// How results are compared.
    pub(super) how: &'static str,
}

const BITS: &str = "bit for bit";
const NAN: &str = "bit for bit; NaN of f64 any";
const ANY_NAN: &str = "bit for bit; any NaN";
const FIELD: &str = "bit for bit; a base above 31 is not compared";
const DIVIDE: &str = "bit for bit; division by zero is not compared";

const fn one(
    names: &'static str,
    operands: &'static str,
    reference: fn(&Form, &Sources) -> Expect,
    how: &'static str,
) -> Row {
    Row { names, operands, reference: Reference::One(reference), how }
}

const fn several(
    names: &'static str,
    operands: &'static str,
    reference: fn(&Form, &Sources) -> Vec<Expect>,
    how: &'static str,
) -> Row {
    Row { names, operands, reference: Reference::Several(reference), how }
}

/// Comparisons of floats, and what may be done with the third source.
macro_rules! float_order {
    () => {
        "{eq,ne,lt,le,gt,ge,equ,neu,ltu,leu,gtu,geu,num,nan}"
    };
}

macro_rules! both {
    ($($order:expr, $results:literal, $options:literal, $setp:literal, $set:literal;)*) => {
        [$([
            several(concat!("setp.", $order, $options, ".", $setp), concat!($results, "=T,T"), floats::setp, BITS),
            several(
                concat!("setp.", $order, "{.and,.or,.xor}", $options, ".", $setp),
                concat!($results, "=T,T,pred"), floats::setp, BITS,
            ),
            one(concat!("set.", $order, $options, ".", $set, ".", $setp), "U=T,T", floats::set, BITS),
            one(
                concat!("set.", $order, "{.and,.or,.xor}", $options, ".", $set, ".", $setp),
                "U=T,T,pred", floats::set, BITS,
            ),
        ]),*]
    };
}

/// `setp` and `set`: comparisons, results of `setp`, options, types that are compared, results of `set`.
pub(super) static COMPARISONS: [[Row; 4]; 11] = both! {
    "{eq,ne}", "pred,pred", "", "{b16,u16,s16,b32,u32,s32,b64,u64,s64}", "{u32,s32,f32,f16,bf16}";
    "{lt,le,gt,ge}", "pred,pred", "", "{u16,s16,u32,s32,u64,s64}", "{u32,s32,f32,f16,bf16}";
    "{lo,ls,hi,hs}", "pred,pred", "", "{u16,u32,u64}", "{u32,s32,f32,f16,bf16}";
    float_order!(), "pred,pred", "", "{f32,f64}", "{u32,s32,f32,f16,bf16}";
    float_order!(), "pred,pred", ".ftz", "f32", "{u32,s32,f32,f16}";
    float_order!(), "pred", "", "f16", "{u32,s32,u16,s16,f16,bf16}";
    float_order!(), "pred", ".ftz", "f16", "{u32,s32,u16,s16,f16}";
    float_order!(), "pred", "", "bf16", "{u32,s32,u16,s16,bf16}";
    float_order!(), "pred,pred", "", "f16x2", "{u32,s32,f16x2}";
    float_order!(), "pred,pred", ".ftz", "f16x2", "{u32,s32,f16x2}";
    float_order!(), "pred,pred", "", "bf16x2", "{u32,s32,bf16x2}";
};

const APPROXIMATE: &str = "within PTX's bound; special values bit for bit, NaN any";
const ASSUMED: &str = "within 2^-19, for which PTX gives no bound; special values bit for bit, NaN any";

/// Everything else.
pub(super) static ARITHMETIC: &[Row] = &[
    one("{add,sub,min,max}.{u16,s16,u32,s32,u64,s64}", "T=T,T", integers::arithmetic, BITS),
    one("{add,sub}.sat.s32", "T=T,T", integers::arithmetic, BITS),
    one("{add,min,max}.{u16x2,s16x2}", "T=T,T", integers::arithmetic, BITS),
    one("{min,max}.relu.{s32,s16x2}", "T=T,T", integers::arithmetic, BITS),
    one("{div,rem}.{u16,s16,u32,s32,u64,s64}", "T=T,T", integers::arithmetic, DIVIDE),
    one("{abs,neg}.{s16,s32,s64}", "T=T", integers::arithmetic, BITS),
    one("sad.{u16,s16,u32,s32,u64,s64}", "T=T,T,T", integers::arithmetic, BITS),
    one("mul.{lo,hi}.{u16,s16,u32,s32,u64,s64}", "T=T,T", integers::products, BITS),
    one("mad.{lo,hi}.{u16,s16,u32,s32,u64,s64}", "T=T,T,T", integers::products, BITS),
    one("mad.hi.sat.s32", "T=T,T,T", integers::products, BITS),
    one("mul.wide.{u16,s16,u32,s32}", "W=T,T", integers::products, BITS),
    one("mad.wide.{u16,s16,u32,s32}", "W=T,T,W", integers::products, BITS),
    one("mul24.{lo,hi}.{u32,s32}", "T=T,T", integers::products, BITS),
    one("mad24.{lo,hi}.{u32,s32}", "T=T,T,T", integers::products, BITS),
    one("mad24.hi.sat.s32", "T=T,T,T", integers::products, BITS),
    one("{and,or,xor}.{pred,b16,b32,b64}", "T=T,T", integers::logic, BITS),
    one("not.{pred,b16,b32,b64}", "T=T", integers::logic, BITS),
    one("cnot.{b16,b32,b64}", "T=T", integers::logic, BITS),
    one("mov.{pred,b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64}", "T=T", integers::logic, BITS),
    one("selp.{b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64}", "T=T,T,pred", integers::logic, BITS),
    one("shl.{b16,b32,b64}", "T=T,u32", integers::shifts, BITS),
    one("shr.{b16,u16,s16,b32,u32,s32,b64,u64,s64}", "T=T,u32", integers::shifts, BITS),
    one("shf.{l,r}.{clamp,wrap}.b32", "T=T,T,u32", integers::funnel, BITS),
    one("lop3.b32", "T=T,T,T,table", integers::truth_table, BITS),
    one("{popc,clz}.{b32,b64}", "u32=T", integers::counts, BITS),
    one("brev.{b32,b64}", "T=T", integers::counts, BITS),
    one("bfind{,.shiftamt}.{u32,s32,u64,s64}", "u32=T", integers::counts, BITS),
    one("bfe.{u32,s32,u64,s64}", "T=T,u32,u32", integers::fields, BITS),
    one("bfi.{b32,b64}", "T=T,T,u32,u32", integers::fields, BITS),
    one("prmt.b32{,.f4e,.b4e,.rc8,.ecl,.ecr,.rc16}", "b32=b32,b32,b32", integers::permutation, BITS),
    one("fns.b32", "b32=b32,b32,s32", integers::nth, FIELD),
    one("bmsk.{clamp,wrap}.b32", "T=T,T", integers::masks, BITS),
    one("szext.{clamp,wrap}.{u32,s32}", "T=T,u32", integers::masks, BITS),
    one("dp4a.{u32,s32}.{u32,s32}", "b32=b32,b32,b32", integers::dots, BITS),
    one("dp2a.{lo,hi}.{u32,s32}.{u32,s32}", "b32=b32,b32,b32", integers::dots, BITS),
    one("{add,sub,mul}{,.rn,.rz,.rm,.rp}{,.ftz}{,.sat}.f32", "T=T,T", floats::arithmetic, BITS),
    one("{fma,mad}{.rn,.rz,.rm,.rp}{,.ftz}{,.sat}.f32", "T=T,T,T", floats::arithmetic, BITS),
    one("div{.rn,.rz,.rm,.rp}{,.ftz}.f32", "T=T,T", floats::arithmetic, BITS),
    one("{rcp,sqrt}{.rn,.rz,.rm,.rp}{,.ftz}.f32", "T=T", floats::arithmetic, BITS),
    one("{add,sub,mul}{,.rn,.rz,.rm,.rp}.f64", "T=T,T", floats::arithmetic, NAN),
    one("{fma,mad}{.rn,.rz,.rm,.rp}.f64", "T=T,T,T", floats::arithmetic, NAN),
    one("div{.rn,.rz,.rm,.rp}.f64", "T=T,T", floats::arithmetic, NAN),
    one("{rcp,sqrt}{.rn,.rz,.rm,.rp}.f64", "T=T", floats::arithmetic, NAN),
    one("{add,sub,mul}{,.rn}{,.ftz}{,.sat}.{f16,f16x2}", "T=T,T", floats::arithmetic, BITS),
    one("fma.rn{,.ftz}{,.sat,.relu}.{f16,f16x2}", "T=T,T,T", floats::arithmetic, BITS),
    one("{add,sub,mul}{,.rn}.{bf16,bf16x2}", "T=T,T", floats::arithmetic, BITS),
    one("fma.rn{,.relu}.{bf16,bf16x2}", "T=T,T,T", floats::arithmetic, BITS),
    one("{min,max}{,.ftz}{,.NaN}{,.xorsign.abs}.{f32,f16,f16x2}", "T=T,T", floats::extreme, BITS),
    one("{min,max}{,.NaN}{,.xorsign.abs}.{bf16,bf16x2}", "T=T,T", floats::extreme, BITS),
    one("{min,max}.f64", "T=T,T", floats::extreme, NAN),
    one("{abs,neg}{,.ftz}.{f32,f16,f16x2}", "T=T", floats::signs, ANY_NAN),
    one("{abs,neg}.{f64,bf16,bf16x2}", "T=T", floats::signs, ANY_NAN),
    one("copysign.{f32,f64}", "T=T,T", floats::copysign, BITS),
    one("testp.{finite,infinite,number,notanumber,normal,subnormal}.{f32,f64}", "pred=T", floats::testp, BITS),
    one("slct.{b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64}.s32", "U=U,U,T", floats::slct, BITS),
    one("slct{,.ftz}.{b16,u16,s16,b32,u32,s32,f32,b64,u64,s64,f64}.f32", "U=U,U,T", floats::slct, BITS),
    one("{ex2,lg2,sin,cos,rcp,rsqrt,sqrt}.approx{,.ftz}.f32", "T=T", floats::approximate, APPROXIMATE),
    one("div.{approx,full}{,.ftz}.f32", "T=T,T", floats::approximate, APPROXIMATE),
    one("tanh.approx.{f32,f16,f16x2,bf16,bf16x2}", "T=T", floats::approximate, APPROXIMATE),
    one("ex2.approx.{f16,f16x2}", "T=T", floats::approximate, APPROXIMATE),
    one("ex2.approx.ftz.{bf16,bf16x2}", "T=T", floats::approximate, APPROXIMATE),
    one("rsqrt.approx.f64", "T=T", floats::approximate, APPROXIMATE),
    one("{rcp,rsqrt}.approx.ftz.f64", "T=T", floats::approximate, ASSUMED),
    one("cvt.{u8,u16,u32,u64,s8,s16,s32,s64}.{u8,u16,u32,u64,s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.u8.{u16,u32,u64,s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.u16.{u32,u64,s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.u32.{u64,s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.u64.{s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.s8.{u8,u16,u32,u64,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.s16.{u16,u32,u64,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.s32.{u32,u64,s64}", "U=T", floats::convert, BITS),
    one("cvt.sat.s64.u64", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}{,.sat}.{f16,f64}.{u8,u16,u32,u64,s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}{,.ftz}{,.sat}.f32.{u8,u16,u32,u64,s8,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}.bf16.{u16,u32,u64,s16,s32,s64}", "U=T", floats::convert, BITS),
    one("cvt{.rni,.rzi,.rmi,.rpi}{,.sat}.{u8,u16,u32,u64,s8,s16,s32,s64}.{f16,f64}", "U=T", floats::convert, BITS),
    one("cvt{.rni,.rzi,.rmi,.rpi}{,.ftz}{,.sat}.{u8,u16,u32,u64,s8,s16,s32,s64}.f32", "U=T", floats::convert, BITS),
    one("cvt{.rni,.rzi,.rmi,.rpi}.{u16,u32,u64,s16,s32,s64}.bf16", "U=T", floats::convert, BITS),
    one("cvt{,.sat}.{f16.f16,f64.f16,f64.f64}", "U=T", floats::convert, NAN),
    one("cvt{,.ftz}{,.sat}.{f32.f16,f32.f32,f64.f32}", "U=T", floats::convert, NAN),
    one("cvt.{bf16,f64}.bf16", "U=T", floats::convert, NAN),
    one("cvt{,.ftz}.f32.bf16", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}{,.ftz}{,.sat}.{f16.f32,f32.f64}", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}{,.sat}.f16.f64", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}{,.ftz}.bf16.f32", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz,.rm,.rp}.{bf16.f16,bf16.f64,f16.bf16}", "U=T", floats::convert, BITS),
    one("cvt{.rni,.rzi,.rmi,.rpi}{,.sat}.{f16.f16,f64.f64}", "U=T", floats::convert, NAN),
    one("cvt{.rni,.rzi,.rmi,.rpi}{,.ftz}{,.sat}.f32.f32", "U=T", floats::convert, BITS),
    one("cvt{.rni,.rzi,.rmi,.rpi}.bf16.bf16", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz}{.relu,.satfinite,.relu.satfinite}.{f16,bf16}.f32", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz}{,.relu,.satfinite,.relu.satfinite}.{f16x2,bf16x2}.f32", "U=T,T", floats::convert_two, BITS),
    one("cvt.rna{,.satfinite}.tf32.f32", "U=T", floats::convert, BITS),
    one("cvt{.rn,.rz}{,.relu}.tf32.f32", "U=T", floats::convert, BITS),
    one("cvt.rn.satfinite{,.relu}.{e4m3x2,e5m2x2}.f32", "U=T,T", floats::convert_two, BITS),
    one("cvt.rn.satfinite{,.relu}.{e4m3x2,e5m2x2}.f16x2", "U=T", floats::convert_two, BITS),
    one("cvt.rn{,.relu}.f16x2.{e4m3x2,e5m2x2}", "U=T", floats::convert_two, BITS),
    one("cvt.pack.sat.{u16,s16}.s32", "b32=s32,s32", integers::pack, BITS),
    one("cvt.pack.sat.{u8,s8,u4,s4,u2,s2}.s32.b32", "b32=s32,s32,b32", integers::pack, BITS),
];
