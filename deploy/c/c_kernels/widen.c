/* The number that is stored as `code`. */
static float widen(uint32_t code, const number_format *f)
{
    const uint32_t magnitude = code & (((uint32_t)1 << f->sign) - 1), sign = code >> f->sign << 31;
    float_bits v;
    v.bits = magnitude << f->drop;
    if (v.bits < 0x800000u)
        v.value = (float)magnitude * f->unit;
    else
        v.bits += f->least - 0x800000u;
    v.bits |= sign;
    return v.value;
}
